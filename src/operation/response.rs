//! The response of an operation. Every error in it has a code and the request's id, and repeats no value of the
//! caller.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use apollo_compiler::executable::OperationType;
use async_graphql::{PathSegment, Pos, Response, ServerError, Value};
use serde::{Deserialize, Serialize};

use super::document::errors::RequestError;
use super::document::position;
use crate::error::{ErrorCode, PublicError};
use crate::graphql::error::extensions;
use crate::operation::document::collect::{CollectedField, CollectedOperation};
use crate::setting;
use crate::telemetry::names;

/// The response of an operation.
#[derive(Debug)]
pub struct GraphqlResponse {
    errors: Vec<ServerError>,
    /// The result as JSON. `None` if the request has no result: then the response has no `data`, as the specification
    /// requires.
    data: Option<Vec<u8>>,
    extensions: Extensions,
}

/// Limits on an answer; see `[graphql]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ResponseLimits {
    #[serde(deserialize_with = "setting::positive")]
    pub max_errors: usize,
    /// The maximum size of `data`, in bytes.
    pub max_response_bytes: usize,
}

/// The `extensions` of the response.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    /// How many errors were left out because of the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_left_out: Option<usize>,
    /// The report of upstream calls, if the request asked for it and may have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<UpstreamReport>,
    /// Present if parts of the response are stale: new ones could not be loaded, or are being loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<Stale>,
}

/// The age of a response with stale parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stale {
    /// How long ago the oldest stale part was loaded.
    oldest_seconds: u64,
}

/// The report of a request's upstream calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct UpstreamReport {
    /// The planned calls: the calls that the operation needs with an empty cache.
    pub planned: usize,
    /// The calls that were made for this request.
    pub actual: u64,
    /// The customers and pages that came from the cache and were fresh.
    pub cached: u64,
    /// The results of calls that were made for another request at the same time.
    pub shared: u64,
}

impl Extensions {
    fn with_omitted_errors(errors_left_out: usize) -> Self {
        Self { errors_left_out: (errors_left_out > 0).then_some(errors_left_out), ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.errors_left_out.is_none() && self.upstream.is_none() && self.stale.is_none()
    }
}

impl GraphqlResponse {
    /// The response to a request that was not run.
    pub fn request_error(refused: &RequestError, request_id: &str) -> Self {
        let error = |message: &str, place: Option<Pos>, failure: &PublicError| {
            let mut error = ServerError::new(message, place);
            error.extensions = Some(extensions(failure));
            with_request_id(error, request_id)
        };
        let (errors, left_out) = match refused {
            RequestError::Public(failure) => (vec![error(&failure.message, None, failure)], 0),
            RequestError::Document(mistakes) => {
                let failure = PublicError::new(mistakes.code, "");
                let errors = mistakes.shown().map(|mistake| error(&mistake.message, mistake.position, &failure));
                (errors.collect(), mistakes.omitted)
            }
        };
        if left_out > 0 {
            record_limit_reached("max_validation_errors");
        }
        Self { errors, data: None, extensions: Extensions::with_omitted_errors(left_out) }
    }

    /// The response made from the engine's result for a document with this text.
    pub fn from_engine(
        response: Response,
        collected: &CollectedOperation,
        text: &str,
        limits: ResponseLimits,
        request_id: &str,
    ) -> Self {
        let Response { data, mut errors, .. } = response;
        let data = match (to_limited_json(&data, limits.max_response_bytes), collected.kind) {
            (Some(data), _) => data,
            (None, OperationType::Mutation) => {
                record_limit_reached("max_response_bytes");
                let (rest, mut left_out) = truncate_mutation(data, collected);
                errors.append(&mut left_out);
                to_limited_json(&rest, usize::MAX).unwrap_or_default()
            }
            (None, _) => return Self::too_large(limits, request_id),
        };
        let left_out = errors.len().saturating_sub(limits.max_errors);
        if left_out > 0 {
            record_limit_reached("max_errors");
        }
        let errors = errors.into_iter().take(limits.max_errors).map(|error| {
            let error = if has_code(&error) { error } else { reword_engine_error(error) };
            with_request_id(error, request_id)
        });
        let mut errors: Vec<ServerError> = errors.collect();
        errors.iter_mut().for_each(|error| complete_path(error, collected));
        position::locate(text, errors.iter_mut().flat_map(|error| &mut error.locations));
        Self { errors, data: Some(data), extensions: Extensions::with_omitted_errors(left_out) }
    }

