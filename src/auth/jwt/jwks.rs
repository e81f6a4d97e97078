//! Keeps keys up to date, from the provider's key set or from a file.
//!
//! One task does all loads. So two loads never run at once, and a caller that disconnects cancels none. The task loads
//! at startup, after each refresh interval, and earlier if a token names an unknown key. Between two loads it always
//! waits for the minimum interval, so that tokens with invented key names cannot flood the provider. While the
//! provider is unavailable the previous keys stay valid, for a day at most.

mod load;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::keys::KeySet;
use crate::telemetry::names;
use load::{KeyLoadError, LoadedKeys};
pub use load::{KeyLoader, KeyStoreError, check_file};

/// After this time the keys are dropped: the provider may have revoked one of them while it could not be reached.
/// Tokens live for minutes or hours, so after such an outage no caller has a valid token anyway.
const MAX_KEY_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often keys are loaded.
#[derive(Clone, Copy, Debug)]
pub struct RefreshPolicy {
    /// The interval between regular loads.
    pub refresh: Duration,
    /// The minimum interval between two loads.
    pub min_interval: Duration,
}

/// The keys at one point in time.
#[derive(Clone, Debug)]
pub struct KeySnapshot {
    /// `None` if no keys could be loaded yet, or the last successful load is too long ago.
    pub keys: Option<Arc<KeySet>>,
    /// The number of finished loads, failed ones included.
    loads: u64,
    /// The earliest time of the next load.
    next_load: Option<Instant>,
    loaded_at: Instant,
}

/// Keys that are kept up to date until this value is dropped.
#[derive(Debug)]
pub struct KeyStore {
    snapshot: watch::Receiver<KeySnapshot>,
    /// The number of the load that callers wait for.
    load_requests: watch::Sender<u64>,
    min_interval: Duration,
    /// Publishes keys that have no source.
    static_keys: Option<watch::Sender<KeySnapshot>>,
    _task: Option<AbortOnDropHandle<()>>,
}

impl KeyStore {
    /// Creates a store of keys that have no source and do not age.
    pub fn from_static(keys: KeySet) -> Self {
        let snapshot = KeySnapshot { keys: Some(Arc::new(keys)), loads: 0, next_load: None, loaded_at: Instant::now() };
        let (publish, snapshot) = watch::channel(snapshot);
        Self {
            snapshot,
            load_requests: watch::Sender::new(0),
            min_interval: Duration::ZERO,
            static_keys: Some(publish),
            _task: None,
        }
    }

    /// Replaces keys that have no source. Returns `false` and changes nothing if the keys have a source.
    pub fn replace_static(&self, keys: KeySet) -> bool {
        let Some(publish) = &self.static_keys else { return false };
        publish.send_modify(|snapshot| snapshot.keys = Some(Arc::new(keys)));
        true
    }

    /// Creates a store with a source. The first load starts at once.
    pub fn start(source: KeyLoader, pace: RefreshPolicy) -> Self {
        let now = Instant::now();
        let keys = source.initial_keys().map(Arc::new);
        let (publish, snapshot) = watch::channel(KeySnapshot { keys, loads: 0, next_load: Some(now), loaded_at: now });
        let wanted = watch::Sender::new(0);
        let task = tokio::spawn(run_refresh(source, pace, publish, wanted.subscribe()));
        Self {
            snapshot,
            load_requests: wanted,
            min_interval: pace.min_interval,
            static_keys: None,
            _task: Some(AbortOnDropHandle::new(task)),
        }
    }

    /// The current keys.
    pub fn current(&self) -> KeySnapshot {
        self.snapshot.borrow().clone()
    }

    /// The time since the last successful load, or since startup if there was none. `None` for keys that do not age.
    pub fn age(&self) -> Option<Duration> {
        let snapshot = self.current();
        snapshot.next_load.map(|_| snapshot.loaded_at.elapsed())
    }

    /// The minimum interval between two loads.
    pub fn min_interval(&self) -> Duration {
        self.min_interval
    }

    /// The keys after a later load than `seen`. `None` if no load may start yet, or none finishes before the deadline.
    pub async fn wait_for_newer(&self, seen: &KeySnapshot, deadline: Instant) -> Option<KeySnapshot> {
        let current = self.current();
        if current.loads > seen.loads {
            return Some(current);
        }
        if current.next_load.is_none_or(|next| Instant::now() < next) {
            return None;
        }
        let goal = seen.loads + 1;
        self.load_requests.send_if_modified(|wanted| {
            let further = *wanted < goal;
            *wanted = goal.max(*wanted);
            further
        });
        let mut snapshots = self.snapshot.clone();
        let newer = timeout_at(deadline, snapshots.wait_for(|snapshot| snapshot.loads >= goal)).await;
        newer.ok()?.ok().map(|snapshot| snapshot.clone())
    }
}

