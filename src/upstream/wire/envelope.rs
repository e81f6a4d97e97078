//! The envelope of every response: `data` and `meta`, or `error` and `meta`.
//!
//! The status decides the kind of error. `error.type` has four spellings, so its value is ignored. An HTML page comes
//! from a proxy or load balancer and not from the API. So a wrong base URL must not look like a missing customer, and
//! an error of a proxy must not look like an error of the API.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::privacy::Personal;
use crate::upstream::error::{Error, ErrorKind, Rejection, RejectionItem};

/// The longest `Retry-After` that is accepted. With a longer one, one of the clocks is wrong.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The largest number of items of a rejection. A request body has a few dozen fields.
const MAX_ITEMS: usize = 100;

/// A success.
#[derive(Deserialize)]
pub struct Envelope<T> {
    pub data: T,
}

/// A page of a list.
#[derive(Deserialize)]
pub struct PagedEnvelope<T, M> {
    pub data: Vec<T>,
    pub meta: M,
}

#[derive(Deserialize)]
struct ErrorEnvelope {
    error: ErrorContent,
    #[serde(default)]
    meta: Option<ErrorMeta>,
}

/// The error. It is also accepted without the envelope: a 409 is documented that way.
#[derive(Deserialize, Default)]
struct ErrorContent {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    items: Option<Vec<ErrorItem>>,
}

#[derive(Deserialize)]
struct ErrorItem {
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

#[derive(Deserialize)]
struct ErrorMeta {
    #[serde(default)]
    api_request_id: Option<String>,
}

/// Removes a byte order mark (RFC 8259, section 8.1, permits this), and replaces everything that is no character by
/// U+FFFD, such as the half of an emoji in a truncated text.
pub fn normalize_json(body: Bytes) -> Bytes {
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body);
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(text) => match replace_lone_surrogates(text) {
            Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
            Cow::Owned(text) => text.into(),
        },
        Cow::Owned(text) => replace_lone_surrogates(&text).into_owned().into(),
    }
}

/// JSON escapes a character beyond U+FFFF as two surrogates. A lone surrogate is no character, and a Rust string cannot
/// contain it. Each one is replaced by U+FFFD.
fn replace_lone_surrogates(json: &str) -> Cow<'_, str> {
    // Nearly all bodies have no such escapes.
    if !json.contains("\\ud") && !json.contains("\\uD") {
        return Cow::Borrowed(json);
    }
    let unit = |at: usize| {
        let escape = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(escape, 16).ok()
    };
    let mut replaced = String::new();
    let (mut from, mut at) = (0, 0);
    while let Some(next) = json.get(at..).and_then(|rest| rest.find('\\')) {
        at += next;
        let (high, low) = (unit(at), unit(at + 6));
        at += match (high, low) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                replaced.push_str(json.get(from..at).unwrap_or_default());
                replaced.push_str("\\ufffd");
                from = at + 6;
                6
            }
            // The backslash and the escaped character, which can be a backslash.
            _ => 1 + json.get(at + 1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8),
        };
    }
    if from == 0 {
        return Cow::Borrowed(json);
    }
    replaced.push_str(json.get(from..).unwrap_or_default());
    Cow::Owned(replaced)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Parses the body of a success, or returns why the response is no success. The inner error is about the content of an
/// envelope; every other body under 2xx is an outer error.
///
/// # Errors
/// What a status other than 2xx means; [`ErrorKind::MalformedSuccess`] for a body that is no envelope of the API.
pub fn decode<T>(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    parse: impl FnOnce(&[u8]) -> serde_json::Result<T>,
) -> Result<Result<T, Error>, Error> {
    if !status.is_success() {
        return Err(error_from_status(status, headers, body));
    }
    if is_html(headers, body) && !is_blank(body) {
        return Err(ErrorKind::MalformedSuccess("a web page in place of JSON").into());
    }
    if let Ok(value) = parse(body) {
        return Ok(Ok(value));
    }
    // The error of serde_json quotes the text that was read, so it is dropped.
    let error = Error::from(ErrorKind::MalformedSuccess("not the documented JSON"));
    let is_envelope = serde_json::from_slice::<Envelope<IgnoredAny>>(body).is_ok();
    if is_envelope { Ok(Err(error)) } else { Err(error) }
}

/// The error of a response with a status other than 2xx.
fn error_from_status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let (content, api_request_id) = error_content(body);
    let has_envelope = content.status == Some(status.as_u16()) && content.kind.is_some() && content.title.is_some();
    let is_from_api = has_envelope
        && matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY);
    let kind = match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthenticated,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::REQUEST_TIMEOUT => ErrorKind::TimedOut,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited { retry_after: retry_after(headers) },
        // A response of a proxy or load balancer: those of the API always have an envelope.
        StatusCode::NOT_FOUND | StatusCode::GONE if !has_envelope || is_html(headers, body) => {
            ErrorKind::Invalid("no such route: check upstream.base_url")
        }
        status if status.is_client_error() && is_html(headers, body) => {
            ErrorKind::Invalid("a web page in place of an error")
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        StatusCode::CONFLICT if is_in_progress(&content) => ErrorKind::InProgress,
        StatusCode::CONFLICT => ErrorKind::Conflict(rejection(content)),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => ErrorKind::Rejected(rejection(content)),
        status if status.is_server_error() => {
            ErrorKind::Failed { status: status.as_u16(), retry_after: retry_after(headers) }
        }
        status if status.is_redirection() => ErrorKind::Invalid("a redirect, which the gateway does not follow"),
        status if status.is_client_error() => ErrorKind::Rejected(rejection(content)),
        _ => ErrorKind::Invalid("a status that the API does not document"),
    };
    Error { kind, api_request_id, is_from_api }
}

