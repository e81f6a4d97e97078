//! SIGHUP reloads the log level and the trusted documents while requests are served.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::Shown;
use crate::process::{Directory, Process};
use crate::support::certified::Certified;

async fn until(process: &Process, said: &str, times: usize) {
    for _ in 0..1000 {
        if process.said().matches(said).count() >= times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never said {said:?}: {}", process.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_manifest_and_level_are_reloaded_and_invalid_ones_change_nothing() {
    let directory = Directory::new();
    let (file, manifest) = (directory.path("gateway.toml"), directory.path("manifest.json"));
    let documents = |id: &str| std::fs::write(&manifest, json!({ id: "{ viewer { subject } }" }).to_string()).unwrap();
    let settings = |level: &str| {
        let text = format!(
            "[documents]\nmode = \"only\"\nmanifest = {manifest:?}\n[log]\nlevel = {level:?}\n[cache]\npage_ttl = \"7s\"\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    documents("first");
    settings("info");
    // The environment variable that the helper sets would override the file.
    let process = Process::start_with_file(directory, &file, &[]).await;
    let runs = async |id: &str| process.post(json!({ "documentId": id }).to_string()).await.json()["errors"].is_null();
    assert!(runs("first").await && !runs("second").await);

    documents("second");
    settings("warn");
    process.signal("HUP");
    until(&process, "reloaded ", 1).await;
    // Its own line is of level info, which was there until it; from here on there are warnings alone.
    let lines = super::lines(&process.said()).len();
    assert!(runs("second").await && !runs("first").await);
    assert_eq!(super::lines(&process.said()).len(), lines, "the level is warn now");

    std::fs::write(&manifest, "no manifest").unwrap();
    process.signal("HUP");
    until(&process, "reload failed", 1).await;
    documents("third");
    settings("loud=loud=loud");
    process.signal("HUP");
    until(&process, "reload failed", 2).await;
    assert!(runs("second").await && !runs("third").await, "all goes on as before");
    std::fs::write(&file, "[log]\nlevl = \"info\"\n").unwrap();
    process.signal("HUP");
    until(&process, "did you mean log.level?", 1).await;
    assert!(runs("second").await);

    let shown = Shown::by(&process).await;
    assert_eq!(shown.sum("gateway_reloads_total", &[("outcome", "ok")]), 1.0);
    assert_eq!(shown.sum("gateway_reloads_total", &[("outcome", "failed")]), 3.0);
}

/// A process whose reloads report each changed setting: applied, or applied by a restart only.
struct Reloaded {
    process: Process,
    file: PathBuf,
}

impl Reloaded {
    async fn start(directory: Directory, settings: &str) -> Self {
        let file = directory.path("gateway.toml");
        std::fs::write(&file, settings).unwrap();
        Self { process: Process::start_with_file(directory, &file, &[]).await, file }
    }

    /// The next line about a reload, after other settings and SIGHUP.
    async fn with(&self, settings: &str) -> Value {
        std::fs::write(&self.file, settings).unwrap();
        let before = self.process.said().matches(RELOADED).count();
        self.process.signal("HUP");
        self.read_again(before + 1).await
    }

    async fn read_again(&self, times: usize) -> Value {
        until(&self.process, RELOADED, times).await;
        let said = self.process.said();
        assert!(!said.contains("planted"), "{said}");
        lines(&said).into_iter().filter(|line| message(line).starts_with(RELOADED)).nth(times - 1).unwrap()
    }
}

const RELOADED: &str = "reloaded ";

/// All lines of a log in JSON.
fn lines(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_that_needs_a_restart_is_named() {
    let one =
        "[upstream]\nproxy = \"http://planted-1:x@127.0.0.1:9\"\n[traces]\nauthorization = \"Bearer planted-1\"\n";
    let reloaded = Reloaded::start(Directory::new(), one).await;
    assert_eq!(reloaded.with(one).await["needs_restart"], Value::Null);
    let waiting = ["upstream.proxy", "traces.authorization"];
    let two = one.replace("planted-1", "planted-2");
    // They stay pending as long as the process has the old ones.
    for settings in [two.as_str(), &two, "[upstream]\nproxy = \"\"\n[cache]\npage_ttl = \"7s\"\n"] {
        let line = reloaded.with(settings).await;
        let named = line["needs_restart"].as_str().unwrap_or_default();
        assert!(waiting.iter().all(|name| named.split(", ").any(|word| word == *name)), "{line}");
        assert_eq!(named.contains("cache.page_ttl"), settings.contains("page_ttl"), "{line}");
    }
    assert_eq!(reloaded.with(one).await["needs_restart"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_file_that_needs_a_restart_is_named() {
    let directory = Directory::new();
    let secret = directory.path("authorization");
    std::fs::write(&secret, "Bearer planted-1").unwrap();
    let settings = format!("[server]\nwatch_interval = \"10ms\"\n[traces]\nauthorization_file = {secret:?}\n");
    let reloaded = Reloaded::start(directory, &settings).await;
    std::fs::write(&secret, "Bearer planted-2").unwrap();
    assert_eq!(reloaded.read_again(1).await["needs_restart"], "traces.authorization");
    // Another file with the same secret.
    let other = secret.with_extension("other");
    std::fs::write(&other, "Bearer planted-1").unwrap();
    let settings = format!("[server]\nwatch_interval = \"0s\"\n[traces]\nauthorization_file = {other:?}\n");
    assert_eq!(reloaded.with(&settings).await["needs_restart"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_key_that_is_cleared_is_no_longer_used() {
    let key = "[log]\ndigest_key = \"planted-0123456789-0123456789-0123456789\"\n";
    let rest = "[auth]\nmode = \"passthrough\"\n";
    let reloaded = Reloaded::start(Directory::new(), &format!("{rest}{key}")).await;
    let caller = async || {
        reloaded.process.ask("{ customers { totalCount } }", json!({})).await;
        let lines = super::lines(&reloaded.process.said());
        lines.last().unwrap()["caller"].clone()
    };
    let before = caller().await;
    let line = reloaded.with(rest).await;
    assert_eq!((&line["reloaded_secrets"], &line["needs_restart"]), (&json!("log.digest_key"), &Value::Null));
    let own = caller().await;
    assert_ne!(own, before);
    assert_eq!(reloaded.with(rest).await["reloaded_secrets"], "");
    assert_eq!(caller().await, own);
    reloaded.with(&format!("{rest}{key}")).await;
    assert_eq!(caller().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_tls_on_or_off_is_named() {
    let certified = Certified::new();
    let (certificate, key) = (certified.certificate(), certified.key());
    let on = format!("[server]\ntls_certificate = {certificate:?}\ntls_key = {key:?}\n");
    let both = "server.tls_certificate, server.tls_key";
    let plain = Reloaded::start(Directory::new(), "").await;
    assert_eq!(plain.with(&on).await["needs_restart"], both);
    let encrypted = Reloaded::start(Directory::new(), &on).await;
    assert_eq!(encrypted.with("").await["needs_restart"], both);
}
