//! One function an endpoint of the Customers API.
//!
//! Every call carries the caller's credential and account, a `Request-Id` of its own and the gateway request's id as
//! `Correlation-Id`; writes carry an `Idempotency-Key`. How it is sent, and how often, is the business of `super::stack`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tower::ServiceExt;
use tracing::{debug, warn};
use url::Url;
use uuid::Uuid;

use super::body::NewCustomer;
use super::breaker;
use super::envelope::{self, Envelope, PagedEnvelope};
use super::error::{Error, Kind};
use super::exchange::{Exchange, Reply, Request};
use super::observe::{self, Health};
use super::patience::Patience;
use super::query::{ArrayEncoding, PageQuery};
use super::received::{in_clear, logged, read};
use super::recheck::Recheck;
use super::stack::{self, Stack};
use super::unknown::{UnknownMembers, WholeReplacement};
use super::wire::{WireCustomer, WirePageMeta, WireReview, WireReviewedCustomer, WireRow};
use crate::model::lenient::{LenientField, Object, UnreadableField};
use crate::model::{Customer, CustomerId, CustomerSummary, Page, PageMeta, Review, ReviewDecision, UnmaskedCustomer};
use crate::outbound::Proxy;
use crate::telemetry::busy_time::BusyTime;
use crate::telemetry::traces;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("correlation-id");
const ACCOUNT: HeaderName = HeaderName::from_static("straddle-account-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How many rows of one page the log names.
const MOST_ROWS_LOGGED: usize = 10;

/// What the client needs to know; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub base_url: Url,
    /// The way out, where it is not the direct one.
    pub proxy: Option<Proxy>,
    pub connect_timeout: Duration,
    pub max_response_bytes: usize,
    pub arrays: ArrayEncoding,
    pub stack: stack::Settings,
}

/// For whom a call is made.
#[derive(Clone, Debug)]
pub struct Caller {
    pub credential: SecretString,
    /// `Straddle-Account-Id`, where the caller acts for one.
    pub account: Option<Uuid>,
    /// Who asks, as a digest. With the gateway's own key several callers have one credential.
    pub payer: u128,
    /// The id of the gateway's request that needs the call.
    pub correlation_id: String,
    /// Counts the calls that go out for this request, however many attempts each takes.
    pub calls: Arc<AtomicU64>,
    /// For how long this request has waited for calls.
    pub waiting: Arc<BusyTime>,
    /// How long it waits for a call.
    pub patience: Patience,
}

impl Caller {
    /// The same with a patience of its own.
    #[must_use]
    pub fn with(&self, patience: Patience) -> Self {
        Self { patience, ..self.clone() }
    }
}

/// An answer and how large it was on the wire.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub value: T,
    /// Bytes of the body, decompressed.
    pub bytes: usize,
}

impl<T> Answer<T> {
    fn try_map<U>(self, convert: impl FnOnce(T) -> Result<U, Error>) -> Result<Answer<U>, Error> {
        Ok(Answer { value: convert(self.value)?, bytes: self.bytes })
    }
}

/// A customer that was read to be replaced, with the members of its record that this version does not know.
#[derive(Debug)]
pub struct Record<T> {
    pub customer: T,
    pub unknown: UnknownMembers,
}

