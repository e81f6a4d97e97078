//! Coerces variables to the types that the operation declares, before anything runs.
//!
//! The engine coerces them only during execution. Then a missing variable fails a field and not the request, messages
//! repeat the caller's values, and defaults are missing when `@include` and `@skip` are evaluated. This module reports
//! all errors at once, by position and expected type, never by value.

use apollo_compiler::ast::{Type, VariableDefinition};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Node, Schema};
use async_graphql::{Name, Value, Variables};
use serde_json::Value as Json;

use super::document::errors::input_values;
use crate::error::{ErrorCode, PublicError};
use crate::operation::document::collect::const_value;

/// The maximum number of reported errors.
const MAX_ERRORS: usize = 10;

/// The values of all variables that the request gives or that have a default.
///
/// `names` says whether messages may contain names of the schema. They must not if introspection is disabled.
///
/// # Errors
/// `BAD_USER_INPUT` with the errors, up to a limit.
pub fn coerce(
    schema: &Schema,
    definitions: &[Node<VariableDefinition>],
    mut given: serde_json::Map<String, Json>,
    names: bool,
) -> Result<Variables, PublicError> {
    let mut coercion = Coercion { schema, suggest: names, errors: Vec::new() };
    let mut variables = Variables::default();
    for definition in definitions {
        let (name, ty) = (&definition.name, &definition.ty);
        let place = format!("${name}");
        let value = match (given.remove(name.as_str()), &definition.default_value) {
            (Some(json), _) => coercion.value(json, ty, &place),
            (None, Some(default)) => const_value(default),
            (None, None) if !ty.is_non_null() => continue,
            (None, None) => {
                coercion.record(&place, &format!("is required and has the type `{ty}`"));
                continue;
            }
        };
        variables.insert(Name::new(name), value);
    }
    match coercion.errors.as_slice() {
        [] => Ok(variables),
        mistakes => Err(PublicError::new(ErrorCode::BadUserInput, mistakes.join(" "))),
    }
}

struct Coercion<'a> {
    schema: &'a Schema,
    suggest: bool,
    errors: Vec<String>,
}

impl Coercion<'_> {
    fn record(&mut self, place: &str, problem: &str) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(format!("Variable `{place}` {problem}."));
        }
    }

    /// Names of the schema for a message, if messages may contain them.
    fn known_names(&self, names: impl FnOnce() -> String) -> String {
        if self.suggest { names() } else { "those that the type has".to_owned() }
    }

    fn record_expected(&mut self, place: &str, ty: &Type, json: &Json) -> Value {
        let found = match json {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number that does not fit",
            Json::String(_) => "a string that does not fit",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        };
        self.record(place, &format!("must be `{ty}`, and is {found}"));
        Value::Null
    }

    fn value(&mut self, json: Json, ty: &Type, place: &str) -> Value {
        match (ty, json) {
            (ty, Json::Null) if !ty.is_non_null() => Value::Null,
            (ty, Json::Null) => self.record_expected(place, ty, &Json::Null),
            (Type::List(item) | Type::NonNullList(item), Json::Array(items)) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(i, json)| self.value(json, item, &format!("{place}.{i}")))
                    .collect(),
            ),
            // A single value is coerced to a list of one.
            (Type::List(item) | Type::NonNullList(item), json) => Value::List(vec![self.value(json, item, place)]),
            (Type::Named(name) | Type::NonNullNamed(name), json) => self.named(json, name, ty, place),
        }
    }

    fn named(&mut self, json: Json, name: &str, ty: &Type, place: &str) -> Value {
        let schema = self.schema;
        match (schema.types.get(name), json) {
            (Some(ExtendedType::Scalar(_)), json) => match scalar(name, json) {
                Ok(value) => value,
                Err(json) => self.record_expected(place, ty, &json),
            },
            (Some(ExtendedType::Enum(words)), Json::String(word)) if words.values.contains_key(word.as_str()) => {
                Value::Enum(Name::new(word))
            }
            (Some(ExtendedType::Enum(words)), Json::String(_)) => {
                let known = self.known_names(|| input_values(words));
                self.record(place, &format!("must be one of {known}"));
                Value::Null
            }
            (Some(ExtendedType::InputObject(object)), Json::Object(mut given)) => {
                let fields = || object.fields.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                if object.directives.has("oneOf") && (given.len() != 1 || given.values().any(Json::is_null)) {
                    let known = self.known_names(fields);
                    self.record(place, &format!("must have exactly one of {known}, and not null"));
                    return Value::Null;
                }
                let mut values = async_graphql::indexmap::IndexMap::new();
                let parent = place;
                for (field, definition) in &object.fields {
                    let place = format!("{parent}.{field}");
                    match given.remove(field.as_str()) {
                        Some(json) => {
                            values.insert(Name::new(field), self.value(json, &definition.ty, &place));
                        }
                        None if !definition.is_required() => {}
                        None if self.suggest => {
                            self.record(&place, &format!("is required and has the type `{}`", definition.ty));
                        }
                        // Without names the message says only that a field is missing, not which.
                        None => self.record(parent, "lacks a required field"),
                    }
                }
                if !given.is_empty() {
                    let known = self.known_names(fields);
                    self.record(place, &format!("has a field that `{name}` does not have; it has {known}"));
                }
                Value::Object(values)
            }
            (_, json) => self.record_expected(place, ty, &json),
        }
    }
}

