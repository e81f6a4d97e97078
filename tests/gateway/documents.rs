//! Documents that requests identify by id: those of a manifest, and those that callers register.

use std::time::{Duration, Instant};

use customers_gateway::config::Settings;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::binary::complaint;
use crate::process::{Directory, Process};
use crate::support::gateway::Got;
use crate::support::{Gateway, Sandbox, codes, only_error};

const VIEWER: &str = "{ viewer { subject } }";
const COUNT: &str = "query Count($first: Int!) { customers(first: $first) { totalCount } }";
const DELETE: &str = "mutation { deleteCustomer(input: {id: \"0190b2de-7c11-7c3a-8f10-000000000001\"}) { deletedCustomerId userErrors { code } } }";
const OTHER: &str = "{ __typename }";

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file that is deleted with its test.
struct File(Directory);

impl File {
    fn of(text: &str) -> Self {
        let directory = Directory::new();
        std::fs::write(directory.path("file"), text).unwrap();
        Self(directory)
    }

    fn path(&self) -> String {
        self.0.path("file").to_str().unwrap().to_owned()
    }
}

/// The manifest format of graphql-codegen and Relay.
fn map() -> Value {
    json!({"viewer": VIEWER, sha256(COUNT): COUNT, "delete": DELETE})
}

/// The manifest format of Apollo.
fn apollo() -> Value {
    let operation = |id: &str, kind: &str, body: &str| json!({"id": id, "name": "N", "type": kind, "body": body});
    json!({"format": "apollo-persisted-query-manifest", "version": 1, "operations": [
        operation("viewer", "query", VIEWER),
        operation(&sha256(COUNT), "query", COUNT),
        operation("delete", "mutation", DELETE),
    ]})
}

fn settings(mode: &str, manifest: &str, automatic: u64) -> Settings {
    let toml =
        format!("[documents]\nmode = \"{mode}\"\nmanifest = \"{manifest}\"\nautomatic_max_bytes = {automatic}\n");
    let file = File::of(&toml);
    Settings::load(Some(file.path().as_ref())).unwrap()
}

/// A gateway with this manifest.
async fn knowing(mode: &str, manifest: &Value, automatic: u64) -> (Gateway, Sandbox) {
    let (sandbox, file) = (Sandbox::start().await, File::of(&manifest.to_string()));
    (Gateway::serve(&sandbox.base, &settings(mode, &file.path(), automatic)), sandbox)
}

/// A gateway without a manifest, for which callers may register this many bytes.
async fn taking(automatic: u64) -> (Gateway, Sandbox) {
    let sandbox = Sandbox::start().await;
    (Gateway::serve(&sandbox.base, &settings("off", "", automatic)), sandbox)
}

async fn post(gateway: &Gateway, body: Value) -> Got {
    let request = gateway.post(&body).header("accept", "application/graphql-response+json");
    Got::from(request.send().await.unwrap()).await
}

async fn get(gateway: &Gateway, parameters: &[(&str, &str)]) -> Got {
    let request = gateway.request(Method::GET, "/graphql").query(parameters);
    Got::from(request.header("accept", "application/graphql-response+json").send().await.unwrap()).await
}

fn persisted(hash: &str) -> Value {
    json!({"persistedQuery": {"version": 1, "sha256Hash": hash}})
}

fn served(got: &Got) -> Value {
    let answer = got.json();
    assert_eq!((got.status, &answer["errors"]), (200, &Value::Null), "{answer}");
    answer["data"].clone()
}

fn not_found(got: &Got) -> String {
    let answer = got.json();
    assert_eq!((got.status, codes(&answer)), (400, vec!["PERSISTED_QUERY_NOT_FOUND"]), "{answer}");
    assert_eq!(only_error(&answer)["extensions"]["retryable"], false);
    only_error(&answer)["message"].as_str().unwrap().to_owned()
}

