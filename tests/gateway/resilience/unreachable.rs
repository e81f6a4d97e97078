//! An upstream that cannot be reached: the log has the cause, and the connection may use a proxy.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::process::Process;
use crate::support::certified::Certified;
use crate::support::{CUSTOMER, Reply, Sandbox, Stub};

/// The log line of a gateway for an upstream that it cannot reach.
async fn said_of(base: &str, settings: &[(&str, &str)]) -> String {
    let own = [
        ("GATEWAY__UPSTREAM__BASE_URL", base),
        ("GATEWAY__AUTH__MODE", "passthrough"),
        ("GATEWAY__UPSTREAM__MAX_ATTEMPTS", "1"),
        ("GATEWAY__UPSTREAM__CONNECT_TIMEOUT", "20s"),
        ("GATEWAY__UPSTREAM__TIMEOUT", "25s"),
        ("GATEWAY__SERVER__DEADLINE", "30s"),
    ];
    let process = Process::start(&[&own, settings].concat()).await;
    let got = process.ask("{ customers { totalCount } }", json!({})).await;
    assert_eq!(got.code(), "UPSTREAM_UNAVAILABLE", "{}", got.text);
    let said = process.said();
    let line = said.lines().find(|line| line.contains("upstream call failed")).unwrap_or_else(|| panic!("{said}"));
    line.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_why_no_connection_could_be_made() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = said_of(&format!("https://{nowhere}"), &[]).await;
    assert!(refused.contains("cannot be reached: the connection was refused"), "{refused}");
    // This domain never exists (RFC 2606).
    let no_name = said_of("https://nowhere.invalid", &[]).await;
    assert!(no_name.contains("cannot be reached: its name cannot be looked up"), "{no_name}");
    let plain = Stub::start(|_| Reply::json(200, &json!({}))).await;
    let no_tls = said_of(&plain.base.replace("http://", "https://"), &[]).await;
    assert!(no_tls.contains("cannot be reached: it does not speak TLS"), "{no_tls}");
    let certified = Certified::new();
    let server = super::http2::upstream(&certified).await;
    let stranger = said_of(&format!("https://{server}"), &[]).await;
    assert!(stranger.contains("an authority that this machine does not trust"), "{stranger}");
    for line in [refused, no_name, no_tls, stranger] {
        assert!(!line.contains("127.0.0.1") && !line.contains("nowhere"), "no address is logged: {line}");
    }
}

/// A proxy that rejects every connection, and the requests that it received.
async fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            all.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            let _gone = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_calls_use_the_configured_proxy() {
    let (address, asked) = proxy().await;
    let url = format!("http://planted:secret-planted@{address}");
    let line = said_of("https://api.example.test", &[("GATEWAY__UPSTREAM__PROXY", &url)]).await;
    assert!(line.contains("the proxy does not let the connection through"), "{line}");
    let line = said_of(
        "https://other.example.test",
        &[("GATEWAY__UPSTREAM__PROXY", "environment"), ("HTTPS_PROXY", &url), ("NO_PROXY", "internal.example.test")],
    )
    .await;
    assert!(line.contains("the proxy does not let the connection through"), "{line}");
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for (head, host) in asked.iter().zip(["api", "other"]) {
        assert!(head.starts_with(&format!("CONNECT {host}.example.test:443 HTTP/1.1\r\n")), "{head}");
        assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic "), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_not_asked_for_this_machine_or_what_is_excepted_or_without_the_setting() {
    let (address, asked) = proxy().await;
    let url = format!("http://{address}");
    let sandbox = Sandbox::start().await;
    let near = [("GATEWAY__UPSTREAM__BASE_URL", sandbox.base.as_str()), ("GATEWAY__UPSTREAM__PROXY", &url)];
    let process = Process::start(&near).await;
    let answer = process.ask("{ customers { totalCount } }", json!({})).await.json();
    assert_eq!(answer["data"]["customers"]["totalCount"], 250);
    // This domain never exists (RFC 2606).
    let far = "https://nowhere.invalid";
    let excepted = [("GATEWAY__UPSTREAM__PROXY", url.as_str()), ("GATEWAY__UPSTREAM__NO_PROXY", "localhost, invalid")];
    for settings in [&excepted[..], &[("HTTPS_PROXY", &url), ("ALL_PROXY", &url)]] {
        let line = said_of(far, settings).await;
        assert!(line.contains("its name cannot be looked up"), "{line}");
    }
    assert_eq!(asked.lock().unwrap().len(), 0);
}

#[test]
fn an_invalid_proxy_is_rejected_and_not_shown() {
    for proxy in ["planted", "socks5://planted:1080", "http://"] {
        let told = crate::binary::complaint(&["check-config"], &[("GATEWAY__UPSTREAM__PROXY", proxy)]);
        assert!(told.contains("upstream.proxy (GATEWAY__UPSTREAM__PROXY)") && !told.contains("planted"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_call_counts_as_one_call() {
    let sandbox = Sandbox::start().await;
    let process = Process::start(&[("GATEWAY__UPSTREAM__BASE_URL", &sandbox.base)]).await;
    sandbox.fault(json!({"route": CUSTOMER, "times": 2, "fault": {"status": 503}})).await;
    let query = "query($id: ID!) { customer(id: $id) { name } }";
    let got = process.ask(query, json!({"id": process.somebody_else()})).await;
    assert_eq!(got.json()["errors"], Value::Null, "{}", got.text);
    let said = process.said();
    let mut lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.rfind(|line| line["message"] == "request").unwrap();
    assert_eq!(line["upstream_calls"], 1, "{line}");
    let shown = crate::telemetry::Shown::by(&process).await;
    let route = [("route", CUSTOMER)];
    assert_eq!(shown.sum("gateway_upstream_calls_total", &route), 1.0);
    assert_eq!(shown.sum("gateway_upstream_attempts_total", &route), 3.0);
}
