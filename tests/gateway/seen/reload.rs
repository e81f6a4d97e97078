//! SIGHUP: the log's level and the trusted documents, read again while requests are served.

use std::time::Duration;

use serde_json::json;

use super::Shown;
use crate::process::{Directory, Process};

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
async fn a_new_manifest_and_level_are_taken_over_and_bad_ones_change_nothing() {
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
    // The variable that the helper sets would win over the file.
    let process = Process::start_with_file(directory, &file, &[]).await;
    let runs = async |id: &str| process.post(json!({ "documentId": id }).to_string()).await.json()["errors"].is_null();
    assert!(runs("first").await && !runs("second").await);

    documents("second");
    settings("warn");
    process.signal("HUP");
    until(&process, "read again: ", 1).await;
    // Its own line is of level info, which was there until it; from here on there are warnings alone.
    let lines = super::lines(&process.said()).len();
    assert!(runs("second").await && !runs("first").await);
    assert_eq!(super::lines(&process.said()).len(), lines, "the level is warn now");

    std::fs::write(&manifest, "no manifest").unwrap();
    process.signal("HUP");
    until(&process, "nothing was read again", 1).await;
    documents("third");
    settings("loud=loud=loud");
    process.signal("HUP");
    until(&process, "nothing was read again", 2).await;
    assert!(runs("second").await && !runs("third").await, "all goes on as before");
    std::fs::write(&file, "[log]\nlevl = \"info\"\n").unwrap();
    process.signal("HUP");
    until(&process, "did you mean log.level?", 1).await;
    assert!(runs("second").await);

    let shown = Shown::by(&process).await;
    assert_eq!(shown.sum("gateway_reloads_total", &[("outcome", "done")]), 1.0);
    assert_eq!(shown.sum("gateway_reloads_total", &[("outcome", "failed")]), 3.0);
}