/// The value of a scalar, or the JSON if it does not fit.
fn scalar(name: &str, json: Json) -> Result<Value, Json> {
    match (name, json) {
        ("Int", Json::Number(number)) => whole_number(&number).map(Value::from).ok_or(Json::Number(number)),
        ("Float", Json::Number(number)) => Ok(Value::Number(number)),
        ("Boolean", Json::Bool(value)) => Ok(Value::Boolean(value)),
        ("ID", Json::Number(number)) if number.is_i64() || number.is_u64() => Ok(Value::String(number.to_string())),
        ("Int" | "Float" | "Boolean", json) => Err(json),
        // Representations of entities. Their resolver checks each of them.
        ("_Any", json) => Value::from_json(json).map_err(|_| Json::Null),
        (_, Json::String(text)) => Ok(Value::String(text)),
        (_, json) => Err(json),
    }
}

/// An integer of 32 bits. `2.0` is one.
fn whole_number(number: &serde_json::Number) -> Option<i32> {
    if let Some(whole) = number.as_i64() {
        return i32::try_from(whole).ok();
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked just before")]
    (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&float).then_some(float as i32)
}

#[cfg(test)]
mod tests {
    use apollo_compiler::ExecutableDocument;
    use apollo_compiler::validation::Valid;
    use rstest::rstest;

    use super::*;

    const SDL: &str = r"
        type Query { a(f: Float): Int }
        input Box @oneOf { text: String number: Int }
        input Thing { id: ID! count: Int = 3 colour: Colour boxes: [Box!] }
        directive @oneOf on INPUT_OBJECT
        enum Colour { RED GREEN UNRECOGNIZED }
        scalar Date
        scalar _Any
    ";

    fn coerced(declared: &str, given: &str) -> Result<Json, String> {
        let schema = crate::operation::document::parse::schema(SDL).expect("the schema of this test");
        let document =
            ExecutableDocument::parse(Valid::assume_valid_ref(&schema), format!("query ({declared}) {{ a }}"), "");
        let document = document.expect("the query of this test");
        let operation = document.operations.get(None).expect("one operation");
        let given = serde_json::from_str(given).expect("the variables of this test");
        let variables = coerce(&schema, &operation.variables, given, true);
        variables
            .map(|variables| serde_json::to_value(&variables).expect("JSON"))
            .map_err(|failure| failure.message.into_owned())
    }

    #[rstest]
    #[case("$a: Int = 5", "{}", r#"{"a": 5}"#)]
    #[case("$a: Int = 5", r#"{"a": null}"#, r#"{"a": null}"#)]
    #[case("$a: Int", "{}", "{}")]
    #[case("$a: [Int!]", r#"{"a": 1}"#, r#"{"a": [1]}"#)]
    #[case("$a: Int", r#"{"a": 2.0}"#, r#"{"a": 2}"#)]
    #[case("$a: ID", r#"{"a": 7}"#, r#"{"a": "7"}"#)]
    #[case("$a: Float", r#"{"a": 7}"#, r#"{"a": 7}"#)]
    #[case(
        "$a: Thing",
        r#"{"a": {"id": "x", "colour": "RED", "boxes": {"text": "t"}}}"#,
        r#"{"a": {"id": "x", "colour": "RED", "boxes": [{"text": "t"}]}}"#
    )]
    #[case("$a: Date", r#"{"a": "2020-01-01", "unknown": 1}"#, r#"{"a": "2020-01-01"}"#)]
    #[case("$a: [_Any!]!", r#"{"a": [{"id": "x", "n": [1.5]}, 7]}"#, r#"{"a": [{"id": "x", "n": [1.5]}, 7]}"#)]
    fn what_fits_is_taken(#[case] declared: &str, #[case] given: &str, #[case] expected: &str) {
        let expected: Json = serde_json::from_str(expected).expect("JSON");
        assert_eq!(coerced(declared, given), Ok(expected));
    }

    #[rstest]
    #[case("$a: Int!", "{}", "Variable `$a` is required and has the type `Int!`.")]
    #[case("$a: Int!", r#"{"a": null}"#, "Variable `$a` must be `Int!`, and is null.")]
    #[case("$a: Int", r#"{"a": 3000000000}"#, "Variable `$a` must be `Int`, and is a number that does not fit.")]
    #[case("$a: String", r#"{"a": 1}"#, "Variable `$a` must be `String`, and is a number that does not fit.")]
    #[case(
        "$a: [Int!]",
        r#"{"a": [1, "secret"]}"#,
        "Variable `$a.1` must be `Int!`, and is a string that does not fit."
    )]
    #[case("$a: Colour", r#"{"a": "secret"}"#, "Variable `$a` must be one of RED, GREEN.")]
    #[case(
        "$a: Box",
        r#"{"a": {"text": "secret", "number": 1}}"#,
        "Variable `$a` must have exactly one of text, number, and not null."
    )]
    #[case(
        "$a: Thing",
        r#"{"a": {"secret": 1}}"#,
        "Variable `$a.id` is required and has the type `ID!`. Variable `$a` has a field that `Thing` does not have; it has id, count, colour, boxes."
    )]
    #[case("$a: Date", r#"{"a": {"secret": 1}}"#, "Variable `$a` must be `Date`, and is an object.")]
    fn what_does_not_fit_is_told_by_its_place_and_never_by_its_value(
        #[case] declared: &str,
        #[case] given: &str,
        #[case] message: &str,
    ) {
        assert_eq!(coerced(declared, given), Err(message.to_owned()));
        assert!(!message.contains("secret"));
    }
}
