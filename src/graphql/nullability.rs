//! `@semanticNonNull`: the mark of a field that is null only together with an error.
//!
//! Relay, Apollo Kotlin and graphql-codegen read it: their types for such a field are not nullable where the client
//! handles errors apart. Types that can never be null, such as those of `customers`, need no mark.

use async_graphql::TypeDirective;

/// Null only where an error stands at the field's place in `errors`; `levels` counts lists from the outside, 0 is the
/// field itself.
#[TypeDirective(name = "semanticNonNull", location = "FieldDefinition")]
pub fn semantic_non_null(#[graphql(default_with = "vec![0]")] levels: Vec<i32>) {}
