//! No more calls at once than the upstream is to bear, and a bounded queue for a place among them, fair by caller.
//!
//! Calls that wait are served in rounds, in each of them one call of each caller. So somebody who asks for two hundred
//! customers at once does not stand in front of somebody who asks for one: that one waits for a round or two. Of the queue
//! itself a caller has its share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use super::error::{Error, Kind};
use super::exchange::{Reply, Request};
use super::metrics;
use crate::shares::Shares;
use crate::telemetry::names::UPSTREAM_QUEUED;

/// Bounds; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many calls may be in flight at once.
    pub max_in_flight: usize,
    /// How many may wait for a place.
    pub max_queue: usize,
    /// How long one waits at most.
    pub queue_timeout: Duration,
}

/// Puts a service behind places.
#[derive(Clone, Debug)]
pub struct Places {
    line: Arc<Line>,
    queue: Arc<Shares>,
    settings: Settings,
}

/// The places that are free, and who waits for one.
#[derive(Debug)]
struct Line(Mutex<Standing>);

#[derive(Debug)]
struct Standing {
    /// How many places are free; none while somebody waits.
    free: usize,
    waiting: BTreeMap<Turn, (u128, oneshot::Sender<Place>)>,
    /// The callers who wait.
    callers: HashMap<u128, InLine>,
    /// The round that is being served.
    round: u64,
    arrivals: u64,
}

/// When somebody is served: by the round, in a round by who came first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Turn {
    round: u64,
    arrival: u64,
}

/// One caller's calls in the line.
#[derive(Debug)]
struct InLine {
    calls: usize,
    /// The round of the last one.
    last: u64,
}

/// A place, until it is dropped; then it goes to whoever is next.
#[derive(Debug)]
struct Place(Arc<Line>);

/// A call that waits, and leaves the line when it is dropped.
struct Waiting<'a> {
    line: &'a Arc<Line>,
    turn: Turn,
    place: oneshot::Receiver<Place>,
}

impl Places {
    /// All places free.
    pub fn new(settings: Settings) -> Self {
        let standing = Standing {
            free: settings.max_in_flight,
            waiting: BTreeMap::new(),
            callers: HashMap::new(),
            round: 0,
            arrivals: 0,
        };
        let queue = Arc::new(Shares::new(settings.max_queue, UPSTREAM_QUEUED));
        Self { line: Arc::new(Line(Mutex::new(standing))), queue, settings }
    }

    /// A place for a request, for as long as it is held.
    async fn place(&self, request: &Request) -> Result<Place, Kind> {
        if let Some(place) = self.line.free_place() {
            return Ok(place);
        }
        let began = Instant::now();
        let _queued = Shares::take(&self.queue, request.payer).map_err(|_taken| Kind::Busy)?;
        let mut waiting = match self.line.join(request.payer) {
            Ok(waiting) => waiting,
            // It has become free meanwhile.
            Err(place) => return Ok(place),
        };
        let place = tokio::select! {
            // A place that comes at the last moment is taken: what is too late is seen before it is sent.
            biased;
            place = &mut waiting.place => place.map_err(|_never| Kind::Busy),
            () = request.patience.over() => Err(Kind::TooLate),
            () = tokio::time::sleep(self.settings.queue_timeout) => Err(Kind::Busy),
        };
        metrics::waited_for_place(began.elapsed());
        place
    }
}

impl Line {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing in here panics half way, so a poisoned line is a whole one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free_place(self: &Arc<Self>) -> Option<Place> {
        self.standing().take_free().then(|| Place(Arc::clone(self)))
    }

