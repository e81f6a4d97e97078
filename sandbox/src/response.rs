//! Answers of the API: envelopes, errors, and the odd ones without any.
//!
//! Seen live: an error stands under `error` and never under `data`; 400 names fields in PascalCase with
//! dots, 422 in lower case; a business rule has no `items`; a 401 has neither body nor content type;
//! an unknown route gives an HTML page. The bodies of 403, 413, 415 and 429 were never seen: envelope assumed.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use super::timestamp::{self, TimestampFormat};

/// The content type of every answer with an envelope.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A finished answer, small enough to be kept for a replay.
#[derive(Clone)]
pub(crate) struct ApiResponse {
    /// The status line.
    pub(crate) status: StatusCode,
    /// The whole body; empty for a 401.
    pub(crate) body: Bytes,
    /// Whether it is a stored answer, given again.
    pub(crate) is_replay: bool,
    /// Seconds for `Retry-After`; only faults carry it, the vendor was never seen to.
    pub(crate) retry_after: Option<u32>,
}

/// What is wrong with one field. The path is kept in snake case, with dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    /// `None` where no field is to blame.
    pub(crate) path: Option<String>,
    /// One sentence.
    pub(crate) detail: String,
}

impl FieldProblem {
    /// A problem with one field.
    pub(crate) fn at(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { path: Some(path.into()), detail: detail.into() }
    }

    /// A problem with the request as a whole.
    pub(crate) fn without_path(detail: impl Into<String>) -> Self {
        Self { path: None, detail: detail.into() }
    }
}

/// Why a call is refused.
#[derive(Clone, Debug)]
pub(crate) enum ApiError {
    /// 400: malformed, members missing, a bad key.
    Malformed(Vec<FieldProblem>),
    /// 401: no key.
    Unauthenticated,
    /// 403: unmasking is not switched on.
    Forbidden,
    /// 404: no such customer.
    NotFound,
    /// 409: an idempotency clash.
    Conflict(&'static str),
    /// 413: more bytes than the sandbox reads.
    TooLarge,
    /// 415: not JSON.
    UnsupportedMediaType,
    /// 422: rules of fields.
    Fields(Vec<FieldProblem>),
    /// 422: a rule of the business, said in one sentence.
    Rule(String),
    /// A fault asked for through the control door.
    InjectedFault(StatusCode),
}

#[derive(Serialize)]
struct Meta {
    api_request_id: Uuid,
    api_request_timestamp: String,
}

/// The nine fields of a list's `meta`.
#[derive(Serialize)]
pub(crate) struct PagedMeta {
    api_request_id: Uuid,
    api_request_timestamp: String,
    /// 1000 (seen).
    max_page_size: u32,
    /// As asked.
    page_number: u32,
    /// As asked.
    page_size: u32,
    /// As asked.
    sort_by: &'static str,
    /// As asked.
    sort_order: &'static str,
    /// Over all pages.
    total_items: usize,
    /// None for an empty list.
    total_pages: usize,
}

impl PagedMeta {
    /// Fills in the two fields that every `meta` has.
    pub(crate) fn new(query: &super::listing::Query, total_items: usize, max_page_size: u32) -> Self {
        let Meta { api_request_id, api_request_timestamp } = meta();
        Self {
            api_request_id,
            api_request_timestamp,
            max_page_size,
            page_number: query.page_number,
            page_size: query.page_size,
            sort_by: query.sort_by.as_str(),
            sort_order: query.sort_order.as_str(),
            total_items,
            total_pages: total_items.div_ceil(query.page_size.max(1) as usize),
        }
    }
}

#[derive(Serialize)]
struct Success<'a, D, M> {
    data: &'a D,
    meta: M,
    response_type: &'static str,
}

#[derive(Serialize)]
struct Failure<'a> {
    error: ErrorBody<'a>,
    meta: Meta,
    response_type: &'static str,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    status: u16,
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Item<'a>>>,
}

#[derive(Serialize)]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    detail: &'a str,
}

fn meta() -> Meta {
    Meta { api_request_id: Uuid::now_v7(), api_request_timestamp: TimestampFormat::Write.format(timestamp::now()) }
}

fn bytes(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("maps have string keys, so plain data always serialises"))
}

