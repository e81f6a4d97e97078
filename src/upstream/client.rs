//! The client of the Customers API: one function for each endpoint.
//!
//! Each call has the caller's credential and account, its own `Request-Id`, and the id of the gateway's request as
//! `Correlation-Id`. Each write has an `Idempotency-Key`. `crate::upstream::call::stack` decides when a call is sent,
//! and how often.

use std::fmt;
use std::sync::Arc;
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

use super::error::{Error, ErrorKind};
use super::wire::{WireCustomer, WirePageMeta, WireReview, WireRow};
use crate::model::lenient::{LenientField, Object, UnreadableField};
use crate::model::{Customer, CustomerId, CustomerSummary, Page, PageMeta, Review, ReviewDecision, UnmaskedCustomer};
use crate::outbound::Proxy;
use crate::telemetry::traces;
use crate::upstream::call::breaker::CircuitBreaker;
use crate::upstream::call::context::CallContext;
use crate::upstream::call::observe::{self, Health};
use crate::upstream::call::recheck::Recheck;
use crate::upstream::call::stack::{self, Stack};
use crate::upstream::call::transport::{Content, ParseBody, Request, Transport, UpstreamResponse};
use crate::upstream::wire::body::NewCustomer;
use crate::upstream::wire::envelope::{self, Envelope, PagedEnvelope};
use crate::upstream::wire::query::{ArrayEncoding, PageQuery};
use crate::upstream::wire::record::{log_unreadable_fields, requested_customer, unmasked_customer};
use crate::upstream::wire::unknown_members::{FullReplacement, UnknownMembers};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("correlation-id");
const ACCOUNT: HeaderName = HeaderName::from_static("straddle-account-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The largest number of rows of a page that the log lists.
const MAX_LOGGED_ROWS: usize = 10;

/// Settings of the client; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub base_url: Url,
    /// The egress proxy, if there is one.
    pub proxy: Option<Proxy>,
    pub connect_timeout: Duration,
    pub max_response_bytes: usize,
    pub array_encoding: ArrayEncoding,
    pub stack: stack::Settings,
}

/// A parsed response and its size.
#[derive(Clone, Debug)]
pub struct Decoded<T> {
    pub value: T,
    /// Bytes of the body, decompressed.
    pub bytes: usize,
}

impl<T> Decoded<T> {
    fn try_map<U>(self, convert: impl FnOnce(T) -> Result<U, Error>) -> Result<Decoded<U>, Error> {
        Ok(Decoded { value: convert(self.value)?, bytes: self.bytes })
    }
}

/// A customer that an update replaces, with the members of its record that this version does not know.
#[derive(Debug)]
pub struct CustomerRecord<T> {
    pub customer: T,
    pub unknown: UnknownMembers,
}

