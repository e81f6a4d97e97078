//! Parses and validates a text: lexical limits → parser → limits → validation → the rules that the validator lacks.

use apollo_compiler::Schema;
use apollo_compiler::executable::ExecutableDocument;
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::{DiagnosticList, Valid};
use serde::Deserialize;

use super::errors::{self, DocumentError, RequestError};
use super::lexical::{Incomplete, LexicalScan};
use super::limits::{self, DocumentLimits, exceeded};
use super::{arguments, lexical};
use crate::operation::document::collect::{self, CollectedOperation, Conditions};
use crate::setting;

/// Limits on the text of a document; see `[graphql]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Settings {
    #[serde(deserialize_with = "setting::positive")]
    pub max_tokens: usize,
    // Above 200, the recursion of the parser would be the limit, which ends the process.
    #[serde(deserialize_with = "setting::within::<_, _, 1, 200>")]
    pub max_nesting: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_name_bytes: usize,
    #[serde(flatten)]
    pub limits: DocumentLimits,
    /// How many values the arguments of an operation may hold.
    #[serde(deserialize_with = "setting::positive")]
    pub max_argument_values: usize,
    /// How many mistakes of a document are told.
    #[serde(deserialize_with = "setting::positive")]
    pub max_validation_errors: usize,
}

/// The schema to validate documents against.
///
/// # Errors
/// If the text is not the SDL of a valid schema.
pub fn schema(sdl: &str) -> Result<Valid<Schema>, String> {
    // The validator's introspection types lack this field of the September 2025 specification.
    let sdl = format!("{sdl}\nextend type __Type {{ isOneOf: Boolean }}\n");
    Schema::parse_and_validate(sdl, "schema").map_err(|error| error.errors.to_string())
}

/// The result of parsing a text.
#[derive(Debug)]
pub struct ParsedDocument {
    pub document: Valid<ExecutableDocument>,
    pub tokens: usize,
    /// The operations in their order, collected with every condition met.
    pub collected: Vec<CollectedOperation>,
}

/// Parses a text. `suggest` says whether messages may contain fields, arguments and enum values that the caller did
/// not write.
///
/// # Errors
/// `OPERATION_TOO_LARGE` with the exceeded limit. `GRAPHQL_PARSE_FAILED` and `GRAPHQL_VALIDATION_FAILED` with the
/// positions of the errors.
pub fn parse(
    schema: &Valid<Schema>,
    text: &str,
    settings: &Settings,
    suggest: bool,
) -> Result<ParsedDocument, RequestError> {
    let LexicalScan { size: extent, text: mended, incomplete } = lexical::scan(text);
    for (name, limit, value) in [
        ("max_tokens", settings.max_tokens, extent.tokens),
        ("max_nesting", settings.max_nesting, extent.nesting),
        ("max_name_bytes", settings.max_name_bytes, extent.longest_name),
    ] {
        if value > limit {
            return Err(exceeded(name, limit, value).into());
        }
    }
    let mended = mended.as_deref().unwrap_or(text);
    let valid = validate(schema, mended, incomplete, settings, suggest);
    let (document, collected) = valid.map_err(|refused| refused.with_positions(text))?;
    Ok(ParsedDocument { document, tokens: extent.tokens, collected })
}

fn validate(
    schema: &Valid<Schema>,
    text: &str,
    incomplete: Option<Incomplete>,
    settings: &Settings,
    suggest: bool,
) -> Result<(Valid<ExecutableDocument>, Vec<CollectedOperation>), RequestError> {
    // The nesting was checked before. The parser counts a few more levels.
    let parsed = Parser::new().recursion_limit(settings.max_nesting + 8).parse_ast(text, "");
    let ast = parsed.map_err(|error| errors::syntax_errors(&error.errors, text))?;
    if let Some(Incomplete { at, expected }) = incomplete {
        return Err(errors::syntax_error_at(text, at, Some(expected)));
    }
    limits::check(&ast, &settings.limits)?;
    let suggest = suggest.then_some(&**schema);
    let invalid = |errors: &DiagnosticList| errors::from_validator(errors, suggest, settings.max_validation_errors);
    // A document that could not be built lacks fields. Its validation would report variables as unused that these
    // fields use.
    let document = ast.to_executable(schema).map_err(|error| invalid(&error.errors))?;
    let document = document.validate(schema).map_err(|error| invalid(&error.errors))?;
    let mut found = arguments::check(schema, &document, suggest.is_some());
    let mut collected = Vec::with_capacity(document.operations.len());
    for operation in document.operations.iter() {
        match collect::collect(schema, &document, operation, Conditions::All, settings.max_argument_values) {
            // Here the selection of a union counts for each of its members. The limits above counted it once.
            Ok(CollectedOperation { field_count: size, .. }) if size > settings.limits.max_fields => {
                return Err(exceeded("max_fields", settings.limits.max_fields, size).into());
            }
            Ok(operation) => collected.push(operation),
            Err(collect::CollectError::TooManyValues) => {
                return Err(exceeded(
                    "max_argument_values",
                    settings.max_argument_values,
                    settings.max_argument_values + 1,
                )
                .into());
            }
            Err(collect::CollectError::ConflictingFields(at)) => {
                found.push(DocumentError::new(CONFLICTING_FIELDS, Some(at)))
            }
        }
    }
    if found.is_empty() {
        Ok((document, collected))
    } else {
        Err(RequestError::validation_errors(found, settings.max_validation_errors))
    }
}

/// The message for two calls under one response key.
pub const CONFLICTING_FIELDS: &str =
    "Two different fields or arguments have the same response key: give one of them an alias.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn fields_of_a_union_count_for_each_of_its_members() {
        let sdl = "type Query { u: U } union U = A | B type A { a: Int } type B { b: Int }";
        let schema = schema(sdl).expect("the schema of this test");
        let read = |max_fields, text| {
            let limits = DocumentLimits {
                max_depth: 24,
                max_fields,
                max_aliases: 100,
                max_root_fields: 100,
                max_directives: 100,
                max_introspection_depth: 4,
                max_operations: 50,
            };
            let settings = Settings {
                max_tokens: 1_000,
                max_nesting: 64,
                max_name_bytes: 128,
                limits,
                max_argument_values: 100,
                max_validation_errors: 20,
            };
            super::parse(&schema, text, &settings, true)
        };
        let text = "{ u { s: __typename t: __typename ... on A { a } } }";
        assert_eq!(read(6, text).map(|read| read.collected[0].field_count).map_err(|refused| refused.code()), Ok(6));
        let refused = read(5, text).expect_err("it is over the limit");
        assert_eq!(refused.code(), ErrorCode::OperationTooLarge);
    }
}