/// Whether the first request with the key still runs. Otherwise the key belongs to another request, and a retry cannot
/// succeed.
fn is_in_progress(content: &ErrorContent) -> bool {
    let detail = content.detail.as_ref().map(|detail| detail.to_ascii_lowercase()).unwrap_or_default();
    ["running", "in progress", "being processed"].iter().any(|word| detail.contains(word))
}

/// The error of a body, with or without the envelope. Empty if the body is not JSON.
fn error_content(body: &[u8]) -> (ErrorContent, Option<Uuid>) {
    if let Ok(framed) = serde_json::from_slice::<ErrorEnvelope>(body) {
        let id = framed.meta.and_then(|meta| meta.api_request_id).and_then(|id| Uuid::try_parse(&id).ok());
        return (framed.error, id);
    }
    (serde_json::from_slice(body).unwrap_or_default(), None)
}

fn rejection(content: ErrorContent) -> Rejection {
    let items = content.items.unwrap_or_default().into_iter().take(MAX_ITEMS);
    Rejection {
        detail: content.detail.filter(|detail| !detail.trim().is_empty()).map(Personal::new),
        items: items
            .map(|item| RejectionItem {
                reference: item.reference.filter(|reference| !reference.trim().is_empty()),
                detail: Personal::new(item.detail.unwrap_or_default()),
            })
            .collect(),
    }
}

/// `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (chrono::DateTime::parse_from_rfc2822(text).ok()?.to_utc() - chrono::Utc::now()).to_std().ok()?,
    };
    Some(pause.min(MAX_RETRY_AFTER))
}

/// Whether a body has no content.
pub fn is_blank(body: &[u8]) -> bool {
    body.trim_ascii().is_empty()
}

fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.to_ascii_lowercase().contains("html"))
        || body.trim_ascii_start().first() == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Error {
        let headers = headers
            .iter()
            .map(|&(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).expect("a status of this test");
        let parse = |body: &[u8]| serde_json::from_slice::<Envelope<serde_json::Value>>(body);
        match decode(status, &headers, body.as_bytes(), parse) {
            Ok(_) => ErrorKind::Invalid("read as a success").into(),
            Err(error) => error,
        }
    }

    #[test]
    fn a_lone_surrogate_is_replaced_and_pairs_stay() {
        for (body, read) in [
            (r#"["\ud83d"]"#, "\u{fffd}"),
            (r#"["\uDE00 \ud83d\uDE00"]"#, "\u{fffd} \u{1f600}"),
            (r#"["\ud83d\ud83d\ude00"]"#, "\u{fffd}\u{1f600}"),
            (r#"["\\ud83d \\\ud83d"]"#, "\\ud83d \\\u{fffd}"),
            (r#"["\ud83dé"]"#, "\u{fffd}é"),
        ] {
            let body = normalize_json(Bytes::from_static(body.as_bytes()));
            let [text]: [String; 1] = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(text, read);
        }
        let cut = normalize_json(Bytes::from_static(b"\xef\xbb\xbf[\"\xf0\x9f\x98\"]"));
        assert_eq!(serde_json::from_slice::<[String; 1]>(&cut).ok(), Some(["\u{fffd}".to_owned()]));
    }

    proptest::proptest! {
        /// What was JSON with whole characters stays as it is, and nothing breaks the reader.
        #[test]
        fn whole_characters_are_left_alone(text in ".{0,20}", escapes in "(\\\\|[ud0-9a-fD]|\"){0,20}") {
            let body = Bytes::from(serde_json::to_vec(&[&text, &escapes]).expect("it is text"));
            proptest::prop_assert_eq!(&normalize_json(body.clone()), &body);
            normalize_json(escapes.into());
        }
    }

    #[test]
    fn an_empty_401_is_read() {
        assert!(matches!(read(401, &[], "").kind, ErrorKind::Unauthenticated));
    }

    #[test]
    fn a_404_is_a_missing_customer_only_where_the_api_says_so() {
        let envelope = r#"{"error": {"status": 404, "type": "/not_found", "title": "Not Found"}}"#;
        assert!(matches!(read(404, &[], envelope).kind, ErrorKind::NotFound));
        assert!(matches!(read(404, &[("content-type", "text/html")], "<html>").kind, ErrorKind::Invalid(_)));
        assert!(matches!(read(404, &[], "\n<!DOCTYPE html>").kind, ErrorKind::Invalid(_)));
        for foreign in ["", r#"{"message": "no Route matched with those values"}"#, r#"{"error": "not found"}"#] {
            assert!(matches!(read(404, &[], foreign).kind, ErrorKind::Invalid(_)), "{foreign}");
            assert!(matches!(read(410, &[], foreign).kind, ErrorKind::Invalid(_)), "{foreign}");
        }
    }

    #[test]
    fn a_web_page_is_no_refusal_of_the_api() {
        for status in [400, 409, 410, 413, 421, 422] {
            let page = read(status, &[("content-type", "text/html")], "<html>");
            assert!(matches!(page.kind, ErrorKind::Invalid(_)), "{status}");
        }
    }

    #[test]
    fn only_errors_in_the_apis_envelope_are_from_the_api() {
        let framed = |status: u16| {
            read(status, &[], &format!(r#"{{"error": {{"status": {status}, "type": "/x", "title": "X"}}}}"#))
                .is_from_api
        };
        assert!([400, 404, 422].into_iter().all(framed));
        assert!(![401, 403, 408, 409, 410, 413, 421, 429, 500].into_iter().any(framed));
        for body in [
            "",
            "Bad Request",
            r#"{"message": "no route"}"#,
            r#"{"error": "no route"}"#,
            r#"{"error": {"message": "no route"}}"#,
            r#"{"error": {"status": 400, "type": "/x", "title": "X"}}"#,
        ] {
            assert!(!read(404, &[], body).is_from_api, "{body}");
        }
    }

    #[test]
    fn a_refusal_brings_its_items_and_the_request_id() {
        let error = read(
            400,
            &[],
            r#"{"error": {"status": 400, "type": "/bad_request", "title": "Bad Request",
                "items": [{"reference": "Device.IpAddress", "detail": "Given it must be."}, {"detail": "Key."}]},
                "meta": {"api_request_id": "019f0b6e-51c4-7c1d-9a55-0b8f5d1f7a01"}, "response_type": "error"}"#,
        );
        let ErrorKind::Rejected(rejection) = &error.kind else { unreachable!("{error:?}") };
        let references: Vec<_> = rejection.items.iter().map(|item| item.reference.as_deref()).collect();
        assert_eq!(references, [Some("Device.IpAddress"), None]);
        assert!(error.api_request_id.is_some());
    }

    #[test]
    fn a_conflict_is_read_with_and_without_its_envelope() {
        for body in [
            r#"{"error": {"status": 409, "type": "/conflict", "title": "Conflict", "detail": "Used."}}"#,
            r#"{"status": 409, "type": "/conflict", "title": "Conflict", "detail": "Used."}"#,
        ] {
            let ErrorKind::Conflict(rejection) = read(409, &[], body).kind else { unreachable!("{body}") };
            assert_eq!(rejection.detail, Some(Personal::new("Used.".to_owned())));
        }
    }

    #[test]
    fn a_conflict_with_the_same_request_says_that_it_runs() {
        let detail = |detail: &str| {
            read(
                409,
                &[],
                &format!(r#"{{"status": 409, "type": "/conflict", "title": "Conflict", "detail": "{detail}"}}"#),
            )
        };
        assert!(matches!(detail("The first request with this key is still running.").kind, ErrorKind::InProgress));
        assert!(matches!(detail("This key belongs to a different request.").kind, ErrorKind::Conflict(_)));
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date_and_is_limited() {
        let seconds = read(429, &[("retry-after", "2")], "").kind;
        assert!(matches!(seconds, ErrorKind::RateLimited { retry_after: Some(pause) } if pause.as_secs() == 2));
        let far = read(503, &[("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT")], "").kind;
        assert!(matches!(far, ErrorKind::Failed { status: 503, retry_after: Some(MAX_RETRY_AFTER) }));
        let past = read(503, &[("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")], "").kind;
        assert!(matches!(past, ErrorKind::Failed { retry_after: None, .. }));
    }

    #[test]
    fn a_malformed_success_is_an_error() {
        for body in ["", "<html>", "{\"error\": {\"status\": 500}}", "[", "\u{0}\u{1}"] {
            assert!(matches!(read(200, &[], body).kind, ErrorKind::MalformedSuccess(_)), "{body}");
        }
        assert!(matches!(read(302, &[("location", "https://example.test")], "").kind, ErrorKind::Invalid(_)));
    }

    #[test]
    fn an_envelope_with_other_content_is_told_from_a_body_that_is_none() {
        let parse = |body: &[u8]| serde_json::from_slice::<Envelope<u8>>(body);
        let decode_number = |body: &str| decode(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), parse);
        assert!(matches!(decode_number(r#"{"data": 7}"#), Ok(Ok(Envelope { data: 7 }))));
        for other_content in [r#"{"data": "seven"}"#, r#"{"data": null, "meta": {}}"#] {
            assert!(matches!(decode_number(other_content), Ok(Err(_))), "{other_content}");
        }
        for no_envelope in ["", "[]", "null", r#"{"datum": 7}"#, r#"{"data": "seven""#, r#"{"data": "seven"} 7"#] {
            assert!(decode_number(no_envelope).is_err(), "{no_envelope}");
        }
    }
}
