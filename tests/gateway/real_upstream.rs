//! Which upstream counts as real: every configured one, except one that proves to be the sandbox.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::binary::complaint;
use crate::process::Process;
use crate::support::{Reply, Sandbox, Stub};

async fn refused(variables: &[(&str, &str)]) -> String {
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let told = tokio::task::spawn_blocking(move || {
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        complaint(&["serve"], &variables)
    });
    told.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_mode_rejects_a_local_upstream_that_is_not_the_sandbox() {
    let html = || Reply::new(200, "text/html", "<html>a page for every path</html>");
    let replies: [fn() -> Reply; 4] = [
        || Reply::json(404, &json!({"message": "no Route matched"})),
        || Reply::json(200, &json!({"data": [], "response_type": "array"})),
        || Reply::json(401, &json!({"total": 1, "calls": {}})),
        || Reply::json(302, &json!({"total": 1, "calls": {}})).header("location", "/_sandbox/other"),
    ];
    for reply in replies.into_iter().chain([html as fn() -> Reply]) {
        let sidecar = Stub::start(move |_| reply()).await;
        let told = refused(&[("GATEWAY__UPSTREAM__BASE_URL", &sidecar.base)]).await;
        assert!(told.contains("auth.mode (GATEWAY__AUTH__MODE)") && told.contains("not the sandbox"), "{told}");
        // The gateway has sent it no credential.
        let seen = sidecar.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].path.as_str(), seen[0].header("authorization")), ("/_sandbox/calls", None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_waits_for_a_sandbox_that_starts_later() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let base = format!("http://{address}");
    let settings = [("GATEWAY__UPSTREAM__BASE_URL", base.as_str())];
    let (sandbox, gateway) = tokio::join!(Sandbox::start_at(&address), Process::start(&settings));
    let answer = gateway.ask("{ customers { totalCount } }", json!({})).await.json();
    assert_eq!(answer["data"]["customers"]["totalCount"], 250);
    drop(sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_caller_keys_every_configured_upstream_is_real() {
    let sandbox = Sandbox::start().await;
    let own = [("GATEWAY__UPSTREAM__BASE_URL", sandbox.base.as_str()), ("GATEWAY__AUTH__MODE", "passthrough")];
    assert!(refused(&own).await.contains("audit.destination (GATEWAY__AUDIT__DESTINATION)"));
    let gateway = Process::start(&own).await;
    assert_eq!(gateway.public("/graphiql").await.status, 404, "no playground");
    let answer = gateway.ask("{ __schema { queryType { name } } }", json!({})).await.json();
    assert_eq!(answer["data"]["__schema"], Value::Null, "no introspection: {answer}");
    let answer = gateway.ask("{ customers { totalCount } }", json!({})).await.json();
    assert_eq!(answer["data"]["customers"]["totalCount"], 250);
}