impl ApiResponse {
    /// One object.
    pub(crate) fn from_object(status: StatusCode, data: &impl Serialize) -> Self {
        Self::new(status, bytes(&Success { data, meta: meta(), response_type: "object" }))
    }

    /// A page of a list.
    pub(crate) fn from_page(data: &impl Serialize, meta: PagedMeta) -> Self {
        Self::new(StatusCode::OK, bytes(&Success { data, meta, response_type: "array" }))
    }

    fn new(status: StatusCode, body: Bytes) -> Self {
        Self { status, body, is_replay: false, retry_after: None }
    }

    /// The answer on the wire, with `body` in place of its own where a fault cuts or slows it.
    pub(crate) fn into_response_with(self, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if !self.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        if self.is_replay {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// The answer on the wire.
    pub(crate) fn into_response(self) -> Response {
        let body = Body::from(self.body.clone());
        self.into_response_with(body)
    }
}

impl From<ApiError> for ApiResponse {
    fn from(error: ApiError) -> Self {
        let status = error.status();
        if status == StatusCode::UNAUTHORIZED {
            return Self::new(status, Bytes::new());
        }
        let (kind, title) = type_and_title(status);
        let (detail, items) = match &error {
            ApiError::Malformed(problems) => (None, Some(items(problems, to_pascal_case))),
            ApiError::Fields(problems) => (None, Some(items(problems, str::to_owned))),
            ApiError::Rule(sentence) => (Some(sentence.as_str()), None),
            ApiError::Conflict(sentence) => (Some(*sentence), None),
            ApiError::Forbidden => (Some("Unmasking is not allowed for this account."), None),
            ApiError::UnsupportedMediaType => (Some("The body has to be JSON."), None),
            ApiError::InjectedFault(_) => (Some("A fault asked for through the sandbox's control door."), None),
            // Seen: a 404 may come without a detail.
            ApiError::NotFound | ApiError::Unauthenticated | ApiError::TooLarge => (None, None),
        };
        let error = ErrorBody { status: status.as_u16(), kind: &kind, title: &title, detail, items };
        Self::new(status, bytes(&Failure { error, meta: meta(), response_type: "error" }))
    }
}

impl ApiError {
    /// The status that goes with it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Fields(_) | Self::Rule(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::InjectedFault(status) => *status,
        }
    }
}

/// Type and title of an error. Only those of 400, 404, 409 and 422 are known; the rest follow their pattern.
fn type_and_title(status: StatusCode) -> (String, String) {
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        return ("/validation_error".into(), "Validation Failed".into());
    }
    let title = status.canonical_reason().unwrap_or("Error");
    (format!("/{}", title.to_lowercase().replace([' ', '-'], "_")), title.into())
}

fn items(problems: &[FieldProblem], format_path: fn(&str) -> String) -> Vec<Item<'_>> {
    problems
        .iter()
        .map(|FieldProblem { path, detail }| Item { reference: path.as_deref().map(format_path), detail })
        .collect()
}

/// `device.ip_address` as a 400 spells it: `Device.IpAddress`.
fn to_pascal_case(path: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let segment = |segment: &str| segment.split('_').map(capital).collect::<String>();
    path.split('.').map(segment).collect::<Vec<_>>().join(".")
}

/// What an unknown route answers (seen): a page for people, not an envelope.
pub(crate) fn unknown_route() -> Response {
    let page = "<!DOCTYPE html>\n<html><head><title>404 - Not Found</title></head>\
                <body><h1>404 - Not Found</h1><p>There is nothing at this address.</p></body></html>\n";
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_a_400_are_in_pascal_case() {
        assert_eq!(to_pascal_case("device.ip_address"), "Device.IpAddress");
        assert_eq!(
            to_pascal_case("compliance_profile.representatives[0].name"),
            "ComplianceProfile.Representatives[0].Name"
        );
    }

    #[test]
    fn types_and_titles_match_observed_errors() {
        assert_eq!(type_and_title(StatusCode::BAD_REQUEST), ("/bad_request".into(), "Bad Request".into()));
        assert_eq!(type_and_title(StatusCode::NOT_FOUND), ("/not_found".into(), "Not Found".into()));
        assert_eq!(type_and_title(StatusCode::CONFLICT), ("/conflict".into(), "Conflict".into()));
    }
}
