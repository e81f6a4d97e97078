//! Idle, slow and oversized connections are closed, while other clients are served. And TLS.

use std::path::Path;
use std::time::{Duration, Instant};

use customers_gateway::auth::AuthMode;
use reqwest::tls::Version;
use reqwest::{Certificate, Client};
use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::binary::{Serving, complaint};
use crate::process::Process;
use crate::support::certified::Certified;
use crate::support::{Gateway, Sandbox};

/// Short enough for tests, and long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(400);
/// The time limit of each wait.
const PATIENCE: Duration = Duration::from_secs(20);

const HEAD: &str = "POST /graphql HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n";

/// A gateway with short timeouts.
async fn impatient() -> (Gateway, Sandbox) {
    Gateway::with(|settings| {
        settings.server.header_timeout = SHORT;
        settings.server.keep_alive = SHORT;
        settings.server.deadline = SHORT;
    })
    .await
}

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.base.trim_start_matches("http://")).await.unwrap()
}

/// Reads a connection until the gateway closes it.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut told = Vec::new();
    // A reset counts as an end.
    let _ended = timeout(PATIENCE, stream.read_to_end(&mut told)).await.expect("the other side ends it");
    String::from_utf8(told).unwrap()
}

/// One request and its response, on a keep-alive connection.
async fn served_on(stream: &mut TcpStream) {
    let body = json!({"query": "{ __typename }"}).to_string();
    stream.write_all(format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    let mut told = Vec::new();
    while !told.ends_with(br#"{"data":{"__typename":"Query"}}"#) {
        let read = timeout(PATIENCE, stream.read_buf(&mut told)).await.expect("an answer in time").unwrap();
        assert!(read > 0, "closed after: {}", String::from_utf8_lossy(&told));
    }
}

#[rstest]
#[case::nothing("")]
#[case::half_a_line("POST /gra")]
#[case::half_of_the_headers(HEAD)]
#[case::half_the_preface_of_http_2("PRI * HTTP/2.0\r\n\r\nS")]
#[tokio::test]
async fn a_connection_without_a_request_times_out(#[case] said: &str) {
    let (gateway, _sandbox) = impatient().await;
    let mut stream = connect(&gateway).await;
    stream.write_all(said.as_bytes()).await.unwrap();
    let told = until_closed(&mut stream).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
    gateway.data("{ __typename }").await;
}

#[tokio::test]
async fn slow_headers_time_out() {
    let (gateway, _sandbox) = impatient().await;
    let (mut reading, mut writing) = connect(&gateway).await.into_split();
    let drip = tokio::spawn(async move {
        writing.write_all(HEAD.as_bytes()).await.unwrap();
        // Each header arrives within the timeout. Only the whole head takes longer.
        while writing.write_all(b"x-planted: 1\r\n").await.is_ok() {
            sleep(SHORT / 10).await;
        }
    });
    let mut told = Vec::new();
    let _ended = timeout(PATIENCE, reading.read_to_end(&mut told)).await.expect("the gateway ends it");
    timeout(PATIENCE, drip).await.expect("nothing more is taken").unwrap();
}

#[tokio::test]
async fn an_idle_keep_alive_connection_is_closed() {
    let (gateway, _sandbox) = impatient().await;
    let mut stream = connect(&gateway).await;
    served_on(&mut stream).await;
    served_on(&mut stream).await;
    assert_eq!(until_closed(&mut stream).await, "");
}

/// A load balancer holds its connections for a minute or more. It loses requests that it sends on a closing connection.
#[tokio::test]
async fn the_idle_timeout_is_longer_than_the_header_timeout() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.server.header_timeout = SHORT).await;
    let mut kept = connect(&gateway).await;
    served_on(&mut kept).await;
    let (mut requests, connection) = h2::client::handshake(connect(&gateway).await).await.unwrap();
    tokio::spawn(connection);
    let mut live = async || {
        let request = http::Request::get(format!("{}/livez", gateway.base)).body(()).unwrap();
        let (answer, _) = requests.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    };
    live().await;
    // A later connection without a head is closed first.
    for _ in 0..2 {
        until_closed(&mut connect(&gateway).await).await;
    }
    served_on(&mut kept).await;
    live().await;
}

