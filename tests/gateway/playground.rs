//! The page at `/graphiql`: what it is served with, where it is not served, that its tabs are true, and that what is
//! embedded was made of the sources that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use brotli_decompressor::Decompressor;
use customers_gateway::config::{Settings, Switch};
use flate2::read::GzDecoder;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::gateway::Got;
use crate::support::{Gateway, Sandbox};

/// As Chromium opens an address.
const NAVIGATION: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

async fn get(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Got {
    let request = gateway.request(Method::GET, path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Got::from(request.send().await.unwrap()).await
}

/// The files that a page loads.
fn loads(html: &str) -> Vec<&str> {
    let parts = html.split(['"', '\'']).filter(|part| part.starts_with("/graphiql/"));
    parts.collect()
}

#[tokio::test]
async fn the_page_has_a_strict_policy_and_everything_from_here() {
    let (gateway, sandbox) = Gateway::start().await;
    // Somebody follows a link from elsewhere.
    let headers = [("accept", NAVIGATION), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    let got = get(&gateway, "/graphiql", &headers).await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(got.header("cache-control"), Some("no-store"));
    assert!(!got.text.contains("://") && !got.text.contains("{{"), "{}", got.text);
    assert!(got.text.contains("data-upstream=\"sandbox\"") && got.text.contains("data-callers=\"sandbox\""));

    let policy = got.header("content-security-policy").unwrap();
    let directives: BTreeMap<&str, &str> =
        policy.split("; ").map(|directive| directive.split_once(' ').unwrap()).collect();
    let nonce = directives["style-src"].strip_prefix("'self' 'nonce-").unwrap().strip_suffix('\'').unwrap();
    for (name, value) in [
        ("default-src", "'none'"),
        ("script-src", "'self'"),
        ("worker-src", "'self'"),
        ("connect-src", "'self'"),
        ("frame-ancestors", "'none'"),
        ("base-uri", "'none'"),
        ("form-action", "'none'"),
    ] {
        assert_eq!(directives[name], value, "{name}");
    }
    assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{policy}");
    assert!(got.text.contains(&format!("nonce=\"{nonce}\"")));
    let again = get(&gateway, "/graphiql", &[]).await;
    assert!(!again.text.contains(nonce), "each answer has a nonce of its own");

    let loaded = loads(&got.text);
    assert!(loaded.len() >= 3, "{loaded:?}");
    for path in loaded {
        let got = get(&gateway, path, &[]).await;
        assert_eq!((got.status, got.header("x-content-type-options")), (200, Some("nosniff")), "{path}");
    }
    assert_eq!(sandbox.calls().await, json!({}), "opening it costs nothing upstream");
}

#[tokio::test]
async fn files_are_compressed_as_the_caller_likes_and_kept_for_good() {
    let (gateway, _sandbox) = Gateway::start().await;
    let page = get(&gateway, "/graphiql", &[]).await;
    let script = loads(&page.text).into_iter().find(|path| path.ends_with(".js")).unwrap().to_owned();
    let plain = get(&gateway, &script, &[("accept-encoding", "identity")]).await;
    assert_eq!(plain.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(plain.header("content-encoding"), None);
    let client = reqwest::Client::builder().no_proxy().no_brotli().no_gzip().build().unwrap();
    for coding in ["br", "gzip"] {
        let request = client.get(format!("{}{script}", gateway.base)).header("accept-encoding", coding);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], coding);
        let bytes = response.bytes().await.unwrap();
        let mut unpacked = String::new();
        let read = match coding {
            "br" => Decompressor::new(&bytes[..], 4096).read_to_string(&mut unpacked),
            _ => GzDecoder::new(&bytes[..]).read_to_string(&mut unpacked),
        };
        assert!(read.is_ok() && unpacked == plain.text && bytes.len() * 2 < unpacked.len(), "{coding}");
    }
    assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(plain.header("vary"), Some("accept-encoding"));
    let tag = plain.header("etag").unwrap();
    for known in [tag, tag.strip_prefix("W/").unwrap(), "*", &format!("\"other\", {tag}")] {
        let got = get(&gateway, &script, &[("if-none-match", known)]).await;
        assert_eq!((got.status, got.text.as_str(), got.header("etag")), (304, "", Some(tag)), "{known}");
    }
    assert_eq!(get(&gateway, &script, &[("if-none-match", "W/\"other\"")]).await.status, 200);
    let notices = get(&gateway, "/graphiql/licences.txt", &[]).await;
    assert!(notices.text.contains("monaco-editor") && notices.text.contains("SIL OPEN FONT LICENSE"));
    assert_eq!(notices.header("cache-control"), Some("no-cache"));
}

#[rstest]
#[case("/graphiql/")]
#[case("/graphiql/assets")]
#[case("/graphiql/assets/")]
#[case("/graphiql/assets/other.js")]
#[case("/graphiql/index.html")]
#[case("/graphiql/sources.sha256")]
#[case("/graphiql/assets/..%2f..%2fCargo.toml")]
#[case("/GraphiQL")]
#[tokio::test]
async fn unknown_playground_paths_get_404(#[case] path: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    let got = Got::from(gateway.client.get(format!("{}{path}", gateway.base)).send().await.unwrap()).await;
    assert_eq!(got.status, 404, "{}", got.text);
}

#[tokio::test]
async fn the_index_redirects_browsers_to_the_playground() {
    let (gateway, _sandbox) = Gateway::start().await;
    let got = get(&gateway, "/", &[("accept", NAVIGATION)]).await;
    assert_eq!((got.status, got.header("location"), got.header("vary")), (303, Some("/graphiql"), Some("accept")));
    for accept in ["*/*", "application/json"] {
        let got = get(&gateway, "/", &[("accept", accept)]).await;
        assert_eq!((got.status, &got.json()["playground"]), (200, &json!("/graphiql")), "{accept}");
    }
}

/// A gateway whose settings name an upstream on another machine; it is never asked here.
async fn before_a_real_upstream(playground: &str) -> (Gateway, Sandbox) {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("gateway-test-{}.toml", uuid::Uuid::new_v4()));
    let records = folder.join(format!("gateway-test-{}.jsonl", uuid::Uuid::new_v4()));
    let toml = format!(
        "[upstream]\nbase_url = \"https://customers.planted.example\"\n[auth]\nmode = \"passthrough\"\n\
         [audit]\ndestination = \"{}\"\n{playground}",
        records.display(),
    );
    fs::write(&file, toml).unwrap();
    let settings = Settings::load(Some(&file)).unwrap();
    fs::remove_file(&file).unwrap();
    let sandbox = Sandbox::start().await;
    (Gateway::serve(&sandbox.base, &settings), sandbox)
}

#[tokio::test]
async fn the_playground_is_off_by_default_for_a_real_upstream() {
    let (off, _sandbox) = before_a_real_upstream("").await;
    let (forbidden, _sandbox) = Gateway::with(|settings| settings.playground.enabled = Switch::Off).await;
    for gateway in [off, forbidden] {
        assert_eq!(get(&gateway, "/graphiql", &[]).await.status, 404);
        assert_eq!(get(&gateway, "/graphiql/licences.txt", &[]).await.status, 404);
        let got = get(&gateway, "/", &[("accept", NAVIGATION)]).await;
        assert_eq!((got.status, &got.json()["playground"]), (200, &Value::Null));
    }
    let (on, _sandbox) = before_a_real_upstream("[playground]\nenabled = \"on\"\n").await;
    let got = get(&on, "/graphiql", &[]).await;
    assert!(got.text.contains("data-upstream=\"real\"") && got.text.contains("data-callers=\"passthrough\""));
    assert!(!got.text.contains("planted"), "where the upstream is, it does not say");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playground")
}

/// A tab as it is in its files: the document, its variables, and what each operation is said to cost.
struct Tab {
    document: String,
    variables: Value,
    costs: Vec<(String, u64)>,
}

fn tab(name: &str) -> Tab {
    let read = |ending: &str| fs::read_to_string(folder().join(format!("src/tabs/{name}.{ending}"))).unwrap();
    let document = read("graphql");
    assert!(document.starts_with('#'), "{name} begins with what it costs");
    let mut costs = Vec::new();
    let mut said = None;
    for line in document.lines() {
        if let Some((_, cost)) = line.split_once("Costs ").filter(|_| line.starts_with('#')) {
            said = cost.split(' ').next().unwrap().parse().ok();
        } else if line.starts_with("query ") || line.starts_with("mutation ") {
            let operation = line.split([' ', '(']).nth(1).unwrap().to_owned();
            costs.push((operation, said.take().unwrap_or_else(|| panic!("{name}: {line} has no cost"))));
        }
    }
    Tab { document, variables: serde_json::from_str(&read("json")).unwrap(), costs }
}

/// Runs an operation of a tab as the page does; it has to cost what it is said to cost.
async fn run(gateway: &Gateway, tab: &Tab, operation: &str, cost: u64) -> Value {
    let body = json!({"query": tab.document, "variables": tab.variables, "operationName": operation});
    let request = gateway.post(&body).header("gateway-report-upstream", "1").header("sec-fetch-site", "same-origin");
    let answer = Got::from(request.send().await.unwrap()).await.json();
    assert_eq!(answer["errors"], Value::Null, "{operation}: {answer}");
    assert!(!answer.to_string().contains("\"userErrors\":[{"), "{operation}: {answer}");
    let upstream = &answer["extensions"]["upstream"];
    assert_eq!((&upstream["planned"], &upstream["actual"]), (&json!(cost), &json!(cost)), "{operation}");
    answer["data"].clone()
}

#[rstest]
#[case("customer")]
#[case("queue")]
#[case("decide")]
#[case("unmask")]
#[tokio::test]
async fn a_tab_runs_as_it_stands_and_costs_what_it_says(#[case] name: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    let tab = tab(name);
    assert!(!tab.costs.is_empty());
    for (operation, cost) in &tab.costs {
        let data = run(&gateway, &tab, operation, *cost).await;
        assert!(!data.to_string().contains(":null"), "what it asks for is there: {data}");
    }
}

#[test]
fn every_tab_is_tried() {
    let files = fs::read_dir(folder().join("src/tabs")).unwrap().map(|entry| entry.unwrap().path());
    let tabs: BTreeSet<String> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(tabs, ["customer", "decide", "queue", "unmask"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_customer_is_created_decided_and_seen_verified() {
    let (gateway, _sandbox) = Gateway::start().await;
    let mut tab = tab("decide");
    let [(create, first), (decide, second), (see, third)] = tab.costs.clone().try_into().unwrap();
    let created = run(&gateway, &tab, &create, first).await["createCustomer"]["customer"].clone();
    assert_eq!(created["status"], "REVIEW");
    tab.variables["id"] = created["id"].clone();
    run(&gateway, &tab, &decide, second).await;
    let seen = run(&gateway, &tab, &see, third).await["customer"].clone();
    assert_eq!((&seen["id"], &seen["status"]), (&created["id"], &json!("VERIFIED")));
}

/// A bundle of other sources than those that are there is an old one: `npm ci && npm run build` in `playground/`.
#[test]
fn the_bundle_was_made_of_these_sources() {
    let list = fs::read_to_string(folder().join("dist/sources.sha256")).unwrap();
    let listed: BTreeMap<String, String> =
        list.lines().filter_map(|line| line.split_once("  ")).map(|(hash, path)| (path.into(), hash.into())).collect();
    let mut there = BTreeMap::new();
    let mut folders = vec![folder()];
    while let Some(within) = folders.pop() {
        for entry in fs::read_dir(within).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.extend((!["dist", "node_modules"].contains(&name.as_str())).then_some(path));
            } else {
                let digest = Sha256::digest(fs::read(&path).unwrap());
                there.insert(name, digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            }
        }
    }
    assert!(there.len() > 15);
    assert_eq!(listed, there);
}
