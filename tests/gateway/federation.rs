//! The gateway as a subgraph: the queries of a supergraph's router, their cost, and that standalone schemas lack these
//! fields.

use std::process::Command;

use customers_gateway::config::{Settings, Switch};
use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use crate::process::Directory;
use crate::support::gateway::send;
use crate::support::{CUSTOMER, Gateway, REVIEW, Sandbox, codes, count, only_error};

/// The form of a router's query: a named operation, with the representations in a variable.
const ENTITIES: &str = "query Desk__customers__1($representations: [_Any!]!) { _entities(representations: $representations) { ... on Customer { __typename id name status } } }";

const NOBODY: &str = "0190b2de-7c11-7c3a-8f10-00000000ffff";

async fn subgraph() -> (Gateway, Sandbox) {
    Gateway::with(|settings| settings.graphql.federation = true).await
}

fn customer(id: impl ToString) -> Value {
    json!({"__typename": "Customer", "id": id.to_string()})
}

async fn entities(gateway: &Gateway, representations: &[Value]) -> Value {
    gateway.ask_with(ENTITIES, json!({"representations": representations})).await
}

async fn reported(gateway: &Gateway, query: &str, variables: Value) -> Value {
    send(gateway.post(&json!({"query": query, "variables": variables})).header("gateway-report-upstream", "1")).await
}

#[tokio::test]
async fn equal_representations_share_a_call_and_keep_their_order() {
    let (gateway, sandbox) = subgraph().await;
    let representations = [customer(REX), customer(ADA), customer(REX), customer(REX)];
    let answer = reported(&gateway, ENTITIES, json!({"representations": representations})).await;
    let found = &answer["data"]["_entities"];
    let ids: Vec<&str> = found.as_array().unwrap().iter().map(|entity| entity["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [REX, ADA, REX, REX].map(|id| id.to_string()));
    assert_eq!((&found[0], &found[1]["__typename"]), (&found[3], &json!("Customer")));
    let report = json!({"planned": 2, "actual": 2, "cached": 0, "shared": 0});
    assert_eq!((&answer["errors"], &answer["extensions"]["upstream"]), (&Value::Null, &report));
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 2}));
}

#[tokio::test]
async fn a_review_inside_an_entity_comes_with_its_customer_in_one_call() {
    let (gateway, sandbox) = subgraph().await;
    let query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { name review { identity { decision } } } } }";
    let answer = reported(&gateway, query, json!({"r": [customer(REX), customer(REX)]})).await;
    assert_eq!(answer["data"]["_entities"][1]["review"]["identity"]["decision"], "ACCEPT", "{answer}");
    assert_eq!(answer["extensions"]["upstream"]["planned"], 1);
    assert_eq!(sandbox.calls().await, json!({REVIEW: 1}));
}

#[tokio::test]
async fn a_missing_entity_is_null_without_an_error() {
    let (gateway, sandbox) = subgraph().await;
    let representations =
        [customer(NOBODY), customer(ADA), customer("no id"), json!({"__typename": "Customer", "id": 7})];
    let answer = entities(&gateway, &representations).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    let found = answer["data"]["_entities"].as_array().unwrap();
    let there: Vec<bool> = found.iter().map(|entity| !entity.is_null()).collect();
    assert_eq!(there, [false, true, false, false]);
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 2}), "what is no UUID is not asked for");
}