#[tokio::test]
async fn the_header_timeout_applies_to_later_requests() {
    let (gateway, _sandbox) = Gateway::with(|settings| {
        settings.server.header_timeout = SHORT;
        settings.server.keep_alive = Duration::from_secs(3600);
    })
    .await;
    let mut stream = connect(&gateway).await;
    served_on(&mut stream).await;
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    let told = until_closed(&mut stream).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 408"), "{told}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_reset_after_the_write_timeout() {
    let process = Process::start(&[("GATEWAY__SERVER__WRITE_TIMEOUT", "400ms")]).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = process.base().trim_start_matches("http://").parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let script = script(&process).await;
    let length = process.public(&script).await.text.len();
    // More than the socket buffers of both sides can hold.
    let times = 60_000_000 / length;
    let request = format!("GET {script} HTTP/1.1\r\nhost: gateway\r\n\r\n");
    stream.write_all(request.repeat(times).as_bytes()).await.unwrap();
    until_counted(&process, "gateway_write_timeouts_total", 1).await;
    let mut told = Vec::new();
    let _reset = timeout(PATIENCE, stream.read_to_end(&mut told)).await.expect("it is reset");
    assert!(told.len() < times * length, "all of it came: {}", told.len());
    assert_eq!(process.public("/livez").await.status, 200);
}

/// The window of the stream stays full while another stream of the connection is served. The socket is never full.
#[tokio::test]
async fn an_unread_http2_stream_times_out_and_others_continue() {
    let process = Process::start(&[("GATEWAY__SERVER__WRITE_TIMEOUT", "400ms")]).await;
    let stream = TcpStream::connect(process.base().trim_start_matches("http://")).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let (mut requests, connection) =
        builder.initial_window_size(100).handshake::<_, bytes::Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    let mut ask = |path: &str| {
        let request = http::Request::get(format!("{}{path}", process.base())).body(()).unwrap();
        requests.send_request(request, true).unwrap().0
    };
    let answer = ask(&script(&process).await).await.unwrap();
    let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let mut unread = answer.into_body();
    until_counted(&process, "gateway_write_timeouts_total", 1).await;
    // The client cannot read a whole response now.
    let (mut told, mut broken) = (0, false);
    while let Some(part) = timeout(PATIENCE, unread.data()).await.expect("it ends") {
        match part {
            Ok(part) => {
                told += part.len();
                unread.flow_control().release_capacity(part.len()).unwrap();
            }
            Err(_reset) => broken = true,
        }
        if broken {
            break;
        }
    }
    assert!(broken && told < length, "{told} of {length}");
    let other = ask("/livez").await.unwrap();
    assert_eq!(other.status(), 200);
    assert!(timeout(PATIENCE, other.into_body().data()).await.expect("it is read").unwrap().is_ok());
}

/// The path of the script of the playground, which is a large response.
async fn script(process: &Process) -> String {
    let page = process.public("/graphiql").await.text;
    page.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("the page has a script").to_owned()
}

/// Waits until a counter of the process has reached a number.
async fn until_counted(process: &Process, counter: &str, least: u64) {
    timeout(PATIENCE, async {
        loop {
            let metrics = process.admin("/metrics").await.text;
            let line = metrics.lines().find_map(|line| line.strip_prefix(counter)?.trim().parse::<f64>().ok());
            if line.is_some_and(|count| count >= least as f64) {
                return;
            }
            sleep(SHORT / 20).await;
        }
    })
    .await
    .expect("it comes to that");
}

/// HTTP/2 keep-alive alone would not close it, because the client responds to each ping.
#[tokio::test]
async fn an_idle_http2_connection_is_closed_despite_pings() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.server.keep_alive = 5 * SHORT).await;
    let (mut requests, connection) = h2::client::handshake(connect(&gateway).await).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..2 {
        let request = http::Request::get(format!("{}/livez", gateway.base)).body(()).unwrap();
        let (answer, _) = requests.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    let _ended = timeout(PATIENCE, connection).await.expect("the gateway ends it").unwrap();
    gateway.data("{ __typename }").await;
}

