//! Responses of the API: envelopes, errors, and responses without an envelope.
//!
//! Seen: an error is in `error` and never in `data`. A 400 names fields in PascalCase with dots, a 422 in lower case. A
//! business rule has no `items`. A 401 has no body and no content type. An unknown route is an HTML page. The bodies of
//! 403, 413, 415 and 429 were never seen; the envelope is assumed.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use super::timestamp::{self, TimestampFormat};

/// The content type of every response with an envelope.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A complete response, small enough to store for a replay.
#[derive(Clone)]
pub(crate) struct ApiResponse {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The complete body; empty for a 401.
    pub(crate) body: Bytes,
    /// Whether this is the replay of a stored response.
    pub(crate) is_replay: bool,
    /// Seconds of `Retry-After`. Only injected faults have it; it was never seen on the real API.
    pub(crate) retry_after: Option<u32>,
}

/// A problem of one field or of the request. The path is in snake case with dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    /// `None` if the problem concerns no single field.
    pub(crate) path: Option<String>,
    /// One sentence.
    pub(crate) detail: String,
}

impl FieldProblem {
    /// A problem of one field.
    pub(crate) fn at(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { path: Some(path.into()), detail: detail.into() }
    }

    /// A problem of the whole request.
    pub(crate) fn without_path(detail: impl Into<String>) -> Self {
        Self { path: None, detail: detail.into() }
    }
}

/// The reason for an error response.
#[derive(Clone, Debug)]
pub(crate) enum ApiError {
    /// 400: malformed body, missing members, or an invalid idempotency key.
    Malformed(Vec<FieldProblem>),
    /// 401: no bearer token.
    Unauthenticated,
    /// 403: no permission to unmask.
    Forbidden,
    /// 404: no such customer.
    NotFound,
    /// 409: an idempotency conflict.
    Conflict(&'static str),
    /// 413: the body is too large.
    TooLarge,
    /// 415: the content type is not JSON.
    UnsupportedMediaType,
    /// 422: invalid fields.
    Fields(Vec<FieldProblem>),
    /// 422: a business rule, with its sentence.
    Rule(String),
    /// A fault from the control API.
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
    /// As requested.
    page_number: u32,
    /// As requested.
    page_size: u32,
    /// As requested.
    sort_by: &'static str,
    /// As requested.
    sort_order: &'static str,
    /// Over all pages.
    total_items: usize,
    /// 0 for an empty list.
    total_pages: usize,
}

impl PagedMeta {
    /// Adds the two fields that every `meta` has.
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
    /// A response with one object.
    pub(crate) fn from_object(status: StatusCode, data: &impl Serialize) -> Self {
        Self::new(status, bytes(&Success { data, meta: meta(), response_type: "object" }))
    }

    /// A response with a page of a list.
    pub(crate) fn from_page(data: &impl Serialize, meta: PagedMeta) -> Self {
        Self::new(StatusCode::OK, bytes(&Success { data, meta, response_type: "array" }))
    }

    fn new(status: StatusCode, body: Bytes) -> Self {
        Self { status, body, is_replay: false, retry_after: None }
    }

    /// The HTTP response with another body, for faults that cut or slow the body.
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

    /// The HTTP response.
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
            ApiError::InjectedFault(_) => (Some("A fault injected through the sandbox's control API."), None),
            // Seen: a 404 may have no detail.
            ApiError::NotFound | ApiError::Unauthenticated | ApiError::TooLarge => (None, None),
        };
        let error = ErrorBody { status: status.as_u16(), kind: &kind, title: &title, detail, items };
        Self::new(status, bytes(&Failure { error, meta: meta(), response_type: "error" }))
    }
}

impl ApiError {
    /// The HTTP status of the error.
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

/// The type and the title of an error. Those of 400, 404, 409 and 422 are known; the others follow the same pattern.
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

/// `device.ip_address` in the form of a 400: `Device.IpAddress`.
fn to_pascal_case(path: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let segment = |segment: &str| segment.split('_').map(capital).collect::<String>();
    path.split('.').map(segment).collect::<Vec<_>>().join(".")
}

/// The response to an unknown route (seen): an HTML page without an envelope.
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