/// The Customers API over HTTP. Cheap to share, not to make: it holds the connections.
pub struct Client {
    stack: Stack,
    base_url: Url,
    arrays: ArrayEncoding,
    /// Whether the upstream answers.
    pub health: Health,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// A client that cannot be built on this machine, or with these settings.
#[derive(Debug, thiserror::Error)]
pub enum NotBuilt {
    #[error("TLS or DNS cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the breaker's settings cannot be used: {0}")]
    Breaker(#[from] breaker::Unusable),
}

/// A call before it is sent. `route` is the endpoint's template, for logs; the path itself is not logged.
struct Call<'a> {
    route: &'static str,
    method: Method,
    path: &'a [&'a str],
    query: Vec<(&'static str, String)>,
    body: Option<Bytes>,
    idempotency_key: Option<&'a str>,
    /// Looks whether a write may be sent again.
    recheck: Option<Recheck>,
}

impl<'a> Call<'a> {
    fn new(route: &'static str, method: Method, path: &'a [&'a str]) -> Self {
        Self { route, method, path, query: Vec::new(), body: None, idempotency_key: None, recheck: None }
    }

    fn query(self, query: Vec<(&'static str, String)>) -> Self {
        Self { query, ..self }
    }

    fn body(self, body: &impl Serialize) -> Result<Self, Error> {
        // The error is dropped: it could name what it failed on.
        let body = serde_json::to_vec(body).map_err(|_| Kind::Invalid("the request could not be written as JSON"))?;
        Ok(Self { body: Some(body.into()), ..self })
    }

    fn key(self, key: &'a str) -> Self {
        Self { idempotency_key: Some(key), ..self }
    }
}

impl Client {
    /// A client for one upstream.
    ///
    /// # Errors
    /// Where TLS or DNS cannot be set up on this machine.
    pub fn new(settings: &Settings) -> Result<Self, NotBuilt> {
        let exchange = Exchange::new(
            &settings.base_url,
            settings.proxy.as_ref(),
            settings.connect_timeout,
            settings.max_response_bytes,
        )?;
        let health = Health::default();
        let stack = stack::around(exchange, &settings.stack, health.breaker.clone())?;
        Ok(Self { stack, base_url: settings.base_url.clone(), arrays: settings.arrays, health })
    }

    /// One numbered page of the list.
    pub async fn page(&self, caller: &Caller, query: &PageQuery) -> Result<Answer<Page>, Error> {
        let pairs = query.pairs(self.arrays);
        let call = Call::new("GET /v1/customers", Method::GET, &["v1", "customers"]).query(pairs);
        let route = call.route;
        let answer: Answer<PagedEnvelope<LenientField<Object<WireRow>>, WirePageMeta>> =
            self.send(caller, call).await?;
        answer.try_map(|page| {
            let meta = page.meta;
            // A page of another size or number than asked for would put rows at wrong positions.
            if (i64::from(meta.page_number), i64::from(meta.page_size)) != (query.number.into(), query.size.into()) {
                return Err(Kind::Invalid("another page than was asked for").into());
            }
            if page.data.len() > query.size as usize {
                return Err(Kind::Invalid("more rows than a page holds").into());
            }
            let rows: Vec<_> = page.data.into_iter().map(|row| Arc::new(CustomerSummary::from(row))).collect();
            let unreadable = rows.iter().enumerate().map(|(row, summary)| (row, summary.unreadable()));
            for (row, fields) in unreadable.filter(|(_, fields)| !fields.is_empty()).take(MOST_ROWS_LOGGED) {
                warn!(route, row, ?fields, "the upstream sent fields that cannot be read");
            }
            let total = u32::try_from(meta.total_items).unwrap_or(0);
            let meta = PageMeta::try_from(meta);
            if let Err(UnreadableField(field)) = meta {
                warn!(route, fields = ?[field], "the upstream sent fields that cannot be read");
            }
            Ok(Page { rows, total, meta })
        })
    }

    /// One customer, masked.
    pub async fn customer(&self, caller: &Caller, id: CustomerId) -> Result<Answer<Customer>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path];
        self.one(caller, id, Call::new("GET /v1/customers/{id}", Method::GET, &path)).await
    }