#[tokio::test]
async fn an_http2_connection_with_an_open_request_is_not_idle() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.server.header_timeout = SHORT;
        settings.server.keep_alive = SHORT;
    })
    .await;
    sandbox.latency(4 * u64::try_from(SHORT.as_millis()).unwrap()).await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let query = json!({"query": "{ customers(first: 100) { totalCount nodes { id name email } } }"});
    let answer = client.post(format!("{}/graphql", gateway.base)).json(&query).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(answer["data"]["customers"]["totalCount"], 250, "{answer}");
}

#[rstest]
#[case::never("content-length: 1000", "")]
#[case::in_part("content-length: 1000", "{\"query\": \"planted")]
#[case::in_chunks("transfer-encoding: chunked", "5\r\n{\"que\r\n")]
#[tokio::test]
async fn a_missing_body_is_answered_at_the_deadline(#[case] header: &str, #[case] part: &str) {
    let (gateway, _sandbox) = impatient().await;
    let mut stream = connect(&gateway).await;
    stream.write_all(format!("{HEAD}{header}\r\n\r\n{part}").as_bytes()).await.unwrap();
    let told = until_closed(&mut stream).await;
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    assert!(told.contains("\"BAD_REQUEST\"") && !told.contains("planted"), "{told}");
}

#[tokio::test]
async fn a_slow_body_is_rejected_at_the_deadline() {
    let (gateway, sandbox) = impatient().await;
    let (mut reading, mut writing) = connect(&gateway).await.into_split();
    let drip = tokio::spawn(async move {
        writing.write_all(format!("{HEAD}content-length: 100000\r\n\r\n").as_bytes()).await.unwrap();
        while writing.write_all(b" ").await.is_ok() {
            sleep(SHORT / 20).await;
        }
    });
    let mut told = Vec::new();
    let _ended = timeout(PATIENCE, reading.read_to_end(&mut told)).await.expect("the gateway ends it");
    assert!(told.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&told));
    timeout(PATIENCE, drip).await.expect("nothing more is taken").unwrap();
    assert_eq!(sandbox.calls().await, json!({}));
}