#[rstest]
#[case::an_unknown_type(json!({"__typename": "Planted", "id": "planted"}), "`__typename`")]
#[case::no_type(json!({"id": ADA.to_string()}), "`__typename`")]
#[case::no_id(json!({"__typename": "Customer", "email": "planted@example.test"}), "`id`")]
#[case::an_id_that_is_none(json!({"__typename": "Customer", "id": {"planted": true}}), "`id`")]
#[case::no_object(json!("planted"), "an object")]
#[tokio::test]
async fn an_invalid_representation_fails_at_its_path_only(#[case] wrong: Value, #[case] told: &str) {
    let (gateway, _sandbox) = subgraph().await;
    let answer = entities(&gateway, &[customer(ADA), wrong, customer(REX)]).await;
    let error = only_error(&answer);
    assert_eq!((&error["extensions"]["code"], &error["path"]), (&json!("BAD_USER_INPUT"), &json!(["_entities", 1])));
    assert!(error["message"].as_str().unwrap().contains(told) && !answer.to_string().contains("lanted"), "{answer}");
    let found = &answer["data"]["_entities"];
    assert!(found[0]["name"].is_string() && found[1].is_null() && found[2]["name"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_failed_call_fails_its_entity_only() {
    let (gateway, sandbox) = subgraph().await;
    sandbox.fault(json!({"customer_id": REX, "fault": {"status": 500}})).await;
    let answer = entities(&gateway, &[customer(ADA), customer(REX)]).await;
    let error = only_error(&answer);
    assert_eq!((&error["extensions"]["code"], &error["path"]), (&json!("UPSTREAM_ERROR"), &json!(["_entities", 1])));
    assert!(answer["data"]["_entities"][0]["name"].is_string(), "{answer}");
}

#[tokio::test]
async fn representations_are_limited_per_operation() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.graphql.federation = true;
        settings.graphql.executor.max_representations = 4;
    })
    .await;
    let twice = "query ($r: [_Any!]!) { a: _entities(representations: $r) { __typename } ...B } fragment B on Query { b: _entities(representations: $r) { __typename } }";
    let over = |answer: &Value, count: usize| {
        let told = format!("The operation exceeds the limit `max_representations`: {count}, where 4 is the maximum.");
        let error = only_error(answer);
        assert_eq!((&error["extensions"]["code"], &error["message"]), (&json!("OPERATION_TOO_LARGE"), &json!(told)));
    };
    let many = vec![customer(ADA); 5];
    over(&entities(&gateway, &many).await, 5);
    over(&gateway.ask_with(twice, json!({"r": &many[..3]})).await, 6);
    let written = format!("{{__typename: \"Customer\", id: \"{ADA}\"}} ").repeat(5);
    over(&gateway.ask(&format!("{{ _entities(representations: [{written}]) {{ __typename }} }}")).await, 5);
    assert_eq!(sandbox.calls().await, json!({}));
    assert_eq!(entities(&gateway, &many[..4]).await["errors"], Value::Null);
}

#[tokio::test]
async fn entities_count_as_planned_calls_and_rate_limit_units() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.graphql.federation = true;
        settings.graphql.executor.max_upstream_calls = 2;
        settings.rate_limit.enabled = Switch::On;
        settings.rate_limit.units_per_second = 1.try_into().unwrap();
        settings.rate_limit.burst = 5.try_into().unwrap();
    })
    .await;
    let three = [customer(ADA), customer(REX), customer(NOBODY)];
    assert!(entities(&gateway, &three).await.to_string().contains("`max_upstream_calls`: 3"));
    // A variable without a value in the list does not hide the other items.
    let written: String = three.iter().map(|one| format!("{{__typename: \"Customer\", id: {}}} ", one["id"])).collect();
    let hidden = format!(
        "query ($none: ID) {{ _entities(representations: [{written} {{__typename: \"Customer\", id: $none}}]) {{ __typename }} }}"
    );
    assert!(gateway.ask(&hidden).await.to_string().contains("`max_upstream_calls`: 3"));
    assert_eq!(sandbox.calls().await, json!({}));
    assert_eq!(entities(&gateway, &three[..2]).await["errors"], Value::Null);
    assert_eq!(codes(&entities(&gateway, &three[..2]).await), ["RATE_LIMITED"], "three of the five units were taken");
}

#[tokio::test]
async fn representations_may_be_literals() {
    let (gateway, sandbox) = subgraph().await;
    let query = format!(
        "query ($id: ID!) {{ _entities(representations: [{{__typename: \"Customer\", id: $id}}]) {{ ... on Customer {{ name }} }} customer(id: \"{ADA}\") {{ name }} }}"
    );
    let answer = reported(&gateway, &query, json!({"id": ADA.to_string()})).await;
    assert_eq!(answer["data"]["_entities"][0], answer["data"]["customer"], "{answer}");
    assert_eq!((&answer["extensions"]["upstream"]["planned"], count(&sandbox.calls().await, CUSTOMER)), (&json!(1), 1));
}

