//! Secrets and certificates that are renewed while the gateway runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::provider::Signer;
use super::{AUDIENCE, ISSUER, claims};
use crate::process::{Directory, Process};
use crate::support::certified::Certified;
use crate::support::{Reply, Stub};

const FIRST: &str = "the first planted secret of thirty-two bytes";
const SECOND: &str = "the second planted secret of thirty-two bytes";

/// Replaces a file atomically, as platforms that mount secrets do.
fn put(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

/// Repeats the check until it holds.
async fn until(process: &Process, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what} never came: {}", process.said());
}

struct Renewed {
    process: Process,
    upstream: Stub,
    key: PathBuf,
    secret: PathBuf,
    digest_key: PathBuf,
}

impl Renewed {
    /// A gateway whose secrets come from files, over an upstream that records the keys it receives.
    async fn start(watch_interval: &str) -> Self {
        let directory = Directory::new();
        let [key, secret, digest_key] = ["key", "secret", "digest"].map(|name| directory.path(name));
        put(&key, "sk_first_planted\n");
        put(&secret, &format!("{FIRST}\r\n"));
        put(&digest_key, "a planted digest key of thirty-two bytes, one\n");
        let upstream = Stub::start(|seen| Reply::page(seen, &[], 0)).await;
        let process = Process::start_in(
            directory,
            &[
                ("GATEWAY__LOG__LEVEL", "info"),
                ("GATEWAY__SERVER__WATCH_INTERVAL", watch_interval),
                ("GATEWAY__UPSTREAM__BASE_URL", &upstream.base),
                ("GATEWAY__UPSTREAM__API_KEY_FILE", key.to_str().unwrap()),
                ("GATEWAY__LOG__DIGEST_KEY_FILE", digest_key.to_str().unwrap()),
                ("GATEWAY__CACHE__ENABLED", "false"),
                ("GATEWAY__RATE_LIMIT__ENABLED", "off"),
                ("GATEWAY__AUTH__MODE", "jwt"),
                ("GATEWAY__AUTH__JWT__ISSUER", ISSUER),
                ("GATEWAY__AUTH__JWT__AUDIENCE", AUDIENCE),
                ("GATEWAY__AUTH__JWT__ALGORITHMS", "HS256"),
                ("GATEWAY__AUTH__JWT__SECRET_FILE", secret.to_str().unwrap()),
            ],
        )
        .await;
        Self { process, upstream, key, secret, digest_key }
    }

    /// The status of a request with a token that is signed with a secret.
    async fn status(&self, secret: &str) -> u16 {
        let token = Signer::secret(secret).token(&claims(json!({})));
        let body = json!({"query": "{ customers { totalCount } }"}).to_string();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.post(format!("{}/graphql", self.process.base())).body(body);
        request.header("content-type", "application/json").bearer_auth(token).send().await.unwrap().status().as_u16()
    }

    /// The key that the upstream received last.
    fn asked_with(&self) -> String {
        self.upstream.seen().last().unwrap().header("authorization").unwrap().to_owned()
    }

