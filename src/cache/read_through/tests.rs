//! Tests of the cache with loads that the tests control.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use super::*;
use crate::cache::Scope;
use crate::cache::{Cache, Settings};
use crate::model::CustomerId;

const POLICY: TtlPolicy =
    TtlPolicy { ttl: Duration::from_secs(30), not_found_ttl: Duration::from_secs(5), ..TtlPolicy::DISABLED };

/// An error by its name: "no" is a rejection, all others are failures.
type Word = &'static str;

impl StaleIfError for Word {
    fn allows_stale(&self) -> bool {
        *self != "no"
    }
}

fn store(policy: TtlPolicy) -> Arc<ReadThrough<u32, Word>> {
    Arc::new(ReadThrough::new("test", policy, 1 << 20))
}

fn key(subject: u128) -> Key {
    Key { scope: Scope::new(1, None), subject, generation: 0 }
}

fn found(value: u32) -> Result<Fetched<u32>, Word> {
    Ok(Fetched { value: Some(value), bytes: 4 })
}

fn within(time: Duration) -> ReadOptions {
    ReadOptions { deadline: Instant::now() + time, freshness: Freshness::AllowStale }
}

fn patient() -> ReadOptions {
    within(Duration::from_secs(60))
}

/// A load that reports its start, waits for a release, and counts itself only when it runs to its end.
fn steered(
    released: oneshot::Receiver<()>,
    ended: &Arc<AtomicUsize>,
) -> impl Future<Output = Result<Fetched<u32>, Word>> + Send + use<> {
    let ended = Arc::clone(ended);
    async move {
        let _told = released.await;
        ended.fetch_add(1, Ordering::SeqCst);
        found(7)
    }
}

/// Runs every task that can run.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn concurrent_misses_share_a_load() {
    let store = store(POLICY);
    let (loads, key) = (Arc::new(AtomicUsize::new(0)), key(1));
    let callers = (0..50).map(|_| {
        let (store, loads) = (Arc::clone(&store), Arc::clone(&loads));
        tokio::spawn(async move {
            let load = |_| async move {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                found(7)
            };
            store.get(key, patient(), load).await
        })
    });
    let mut sources = Vec::new();
    for caller in futures_util::future::join_all(callers).await {
        let got = caller.expect("the caller's task ends").expect("the load succeeds");
        assert_eq!(got.entry.value.as_deref(), Some(&7));
        sources.push(got.status);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(sources.iter().filter(|source| **source == CacheStatus::Miss).count(), 1);
    assert_eq!(sources.iter().filter(|source| **source == CacheStatus::Shared).count(), 49);
}

#[tokio::test]
async fn a_load_without_waiters_is_cancelled() {
    let (store, key, ended) = (store(POLICY), key(1), Arc::default());
    let (release, released) = oneshot::channel();
    let load = steered(released, &ended);
    let waiting = |load: Option<_>| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            match load {
                Some(load) => store.get(key, patient(), |_| load).await,
                None => store.get(key, patient(), |_| async { Err("asked again") }).await,
            }
        })
    };
    let first = waiting(Some(load));
    settle().await;
    let second = waiting(None);
    settle().await;
    // The first caller disconnects and the second still waits. Then the second disconnects.
    first.abort();
    settle().await;
    assert!(!release.is_closed());
    second.abort();
    settle().await;
    assert!(release.is_closed(), "the load was dropped");
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    let got = store.get(key, patient(), |_| async { found(8) }).await.expect("a new load");
    assert_eq!(got.entry.value.as_deref(), Some(&8));
    assert!(format!("{:?}", store.loads).contains("SingleFlight"));
}

#[tokio::test]
async fn a_load_continues_after_its_callers_time_out() {
    let (store, key, ended) = (store(POLICY), key(1), Arc::default());
    let (release, released) = oneshot::channel();
    let load = steered(released, &ended);
    let hurry = || within(Duration::from_millis(5));
    assert!(matches!(store.get(key, hurry(), |_| load).await, Err(LoadError::DeadlineExceeded)));
    for _ in 0..5 {
        assert!(matches!(
            store.get(key, hurry(), |_| async { Err("asked again") }).await,
            Err(LoadError::DeadlineExceeded)
        ));
    }
    release.send(()).expect("the load still waits");
    let got = store.get(key, patient(), |_| async { Err("asked again") }).await.expect("kept");
    assert_eq!((got.entry.value.as_deref(), ended.load(Ordering::SeqCst)), (Some(&7), 1));
}