    /// Gets in line behind what the caller has there already, or takes the place that is free.
    fn join(self: &Arc<Self>, caller: u128) -> Result<Waiting<'_>, Place> {
        let mut standing = self.standing();
        if standing.take_free() {
            return Err(Place(Arc::clone(self)));
        }
        let (give, place) = oneshot::channel();
        let turn = standing.enter(caller, give);
        Ok(Waiting { line: self, turn, place })
    }

    /// Passes a place on to whoever is next.
    fn pass_on(self: &Arc<Self>) {
        let mut standing = self.standing();
        let next = standing.waiting.first_key_value().map(|(turn, _)| *turn);
        let Some((turn, give)) = next.and_then(|turn| Some((turn, standing.leave(turn)?))) else {
            standing.free += 1;
            return;
        };
        standing.round = turn.round;
        // Past the lock: who has just gone gives the place back, and on it goes.
        drop(standing);
        drop(give.send(Place(Arc::clone(self))));
    }
}

impl Standing {
    fn take_free(&mut self) -> bool {
        let free = self.free.checked_sub(1);
        self.free = free.unwrap_or(0);
        free.is_some()
    }

    /// Puts a call into the line.
    fn enter(&mut self, caller: u128, give: oneshot::Sender<Place>) -> Turn {
        let behind = |own: &mut InLine| *own = InLine { calls: own.calls + 1, last: own.last + 1 };
        // Who comes anew, or comes back, has a turn in the round after the one that is being served: else those who come
        // back again and again would keep that one from ending.
        let own = self.callers.entry(caller).and_modify(behind).or_insert(InLine { calls: 1, last: self.round + 1 });
        let turn = Turn { round: own.last, arrival: self.arrivals };
        self.arrivals += 1;
        self.waiting.insert(turn, (caller, give));
        turn
    }

    /// Takes a call out of the line.
    fn leave(&mut self, turn: Turn) -> Option<oneshot::Sender<Place>> {
        let (caller, give) = self.waiting.remove(&turn)?;
        if let Some(own) = self.callers.get_mut(&caller) {
            own.calls -= 1;
            if own.calls == 0 {
                self.callers.remove(&caller);
            }
        }
        Some(give)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.standing().leave(self.turn);
        // A place that came at the same time is in the channel, and is passed on as that goes.
    }
}

impl<S> Layer<S> for Places {
    type Service = WithPlaces<S>;

    fn layer(&self, inner: S) -> WithPlaces<S> {
        WithPlaces { inner, places: self.clone() }
    }
}

/// A service behind places.
#[derive(Clone, Debug)]
pub struct WithPlaces<S> {
    inner: S,
    places: Places,
}

