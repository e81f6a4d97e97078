//! The permissions of a token also apply to the queries of a supergraph's router.

use customers_sandbox::seed::{ADA, REX};
use serde_json::{Value, json};

use super::provider::{Provider, Signer};
use super::{Gateway, Got, claims, gateway};

async fn subgraph(rsa: &Signer) -> (Gateway, Provider) {
    let provider = Provider::start(&[rsa]).await;
    let more = "[graphql]\nfederation = true\nintrospection = 'off'";
    (gateway(&format!("algorithms = 'RS256'\njwks_url = '{}'\n{more}", provider.url)).await, provider)
}

async fn ask(gateway: &Gateway, rsa: &Signer, permissions: &[&str], query: &str) -> Got {
    let token = rsa.token(&claims(json!({"permissions": permissions})));
    let representations = [ADA, REX].map(|id| json!({"__typename": "Customer", "id": id.to_string()}));
    gateway.ask(&token, None, json!({"query": query, "variables": {"r": representations}})).await
}

#[tokio::test]
async fn entities_need_customers_read_and_reviews_read() {
    let rsa = Signer::rsa();
    let (gateway, _provider) = subgraph(&rsa).await;
    let query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { name review { identity { decision } } } } }";

    let got = ask(&gateway, &rsa, &["REVIEWS_READ"], query).await.json();
    assert_eq!((&got["data"], &got["errors"][0]["path"]), (&Value::Null, &json!(["_entities"])), "{got}");
    assert_eq!(got["errors"][0]["extensions"]["permission"], "CUSTOMERS_READ");
    assert_eq!(got["errors"].as_array().unwrap().len(), 1, "{got}");

    let got = ask(&gateway, &rsa, &["CUSTOMERS_READ"], query).await.json();
    let errors = got["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{got}");
    for (at, error) in errors.iter().enumerate() {
        assert_eq!(
            (&error["path"], &error["extensions"]["permission"]),
            (&json!(["_entities", at, "review"]), &json!("REVIEWS_READ"))
        );
    }
    assert!(got["data"]["_entities"][1]["name"].is_string(), "{got}");

    let got = ask(&gateway, &rsa, &["CUSTOMERS_READ", "REVIEWS_READ"], query).await.json();
    assert_eq!(
        (&got["errors"], &got["data"]["_entities"][1]["review"]["identity"]["decision"]),
        (&Value::Null, &json!("ACCEPT"))
    );
}

#[tokio::test]
async fn the_subgraph_schema_needs_introspection_permission() {
    let rsa = Signer::rsa();
    let (gateway, _provider) = subgraph(&rsa).await;
    let query = "{ _service { sdl } }";
    let closed = ask(&gateway, &rsa, &["CUSTOMERS_READ"], query).await;
    assert_eq!((closed.code(), &closed.json()["data"]), (json!("FORBIDDEN"), &Value::Null), "{}", closed.text);
    let open = ask(&gateway, &rsa, &["SCHEMA_INTROSPECT"], query).await.json();
    assert!(open["data"]["_service"]["sdl"].as_str().unwrap().contains("@key(fields: \"id\")"));
}