#[tokio::test]
async fn a_load_knows_the_latest_deadline() {
    let (store, key) = (store(POLICY), key(1));
    let (seen, until) = oneshot::channel();
    let long = patient();
    let first = {
        let store = Arc::clone(&store);
        let load = |until: watch::Receiver<Instant>| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let _listened = seen.send(*until.borrow());
            found(7)
        };
        tokio::spawn(async move { store.get(key, within(Duration::from_secs(1)), load).await })
    };
    settle().await;
    store.get(key, long, |_| async { Err("asked again") }).await.expect("shared");
    first.await.expect("the task ends").expect("loaded");
    assert_eq!(until.await.expect("the load ran"), long.deadline);
}

#[tokio::test]
async fn a_load_error_is_shared_and_not_cached() {
    let (store, key) = (store(POLICY), key(1));
    assert!(matches!(store.get(key, patient(), |_| async { Err("down") }).await, Err(LoadError::Failed(_))));
    assert!(store.get(key, patient(), |_| async { found(7) }).await.is_ok());
}

#[tokio::test]
async fn a_panic_in_a_load_is_an_error_for_its_caller_alone() {
    let (store, key) = (store(POLICY), key(1));
    let breaks = |_| async {
        if true {
            std::panic::resume_unwind(Box::new("a load that breaks"));
        }
        found(7)
    };
    assert!(matches!(store.get(key, patient(), breaks).await, Err(LoadError::TaskLost)));
    assert!(store.get(key, patient(), |_| async { found(7) }).await.is_ok());
}

#[tokio::test]
async fn stale_while_revalidate_serves_the_old_entry() {
    let policy =
        TtlPolicy { ttl: Duration::from_millis(20), stale_while_revalidate: Duration::from_secs(60), ..POLICY };
    let (store, key) = (store(policy), key(1));
    store.get(key, patient(), |_| async { found(1) }).await.expect("the first load");
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(store.get_fresh(&key).await.is_none());
    let old = store.get(key, patient(), |_| async { found(2) }).await.expect("the old answer");
    assert_eq!((old.entry.value.as_deref(), old.status), (Some(&1), CacheStatus::Hit));
    for _ in 0..200 {
        // The new entry is fresh for 20 ms only, which a busy machine can miss: a read returns it afterwards as well.
        let read = store.get(key, patient(), |_| async { found(2) }).await.expect("an entry");
        if read.entry.value.as_deref() == Some(&2) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    unreachable!("the refresh ends");
}

#[tokio::test]
async fn stale_if_error_serves_the_old_entry() {
    let policy = TtlPolicy { ttl: Duration::from_millis(20), stale_if_error: Duration::from_secs(60), ..POLICY };
    let (store, key) = (store(policy), key(1));
    store.get(key, patient(), |_| async { found(1) }).await.expect("the first load");
    tokio::time::sleep(Duration::from_millis(30)).await;
    let down = store.get(key, patient(), |_| async { Err("down") }).await.expect("the old answer");
    assert_eq!((down.entry.value.as_deref(), down.status), (Some(&1), CacheStatus::StaleIfError));
    let hurry = within(Duration::from_millis(5));
    let late = store.get(key, hurry, |_| std::future::pending()).await.expect("the old answer");
    assert_eq!(late.status, CacheStatus::StaleIfError);
}

#[tokio::test]
async fn stale_if_error_ignores_rejections_and_fresh_only_reads() {
    let policy = TtlPolicy { ttl: Duration::from_millis(20), stale_if_error: Duration::from_secs(60), ..POLICY };
    let (store, key) = (store(policy), key(1));
    store.get(key, patient(), |_| async { found(1) }).await.expect("the first load");
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(matches!(store.get(key, patient(), |_| async { Err("no") }).await, Err(LoadError::Failed(_))));
    let strict = ReadOptions { freshness: Freshness::FreshOnly, ..patient() };
    assert!(matches!(store.get(key, strict, |_| async { Err("down") }).await, Err(LoadError::Failed(_))));
    let written = Key { generation: 1, ..key };
    assert!(matches!(store.get(written, patient(), |_| async { Err("down") }).await, Err(LoadError::Failed(_))));
    let longer_ago = TtlPolicy { stale_if_error: Duration::from_millis(1), ..policy };
    let store = self::store(longer_ago);
    store.get(key, patient(), |_| async { found(1) }).await.expect("the first load");
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(matches!(store.get(key, patient(), |_| async { Err("down") }).await, Err(LoadError::Failed(_))));
}

fn past_the_cache() -> ReadOptions {
    ReadOptions { freshness: Freshness::Bypass, ..patient() }
}

#[tokio::test]
async fn a_bypassing_read_updates_the_cache_on_success_only() {
    let (store, key) = (store(POLICY), key(1));
    store.get(key, patient(), |_| async { found(1) }).await.expect("the first load");
    assert!(matches!(store.get(key, past_the_cache(), |_| async { Err("down") }).await, Err(LoadError::Failed(_))));
    let kept = async || store.get_fresh(&key).await.and_then(|kept| kept.value.as_deref().copied());
    assert_eq!(kept().await, Some(1));
    let new = store.get(key, past_the_cache(), |_| async { found(2) }).await.expect("a new one");
    assert_eq!((new.entry.value.as_deref(), new.status), (Some(&2), CacheStatus::Miss));
    assert_eq!(kept().await, Some(2));
}

#[tokio::test]
async fn a_bypassing_read_does_not_join_an_earlier_load() {
    let (store, key, ended) = (store(POLICY), key(1), Arc::default());
    let waiting = |terms: ReadOptions, load| {
        let store = Arc::clone(&store);
        tokio::spawn(
            async move { store.get(key, terms, |_| load).await.expect("a load").entry.value.as_deref().copied() },
        )
    };
    let (release, released) = oneshot::channel();
    let before = waiting(patient(), steered(released, &ended));
    settle().await;
    let new = store.get(key, past_the_cache(), |_| async { found(8) }).await.expect("a new one");
    assert_eq!((new.entry.value.as_deref(), ended.load(Ordering::SeqCst)), (Some(&8), 0));
    // The older load serves the caller that waited for it, and does not replace the newer result.
    release.send(()).expect("it still waits");
    assert_eq!(before.await.expect("the task ends"), Some(7));
    assert_eq!(store.get_fresh(&key).await.and_then(|kept| kept.value.as_deref().copied()), Some(8));
    assert_eq!(store.loads.load_count(), 0);
}

#[tokio::test]
async fn a_later_caller_joins_the_newest_load() {
    let (store, key, ended) = (store(POLICY), key(1), Arc::default());
    let hangs = || {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.get(key, patient(), |_| std::future::pending()).await.is_ok() })
    };
    let old = hangs();
    settle().await;
    let (release, released) = oneshot::channel();
    let load = steered(released, &ended);
    let newer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.get(key, past_the_cache(), |_| load).await.is_ok() })
    };
    settle().await;
    let joins = hangs();
    settle().await;
    release.send(()).expect("it still waits");
    assert!(newer.await.expect("the task ends") && joins.await.expect("the task ends"));
    assert!(!old.is_finished());
    old.abort();
    settle().await;
    assert_eq!(store.loads.load_count(), 0);
}

