//! No JSON breaks the coercion of variables to the schema's own input types, and what comes out of it fits them.
#![no_main]

use std::sync::LazyLock;

use async_graphql::Value;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{BaseType, ExecutableDocument, Type};
use customers_gateway::operation::types::{InputType, InputTypes};
use customers_gateway::operation::variables::coerce;
use libfuzzer_sys::fuzz_target;

static TYPES: LazyLock<InputTypes> =
    LazyLock::new(|| InputTypes::from_sdl(&customers_gateway::graphql::sdl()).expect("our own SDL"));

static DOCUMENT: LazyLock<ExecutableDocument> = LazyLock::new(|| {
    parse_query(
        "query ($a: CreateCustomerInput!, $b: UpdateCustomerInput, $c: CustomerFilter, $d: [ID!]! = [], $e: Int = 5,
            $f: [[Float]], $g: DateTime, $h: SortOrder, $i: Boolean, $j: DecideCustomerReviewInput) { a }",
    )
    .expect("a document")
});

fuzz_target!(|text: &str| {
    // As the edge reads them, with its bound on nesting.
    let Ok(serde_json::Value::Object(given)) = serde_json::from_str(text) else { return };
    let (_, operation) = DOCUMENT.operations.iter().next().expect("an operation");
    let definitions = &operation.node.variable_definitions;
    match coerce(&TYPES, definitions, given) {
        Err(failure) => assert!(failure.message.len() < 20_000, "a message that grows with what was sent"),
        Ok(variables) => {
            for definition in definitions {
                let (name, ty) = (&definition.node.name.node, &definition.node.var_type.node);
                match variables.get(name) {
                    Some(value) => assert!(fits(value, ty), "{name}"),
                    None => assert!(ty.nullable, "{name}"),
                }
            }
        }
    }
});

fn fits(value: &Value, ty: &Type) -> bool {
    match (value, &ty.base) {
        (Value::Null, _) => ty.nullable,
        (Value::List(items), BaseType::List(item)) => items.iter().all(|value| fits(value, item)),
        (_, BaseType::List(_)) => false,
        (value, BaseType::Named(name)) => match (TYPES.get(name), value) {
            (Some(InputType::Scalar), Value::Number(number)) => match name.as_str() {
                "Int" => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
                name => name == "Float",
            },
            (Some(InputType::Scalar), Value::Boolean(_)) => name == "Boolean",
            (Some(InputType::Scalar), Value::String(_)) => !matches!(name.as_str(), "Int" | "Float" | "Boolean"),
            (Some(InputType::Enum(words)), Value::Enum(word)) => words.contains(word),
            (Some(InputType::Object { fields, one_of }), Value::Object(object)) => {
                let known = fields.iter().filter(|field| object.contains_key(&field.name)).count();
                let each = fields.iter().all(|field| match object.get(&field.name) {
                    Some(value) => fits(value, &field.ty),
                    None => field.ty.nullable || field.default.is_some(),
                });
                known == object.len() && each && (!one_of || object.len() == 1)
            }
            _ => false,
        },
    }
}