impl<S> Service<Request> for WithPlaces<S>
where
    S: Service<Request, Response = Reply, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // It is asked whether it is ready once there is a place: the breaker inside keeps to the answer that it gave, and
        // may have closed during the wait.
        let mut inner = self.inner.clone();
        let places = self.places.clone();
        Box::pin(async move {
            let _place = places.place(&request).await?;
            inner.ready().await?.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use http::{HeaderMap, Method};
    use proptest::prelude::{any, prop};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::upstream::Patience;

    fn places(max_in_flight: usize, max_queue: usize) -> Places {
        let minute = Duration::from_secs(60);
        Places::new(Settings { max_in_flight, max_queue, queue_timeout: minute })
    }

    fn request(payer: u128) -> Request {
        Request {
            route: "a route",
            method: Method::GET,
            url: "http://127.0.0.1/".parse().expect("an address"),
            headers: HeaderMap::new(),
            body: None,
            payer,
            patience: Patience::until(Instant::now() + Duration::from_secs(600)),
            repeats: None,
            is_repeated: false,
            recheck: None,
            calls: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Lets every task run that can.
    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    /// Gets in line, and says so once it is served.
    async fn in_line(places: &Places, payer: u128, served: &Arc<Mutex<Vec<u128>>>) -> JoinHandle<()> {
        let (places, served) = (places.clone(), Arc::clone(served));
        let waits = tokio::spawn(async move {
            let _place = places.place(&request(payer)).await.expect("a place");
            served.lock().expect("whole").push(payer);
        });
        settle().await;
        waits
    }

    fn assert_nobody_is_there(places: &Places, max_in_flight: usize) {
        let standing = places.line.standing();
        assert_eq!((standing.free, standing.waiting.len(), standing.callers.len()), (max_in_flight, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_one_is_not_behind_who_asks_for_many() {
        let (places, served) = (places(1, 100), Arc::default());
        let only = places.place(&request(1)).await.expect("the only place");
        let mut all = Vec::new();
        for payer in [1, 1, 1, 1, 2, 3, 2] {
            all.push(in_line(&places, payer, &served).await);
        }
        drop(only);
        futures_util::future::join_all(all).await;
        assert_eq!(*served.lock().expect("whole"), [1, 2, 3, 1, 2, 1, 1]);
        assert_nobody_is_there(&places, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_back_does_not_pass_who_waits() {
        let (places, served) = (places(1, 100), Arc::new(Mutex::new(Vec::new())));
        let only = places.place(&request(1)).await.expect("the only place");
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(in_line(&places, 1, &served).await);
        }
        for payer in [2, 3] {
            let (places, served) = (places.clone(), Arc::clone(&served));
            all.push(tokio::spawn(async move {
                for _ in 0..20 {
                    let _place = places.place(&request(payer)).await.expect("a place");
                    served.lock().expect("whole").push(payer);
                }
            }));
        }
        settle().await;
        drop(only);
        futures_util::future::join_all(all).await;
        let served = served.lock().expect("whole");
        let last = served.iter().rposition(|payer| *payer == 1).expect("it was served");
        assert!(last < 15, "one of three in each round: {served:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_the_line_is_passed_over() {
        let (places, served) = (places(1, 100), Arc::default());
        let only = places.place(&request(1)).await.expect("the only place");
        let (gone, next) = (in_line(&places, 1, &served).await, in_line(&places, 2, &served).await);
        gone.abort();
        settle().await;
        drop(only);
        next.await.expect("it is served");
        assert_eq!(*served.lock().expect("whole"), [2]);
        assert_nobody_is_there(&places, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_comes_as_its_caller_goes_is_passed_on() {
        let (places, served) = (places(1, 100), Arc::default());
        let only = places.place(&request(1)).await.expect("the only place");
        let (gone, next) = (in_line(&places, 1, &served).await, in_line(&places, 2, &served).await);
        // It is given the place, and cancelled before it runs.
        drop(only);
        gone.abort();
        next.await.expect("it is served");
        assert_eq!(*served.lock().expect("whole"), [2]);
        assert_nobody_is_there(&places, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn of_the_queue_a_caller_has_its_share() {
        let (places, served) = (places(1, 6), Arc::default());
        let only = places.place(&request(1)).await.expect("the only place");
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(in_line(&places, 1, &served).await);
        }
        assert!(matches!(places.place(&request(1)).await, Err(Kind::Busy)), "half of it is one caller's");
        all.push(in_line(&places, 2, &served).await);
        drop(only);
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        assert_nobody_is_there(&places, 1);
    }

    proptest::proptest! {
        /// Whoever comes and goes, in whatever order: no place is lost, none is given twice.
        #[test]
        fn no_place_is_lost(steps in prop::collection::vec((any::<bool>(), 0..4_u128, any::<prop::sample::Index>()), 0..80)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.expect("a runtime").block_on(async {
                let places = places(2, 100);
                let now = Arc::new(AtomicU64::new(0));
                let mut callers: Vec<JoinHandle<()>> = Vec::new();
                for (comes, payer, which) in steps {
                    if comes || callers.is_empty() {
                        let (places, now) = (places.clone(), Arc::clone(&now));
                        callers.push(tokio::spawn(async move {
                            let _place = places.place(&request(payer)).await.expect("a place");
                            let others = now.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            let _left = Leaves(now);
                            assert!(others < 2, "no more than there are places");
                            tokio::time::sleep(Duration::from_millis(payer as u64)).await;
                        }));
                    } else {
                        callers.swap_remove(which.index(callers.len())).abort();
                    }
                    tokio::task::yield_now().await;
                }
                for caller in callers {
                    caller.await.expect("each that stays is served");
                }
                settle().await;
                assert_nobody_is_there(&places, 2);
            });
        }
    }

    struct Leaves(Arc<AtomicU64>);

    impl Drop for Leaves {
        fn drop(&mut self) {
            self.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
}