/// The client of one upstream. It owns the connection pool, so share it.
pub struct Client {
    stack: Stack,
    base_url: Url,
    arrays: ArrayEncoding,
    /// Whether the upstream responds.
    pub health: Health,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// The client cannot be built on this machine.
#[derive(Debug, thiserror::Error)]
#[error("TLS or DNS cannot be set up: {0}")]
pub struct ClientBuildError(#[from] reqwest::Error);

/// A call of an endpoint. Logs contain `route`, the template of the endpoint, and never the path.
struct CallRequest<'a> {
    route: &'static str,
    method: Method,
    path: &'a [&'a str],
    query: Vec<(&'static str, String)>,
    body: Option<Bytes>,
    idempotency_key: Option<&'a str>,
    /// Checks whether a write may be sent again.
    recheck: Option<Recheck>,
}

impl<'a> CallRequest<'a> {
    fn new(route: &'static str, method: Method, path: &'a [&'a str]) -> Self {
        Self { route, method, path, query: Vec::new(), body: None, idempotency_key: None, recheck: None }
    }

    fn query(self, query: Vec<(&'static str, String)>) -> Self {
        Self { query, ..self }
    }

    fn body(self, body: &impl Serialize) -> Result<Self, Error> {
        // The error can quote the value, so it is dropped.
        let body =
            serde_json::to_vec(body).map_err(|_| ErrorKind::Invalid("a request that cannot be written as JSON"))?;
        Ok(Self { body: Some(body.into()), ..self })
    }

    fn with_idempotency_key(self, key: &'a str) -> Self {
        Self { idempotency_key: Some(key), ..self }
    }
}

impl Client {
    /// A client for one upstream.
    ///
    /// # Errors
    /// If TLS or DNS cannot be set up on this machine.
    pub fn new(settings: &Settings) -> Result<Self, ClientBuildError> {
        let transport = Transport::new(
            &settings.base_url,
            settings.proxy.as_ref(),
            settings.connect_timeout,
            settings.max_response_bytes,
        )?;
        let breaker = CircuitBreaker::new(settings.stack.breaker);
        let stack = stack::build(transport, &settings.stack, breaker.clone());
        let health = Health::new(breaker);
        Ok(Self { stack, base_url: settings.base_url.clone(), arrays: settings.array_encoding, health })
    }

    /// One page of the list of customers.
    pub async fn page(&self, caller: &CallContext, query: &PageQuery) -> Result<Decoded<Page>, Error> {
        let pairs = query.pairs(self.arrays);
        let call = CallRequest::new("GET /v1/customers", Method::GET, &["v1", "customers"]).query(pairs);
        let route = call.route;
        let answer: Decoded<PagedEnvelope<LenientField<Object<WireRow>>, WirePageMeta>> =
            self.send(caller, call).await?;
        answer.try_map(|page| {
            let meta = page.meta;
            // Rows of a page with another size or number would have wrong positions.
            if (i64::from(meta.page_number), i64::from(meta.page_size)) != (query.number.into(), query.size.into()) {
                return Err(ErrorKind::Invalid("another page than the requested one").into());
            }
            if page.data.len() > query.size as usize {
                return Err(ErrorKind::Invalid("more rows than the page size").into());
            }
            let rows: Vec<_> = page.data.into_iter().map(|row| Arc::new(CustomerSummary::from(row))).collect();
            let unreadable = rows.iter().enumerate().map(|(row, summary)| (row, summary.unreadable()));
            for (row, fields) in unreadable.filter(|(_, fields)| !fields.is_empty()).take(MAX_LOGGED_ROWS) {
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

    /// A masked customer.
    pub async fn customer(&self, caller: &CallContext, id: CustomerId) -> Result<Decoded<Customer>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path];
        self.customer_call(caller, id, CallRequest::new("GET /v1/customers/{id}", Method::GET, &path)).await
    }

    /// An unmasked customer. Masked values in the response are [`ErrorKind::Forbidden`].
    pub async fn unmasked(&self, caller: &CallContext, id: CustomerId) -> Result<UnmaskedCustomer, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path, "unmasked"];
        let call = CallRequest::new("GET /v1/customers/{id}/unmasked", Method::GET, &path);
        let route = call.route;
        let answer: Decoded<Envelope<WireCustomer>> = self.send(caller, call).await?;
        unmasked_customer(route, answer.value.data, id)
    }

    /// An unmasked customer for an update. Masked values in the response are [`ErrorKind::Forbidden`].
    pub async fn unmasked_record(
        &self,
        caller: &CallContext,
        id: CustomerId,
    ) -> Result<CustomerRecord<UnmaskedCustomer>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path, "unmasked"];
        let call = CallRequest::new("GET /v1/customers/{id}/unmasked", Method::GET, &path);
        let route = call.route;
        let (customer, unknown) = self.record_call(caller, call).await?;
        Ok(CustomerRecord { customer: unmasked_customer(route, customer, id)?, unknown })
    }