    /// The response to a read whose result exceeds the size limit.
    pub fn too_large(limits: ResponseLimits, request_id: &str) -> Self {
        record_limit_reached("max_response_bytes");
        let limit = limits.max_response_bytes;
        let message = format!(
            "The response exceeds the limit `max_response_bytes` of {limit} bytes. Select fewer rows, aliases or fields."
        );
        Self::request_error(&PublicError::new(ErrorCode::OperationTooLarge, message).into(), request_id)
    }

    /// The response as JSON.
    pub fn into_json(self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.data.as_ref().map_or(0, Vec::len) + 512);
        let mut member = |name: &str, value: &[u8]| {
            json.push(if json.is_empty() { b'{' } else { b',' });
            json.extend_from_slice(format!("\"{name}\":").as_bytes());
            json.extend_from_slice(value);
        };
        if !self.errors.is_empty() {
            member("errors", &to_json(&self.errors));
        }
        if let Some(data) = &self.data {
            member("data", data);
        }
        if !self.extensions.is_empty() {
            member("extensions", &to_json(&self.extensions));
        }
        json.push(b'}');
        json
    }

    /// The same with a report of upstream calls.
    #[must_use]
    pub fn with_report(mut self, report: UpstreamReport) -> Self {
        self.extensions.upstream = Some(report);
        self
    }

    /// The same with the age of its oldest stale part.
    #[must_use]
    pub fn with_staleness(mut self, oldest: Duration) -> Self {
        self.extensions.stale = Some(Stale { oldest_seconds: oldest.as_secs() });
        self
    }

    /// Whether the request has no result: it was not run, or its response exceeded the size limit.
    pub fn is_request_error(&self) -> bool {
        self.data.is_none()
    }

    /// Whether the response contains an error.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The codes of the errors, without duplicates.
    pub fn codes(&self) -> Vec<ErrorCode> {
        let mut codes: Vec<ErrorCode> = self.errors.iter().filter_map(code).filter_map(ErrorCode::from_name).collect();
        codes.sort_unstable_by_key(|code| code.name());
        codes.dedup();
        codes
    }
}

/// A value as JSON.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("errors and extensions have texts for keys and are written to memory")
}

/// A value as JSON. `None` if it exceeds a limit in bytes.
fn to_limited_json(value: &Value, limit: usize) -> Option<Vec<u8>> {
    let mut bounded = LimitedBuffer { bytes: Vec::new(), limit };
    serde_json::to_writer(&mut bounded, value).ok()?;
    Some(bounded.bytes)
}

/// A buffer of limited size.
struct LimitedBuffer {
    bytes: Vec<u8>,
    limit: usize,
}

