//! The schema: its export is up to date, and all its elements have descriptions.

use std::fs;

use serde_json::Value;

use crate::support::Gateway;

/// The introspection query of clients in its longest form (graphql-js 16, with all options on).
const INTROSPECTION: &str = include_str!("introspection.graphql");

async fn introspected() -> Value {
    let (gateway, _sandbox) = Gateway::start().await;
    gateway.data(INTROSPECTION).await["__schema"].clone()
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn the_exported_schema_is_the_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let kept = fs::read_to_string(path).unwrap();
    let sdl = customers_gateway::graphql::sdl();
    assert!(
        kept.trim_end() == sdl.trim_end(),
        "schema.graphql is not the schema any more: refresh it by `cargo run -- schema > schema.graphql`"
    );
}

#[tokio::test]
async fn the_whole_schema_can_be_asked_for() {
    let schema = introspected().await;
    assert_eq!(
        (&schema["queryType"]["name"], &schema["mutationType"]["name"]),
        (&Value::from("Query"), &Value::from("Mutation"))
    );
    let named = |name: &str| items(&schema, "types").iter().find(|found| found["name"] == name).unwrap().clone();
    assert_eq!(named("ComplianceProfileInput")["isOneOf"], true);
    assert!(named("DateTime")["specifiedByURL"].as_str().unwrap().starts_with("https://scalars.graphql.org/"));
    assert_eq!(items(&named("MutationPayload"), "possibleTypes").len(), 6);
    let directives: Vec<&str> =
        items(&schema, "directives").iter().map(|found| found["name"].as_str().unwrap()).collect();
    for directive in ["include", "skip", "deprecated", "specifiedBy", "oneOf"] {
        assert!(directives.contains(&directive), "{directives:?}");
    }
}

#[tokio::test]
async fn every_schema_element_has_a_description() {
    let schema = introspected().await;
    let mut silent = Vec::new();
    let mut check = |place: String, element: &Value| {
        if element["description"].as_str().is_none_or(|text| text.trim().len() < 3) {
            silent.push(place);
        }
    };
    let own = items(&schema, "types").iter().filter(|found| {
        let name = found["name"].as_str().unwrap();
        !name.starts_with("__") && !["Boolean", "Float", "ID", "Int", "String"].contains(&name)
    });
    let mut count = 0;
    for found in own {
        let name = found["name"].as_str().unwrap();
        count += 1;
        check(name.to_owned(), found);
        for part in ["fields", "inputFields", "enumValues"] {
            for element in items(found, part) {
                let place = format!("{name}.{}", element["name"].as_str().unwrap());
                for argument in items(element, "args") {
                    check(format!("{place}({})", argument["name"].as_str().unwrap()), argument);
                }
                check(place, element);
            }
        }
    }
    assert!(count > 60, "{count} types");
    assert_eq!(silent, Vec::<String>::new());
}