#[tokio::test]
async fn cached_entries_stay_within_the_byte_limit() {
    let store: ReadThrough<[u8; 1000], Word> = ReadThrough::new("test", POLICY, 100_000);
    let scope = Scope::new(1, None);
    for subject in 0..1000 {
        let key = Key { scope, subject, generation: 0 };
        let load = |_| async { Ok(Fetched { value: Some([0_u8; 1000]), bytes: 1000 }) };
        store.get(key, patient(), load).await.expect("the load succeeds");
        // Including entries that moka's maintenance has not processed.
        let kept: u32 = store.store.iter().map(|(_, kept)| kept.weight).sum();
        assert!(kept <= 100_000, "{kept} bytes after {subject} loads");
    }
}

#[tokio::test]
async fn a_read_in_flight_during_a_write_is_not_cached() {
    let cache: Cache<Word> = Cache::new(&Settings {
        enabled: true,
        customer_ttl: POLICY.ttl,
        review_ttl: POLICY.ttl,
        page_ttl: POLICY.ttl,
        not_found_ttl: POLICY.not_found_ttl,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::from_secs(60),
        customers_max_bytes: 1 << 20,
        reviews_max_bytes: 1 << 20,
        pages_max_bytes: 1 << 20,
    });
    let (store, ended) = (store(POLICY), Arc::default());
    let scope = Scope::new(1, None);
    let id = CustomerId(uuid::Uuid::from_u128(1));
    let (release, released) = oneshot::channel();
    let in_flight = {
        let (store, key, load) = (Arc::clone(&store), cache.customer_key(scope, id), steered(released, &ended));
        tokio::spawn(async move { store.get(key, patient(), |_| load).await })
    };
    settle().await;
    cache.invalidate_customer(scope, id);
    release.send(()).expect("the load still waits");
    in_flight.await.expect("the task ends").expect("the old state, for who asked before the write");
    let after = store.get(cache.customer_key(scope, id), patient(), |_| async { found(2) }).await.expect("a new load");
    assert_eq!(after.entry.value.as_deref(), Some(&2));
}