    /// The digest of the caller in the last request's log line.
    fn caller(&self) -> Value {
        let lines = self.process.said();
        let mut lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.rfind(|line| line["message"] == "request" && line["caller"].is_string()).unwrap()["caller"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_reloaded_when_their_files_change() {
    let renewed = Renewed::start("10ms").await;
    assert_eq!((renewed.status(FIRST).await, renewed.asked_with().as_str()), (200, "Bearer sk_first_planted"));
    let caller = renewed.caller();
    put(&renewed.key, "sk_second_planted\n");
    until(&renewed.process, "the second key", async || {
        renewed.status(FIRST).await == 200 && renewed.asked_with() == "Bearer sk_second_planted"
    })
    .await;
    // An unusable file changes nothing.
    put(&renewed.key, "\n");
    until(&renewed.process, "a complaint", async || renewed.process.said().contains("reload failed")).await;
    assert!(renewed.process.said().contains("upstream.api_key_file"));
    assert_eq!((renewed.status(FIRST).await, renewed.asked_with().as_str()), (200, "Bearer sk_second_planted"));
    put(&renewed.key, "sk_third_planted");
    put(&renewed.secret, SECOND);
    put(&renewed.digest_key, "a planted digest key of thirty-two bytes, two\n");
    until(&renewed.process, "the second secret", async || renewed.status(SECOND).await == 200).await;
    assert_eq!(renewed.status(FIRST).await, 401);
    until(&renewed.process, "the third key", async || {
        renewed.status(SECOND).await == 200 && renewed.asked_with() == "Bearer sk_third_planted"
    })
    .await;
    until(&renewed.process, "another digest", async || {
        renewed.status(SECOND).await == 200 && renewed.caller() != caller
    })
    .await;
    assert!(!renewed.process.said().contains("planted"), "{}", renewed.process.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_reloaded_by_sighup() {
    let renewed = Renewed::start("0s").await;
    assert_eq!(renewed.status(FIRST).await, 200);
    put(&renewed.key, "sk_second_planted\n");
    put(&renewed.secret, SECOND);
    renewed.process.signal("HUP");
    until(&renewed.process, "the second secret", async || renewed.status(SECOND).await == 200).await;
    assert_eq!(renewed.asked_with(), "Bearer sk_second_planted");
    assert_eq!(renewed.status(FIRST).await, 401);
    let said = renewed.process.said();
    assert!(said.contains("upstream.api_key, auth.jwt.secret") && !said.contains("planted"), "{said}");
}

/// The certificate that a server presents.
fn shown(address: &str) -> String {
    let mut asked = Command::new("openssl");
    asked.args(["s_client", "-connect", address, "-showcerts"]).stdin(Stdio::null()).stderr(Stdio::null());
    String::from_utf8(asked.output().expect("openssl looks at the certificate").stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_reloaded_on_change_and_by_sighup() {
    for watch_interval in ["10ms", "0s"] {
        let used = Certified::new();
        let process = Process::start(&[
            ("GATEWAY__LOG__LEVEL", "info"),
            ("GATEWAY__SERVER__WATCH_INTERVAL", watch_interval),
            ("GATEWAY__SERVER__TLS_CERTIFICATE", used.certificate().to_str().unwrap()),
            ("GATEWAY__SERVER__TLS_KEY", used.key().to_str().unwrap()),
        ])
        .await;
        let address = process.base().trim_start_matches("https://").to_owned();
        let shows = |certified: &Certified| {
            let pem = std::fs::read_to_string(certified.certificate()).unwrap();
            shown(&address).contains(pem.trim())
        };
        let again = || {
            if watch_interval == "0s" {
                process.signal("HUP");
            }
        };
        assert!(shows(&used), "{}", process.said());
        let (second, third) = (Certified::new(), Certified::new());
        let take = |path: PathBuf, other: PathBuf| put(&path, &std::fs::read_to_string(other).unwrap());
        // A certificate without its key changes nothing.
        take(used.certificate(), second.certificate());
        again();
        until(&process, "a complaint", async || process.said().contains("reload failed")).await;
        assert!(process.said().contains("server.tls_certificate") && !shows(&second));
        take(used.key(), second.key());
        again();
        until(&process, "the second certificate", async || shows(&second)).await;
        take(used.key(), third.key());
        take(used.certificate(), third.certificate());
        again();
        until(&process, "the third certificate", async || shows(&third)).await;
    }
}

#[test]
fn a_secret_needs_exactly_one_source_and_a_non_empty_file() {
    let directory = Directory::new();
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.path(name), bytes).unwrap();
        directory.path(name).to_str().unwrap().to_owned()
    };
    let key = file("key", b"sk_planted");
    let setting = "GATEWAY__UPSTREAM__API_KEY_FILE";
    let complaint = |variables: &[(&str, &str)]| {
        let told = crate::binary::complaint(&["check-config"], variables);
        assert!(told.contains("upstream.api_key_file (GATEWAY__UPSTREAM__API_KEY_FILE)"), "{told}");
        assert!(!told.contains("planted"), "{told}");
        told
    };
    assert!(complaint(&[(setting, &key), ("GATEWAY__UPSTREAM__API_KEY", "sk_planted")]).contains("one of the two"));
    assert!(complaint(&[(setting, "/nowhere/key")]).contains("/nowhere/key"));
    assert!(complaint(&[(setting, "/")]).contains("not a regular file"));
    assert!(complaint(&[(setting, &file("empty", b"\n"))]).contains("is empty"));
    assert!(complaint(&[(setting, &file("large", &[b'x'; 70_000]))]).contains("larger than 64 KiB"));
    assert!(complaint(&[(setting, &file("bytes", &[0xff, 0xfe]))]).contains("UTF-8"));
    let output = crate::binary::run(&["check-config"], &[(setting, &key)]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !told.contains("planted"), "{told}");
    let line = told.lines().find(|line| line.starts_with("upstream.api_key = ")).unwrap();
    assert!(line.contains("(a secret)") && line.ends_with(&format!("# {key}")), "{line}");
}
