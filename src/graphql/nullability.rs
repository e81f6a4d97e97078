//! Fields that are null only together with an error: their mark in the schema, and those whose type says that they never
//! are.
//!
//! Relay, Apollo Kotlin and graphql-codegen read it: their types for such a field are not nullable where the client
//! handles errors apart. Types that can never be null, such as those of `customers`, need no mark.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, Error, OutputType, Positioned, ServerResult, TypeDirective, Value};

use crate::error::PublicError;

/// Whether a failed field is null where it stands, whatever its type says; the executor puts it into each request.
#[derive(Clone, Copy, Debug)]
pub struct NullOnError(pub bool);

/// A field that can fail and whose type cannot be null. In the schema it is just a `T`.
#[derive(Clone, Debug)]
pub struct Fallible<T>(pub Result<T, PublicError>);

impl<T: OutputType> OutputType for Fallible<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let failure = match &self.0 {
            Ok(value) => return value.resolve(ctx, field).await,
            Err(failure) => failure.clone(),
        };
        let error = ctx.set_error_path(Error::from(failure).into_server_error(field.pos));
        if ctx.data_opt::<NullOnError>().is_some_and(|mode| mode.0) {
            ctx.add_error(error);
            return Ok(Value::Null);
        }
        Err(error)
    }
}

/// Null only where an error stands at the field's place in `errors`; `levels` counts lists from the outside, 0 is the
/// field itself.
#[TypeDirective(name = "semanticNonNull", location = "FieldDefinition")]
pub fn semantic_non_null(#[graphql(default_with = "vec![0]")] levels: Vec<i32>) {}