#[rstest]
#[case::a_map(map())]
#[case::apollos(apollo())]
#[tokio::test]
async fn a_trusted_document_runs_by_its_id(#[case] manifest: Value) {
    for mode in ["off", "log", "only"] {
        let (gateway, _sandbox) = knowing(mode, &manifest, 0).await;
        let data = json!({"viewer": {"subject": null}});
        assert_eq!(served(&post(&gateway, json!({"documentId": "viewer"})).await), data);
        assert_eq!(served(&get(&gateway, &[("documentId", "viewer")]).await), data);
        let by_hash = json!({"extensions": persisted(&sha256(COUNT)), "variables": {"first": 1}});
        assert_eq!(served(&post(&gateway, by_hash).await)["customers"]["totalCount"], 250);
        let (hash, upper) =
            (persisted(&sha256(COUNT)).to_string(), persisted(&sha256(COUNT).to_uppercase()).to_string());
        for extensions in [&hash, &upper] {
            let by_get = get(&gateway, &[("extensions", extensions), ("variables", "{\"first\": 1}")]).await;
            assert_eq!(served(&by_get)["customers"]["totalCount"], 250);
        }
        // Its variables, limits and methods are checked like those of any other document.
        let wrong = post(&gateway, json!({"documentId": sha256(COUNT), "variables": {"first": "planted"}})).await;
        assert_eq!(codes(&wrong.json()), ["BAD_USER_INPUT"]);
        assert_eq!(get(&gateway, &[("documentId", "delete")]).await.status, 405);
    }
}

#[tokio::test]
async fn an_unknown_document_id_is_persisted_query_not_found() {
    for mode in ["off", "log", "only"] {
        let (gateway, sandbox) = knowing(mode, &map(), 0).await;
        for body in [json!({"documentId": "planted"}), json!({"extensions": persisted(&sha256(OTHER))})] {
            assert_eq!(not_found(&post(&gateway, body).await), "PersistedQueryNotFound");
        }
        assert_eq!(not_found(&get(&gateway, &[("documentId", "planted")]).await), "PersistedQueryNotFound");
        assert_eq!(sandbox.calls().await, json!({}));
    }
}