    /// One customer in clear. `Forbidden` also where the upstream answers with masked values.
    pub async fn unmasked(&self, caller: &Caller, id: CustomerId) -> Result<UnmaskedCustomer, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path, "unmasked"];
        let call = Call::new("GET /v1/customers/{id}/unmasked", Method::GET, &path);
        let route = call.route;
        let answer: Answer<Envelope<WireCustomer>> = self.send(caller, call).await?;
        in_clear(route, answer.value.data, id)
    }

    /// One customer in clear, to be replaced. `Forbidden` also where the upstream answers with masked values.
    pub async fn clear_record(&self, caller: &Caller, id: CustomerId) -> Result<Record<UnmaskedCustomer>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path, "unmasked"];
        let call = Call::new("GET /v1/customers/{id}/unmasked", Method::GET, &path);
        let route = call.route;
        let (customer, unknown) = self.record(caller, call).await?;
        Ok(Record { customer: in_clear(route, customer, id)?, unknown })
    }

    /// One customer, masked, to be replaced.
    pub async fn masked_record(&self, caller: &Caller, id: CustomerId) -> Result<Record<Customer>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path];
        let call = Call::new("GET /v1/customers/{id}", Method::GET, &path);
        let route = call.route;
        let (customer, unknown) = self.record(caller, call).await?;
        Ok(Record { customer: read(route, id, customer)?, unknown })
    }

    /// A customer's screening, with the whole masked customer.
    pub async fn review(&self, caller: &Caller, id: CustomerId) -> Result<Answer<Review>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path, "review"];
        let call = Call::new("GET /v1/customers/{id}/review", Method::GET, &path);
        let route = call.route;
        let open = |Reply { status, headers, body }: &Reply| {
            let whole = envelope::open::<Envelope<WireReview>>(*status, headers, body);
            let (customer, identity) = match whole {
                Ok(Envelope { data }) => (data.customer_details, Ok(data.identity_details.map(Arc::new))),
                Err(error) => {
                    // The screening is what may be in another form; the customer costs no call of its own then.
                    let customer = envelope::open::<Envelope<WireReviewedCustomer>>(*status, headers, body);
                    let Ok(Envelope { data }) = customer else { return Err(error) };
                    warn!(route, fields = ?["identity"], "the upstream sent fields that cannot be read");
                    (data.customer_details, Err(UnreadableField("identity")))
                }
            };
            Ok(Review { customer: Arc::new(read(route, id, customer)?), identity })
        };
        self.send_and(caller, call, open).await
    }

    /// Creates a customer; the answer's status is settled where the screening runs inline.
    pub async fn create(&self, caller: &Caller, body: &NewCustomer, key: &str) -> Result<Customer, Error> {
        let call = Call::new("POST /v1/customers", Method::POST, &["v1", "customers"]).body(body)?.key(key);
        let route = call.route;
        let answer: Answer<Envelope<WireCustomer>> = self.send(caller, call).await?;
        let customer = Customer::from(answer.value.data);
        match customer.summary.id {
            Ok(_) => Ok(logged(route, customer)),
            Err(_) => Err(Kind::NoAnswer("a customer without an id").into()),
        }
    }

    /// Replaces a customer as a whole. It is sent again only where `recheck` allows it.
    pub async fn replace(
        &self,
        caller: &Caller,
        id: CustomerId,
        body: &WholeReplacement,
        key: &str,
        recheck: Recheck,
    ) -> Result<Customer, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path];
        let call = Call::new("PUT /v1/customers/{id}", Method::PUT, &path).body(body)?.key(key);
        let call = Call { recheck: Some(recheck), ..call };
        self.one(caller, id, call).await.map(|answer| answer.value)
    }

    /// Erases a customer; the answer is the customer as it was, or none where the upstream answers without a body.
    pub async fn delete(&self, caller: &Caller, id: CustomerId, key: &str) -> Result<Option<Customer>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path];
        let call = Call::new("DELETE /v1/customers/{id}", Method::DELETE, &path).key(key);
        let route = call.route;
        let open = |Reply { status, headers, body }: &Reply| {
            if envelope::is_done_without_a_word(*status, body) {
                return Ok(None);
            }
            let envelope: Envelope<WireCustomer> = envelope::open(*status, headers, body)?;
            read(route, id, envelope.data).map(Some)
        };
        self.send_and(caller, call, open).await.map(|answer| answer.value)
    }

    /// Settles a customer that waits in review.
    pub async fn decide(
        &self,
        caller: &Caller,
        id: CustomerId,
        decision: ReviewDecision,
        key: &str,
    ) -> Result<Customer, Error> {
        #[derive(Serialize)]
        struct Body {
            status: ReviewDecision,
        }
        let path = id.to_string();
        let path = ["v1", "customers", &path, "review"];
        let call = Call::new("PATCH /v1/customers/{id}/review", Method::PATCH, &path);
        let call = call.body(&Body { status: decision })?.key(key);
        self.one(caller, id, call).await.map(|answer| answer.value)
    }

    /// Runs the screening again. 200 and 202 are both success (the sources differ).
    pub async fn refresh(&self, caller: &Caller, id: CustomerId, key: &str) -> Result<Customer, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path, "refresh_review"];
        let call = Call::new("PUT /v1/customers/{id}/refresh_review", Method::PUT, &path).key(key);
        self.one(caller, id, call).await.map(|answer| answer.value)
    }

    /// A call that answers with a record to be replaced.
    async fn record(&self, caller: &Caller, call: Call<'_>) -> Result<(WireCustomer, UnknownMembers), Error> {
        let answer: Answer<Envelope<Box<RawValue>>> = self.send(caller, call).await?;
        let record = answer.value.data;
        // The error of serde_json quotes the text it read, so it is dropped here and goes nowhere.
        let customer: WireCustomer =
            serde_json::from_str(record.get()).map_err(|_| Kind::NoAnswer("not the documented JSON"))?;
        let unknown = UnknownMembers::of_customer(&record, customer.is_company());
        Ok((customer, unknown))
    }

    /// A call that answers with the customer it is about.
    async fn one(&self, caller: &Caller, id: CustomerId, call: Call<'_>) -> Result<Answer<Customer>, Error> {
        let route = call.route;
        let answer: Answer<Envelope<WireCustomer>> = self.send(caller, call).await?;
        answer.try_map(|envelope| read(route, id, envelope.data))
    }

    /// Sends a call and reads its answer, each within the settings' bounds.
    async fn send<T: DeserializeOwned>(&self, caller: &Caller, call: Call<'_>) -> Result<Answer<T>, Error> {
        self.send_and(caller, call, |reply| envelope::open(reply.status, &reply.headers, &reply.body)).await
    }

    /// As [`Self::send`], for an answer that is opened in a way of its own.
    async fn send_and<T>(
        &self,
        caller: &Caller,
        call: Call<'_>,
        open: impl FnOnce(&Reply) -> Result<T, Error>,
    ) -> Result<Answer<T>, Error> {
        let route = call.route;
        let request_id = Uuid::now_v7();
        let call = async {
            let reply = self.stack.clone().oneshot(self.request(caller, call, request_id)?).await?;
            Ok(Answer { value: open(&reply)?, bytes: reply.body.len() })
        };
        let outcome = observe::call(&self.health, &caller.waiting, route, call).await;
        match &outcome {
            Ok(answer) => debug!(route, %request_id, bytes = answer.bytes, "upstream answered"),
            Err(Error { kind: Kind::NotFound | Kind::Refused(_) | Kind::Conflict(_), .. }) => {
                debug!(route, %request_id, "upstream refused");
            }
            // It has been said once; a line for each call that the upstream is spared would say no more.
            Err(Error { kind: Kind::Open { .. } | Kind::HeldBack { .. }, .. }) => {
                debug!(route, %request_id, "not sent: the upstream is left alone");
            }
            Err(error) => warn!(
                route,
                %request_id,
                correlation_id = %caller.correlation_id,
                api_request_id = error.api_request_id.map(tracing::field::display),
                error = %error,
                "upstream call failed"
            ),
        }
        outcome
    }

    fn request(&self, caller: &Caller, call: Call<'_>, request_id: Uuid) -> Result<Request, Error> {
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| Kind::Invalid("the base URL takes no path"))?
            .pop_if_empty()
            .extend(call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, bearer(&caller.credential)?);
        headers.insert(REQUEST_ID, text(&request_id.to_string())?);
        headers.insert(CORRELATION_ID, text(&caller.correlation_id)?);
        traces::inject_context(&mut headers);
        if let Some(account) = caller.account {
            headers.insert(ACCOUNT, text(&account.to_string())?);
        }
        if let Some(key) = call.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY, text(key)?);
        }
        if call.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Request {
            route: call.route,
            method: call.method,
            url,
            headers,
            body: call.body,
            payer: caller.payer,
            patience: caller.patience.clone(),
            repeats: None,
            is_repeated: false,
            recheck: call.recheck,
            calls: Arc::clone(&caller.calls),
        })
    }
}

fn bearer(credential: &SecretString) -> Result<HeaderValue, Error> {
    let mut value = text(&format!("Bearer {}", credential.expose_secret()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn text(value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| Kind::Invalid("a request header cannot hold its value").into())
}
