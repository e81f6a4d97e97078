//! No JSON breaks the coercion of variables to the schema's own input types, and what comes out of it fits them.
#![no_main]

use std::sync::LazyLock;

use apollo_compiler::Schema;
use apollo_compiler::ast::Type;
use apollo_compiler::executable::ExecutableDocument;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use async_graphql::Value;
use customers_gateway::operation::document::parse;
use customers_gateway::operation::variables::coerce;
use libfuzzer_sys::fuzz_target;

static SCHEMA: LazyLock<Valid<Schema>> =
    LazyLock::new(|| parse::schema(&customers_gateway::graphql::sdl()).expect("our own SDL"));

static DOCUMENT: LazyLock<ExecutableDocument> = LazyLock::new(|| {
    let text =
        "query ($a: CreateCustomerInput!, $b: UpdateCustomerInput, $c: CustomerFilter, $d: [ID!]! = [], $e: Int = 5,
        $f: [[Float]], $g: DateTime, $h: SortOrder, $i: Boolean, $j: DecideCustomerReviewInput) { __typename }";
    ExecutableDocument::parse(&SCHEMA, text, "").expect("a document")
});

fuzz_target!(|text: &str| {
    // As the edge reads them, with its bound on nesting.
    let Ok(serde_json::Value::Object(given)) = serde_json::from_str(text) else { return };
    let definitions = &DOCUMENT.operations.get(None).expect("an operation").variables;
    match coerce(&SCHEMA, definitions, given, true) {
        Err(failure) => assert!(failure.message.len() < 20_000, "a message that grows with what was sent"),
        Ok(variables) => {
            for definition in definitions {
                match variables.get(definition.name.as_str()) {
                    Some(value) => assert!(fits(value, &definition.ty), "{}", definition.name),
                    None => assert!(!definition.ty.is_non_null(), "{}", definition.name),
                }
            }
        }
    }
});

fn fits(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (Value::Null, _) => !ty.is_non_null(),
        (Value::List(items), Type::List(item) | Type::NonNullList(item)) => items.iter().all(|value| fits(value, item)),
        (_, Type::List(_) | Type::NonNullList(_)) => false,
        (value, Type::Named(name) | Type::NonNullNamed(name)) => match (SCHEMA.types.get(name), value) {
            (Some(ExtendedType::Scalar(_)), Value::Number(number)) => match name.as_str() {
                "Int" => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
                name => name == "Float",
            },
            (Some(ExtendedType::Scalar(_)), Value::Boolean(_)) => name == "Boolean",
            (Some(ExtendedType::Scalar(_)), Value::String(_)) => !matches!(name.as_str(), "Int" | "Float" | "Boolean"),
            (Some(ExtendedType::Enum(words)), Value::Enum(word)) => words.values.contains_key(word.as_str()),
            (Some(ExtendedType::InputObject(ty)), Value::Object(object)) => {
                let known = ty.fields.keys().filter(|field| object.contains_key(field.as_str())).count();
                let each = ty.fields.iter().all(|(field, definition)| match object.get(field.as_str()) {
                    Some(value) => fits(value, &definition.ty),
                    None => !definition.is_required(),
                });
                known == object.len() && each && (!ty.directives.has("oneOf") || object.len() == 1)
            }
            _ => false,
        },
    }
}