/// A client that sends its whole body first, as many do, can read why the request was rejected.
#[rstest]
#[case::too_large("/graphql", "application/json", "HTTP/1.1 413 ")]
#[case::of_another_type("/graphql", "text/plain", "HTTP/1.1 415 ")]
#[tokio::test]
async fn a_rejected_body_is_drained_so_the_response_can_be_read(
    #[case] path: &str,
    #[case] content_type: &str,
    #[case] status: &str,
) {
    let (gateway, _sandbox) = Gateway::start().await;
    let mut stream = connect(&gateway).await;
    let length = 10_000_000;
    let head = format!("POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: {content_type}\r\n");
    stream.write_all(format!("{head}content-length: {length}\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..length / 100_000 {
        stream.write_all(&[b' '; 100_000]).await.expect("it is taken");
    }
    let mut told = vec![0; 1_000];
    let read = timeout(PATIENCE, stream.read(&mut told)).await.expect("an answer in time").unwrap();
    let told = String::from_utf8_lossy(&told[..read]);
    assert!(told.starts_with(status), "{told}");
}

#[rstest]
#[case::two_lengths("content-length: 5\r\ncontent-length: 6\r\n\r\n", "HTTP/1.1 400")]
#[case::a_length_below_nothing("content-length: -1\r\n\r\n", "HTTP/1.1 400")]
#[case::a_chunk_of_no_size("transfer-encoding: chunked\r\n\r\nplanted\r\n", "HTTP/1.1 400")]
#[case::a_name_with_a_space("x planted: 1\r\n\r\n", "HTTP/1.1 400")]
#[case::a_nul_in_a_header("x-planted: \0\r\n\r\n", "HTTP/1.1 400")]
#[tokio::test]
async fn invalid_http_is_rejected(#[case] rest: &str, #[case] status: &str) {
    let (gateway, sandbox) = impatient().await;
    let mut stream = connect(&gateway).await;
    stream.write_all(format!("{HEAD}{rest}").as_bytes()).await.unwrap();
    let told = until_closed(&mut stream).await;
    assert!(told.starts_with(status) && !told.contains("planted"), "{told}");
    assert_eq!(sandbox.calls().await, json!({}));
}

#[rstest]
#[case::many(&"x-planted: 1\r\n".repeat(1_000))]
#[case::long(&format!("x-planted: {}\r\n", "x".repeat(900_000)))]
#[tokio::test]
async fn header_count_and_size_are_limited(#[case] headers: &str) {
    let (gateway, _sandbox) = impatient().await;
    let mut stream = connect(&gateway).await;
    // The gateway can close the connection while the client still writes.
    let _written = stream.write_all(format!("{HEAD}{headers}\r\n").as_bytes()).await;
    let told = until_closed(&mut stream).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 431"), "{told}");
    gateway.data("{ __typename }").await;
}

/// Both versions have the same limit, and the response names the limit.
#[rstest]
#[case::many_headers(120, 1, "more than 100 headers")]
#[case::a_large_one(1, 40_000, "`max_header_bytes` of 32768")]
#[case::many_large_ones(60, 800, "`max_header_bytes` of 32768")]
#[tokio::test]
async fn headers_over_the_limit_get_431_over_http1_and_http2(
    #[case] count: usize,
    #[case] length: usize,
    #[case] told: &str,
) {
    let (gateway, _sandbox) = Gateway::start().await;
    for http_2 in [false, true] {
        let builder = Client::builder().no_proxy();
        let client = if http_2 { builder.http2_prior_knowledge() } else { builder }.build().unwrap();
        let ask = |count: usize| {
            let request = client.post(format!("{}/graphql", gateway.base)).json(&json!({"query": "{ __typename }"}));
            (0..count).fold(request, |request, i| request.header(format!("x-{i}"), "x".repeat(length)))
        };
        let answer = ask(count).send().await.unwrap();
        assert_eq!(answer.status(), 431, "{:?}", answer.version());
        assert!(answer.headers().contains_key("request-id"));
        let answer: serde_json::Value = answer.json().await.unwrap();
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "OPERATION_TOO_LARGE", "{answer}");
        assert!(error["message"].as_str().unwrap().contains(told), "{answer}");
        let below = 90.min(30_000 / length);
        assert_eq!(ask(below).send().await.unwrap().status(), 200, "{below} of {length} bytes");
    }
}

/// An unfinished head is rejected as soon as it exceeds the limit.
#[tokio::test]
async fn unfinished_headers_are_rejected_once_too_large() {
    let process = Process::start(&[("GATEWAY__SERVER__HEADER_TIMEOUT", "1h")]).await;
    let mut stream = TcpStream::connect(process.base().trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("{HEAD}x-planted: {}", "planted".repeat(15_000)).as_bytes()).await.unwrap();
    let mut told = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut told)).await.expect("an answer in time").unwrap();
    assert_eq!(&told, b"HTTP/1.1 431");
    until_counted(&process, "gateway_limits_reached_total{limit=\"max_header_bytes\"}", 1).await;
    let said = process.said();
    assert!(said.contains("server.max_header_bytes") && !said.contains("planted"), "{said}");
}

