//! `Server-Timing`: off by default, and without names of operations.

use crate::support::gateway::{Gateway, Got};
use serde_json::json;

const QUERY: &str = "query Planted { customers(first: 2) { totalCount nodes { id } } }";

#[tokio::test]
async fn server_timing_is_sent_only_if_the_setting_is_on() {
    let (gateway, _sandbox) = Gateway::start().await;
    let got = Got::from(gateway.post(&json!({ "query": QUERY })).send().await.unwrap()).await;
    assert_eq!(got.header("server-timing"), None);

    let (gateway, _sandbox) = Gateway::with(|settings| settings.http.server_timing = true).await;
    let timing = async |body| {
        let got = Got::from(gateway.post(&body).send().await.unwrap()).await;
        got.header("server-timing").unwrap().to_owned()
    };
    let first = timing(json!({ "query": QUERY })).await;
    assert!(first.starts_with("total;dur=") && first.contains(", prepare;dur="), "{first}");
    assert!(first.contains(", upstream;dur=") && first.contains("desc=\"1 call\""), "{first}");
    let again = timing(json!({ "query": QUERY })).await;
    assert!(!again.contains("upstream") && again.contains("cache;desc=\"1 kept\""), "{again}");
    let wrong = timing(json!({ "query": "{ not" })).await;
    assert!(wrong.starts_with("total;dur=") && !wrong.contains(", "), "{wrong}");
    assert!(![first, again].iter().any(|value| value.contains("Planted") || value.contains("customers")));
}
