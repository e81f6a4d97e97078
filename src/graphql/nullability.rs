//! Fields that are null only together with an error: their directive in the schema, and the non-null types of such
//! fields.
//!
//! Relay, Apollo Kotlin and graphql-codegen read the directive: they generate non-nullable types for such fields if
//! the client handles errors separately. Types that can never be null, such as that of `customers`, need no directive.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, Error, OutputType, Positioned, ServerResult, TypeDirective, Value};

use crate::error::PublicError;

/// Whether a failed field is null whatever its type. The executor adds it to each request.
#[derive(Clone, Copy, Debug)]
pub struct NullOnError(pub bool);

/// A field that can fail and whose type is non-null. In the schema it is a plain `T`.
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

/// Null only if `errors` contains an error with the field's path. `levels` counts lists from the outside; 0 is the
/// field itself.
#[TypeDirective(name = "semanticNonNull", location = "FieldDefinition")]
pub fn semantic_non_null(#[graphql(default_with = "vec![0]")] levels: Vec<i32>) {}
