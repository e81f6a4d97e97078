//! From a text to a valid document: lexical limits → parser → limits → validation → the rules that validation lacks.

use apollo_compiler::Schema;
use apollo_compiler::executable::ExecutableDocument;
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::{DiagnosticList, Valid};

use super::lexical::{Incomplete, Scanned};
use super::limits::{self, Limits, over};
use super::mistakes::{self, Mistake, Refused};
use super::{arguments, lexical};
use crate::operation::collect::{self, Collected, Conditions};

/// Limits on the text of a document; see `[graphql]` in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub max_tokens: usize,
    pub max_nesting: usize,
    pub max_name_bytes: usize,
    pub limits: Limits,
    /// How many values the arguments of an operation may hold.
    pub max_values: usize,
    /// How many mistakes of a document are told.
    pub max_mistakes: usize,
}

/// A schema to validate documents against.
///
/// # Errors
/// Where the text is not the SDL of a valid schema.
pub fn schema(sdl: &str) -> Result<Valid<Schema>, String> {
    // The validator's own introspection types lack this field of the September 2025 specification.
    let sdl = format!("{sdl}\nextend type __Type {{ isOneOf: Boolean }}\n");
    Schema::parse_and_validate(sdl, "schema").map_err(|error| error.errors.to_string())
}

/// What reading a text gives.
#[derive(Debug)]
pub struct Read {
    pub document: Valid<ExecutableDocument>,
    pub tokens: usize,
    /// The operations in their order, with every condition met.
    pub collected: Vec<Collected>,
}

/// Reads a text. `suggest` says whether messages may name fields, arguments and enum values that the caller did not name.
///
/// # Errors
/// `OPERATION_TOO_LARGE` with the limit that the text is over, `GRAPHQL_PARSE_FAILED` and `GRAPHQL_VALIDATION_FAILED` with
/// the places of the mistakes.
pub fn read(schema: &Valid<Schema>, text: &str, settings: &Settings, suggest: bool) -> Result<Read, Refused> {
    let Scanned { extent, text: mended, incomplete } = lexical::scan(text);
    for (name, limit, value) in [
        ("max_tokens", settings.max_tokens, extent.tokens),
        ("max_nesting", settings.max_nesting, extent.nesting),
        ("max_name_bytes", settings.max_name_bytes, extent.longest_name),
    ] {
        if value > limit {
            return Err(over(name, limit, value).into());
        }
    }
    let mended = mended.as_deref().unwrap_or(text);
    let valid = valid(schema, mended, incomplete, settings, suggest);
    let (document, collected) = valid.map_err(|refused| refused.located(text))?;
    Ok(Read { document, tokens: extent.tokens, collected })
}

fn valid(
    schema: &Valid<Schema>,
    text: &str,
    incomplete: Option<Incomplete>,
    settings: &Settings,
    suggest: bool,
) -> Result<(Valid<ExecutableDocument>, Vec<Collected>), Refused> {
    // The nesting was counted; the parser counts a few levels more.
    let parsed = Parser::new().recursion_limit(settings.max_nesting + 8).parse_ast(text, "");
    let ast = parsed.map_err(|error| mistakes::syntax(&error.errors, text))?;
    if let Some(Incomplete { at, expected }) = incomplete {
        return Err(mistakes::syntax_at(text, at, Some(expected)));
    }
    limits::check(&ast, &settings.limits)?;
    let suggest = suggest.then_some(&**schema);
    let invalid = |errors: &DiagnosticList| mistakes::validation(errors, suggest, settings.max_mistakes);
    // What could not be built lacks fields. To validate it as well would tell of variables that are unused only by that.
    let document = ast.to_executable(schema).map_err(|error| invalid(&error.errors))?;
    let document = document.validate(schema).map_err(|error| invalid(&error.errors))?;
    let mut found = arguments::check(schema, &document, suggest.is_some());
    let mut collected = Vec::with_capacity(document.operations.len());
    for operation in document.operations.iter() {
        match collect::collect(schema, &document, operation, Conditions::All, settings.max_values) {
            // What is selected of a union counts for each of its members here, and counted once before.
            Ok(Collected { size, .. }) if size > settings.limits.max_fields => {
                return Err(over("max_fields", settings.limits.max_fields, size).into());
            }
            Ok(operation) => collected.push(operation),
            Err(collect::Error::TooManyValues) => {
                return Err(over("max_values", settings.max_values, settings.max_values + 1).into());
            }
            Err(collect::Error::Conflict(at)) => found.push(Mistake::new(CONFLICT, Some(at))),
        }
    }
    if found.is_empty() { Ok((document, collected)) } else { Err(Refused::invalid(found, settings.max_mistakes)) }
}

/// Two calls under one response key.
pub const CONFLICT: &str = "Two different fields or arguments have the same response key: give one of them an alias.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn fields_of_a_union_count_for_each_of_its_members() {
        let sdl = "type Query { u: U } union U = A | B type A { a: Int } type B { b: Int }";
        let schema = schema(sdl).expect("the schema of this test");
        let read = |max_fields, text| {
            let limits = Limits {
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
                max_values: 100,
                max_mistakes: 20,
            };
            super::read(&schema, text, &settings, true)
        };
        let text = "{ u { s: __typename t: __typename ... on A { a } } }";
        assert_eq!(read(6, text).map(|read| read.collected[0].size).map_err(|refused| refused.code()), Ok(6));
        let refused = read(5, text).expect_err("it is over the limit");
        assert_eq!(refused.code(), ErrorCode::OperationTooLarge);
    }
}