impl io::Write for LimitedBuffer {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if more.len() > self.limit - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Truncates a mutation's result that exceeds the size limit: keeps the ids and `userErrors` of the payloads, each
/// once, and adds an error for each payload that lost other fields. So the caller always learns which writes
/// succeeded.
fn truncate_mutation(data: Value, collected: &CollectedOperation) -> (Value, Vec<ServerError>) {
    let Value::Object(mut payloads) = data else { return (data, Vec::new()) };
    let mut errors = Vec::new();
    for root in &collected.fields {
        let Some(Value::Object(payload)) = payloads.get_mut(root.response_key()) else { continue };
        let (mut told, mut is_shortened) = (HashSet::new(), false);
        for field in root.selection.fields() {
            let Some(value) = payload.get_mut(field.response_key()) else { continue };
            let is_told = match (field.name.as_str(), &mut *value) {
                (_, Value::Null) => true,
                ("userErrors" | "deletedCustomerId" | "__typename", _) => told.insert(field.name.as_str()),
                (_, Value::Object(customer)) => {
                    let id = field.selection.named("id").next().map(|id| id.response_key());
                    for (_, value) in customer.iter_mut().filter(|(key, _)| Some(*key) != id) {
                        is_shortened |= *value != Value::Null;
                        *value = Value::Null;
                    }
                    id.is_some() && told.insert("id")
                }
                _ => false,
            };
            if !is_told {
                is_shortened = true;
                *value = Value::Null;
            }
        }
        if !is_shortened {
            continue;
        }
        let message = "The payload exceeds the limit `max_response_bytes`: it contains only ids and `userErrors`. If \
            `userErrors` is empty, the mutation succeeded. Read the rest by a query.";
        let mut error = ServerError::new(message, Some(position::to_pos(root.offset)));
        error.extensions = Some(extensions(&PublicError::new(ErrorCode::OperationTooLarge, message)));
        error.path = vec![PathSegment::Field(root.response_key().to_string())];
        errors.push(error);
    }
    (Value::Object(payloads), errors)
}

/// Completes the path of an error. When an error propagates through the items of a list, the engine cuts the path off
/// at the item, but the error's position is still that of the field. Below another list the index is unknown, so the
/// path stays cut off.
fn complete_path(error: &mut ServerError, collected: &CollectedOperation) {
    let Some(at) = error.locations.first().filter(|pos| pos.line == 0).map(|pos| pos.column) else { return };
    let mut selected: Vec<&CollectedField> = collected.fields.iter().collect();
    let mut last = None;
    for segment in &error.path {
        let PathSegment::Field(key) = segment else { continue };
        let Some(field) = selected.into_iter().find(|field| field.response_key() == key.as_str()) else { return };
        last = Some(field);
        selected = field.selection.fields().collect();
    }
    let ends_in_an_item = matches!(error.path.last(), Some(PathSegment::Index(_)));
    let rest = last.filter(|field| ends_in_an_item && field.offset != at).and_then(|field| keys_down_to(field, at));
    error.path.extend(rest.into_iter().flatten());
}

/// The keys from below a field down to the field at an offset.
fn keys_down_to(field: &CollectedField, at: usize) -> Option<Vec<PathSegment>> {
    field.selection.fields().find_map(|inside| {
        let key = PathSegment::Field(inside.response_key().to_string());
        if inside.offset == at {
            return Some(vec![key]);
        }
        let rest = if inside.is_list { None } else { keys_down_to(inside, at) };
        rest.map(|rest| [vec![key], rest].concat())
    })
}

fn record_limit_reached(limit: &'static str) {
    metrics::counter!(names::LIMITS_REACHED, "limit" => limit).increment(1);
}

fn code(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

fn has_code(error: &ServerError) -> bool {
    code(error).is_some()
}

fn with_request_id(mut error: ServerError, request_id: &str) -> ServerError {
    error.extensions.get_or_insert_default().set("requestId", request_id);
    error
}

/// Gives an error of the engine its code, and removes values of the caller from its message.
fn reword_engine_error(error: ServerError) -> ServerError {
    let (code, message) = if is_about_an_argument(&error.message) {
        (ErrorCode::BadUserInput, without_values(&error.message))
    } else {
        let place: Vec<String> = error.path.iter().map(path_segment).collect();
        tracing::error!(path = place.join("."), "the GraphQL engine failed a field");
        (ErrorCode::InternalServerError, "Something went wrong in the gateway.".to_owned())
    };
    let extensions = extensions(&PublicError::new(code, message.clone()));
    ServerError { message, source: None, locations: error.locations, path: error.path, extensions: Some(extensions) }
}

/// A path segment for the log, without the caller's aliases, which can contain anything.
fn path_segment(segment: &PathSegment) -> String {
    match segment {
        PathSegment::Field(_) => "field".to_owned(),
        PathSegment::Index(index) => index.to_string(),
    }
}

/// The engine's two messages for a value that a custom scalar rejects, and for null where a value is required. All
/// other errors in arguments are detected before an operation runs.
fn is_about_an_argument(message: &str) -> bool {
    message.starts_with("Failed to parse \"") || message.starts_with("Expected input type \"")
}

/// A message of the engine without the value at its end. The expected type stays.
fn without_values(message: &str) -> String {
    const MAX_MESSAGE_CHARS: usize = 300;
    let told = message.split_once(", found ").map_or(message, |(expected, _)| expected);
    told.chars().take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(r#"Expected input type "Int", found {ssn: "123-45-6789"}."#, r#"Expected input type "Int""#)]
    #[case(r#"Failed to parse "DateTime": not a time"#, r#"Failed to parse "DateTime": not a time"#)]
    fn messages_of_the_engine_keep_types_and_lose_values(#[case] message: &str, #[case] told: &str) {
        assert_eq!(without_values(message), told);
    }

    const LIMITS: ResponseLimits = ResponseLimits { max_errors: 20, max_response_bytes: 1_000 };

    /// The response of an operation with two aliased fields, as JSON.
    fn answer(kind: OperationType, data: serde_json::Value, errors: Vec<ServerError>) -> serde_json::Value {
        let sdl = "type Query { a: P b: P } type Mutation { a: P b: P }
            type P { deletedCustomerId: ID customer: C userErrors: [E!]! } type C { id: ID! name: String! } type E { code: Int }";
        let schema = crate::operation::document::parse::schema(sdl).expect("the schema of this test");
        let text = "a { customer { id c: id name } d: deletedCustomerId u: userErrors { code } v: userErrors { code } } b { customer { name } }";
        let text = format!("{kind} {{ {text} }}");
        let document = apollo_compiler::ExecutableDocument::parse_and_validate(&schema, text, "").expect("a document");
        let operation = document.operations.get(None).expect("one operation");
        let conditions = crate::operation::document::collect::Conditions::All;
        let collected = crate::operation::document::collect::collect(&schema, &document, operation, conditions, 10);
        let mut response = Response::new(Value::from_json(data).expect("JSON"));
        response.errors = errors;
        let outcome = GraphqlResponse::from_engine(response, &collected.expect("it merges"), "", LIMITS, "r");
        serde_json::from_slice(&outcome.into_json()).expect("JSON")
    }

    #[test]
    fn errors_are_bounded_and_what_is_left_out_is_told() {
        let errors = (0..50).map(|_| ServerError::new("Failed to parse \"x\".", None)).collect();
        let told = answer(OperationType::Query, json!(null), errors);
        assert_eq!(
            (told["errors"].as_array().map(Vec::len), &told["extensions"]["errorsLeftOut"]),
            (Some(20), &json!(30))
        );
        assert_eq!((&told["errors"][0]["extensions"]["code"], &told["data"]), (&json!("BAD_USER_INPUT"), &json!(null)));
    }

    #[test]
    fn a_read_over_the_limit_fails_and_a_mutation_tells_its_ids_and_user_errors() {
        let name = "x".repeat(2_000);
        let payload =
            json!({"customer": {"id": "1", "c": "1", "name": name}, "d": "2", "u": [{"code": 7}], "v": [{"code": 7}]});
        let data = json!({"a": payload, "b": {"customer": null}});
        let read = answer(OperationType::Query, data.clone(), Vec::new());
        assert_eq!((read.get("data"), &read["errors"][0]["extensions"]["code"]), (None, &json!("OPERATION_TOO_LARGE")));
        let written = answer(OperationType::Mutation, data, Vec::new());
        let told = json!({"customer": {"id": "1", "c": null, "name": null}, "d": "2", "u": [{"code": 7}], "v": null});
        assert_eq!(written["data"], json!({"a": told, "b": {"customer": null}}));
        let errors = written["errors"].as_array().expect("errors");
        let paths: Vec<_> = errors.iter().map(|error| error["path"][0].as_str().expect("a path")).collect();
        assert_eq!(
            (paths, &errors[0]["extensions"]["code"]),
            (vec!["a"], &json!("OPERATION_TOO_LARGE")),
            "`b` lost nothing"
        );
    }

    #[test]
    fn data_right_at_the_limit_is_served() {
        let data = |length: usize| json!({"a": null, "b": "x".repeat(length)});
        let around = data(0).to_string().len();
        assert!(answer(OperationType::Query, data(1_000 - around), Vec::new()).get("errors").is_none());
        assert!(answer(OperationType::Query, data(1_001 - around), Vec::new()).get("data").is_none());
    }
}
