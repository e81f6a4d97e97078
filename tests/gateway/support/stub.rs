//! A stub upstream that responds as the test defines, and records the calls.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A received call.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// The query string, not decoded.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Seen {
    /// `GET /v1/customers`
    pub fn route(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs: HashMap<_, _> = url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect();
        pairs.get(name).cloned()
    }
}

/// A response of the stub.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// 200 with the envelope of one object.
    pub fn object(data: &Value) -> Self {
        let meta = json!({"api_request_id": API_REQUEST_ID, "api_request_timestamp": "2026-07-07T06:23:00.1Z"});
        Self::json(200, &json!({"data": data, "meta": meta, "response_type": "object"}))
    }

    /// The requested page with these rows.
    pub fn page(seen: &Seen, rows: &[Value], total: impl Into<Value>) -> Self {
        let number = |name| seen.parameter(name).unwrap().parse::<u64>().unwrap();
        let meta = json!({
            "api_request_id": API_REQUEST_ID, "api_request_timestamp": "2026-07-07T06:23:00.1Z",
            "max_page_size": 1000, "page_number": number("page_number"), "page_size": number("page_size"),
            "sort_by": "name", "sort_order": "asc", "total_items": total.into(), "total_pages": 1,
        });
        Self::json(200, &json!({"data": rows, "meta": meta, "response_type": "array"}))
    }

    /// An error with its envelope.
    pub fn refusal(status: u16, detail: Option<&str>, items: &[(Option<&str>, &str)]) -> Self {
        let items: Vec<Value> =
            items.iter().map(|(reference, detail)| json!({"reference": reference, "detail": detail})).collect();
        let error = json!({"status": status, "type": "/x", "title": "X", "detail": detail, "items": items});
        let meta = json!({"api_request_id": API_REQUEST_ID, "api_request_timestamp": "2026-07-07T06:23:00.1Z"});
        Self::json(status, &json!({"error": error, "meta": meta, "response_type": "error"}))
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The `meta.api_request_id` of all responses of the stub.
pub const API_REQUEST_ID: &str = "0190b2de-9000-7aaa-8f10-2f6b2c3d4e63";

/// A masked person as the API returns it.
pub fn person(id: impl Display) -> Value {
    json!({
        "id": id.to_string(), "name": "Ada Example", "type": "individual", "email": "ada@example.test",
        "phone": "+12025550123", "status": "verified", "external_id": "u-1",
        "created_at": "2026-07-07T06:21:44", "updated_at": "2026-07-07T06:21:50",
        "address": {"address1": "1 Way", "address2": null, "city": "Reno", "state": "NV", "zip": "89501"},
        "compliance_profile": {"dob": "****-**-**", "ssn": "***-**-****"},
        "device": {"ip_address": "**.**.**.**"}, "metadata": {"tier": "gold"},
        "config": {"processing_method": "inline", "sandbox_outcome": "standard"},
    })
}

/// The same person unmasked.
pub fn clear_person(id: impl Display) -> Value {
    let clear = json!({"compliance_profile": {"dob": "1985-12-10", "ssn": "900-12-3456"},
        "device": {"ip_address": "203.0.113.9"}});
    with(person(id), clear)
}

/// `body` with the members of `more`.
pub fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// The id in a path of the API.
pub fn id_in(path: &str) -> &str {
    path.split('/').nth(3).unwrap()
}

type Script = Box<dyn Fn(&Seen) -> Reply + Send + Sync>;

struct Shared {
    script: Script,
    seen: Mutex<Vec<Seen>>,
    /// How many calls have arrived, how many are in progress, and the most that were in progress at once.
    counts: watch::Sender<(usize, usize, usize)>,
    hold: AtomicUsize,
}

/// A stub. It stops when it goes out of scope.
pub struct Stub {
    pub base: String,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl Stub {
    pub async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::holding(0, script).await
    }

    /// Holds all responses until so many calls have arrived.
    pub async fn holding(hold: usize, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let (counts, _) = watch::channel((0, 0, 0));
        let shared =
            Arc::new(Shared { script: Box::new(script), seen: Mutex::default(), counts, hold: AtomicUsize::new(hold) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let stopped = shutdown.clone().cancelled_owned();
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        Self { base, shared, _stop: shutdown.drop_guard() }
    }

    /// Holds all responses until `release`.
    pub fn hold(&self) {
        self.shared.hold.store(usize::MAX, Ordering::SeqCst);
    }

    /// Sends the held responses, and all later ones at once.
    pub fn release(&self) {
        self.shared.hold.store(0, Ordering::SeqCst);
        self.shared.counts.send_modify(|_| {});
    }

    /// Waits until so many calls have arrived.
    pub async fn until_arrived(&self, calls: usize) {
        let mut counts = self.shared.counts.subscribe();
        let reached = counts.wait_for(|(arrived, ..)| *arrived >= calls);
        tokio::time::timeout(Duration::from_secs(30), reached).await.expect("they arrive").unwrap();
    }

    /// All received calls, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The calls as `GET /v1/customers`, in order.
    pub fn routes(&self) -> Vec<String> {
        self.seen().iter().map(Seen::route).collect()
    }

    /// The most calls that were in progress at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.counts.borrow().2
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: to_bytes(body, 1 << 20).await.unwrap().to_vec(),
    };
    shared.seen.lock().unwrap().push(seen.clone());
    shared.counts.send_modify(|(arrived, here, most)| {
        (*arrived, *here) = (*arrived + 1, *here + 1);
        *most = (*most).max(*here);
    });
    shared.counts.subscribe().wait_for(|(arrived, ..)| *arrived >= shared.hold.load(Ordering::SeqCst)).await.unwrap();
    let reply = (shared.script)(&seen);
    shared.counts.send_modify(|(_, here, _)| *here -= 1);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}
