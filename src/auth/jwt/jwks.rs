//! Keeps keys up to date: from the provider's key set by URL, or from a file.
//!
//! One task does all the loading, so there is never more than one load under way, and a caller that gives up stops
//! nothing. It loads at the start, again after the refresh time, and earlier where a token asks for a key that is not
//! there; but never sooner after the last time than the minimum interval, so that tokens with made-up key names cannot
//! have the provider hammered. While the provider is down the old keys go on, for a day at most.

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

/// Past this a key that the provider took back could still be in use, only because the provider cannot be reached.
/// Tokens live for minutes or hours: a provider that is down for so long has no callers with good tokens any more.
const MAX_KEY_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often keys are loaded.
#[derive(Clone, Copy, Debug)]
pub struct RefreshPolicy {
    /// How old keys get before they are loaded again.
    pub refresh: Duration,
    /// The least time between two loads.
    pub min_interval: Duration,
}

/// The keys at a moment.
#[derive(Clone, Debug)]
pub struct KeySnapshot {
    /// None where none could be had yet, or not for too long.
    pub keys: Option<Arc<KeySet>>,
    /// How many loads have ended, well or not.
    loads: u64,
    /// From when on another load may begin.
    next_load: Option<Instant>,
    loaded_at: Instant,
}

/// Keys that are kept up to date for as long as this lives.
#[derive(Debug)]
pub struct KeyStore {
    snapshot: watch::Receiver<KeySnapshot>,
    /// The number of loads that somebody waits for.
    load_requests: watch::Sender<u64>,
    min_interval: Duration,
    /// Where keys are published that have no source.
    static_keys: Option<watch::Sender<KeySnapshot>>,
    _task: Option<AbortOnDropHandle<()>>,
}

impl KeyStore {
    /// Keys that have no source and do not age.
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

    /// Puts other keys in place of those that have no source, and says whether it did; keys that have one stay.
    pub fn replace_static(&self, keys: KeySet) -> bool {
        let Some(publish) = &self.static_keys else { return false };
        publish.send_modify(|snapshot| snapshot.keys = Some(Arc::new(keys)));
        true
    }

    /// Keys from a source. The first load begins at once.
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

    /// The keys as they are.
    pub fn current(&self) -> KeySnapshot {
        self.snapshot.borrow().clone()
    }

    /// How long ago the keys were loaded; since the start where none could be had yet. None for keys that do not age.
    pub fn age(&self) -> Option<Duration> {
        let snapshot = self.current();
        snapshot.next_load.map(|_| snapshot.loaded_at.elapsed())
    }

    /// The least time between two loads.
    pub fn min_interval(&self) -> Duration {
        self.min_interval
    }

    /// The keys after a later load than the one seen. None where no load may begin yet, or none ends in time.
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

/// Loads for as long as somebody wants keys.
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
        // A failed load is tried again as soon as it may be; by then callers are being served with old keys, or none.
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

/// Says what a load brought, where somebody who runs the gateway would want to know.
fn log_load(loaded: &Result<LoadedKeys, KeyLoadError>, before: &KeySnapshot) {
    match loaded {
        Ok(LoadedKeys::Keys(keys)) if keys.is_empty() => {
            warn!("the identity provider publishes no key that fits auth.jwt.algorithms: every token is refused");
        }
        Ok(LoadedKeys::Keys(keys)) if before.loads == 0 => info!(keys = keys.len(), "the keys for tokens are there"),
        Ok(LoadedKeys::Keys(_) | LoadedKeys::Unchanged) => {}
        Err(reason) => {
            let using_old_keys = before.keys.is_some();
            warn!(error = %reason, using_old_keys, "the keys for tokens could not be loaded; it will be tried again");
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

    /// Waits until so many loads have ended.
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