/// Loads keys until the store is dropped.
async fn run_refresh(
    mut source: KeyLoader,
    pace: RefreshPolicy,
    publish: watch::Sender<KeySnapshot>,
    mut wanted: watch::Receiver<u64>,
) {
    let mut loads = 0;
    loop {
        let loaded = source.load().await;
        let outcome = if loaded.is_ok() { "ok" } else { "failed" };
        metrics::counter!(names::JWKS_LOADS, "outcome" => outcome).increment(1);
        let now = Instant::now();
        let next = now + pace.min_interval;
        // A failed load is repeated after the minimum interval: callers are being served with old keys, or rejected.
        let due = if loaded.is_ok() { next.max(now + pace.refresh) } else { next };
        loads += 1;
        publish.send_modify(|snapshot| {
            log_load(&loaded, snapshot);
            match loaded {
                Ok(LoadedKeys::Keys(keys)) => (snapshot.keys, snapshot.loaded_at) = (Some(Arc::new(keys)), now),
                Ok(LoadedKeys::Unchanged) => snapshot.loaded_at = now,
                Err(_) if now.duration_since(snapshot.loaded_at) > MAX_KEY_AGE => snapshot.keys = None,
                Err(_) => {}
            }
            (snapshot.loads, snapshot.next_load) = (loads, Some(next));
        });
        sleep_until(next).await;
        tokio::select! {
            () = sleep_until(due) => {}
            asked = wanted.wait_for(|wanted| *wanted > loads) => if asked.is_err() { return },
        }
    }
}

/// Logs the outcome of a load if it changed, or failed.
fn log_load(loaded: &Result<LoadedKeys, KeyLoadError>, before: &KeySnapshot) {
    match loaded {
        Ok(LoadedKeys::Keys(keys)) if keys.is_empty() => {
            warn!("the identity provider publishes no key that auth.jwt.algorithms allows: every token is rejected");
        }
        Ok(LoadedKeys::Keys(keys)) if before.loads == 0 => {
            info!(keys = keys.len(), "loaded the identity provider's keys")
        }
        Ok(LoadedKeys::Keys(_) | LoadedKeys::Unchanged) => {}
        Err(reason) => {
            let using_old_keys = before.keys.is_some();
            warn!(error = %reason, using_old_keys, "the identity provider's keys could not be loaded; the gateway will retry");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jsonwebtoken::Algorithm;

    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnS3Fz1OG+L5uaJEQhSTwoe22fyIE\n\
        RCRcSXwrqbfoBfnpyZzoHpVUEgfxKto6UgtbZfgbSf8Fs2nOb6HgIOZefQ==\n\
        -----END PUBLIC KEY-----";

    const PACE: RefreshPolicy =
        RefreshPolicy { refresh: Duration::from_secs(600), min_interval: Duration::from_secs(30) };

    fn key_file(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("customers-gateway-{}-{name}.pem", std::process::id()));
        std::fs::write(&path, KEY).expect("a temporary file");
        path
    }

    /// Waits until `loads` loads have finished.
    async fn loads(supply: &KeyStore, loads: u64) {
        let mut snapshots = supply.snapshot.clone();
        snapshots.wait_for(|snapshot| snapshot.loads >= loads).await.expect("the task runs");
    }

    #[tokio::test(start_paused = true)]
    async fn loads_are_as_far_apart_as_the_pace_says() {
        let path = key_file("pace");
        let supply = KeyStore::start(KeyLoader::file(path.clone(), vec![Algorithm::ES256]).expect("a key"), PACE);
        let started = Instant::now();
        loads(&supply, 1).await;
        let soon = started + Duration::from_secs(5);
        assert!(supply.wait_for_newer(&supply.current(), soon).await.is_none(), "too early");
        assert_eq!(Instant::now(), started, "and nobody waits for it");
        loads(&supply, 2).await;
        assert_eq!(started.elapsed(), PACE.refresh, "nobody asked");
        tokio::time::sleep(PACE.min_interval).await;
        let far = Instant::now() + PACE.refresh;
        let (now, asked) = (supply.current(), Instant::now());
        let (one, other) = tokio::join!(supply.wait_for_newer(&now, far), supply.wait_for_newer(&now, far));
        assert_eq!((one.expect("newer").loads, other.expect("newer").loads), (3, 3), "one load for both");
        assert!(asked.elapsed() < Duration::from_secs(1));
        std::fs::remove_file(path).expect("the file is there");
    }

    #[tokio::test(start_paused = true)]
    async fn old_keys_go_on_for_a_day_and_come_back_with_their_source() {
        let path = key_file("day");
        let supply = KeyStore::start(KeyLoader::file(path.clone(), vec![Algorithm::ES256]).expect("a key"), PACE);
        loads(&supply, 1).await;
        let elsewhere = path.with_extension("elsewhere");
        std::fs::rename(&path, &elsewhere).expect("the file is there");
        let gone = Instant::now();
        while supply.current().keys.is_some() {
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(gone.elapsed() < MAX_KEY_AGE + PACE.refresh, "for ever");
        }
        assert!(gone.elapsed() > MAX_KEY_AGE);
        std::fs::rename(&elsewhere, &path).expect("the file is there");
        tokio::time::sleep(PACE.min_interval * 2).await;
        assert!(supply.current().keys.is_some(), "the same file as before");
        std::fs::remove_file(path).expect("the file is there");
    }
}
