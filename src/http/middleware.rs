//! What frames every request: an id, headers that are always there, one line in the log.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tracing::info;
use uuid::Uuid;

use super::answer;
use crate::app::App;
use crate::error::{Code, Failure, Verdict};
use crate::operation::Label;
use crate::telemetry::metrics::BoundedNames;
use crate::telemetry::names;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The id of a request. It is always ours: what a caller sends as one could be anything, and it goes into logs.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// As it stands in headers, errors and logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of a request so far, for the log's line and the metrics: also where its caller hangs up before it is
/// answered, or handling it breaks. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Summary>>);

impl Notes {
    /// Notes something.
    pub fn note(&self, something: impl FnOnce(&mut Summary)) {
        something(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was noted so far.
    pub fn summary(&self) -> Summary {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a handler knows of its request that belongs into the log's line and the metrics.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Whether it is GraphQL: of anything else the metrics know nothing.
    pub is_graphql: bool,
    /// `query`, `mutation` or `subscription`; none where that is not known.
    pub kind: Option<&'static str>,
    /// What the operation is called, once it is known which one it is.
    pub label: Option<Label>,
    /// A digest of who asks.
    pub caller: Option<String>,
    /// The codes of the answer's errors.
    pub codes: Vec<Code>,
    /// How many calls to the upstream it was going to cost.
    pub planned_calls: Option<usize>,
    /// Counts those that are made for it.
    pub upstream_calls: Arc<AtomicU64>,
    /// What it got without one.
    pub cache_hits: u64,
    pub shared_calls: u64,
    pub trace_id: Option<Cow<'static, str>>,
}

impl Summary {
    /// Whose doing it is that the request was not served in full.
    pub fn verdict(&self) -> Verdict {
        self.codes.iter().map(|code| code.verdict()).max().unwrap_or_default()
    }

    /// Tells the metrics of a GraphQL request.
    fn observe(&self, names: &BoundedNames, outcome: &'static str, took: Duration) {
        if !self.is_graphql {
            return;
        }
        let kind = self.kind.unwrap_or("unknown");
        let name = self.label.as_ref().and_then(|label| label.name.as_ref()).map(|name| names.label(name));
        // A label that is empty is one that is not there.
        let name = name.map_or_else(String::new, |name| name.to_string());
        metrics::histogram!(names::REQUEST_DURATION, "type" => kind, "outcome" => outcome, "operation" => name)
            .record(took);
        for code in &self.codes {
            metrics::counter!(names::ERRORS, "code" => code.name()).increment(1);
        }
    }
}

/// What becomes of a request that is never answered, since its caller hung up or the process goes down: nothing below
/// `frame` gets to say so.
struct Watched<'a> {
    app: &'a App,
    place: Place<'a>,
    notes: &'a Notes,
    started: Instant,
    answered: bool,
}

/// It was cut when the time for going down was up.
const CUT: &str = "cut";
/// Its caller hung up. There is no status that says either.
const ABANDONED: &str = "abandoned";

/// Why a request that ends now is never answered.
pub fn unanswered(app: &App) -> &'static str {
    if app.services.cut.is_cancelled() { CUT } else { ABANDONED }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let outcome = unanswered(self.app);
        if outcome == ABANDONED {
            metrics::counter!(names::REQUESTS_ABANDONED).increment(1);
        }
        let (summary, took) = (self.notes.summary(), self.started.elapsed());
        summary.observe(&self.app.operation_names, outcome, took);
        self.place.log(&summary, None, outcome, took);
    }
}

/// Routes that platforms ask every few seconds: their lines would bury all others.
const ASKED_ALL_THE_TIME: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Gives a request its id, its answer the headers that are always there, the log its line, and the metrics their numbers.
pub async fn frame(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::new();
    let method = request.method().clone();
    // The route and not the path: a path or query can hold anything.
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let notes = Notes::default();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(notes.clone());
    // A panic is answered here, so that it has its request's id and its line in the log. Nothing is shared with what
    // broke but what is whole at any time: atomics, caches, locks that are not held across code of ours.
    let place = Place { id: &id, method: known(&method), route: &route };
    let mut watched = Watched { app: &app, place, notes: &notes, started, answered: false };
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    watched.answered = true;
    let mut response = answered.unwrap_or_else(|_panic| {
        notes.note(|summary| summary.codes = vec![Code::InternalServerError]);
        answer::failure(&broken(), &id)
    });
    // What is answered where the request cannot be seen any more has made an id of its own.
    let told = response.extensions().get::<RequestId>().cloned().unwrap_or_else(|| id.clone());
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(told.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let (summary, took) = (notes.summary(), started.elapsed());
    let outcome = summary.verdict().name();
    summary.observe(&app.operation_names, outcome, took);
    if !ASKED_ALL_THE_TIME.contains(&route.as_str()) || response.status().is_server_error() {
        Place { id: &told, ..place }.log(&summary, Some(response.status()), outcome, took);
    }
    response
}

/// What the log's line says of a request whatever it was.
#[derive(Clone, Copy)]
struct Place<'a> {
    id: &'a RequestId,
    method: &'a str,
    route: &'a str,
}

impl Place<'_> {
    /// The request's line; its fields are those of `telemetry::names`.
    fn log(&self, summary: &Summary, status: Option<StatusCode>, outcome: &str, took: Duration) {
        let codes: Vec<&str> = summary.codes.iter().map(|code| code.name()).collect();
        let label = summary.label.as_ref();
        info!(
            request_id = self.id.as_str(),
            trace_id = summary.trace_id.as_deref(),
            method = self.method,
            route = self.route,
            status = status.map(|status| status.as_u16()),
            outcome,
            codes = Some(codes.join(",")).filter(|codes| !codes.is_empty()),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            operation_type = summary.kind,
            operation_name = label.and_then(|label| label.name.as_deref()),
            document = label.map(|label| &*label.document),
            planned_calls = summary.planned_calls,
            upstream_calls = summary.upstream_calls.load(Ordering::Relaxed),
            cache_hits = summary.cache_hits,
            shared_calls = summary.shared_calls,
            caller = summary.caller.as_deref(),
            "request"
        );
    }
}

/// A method's name where it is one of HTTP's own; a caller can make up any other.
fn known(method: &http::Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT" | "QUERY") => {
            name
        }
        _ => "other",
    }
}

/// What is told where handling a request broke. The panic's own text is not looked at: it could hold anything.
pub fn broken() -> Failure {
    Failure::new(Code::InternalServerError, "Something went wrong in the gateway.")
}