#[rstest]
#[case("off", true)]
#[case("log", true)]
#[case("only", false)]
#[tokio::test]
async fn untrusted_documents_follow_documents_mode(#[case] mode: &str, #[case] runs: bool) {
    let (gateway, sandbox) = knowing(mode, &map(), 10_000).await;
    // The text of a trusted document is trusted too.
    served(&post(&gateway, json!({"query": VIEWER})).await);
    // One more space makes it another document, and so does an id of another text.
    let others = [
        json!({"query": OTHER}),
        json!({"query": format!("{VIEWER} ")}),
        json!({"query": OTHER, "documentId": "viewer"}),
        json!({"query": OTHER, "extensions": persisted(&sha256(OTHER))}),
    ];
    for body in others {
        let got = post(&gateway, body).await;
        if runs {
            served(&got);
        } else {
            assert!(not_found(&got).contains("documentId"));
        }
    }
    let got = get(&gateway, &[("query", OTHER)]).await;
    assert_eq!(got.status, if runs { 200 } else { 400 });
    // With `only`, the request did not register the text either.
    assert_eq!(post(&gateway, json!({"extensions": persisted(&sha256(OTHER))})).await.status == 200, runs);
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn an_automatic_persisted_query_runs_by_its_hash() {
    let (gateway, _sandbox) = taking(10_000).await;
    let by_hash = json!({"extensions": persisted(&sha256(OTHER))});
    not_found(&post(&gateway, by_hash.clone()).await);
    let registered = post(&gateway, json!({"query": OTHER, "extensions": persisted(&sha256(OTHER))})).await;
    assert_eq!(served(&registered), json!({"__typename": "Query"}));
    assert_eq!(served(&post(&gateway, by_hash).await), json!({"__typename": "Query"}));
    let extensions = persisted(&sha256(OTHER)).to_string();
    assert_eq!(served(&get(&gateway, &[("extensions", &extensions)]).await), json!({"__typename": "Query"}));
}

#[rstest]
#[case::of_another_text(sha256(VIEWER))]
#[case::of_no_text("planted".to_owned())]
#[case::of_nothing(String::new())]
#[tokio::test]
async fn a_persisted_query_with_a_wrong_hash_is_rejected(#[case] hash: String) {
    let (gateway, sandbox) = taking(10_000).await;
    let got = post(&gateway, json!({"query": COUNT, "variables": {"first": 1}, "extensions": persisted(&hash)})).await;
    let answer = got.json();
    assert_eq!((got.status, codes(&answer)), (400, vec!["BAD_REQUEST"]), "{answer}");
    assert!(!got.text.contains("planted"));
    not_found(&post(&gateway, json!({"extensions": persisted(&hash)})).await);
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn without_apq_clients_get_persisted_query_not_supported() {
    let (gateway, _sandbox) = Gateway::start().await;
    served(&post(&gateway, json!({"query": OTHER, "extensions": persisted(&sha256(OTHER))})).await);
    let answer = post(&gateway, json!({"extensions": persisted(&sha256(OTHER))})).await.json();
    assert_eq!(codes(&answer), ["PERSISTED_QUERY_NOT_SUPPORTED"]);
    // The clients of Apollo and urql look for this message.
    assert_eq!(only_error(&answer)["message"], "PersistedQueryNotSupported");
    // An id of a manifest is not a hash.
    not_found(&post(&gateway, json!({"documentId": "planted"})).await);
}

#[tokio::test]
async fn persisted_queries_are_limited_in_bytes() {
    // A document that exceeds the whole budget runs and is not stored.
    let (gateway, _sandbox) = taking(1_000).await;
    let large = format!("{OTHER} # {}", "x".repeat(2_000));
    served(&post(&gateway, json!({"query": large, "extensions": persisted(&sha256(&large))})).await);
    let started = Instant::now();
    // The store evicts in the background.
    while post(&gateway, json!({"extensions": persisted(&sha256(&large))})).await.status == 200 {
        assert!(started.elapsed() < Duration::from_secs(20), "it is kept");
    }
}

#[tokio::test]
async fn untrusted_documents_are_logged() {
    let file = File::of(&map().to_string());
    let gateway = Process::start(&[
        ("GATEWAY__DOCUMENTS__MODE", "log"),
        ("GATEWAY__DOCUMENTS__MANIFEST", &file.path()),
        ("GATEWAY__DOCUMENTS__AUTOMATIC_MAX_BYTES", "10000"),
    ])
    .await;
    let lines = || gateway.said().matches("an untrusted document ran: the manifest does not list it").count();
    for known in [json!({"query": VIEWER}), json!({"documentId": "viewer"})] {
        assert_eq!(gateway.post(known.to_string()).await.status, 200);
    }
    assert_eq!(lines(), 0);
    let registered = json!({"query": OTHER, "extensions": persisted(&sha256(OTHER))});
    let by_hash = json!({"extensions": persisted(&sha256(OTHER))});
    for (body, told) in [(registered, 1), (by_hash.clone(), 2), (by_hash, 3)] {
        assert_eq!(gateway.post(body.to_string()).await.status, 200);
        assert_eq!(lines(), told);
    }
}

/// The limits apply to a caller's document whether it was registered or not.
#[tokio::test]
async fn a_persisted_query_obeys_the_document_limits() {
    let (gateway, _sandbox) = taking(100_000).await;
    let bomb = format!("{{ {} }}", "__typename ".repeat(101));
    for body in [
        json!({"query": bomb, "extensions": persisted(&sha256(&bomb))}),
        json!({"extensions": persisted(&sha256(&bomb))}),
    ] {
        assert_eq!(codes(&post(&gateway, body).await.json()), ["OPERATION_TOO_LARGE"]);
    }
}

#[rstest]
#[case::no_json("planted")]
#[case::cut_off("{\"a\": \"{ planted")]
#[case::a_list("[\"planted\"]")]
#[case::a_map_of_something_else("{\"a\": {\"planted\": 1}}")]
#[case::another_format("{\"format\": \"planted\", \"operations\": []}")]
#[case::an_id_for_two_documents("{\"a\": \"{ planted }\", \"a\": \"{ b }\"}")]
#[case::apollos_without_bodies(
    "{\"format\": \"apollo-persisted-query-manifest\", \"operations\": [{\"id\": \"planted\"}]}"
)]
#[test]
fn an_invalid_manifest_is_reported_in_one_line(#[case] manifest: &str) {
    let file = File::of(manifest);
    for command in ["serve", "check-config"] {
        let told = complaint(&[command], &[("GATEWAY__DOCUMENTS__MANIFEST", &file.path())]);
        assert!(told.contains("documents.manifest") && told.contains(&file.path()), "{told}");
        assert!(!told.contains("planted"), "a manifest is not quoted: {told}");
    }
}

#[test]
fn a_missing_manifest_is_reported_in_one_line() {
    let told = complaint(&["serve"], &[("GATEWAY__DOCUMENTS__MANIFEST", "/nowhere/documents.json")]);
    assert!(told.contains("documents.manifest") && told.contains("/nowhere/documents.json"), "{told}");
    for mode in ["log", "only"] {
        let told = complaint(&["serve"], &[("GATEWAY__DOCUMENTS__MODE", mode)]);
        assert!(told.contains("GATEWAY__DOCUMENTS__MANIFEST"), "{told}");
    }
}