    /// A masked customer for an update.
    pub async fn masked_record(&self, caller: &CallContext, id: CustomerId) -> Result<CustomerRecord<Customer>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path];
        let call = CallRequest::new("GET /v1/customers/{id}", Method::GET, &path);
        let route = call.route;
        let (customer, unknown) = self.record_call(caller, call).await?;
        Ok(CustomerRecord { customer: requested_customer(route, id, customer)?, unknown })
    }

    /// A customer's review: the screening and the masked customer.
    pub async fn review(&self, caller: &CallContext, id: CustomerId) -> Result<Decoded<Review>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path, "review"];
        let call = CallRequest::new("GET /v1/customers/{id}/review", Method::GET, &path);
        let route = call.route;
        let convert = |WireReview { customer_details, identity_details }| {
            if let Err(UnreadableField(field)) = identity_details {
                warn!(route, fields = ?[field], "the upstream sent fields that cannot be read");
            }
            let customer = Arc::new(requested_customer(route, id, customer_details)?);
            Ok(Review { customer, identity: identity_details.map(|identity| identity.map(Arc::new)) })
        };
        self.send_with(caller, call, WireReview::parse, convert).await
    }

    /// Creates a customer. If the screening runs inline, the returned status is final.
    pub async fn create(&self, caller: &CallContext, body: &NewCustomer, key: &str) -> Result<Customer, Error> {
        let call = CallRequest::new("POST /v1/customers", Method::POST, &["v1", "customers"])
            .body(body)?
            .with_idempotency_key(key);
        let route = call.route;
        let answer: Decoded<Envelope<WireCustomer>> = self.send(caller, call).await?;
        let customer = Customer::from(answer.value.data);
        match customer.summary.id {
            Ok(_) => Ok(log_unreadable_fields(route, customer)),
            Err(_) => Err(ErrorKind::MalformedSuccess("a customer without an id").into()),
        }
    }

    /// Replaces a whole customer. A retry is sent only if `recheck` permits it.
    pub async fn replace(
        &self,
        caller: &CallContext,
        id: CustomerId,
        body: &FullReplacement,
        key: &str,
        recheck: Recheck,
    ) -> Result<Customer, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path];
        let call = CallRequest::new("PUT /v1/customers/{id}", Method::PUT, &path).body(body)?.with_idempotency_key(key);
        let call = CallRequest { recheck: Some(recheck), ..call };
        self.customer_call(caller, id, call).await.map(|answer| answer.value)
    }

    /// Deletes a customer. Returns the deleted customer, or `None` if the response has no body.
    pub async fn delete(&self, caller: &CallContext, id: CustomerId, key: &str) -> Result<Option<Customer>, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path];
        let call = CallRequest::new("DELETE /v1/customers/{id}", Method::DELETE, &path).with_idempotency_key(key);
        let route = call.route;
        let parse = |body: &[u8]| match envelope::is_blank(body) {
            true => Ok(None),
            false => serde_json::from_slice::<Envelope<WireCustomer>>(body).map(Some),
        };
        let convert = |deleted: Option<Envelope<WireCustomer>>| {
            deleted.map(|envelope| requested_customer(route, id, envelope.data)).transpose()
        };
        self.send_with(caller, call, parse, convert).await.map(|answer| answer.value)
    }

    /// Decides on a customer in review.
    pub async fn decide(
        &self,
        caller: &CallContext,
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
        let call = CallRequest::new("PATCH /v1/customers/{id}/review", Method::PATCH, &path);
        let call = call.body(&Body { status: decision })?.with_idempotency_key(key);
        self.customer_call(caller, id, call).await.map(|answer| answer.value)
    }

    /// Screens a customer again. 200 and 202 are both successes: the sources differ.
    pub async fn refresh(&self, caller: &CallContext, id: CustomerId, key: &str) -> Result<Customer, Error> {
        let path = id.to_string();
        let path = ["v1", "customers", &path, "refresh_review"];
        let call =
            CallRequest::new("PUT /v1/customers/{id}/refresh_review", Method::PUT, &path).with_idempotency_key(key);
        self.customer_call(caller, id, call).await.map(|answer| answer.value)
    }

    /// A call that returns a record for an update.
    async fn record_call(
        &self,
        caller: &CallContext,
        call: CallRequest<'_>,
    ) -> Result<(WireCustomer, UnknownMembers), Error> {
        let answer: Decoded<Envelope<Box<RawValue>>> = self.send(caller, call).await?;
        let record = answer.value.data;
        // The error of serde_json quotes the text that was read, so it is dropped.
        let customer: WireCustomer =
            serde_json::from_str(record.get()).map_err(|_| ErrorKind::MalformedSuccess("not the documented JSON"))?;
        let unknown = UnknownMembers::from_record(&record, customer.is_company());
        Ok((customer, unknown))
    }

    /// A call that returns its customer.
    async fn customer_call(
        &self,
        caller: &CallContext,
        id: CustomerId,
        call: CallRequest<'_>,
    ) -> Result<Decoded<Customer>, Error> {
        let route = call.route;
        let answer: Decoded<Envelope<WireCustomer>> = self.send(caller, call).await?;
        answer.try_map(|envelope| requested_customer(route, id, envelope.data))
    }

    /// Makes a call whose response is JSON.
    async fn send<T: DeserializeOwned + Send + 'static>(
        &self,
        caller: &CallContext,
        call: CallRequest<'_>,
    ) -> Result<Decoded<T>, Error> {
        self.send_with(caller, call, |body| serde_json::from_slice(body), Ok).await
    }

    /// Makes a call, parses the body of its response with `parse`, and converts the content. A response that cannot be
    /// converted is a failed call in metrics and log.
    async fn send_with<T: Send + 'static, U>(
        &self,
        caller: &CallContext,
        call: CallRequest<'_>,
        parse: fn(&[u8]) -> serde_json::Result<T>,
        convert: impl FnOnce(T) -> Result<U, Error>,
    ) -> Result<Decoded<U>, Error> {
        let route = call.route;
        let request_id = Uuid::now_v7();
        let parse: ParseBody = Arc::new(move |body| parse(body).map(|value| Box::new(value) as Content));
        let call = async {
            let request = self.request(caller, call, request_id, parse)?;
            let UpstreamResponse { content, bytes } = self.stack.clone().oneshot(request).await?;
            let value: Box<T> = content?.downcast().map_err(|_| ErrorKind::Invalid("content of another call"))?;
            Ok(Decoded { value: convert(*value)?, bytes })
        };
        let outcome = observe::timed_call(&self.health, &caller.busy_time, route, call).await;
        match &outcome {
            Ok(answer) => debug!(route, %request_id, bytes = answer.bytes, "upstream call succeeded"),
            Err(Error { kind: ErrorKind::NotFound | ErrorKind::Rejected(_) | ErrorKind::Conflict(_), .. }) => {
                debug!(route, %request_id, "upstream call rejected");
            }
            // The log has the reason already. A line for each call that is not sent would repeat it.
            Err(Error { kind: ErrorKind::BreakerOpen { .. } | ErrorKind::Throttled { .. }, .. }) => {
                debug!(route, %request_id, "not sent: the circuit breaker is open or the key is throttled");
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

    fn request(
        &self,
        caller: &CallContext,
        call: CallRequest<'_>,
        request_id: Uuid,
        parse: ParseBody,
    ) -> Result<Request, Error> {
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| ErrorKind::Invalid("the base URL cannot have a path"))?
            .pop_if_empty()
            .extend(call.path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, bearer(&caller.credential)?);
        headers.insert(REQUEST_ID, header_value(&request_id.to_string())?);
        headers.insert(CORRELATION_ID, header_value(&caller.correlation_id)?);
        traces::inject_context(&mut headers);
        if let Some(account) = caller.account {
            headers.insert(ACCOUNT, header_value(&account.to_string())?);
        }
        if let Some(key) = call.idempotency_key {
            headers.insert(IDEMPOTENCY_KEY, header_value(key)?);
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
            parse,
            client_key: caller.client_key,
            deadline: caller.deadline.clone(),
            retry_reason: None,
            is_retry: false,
            recheck: call.recheck,
            calls: Arc::clone(&caller.calls),
        })
    }
}

fn bearer(credential: &SecretString) -> Result<HeaderValue, Error> {
    let mut value = header_value(&format!("Bearer {}", credential.expose_secret()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn header_value(value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| ErrorKind::Invalid("a value that a request header cannot contain").into())
}