#[tokio::test]
async fn a_low_open_file_limit_reserves_files_for_upstream_and_admin() {
    let serving = Serving::with_files(256, &[("GATEWAY__SERVER__HEADER_TIMEOUT", "1h")]);
    let address = serving.graphql.trim_start_matches("http://").trim_end_matches("/graphql").to_owned();
    let mut first = TcpStream::connect(&address).await.unwrap();
    served_on(&mut first).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(TcpStream::connect(&address).await.unwrap());
    }
    // The last connections arrive when the limit is reached.
    until_closed(idle.last_mut().unwrap()).await;
    let body =
        json!({"query": "{ a: customers(first: 1) { totalCount } b: customers(first: 2) { totalCount } }"}).to_string();
    let request = format!("{HEAD}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    first.write_all(request.as_bytes()).await.unwrap();
    let told = until_closed(&mut first).await;
    assert!(told.contains(r#""b":{"totalCount":250}"#), "{told}");
    let admin = serving.greeting.split_whitespace().find(|word| word.ends_with("/readyz")).unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(admin).send().await.unwrap().status(), 200);
    let (status, log) = serving.stop();
    assert!(status.success() && log.contains("server.max_connections"), "{log}");
}

#[tokio::test]
async fn connections_over_the_limit_are_closed() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.server.max_connections = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&gateway).await;
        served_on(&mut stream).await;
        held.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(until_closed(&mut connect(&gateway).await).await, "");
    }
    for stream in &mut held {
        served_on(stream).await;
    }
    // The admin address has its own limit.
    assert_eq!(gateway.client.get(format!("{}/livez", gateway.admin)).send().await.unwrap().status(), 200);
    drop(held.pop());
    let started = Instant::now();
    while gateway.client.get(format!("{}/livez", gateway.base)).send().await.is_err() {
        assert!(started.elapsed() < PATIENCE, "a connection after another one was closed");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A gateway with TLS, with this certificate and this timeout of the handshake.
fn serving(certified: &Certified, handshake: &str) -> Serving {
    Serving::start(&[
        ("GATEWAY__SERVER__TLS_CERTIFICATE", text(&certified.certificate())),
        ("GATEWAY__SERVER__TLS_KEY", text(&certified.key())),
        ("GATEWAY__SERVER__HEADER_TIMEOUT", handshake),
    ])
}

/// A client that trusts only this certificate and supports only this version of TLS.
fn client(certified: &Certified, version: Version) -> Client {
    let certificate = Certificate::from_pem(&std::fs::read(certified.certificate()).unwrap()).unwrap();
    let builder = Client::builder().no_proxy().tls_certs_only([certificate]);
    builder.min_tls_version(version).max_tls_version(version).build().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn address(serving: &Serving) -> &str {
    serving.graphql.trim_start_matches("https://").trim_end_matches("/graphql")
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_served() {
    let certified = Certified::new();
    let serving = serving(&certified, "60s");
    assert!(serving.graphql.starts_with("https://"), "{}", serving.greeting);
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let request = client(&certified, version).post(&serving.graphql).json(&json!({"query": "{ __typename }"}));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), r#"{"data":{"__typename":"Query"}}"#);
    }
    // A server that supports the version responds to this message with a handshake message (22). The gateway responds with
    // an alert (21) that is fatal (2): protocol_version (70), RFC 5246, section 7.2.
    for (minor, answer) in [(3, [22, 2]), (2, [21, 70]), (1, [21, 70])] {
        let mut stream = TcpStream::connect(address(&serving)).await.unwrap();
        stream.write_all(&client_hello(minor)).await.unwrap();
        let mut told = [0; 7];
        timeout(PATIENCE, stream.read_exact(&mut told)).await.expect("an answer in time").unwrap();
        let kind = if told[0] == 22 { told[5] } else { told[6] };
        assert_eq!([told[0], kind], answer, "TLS 1.{}: {told:?}", minor - 1);
    }
    serving.stop();
}

#[tokio::test]
async fn a_missing_tls_handshake_times_out_and_plain_http_is_rejected() {
    let certified = Certified::new();
    let serving = serving(&certified, "400ms");
    for said in ["", "POST /graphql HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(address(&serving)).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        let _ended = timeout(PATIENCE, stream.read_to_end(&mut told)).await.expect("the gateway ends it");
        assert!(!told.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&told));
    }
    serving.stop();
}

