//! Over HTTP/2 all calls share a connection: the gateway detects a silently dead connection, and opens a new one.

use std::time::{Duration, Instant};

use axum::extract::Request;
use axum_server::tls_rustls::RustlsConfig;
use http::{HeaderName, Version};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::name_of;
use crate::process::Process;
use crate::support::certified::Certified;
use crate::support::stub::{Reply, id_in, person};
use crate::telemetry::Shown;

/// Starts the API over TLS, with HTTP/2 if the client supports it. Returns its address.
pub async fn upstream(certified: &Certified) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tls = RustlsConfig::from_pem_file(certified.certificate(), certified.key()).await.unwrap();
    let router = axum::Router::new().fallback(async |request: Request| {
        assert_eq!(request.version(), Version::HTTP_2);
        let reply = Reply::object(&person(id_in(request.uri().path())));
        let [(_, content_type)] = &reply.headers[..] else { panic!("one header") };
        ([(HeaderName::from_static("content-type"), content_type.clone())], reply.body)
    });
    tokio::spawn(axum_server::from_tcp_rustls(listener, tls).unwrap().serve(router.into_make_service()));
    address
}

/// A proxy that forwards bytes to an address. Each change of the number silences the connections of that moment: they
/// stay open, and forward nothing.
async fn line(to: String) -> (String, watch::Sender<u32>) {
    let (cut, silent) = watch::channel(0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let (to, mut silent) = (to.clone(), silent.clone());
            silent.mark_unchanged();
            tokio::spawn(async move {
                let mut called = TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ended = tokio::io::copy_bidirectional(&mut caller, &mut called) => {}
                    _cut = silent.changed() => std::future::pending().await,
                }
            });
        }
    });
    (format!("https://{address}"), cut)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_http2_connection_is_replaced() {
    let certified = Certified::new();
    let (base, cut) = line(upstream(&certified).await).await;
    let process = Process::start(&[
        ("SSL_CERT_FILE", certified.certificate().to_str().unwrap()),
        ("GATEWAY__UPSTREAM__BASE_URL", &base),
        ("GATEWAY__AUTH__MODE", "passthrough"),
        ("GATEWAY__CACHE__ENABLED", "false"),
        // Far longer than the wait for a ping, so that no timeout of an attempt ends the wait.
        ("GATEWAY__UPSTREAM__TIMEOUT", "40s"),
        ("GATEWAY__SERVER__DEADLINE", "50s"),
    ])
    .await;
    let name = async || {
        let got = process.ask(&name_of(customers_sandbox::seed::ADA), json!({})).await;
        got.json()["data"]["customer"]["name"].as_str().map(str::to_owned)
    };
    assert_eq!(name().await.as_deref(), Some("Ada Example"), "{}", process.said());
    cut.send_modify(|times| *times += 1);
    let began = Instant::now();
    let (first, second) = tokio::join!(name(), name());
    assert_eq!((first.as_deref(), second.as_deref()), (Some("Ada Example"), Some("Ada Example")));
    let shown = Shown::by(&process).await;
    assert!(began.elapsed() < Duration::from_secs(30), "the timeout of the attempt is longer");
    assert!(shown.sum("gateway_upstream_retries_total", &[]) >= 1.0, "{}", process.said());
}