#[tokio::test]
async fn without_the_setting_there_is_no_subgraph_schema() {
    let (gateway, sandbox) = Gateway::start().await;
    for query in ["{ _service { sdl } }", "{ _entities(representations: []) { __typename } }"] {
        let answer = gateway.ask(query).await;
        assert_eq!((codes(&answer)[0], answer.get("data")), ("GRAPHQL_VALIDATION_FAILED", None), "{answer}");
    }
    let types = gateway.data("{ __schema { types { name } queryType { fields { name } } } }").await.to_string();
    for name in ["_Any", "_Entity", "_Service", "_entities", "_service"] {
        assert!(!types.contains(name), "{name}");
    }
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn the_schema_is_given_to_whom_introspection_is_answered_and_is_what_the_command_prints() {
    let (gateway, _sandbox) = subgraph().await;
    let served = gateway.data("{ _service { sdl } }").await["_service"]["sdl"].as_str().unwrap().to_owned();
    let command =
        Command::new(env!("CARGO_BIN_EXE_customers-gateway")).args(["schema", "--federation"]).output().unwrap();
    assert_eq!(String::from_utf8(command.stdout).unwrap().trim_end(), served.trim_end());
    for part in
        ["extend type Customer @key(fields: \"id\")", "@composeDirective(name: \"@pii\")", "type PageInfo @shareable"]
    {
        assert!(served.contains(part), "{part}");
    }
    assert!(!served.contains("_Any") && !served.contains("_entities"));

    let closed = |settings: &mut Settings| {
        settings.graphql.federation = true;
        settings.graphql.introspection = Switch::Off;
    };
    let (gateway, _sandbox) = Gateway::with(closed).await;
    let answer = gateway.ask("{ _service { sdl } }").await;
    assert_eq!((codes(&answer), &answer["data"]), (vec!["FORBIDDEN"], &Value::Null), "{answer}");
    assert!(!answer.to_string().contains("Customer {"));
    assert_eq!(entities(&gateway, &[customer(ADA)]).await["errors"], Value::Null, "look-ups need no introspection");
}

#[tokio::test]
async fn a_subgraph_serves_the_schema_of_frontends_too_and_every_new_name_says_what_it_is() {
    let query = "{ __schema { queryType { name description fields { name description args { description } } } types { name description } } }";
    let (gateway, _sandbox) = subgraph().await;
    let (ours, _other) = Gateway::start().await;
    let (schema, alone) = (gateway.data(query).await, ours.data(query).await);
    let (here, there) = (&schema["__schema"]["queryType"], &alone["__schema"]["queryType"]);
    assert_eq!((&here["name"], &here["description"]), (&there["name"], &there["description"]));
    let fields = here["fields"].as_array().unwrap();
    for field in there["fields"].as_array().unwrap() {
        assert!(fields.contains(field), "{field}");
    }
    let new: Vec<&Value> = fields.iter().filter(|field| field["name"].as_str().unwrap().starts_with('_')).collect();
    assert_eq!(new.len(), 2);
    assert!(new.iter().all(|field| field["description"].is_string()), "{new:?}");
    let types = schema["__schema"]["types"].as_array().unwrap();
    for name in ["_Any", "_Entity", "_Service"] {
        let found = types.iter().find(|found| found["name"] == name);
        assert!(found.is_some_and(|found| found["description"].is_string()), "{name}");
    }
}

#[tokio::test]
async fn trusted_documents_apply_to_routers_too() {
    let directory = Directory::new();
    let (manifest, file) = (directory.path("manifest.json"), directory.path("settings.toml"));
    std::fs::write(&manifest, json!({"one": "{ __typename }"}).to_string()).unwrap();
    let toml = format!(
        "[graphql]\nfederation = true\n[documents]\nmode = 'only'\nmanifest = '{}'\n",
        manifest.to_str().unwrap()
    );
    std::fs::write(&file, toml).unwrap();
    let sandbox = Sandbox::start().await;
    let gateway = Gateway::serve(&sandbox.base, &Settings::load(Some(&file)).unwrap());
    assert_eq!(codes(&entities(&gateway, &[customer(ADA)]).await), ["PERSISTED_QUERY_NOT_FOUND"]);
}