/// The first message of a client that supports at most TLS 1.`minor - 1` (RFC 5246, section 7.4.1.2).
fn client_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.push(0);
    // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression.
    hello.extend([0, 2, 0xc0, 0x2b, 1, 0]);
    // supported_groups: P-256; ec_point_formats: uncompressed; signature_algorithms: ECDSA with SHA-256;
    // extended_master_secret.
    hello.extend([0, 26, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3, 0, 23, 0, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    record
}

#[test]
fn invalid_certificates_are_reported_in_one_line() {
    let certified = Certified::new();
    let other = Certified::new();
    let (certificate, key) = (certified.certificate(), certified.key());
    let broken = certified.directory.path("broken.pem");
    std::fs::write(&broken, "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n").unwrap();
    let missing = certified.directory.path("missing.pem");
    for (certificate, key) in [
        (text(&certificate), text(&missing)),
        (text(&missing), text(&key)),
        (text(&certificate), text(&broken)),
        (text(&certificate), text(&certificate)),
        (text(&certificate), text(&other.key())),
        (text(&certificate), ""),
        ("", text(&key)),
    ] {
        let told = complaint(
            &["serve"],
            &[("GATEWAY__SERVER__TLS_CERTIFICATE", certificate), ("GATEWAY__SERVER__TLS_KEY", key)],
        );
        assert!(told.contains("server.tls_key") || told.contains("server.tls_certificate"), "{told}");
        assert!(!told.contains("planted") && !told.contains("PRIVATE"), "{told}");
    }
}

/// The keys of the unfinished bodies are unknown, so all count for one caller by its address. A key that the upstream has
/// accepted counts for another caller.
#[tokio::test]
async fn one_callers_unfinished_bodies_do_not_block_others() {
    let (gateway, _sandbox) = Gateway::with(|settings| {
        settings.auth.mode = AuthMode::Passthrough;
        settings.server.max_body_bytes = 10_000;
        settings.server.max_buffered_body_bytes = 100_000;
    })
    .await;
    let known = gateway.ask_as("known", "{ customers { totalCount } }", json!({})).await;
    assert!(known["data"]["customers"]["totalCount"].is_u64(), "{known}");
    let mut held = Vec::new();
    for number in 0..12 {
        let mut stream = connect(&gateway).await;
        let head = format!("{HEAD}authorization: Bearer made-up-{number}\r\ncontent-length: 9500\r\n\r\n");
        stream.write_all(format!("{head}{}", " ".repeat(9_000)).as_bytes()).await.unwrap();
        held.push(stream);
    }
    let padded = json!({"a": "a".repeat(8_000)});
    // Until the gateway holds all of them: one more body of this caller is rejected then.
    let refused = timeout(PATIENCE, async {
        loop {
            let got = gateway.ask_as("made-up", "{ __typename }", padded.clone()).await;
            if got["errors"][0]["extensions"]["code"] == "OVERLOADED" {
                return;
            }
        }
    });
    refused.await.expect("the unfinished bodies are held");
    for _ in 0..3 {
        let got = gateway.ask_as("known", "{ __typename }", padded.clone()).await;
        assert_eq!(got, json!({"data": {"__typename": "Query"}}));
    }
}

#[tokio::test]
async fn the_total_size_of_buffered_bodies_is_limited() {
    let (gateway, _sandbox) = Gateway::with(|settings| {
        settings.server.max_body_bytes = 1000;
        settings.server.max_buffered_body_bytes = 1000;
    })
    .await;
    let padded = json!({"a": "a".repeat(800)});
    let query = "{ __typename }";
    let mut slow = connect(&gateway).await;
    slow.write_all(format!("{HEAD}content-length: 950\r\n\r\n{}", " ".repeat(800)).as_bytes()).await.unwrap();
    let refused = timeout(PATIENCE, async {
        loop {
            let got = gateway.ask_with(query, padded.clone()).await;
            if got["errors"][0]["extensions"]["code"] == "OVERLOADED" {
                return got;
            }
        }
    });
    let refused = refused.await.expect("the slow body is held");
    assert_eq!(refused["errors"][0]["extensions"]["retryAfterSeconds"], 1);
    drop(slow);
    let served =
        timeout(PATIENCE, async { while gateway.ask_with(query, padded.clone()).await.get("data").is_none() {} });
    served.await.expect("there is room again");
}
