//! The answer to an operation. Every error in it has a code and the request's id, and repeats none of the caller's values.

use std::time::Duration;

use async_graphql::{PathSegment, Pos, Response, ServerError, Value};
use serde::Serialize;

use super::document::mistakes::Refused;
use super::document::place;
use crate::error::{Code, Failure};
use crate::graphql::error::extensions;
use crate::telemetry::names;

/// The answer to an operation.
#[derive(Debug, Serialize)]
pub struct Outcome {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ServerError>,
    /// `None` where nothing was run: then `data` is not there at all, as the specification asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    #[serde(skip_serializing_if = "Extensions::is_empty")]
    extensions: Extensions,
}

/// What stands under `extensions` of the answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    /// How many errors were left out, since there is a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_left_out: Option<usize>,
    /// What the request asked of the upstream, where the caller wants to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<UpstreamReport>,
    /// Parts of the answer are past their time: new ones could not be had, or are being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<Stale>,
}

/// How old an answer is whose parts are old ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stale {
    /// How long ago the oldest of them was read.
    oldest_seconds: u64,
}

/// What a request asked of the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct UpstreamReport {
    /// Calls that it was going to make with nothing kept, as its document says.
    pub planned: usize,
    /// Calls that were made for it.
    pub actual: u64,
    /// Customers and pages that were kept and fresh.
    pub cached: u64,
    /// Answers of calls that were made for another request at the same time.
    pub shared: u64,
}

impl Extensions {
    fn of(errors_left_out: usize) -> Self {
        Self { errors_left_out: (errors_left_out > 0).then_some(errors_left_out), ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.errors_left_out.is_none() && self.upstream.is_none() && self.stale.is_none()
    }
}

impl Outcome {
    /// Of a request that was not run.
    pub fn refused(refused: &Refused, request_id: &str) -> Self {
        let error = |message: &str, place: Option<Pos>, failure: &Failure| {
            let mut error = ServerError::new(message, place);
            error.extensions = Some(extensions(failure));
            with_request_id(error, request_id)
        };
        let (errors, left_out) = match refused {
            Refused::Failure(failure) => (vec![error(&failure.message, None, failure)], 0),
            Refused::Mistakes(mistakes) => {
                let failure = Failure::new(mistakes.code, "");
                let errors = mistakes.told().map(|mistake| error(&mistake.message, mistake.place, &failure));
                (errors.collect(), mistakes.left_out)
            }
        };
        if left_out > 0 {
            metrics::counter!(names::BOUNDS_REACHED, "bound" => "max_validation_errors").increment(1);
        }
        Self { errors, data: None, extensions: Extensions::of(left_out) }
    }

    /// Of what the engine gave back for a document with this text.
    pub fn of(response: Response, text: &str, max_errors: usize, request_id: &str) -> Self {
        let left_out = response.errors.len().saturating_sub(max_errors);
        if left_out > 0 {
            metrics::counter!(names::BOUNDS_REACHED, "bound" => "max_errors").increment(1);
        }
        let errors = response.errors.into_iter().take(max_errors).map(|error| {
            let error = if has_code(&error) { error } else { told_by_us(error) };
            with_request_id(error, request_id)
        });
        let mut errors: Vec<ServerError> = errors.collect();
        place::locate(text, errors.iter_mut().flat_map(|error| &mut error.locations));
        Self { errors, data: Some(response.data), extensions: Extensions::of(left_out) }
    }

    /// The same with a report of what was asked of the upstream.
    #[must_use]
    pub fn with_report(mut self, report: UpstreamReport) -> Self {
        self.extensions.upstream = Some(report);
        self
    }

    /// The same, saying that its oldest part is so old, and past its time.
    #[must_use]
    pub fn with_age(mut self, oldest: Duration) -> Self {
        self.extensions.stale = Some(Stale { oldest_seconds: oldest.as_secs() });
        self
    }

    /// Whether nothing was run.
    pub fn is_refused(&self) -> bool {
        self.data.is_none()
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The codes of the errors, each once.
    pub fn codes(&self) -> Vec<Code> {
        let mut codes: Vec<Code> = self.errors.iter().filter_map(code).filter_map(Code::named).collect();
        codes.sort_unstable_by_key(|code| code.name());
        codes.dedup();
        codes
    }
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

/// An error that the engine made: it gets its code, and loses what it repeats of the caller's values.
fn told_by_us(error: ServerError) -> ServerError {
    let (code, message) = if is_about_an_argument(&error.message) {
        (Code::BadUserInput, without_values(&error.message))
    } else {
        let place: Vec<String> = error.path.iter().map(path_segment).collect();
        tracing::error!(path = place.join("."), "the engine failed a field");
        (Code::InternalServerError, "Something went wrong in the gateway.".to_owned())
    };
    let extensions = extensions(&Failure::new(code, message.clone()));
    ServerError { message, source: None, locations: error.locations, path: error.path, extensions: Some(extensions) }
}

/// A place in the answer, without the caller's aliases: they could be anything.
fn path_segment(segment: &PathSegment) -> String {
    match segment {
        PathSegment::Field(_) => "field".to_owned(),
        PathSegment::Index(index) => index.to_string(),
    }
}

/// The two ways in which the engine words a value that a custom scalar does not take, and null where a value is needed.
/// Everything else about arguments is found before an operation runs.
fn is_about_an_argument(message: &str) -> bool {
    message.starts_with("Failed to parse \"") || message.starts_with("Expected input type \"")
}

/// An engine's message without the value that it quotes at its end. The type that was expected stays.
fn without_values(message: &str) -> String {
    const LONGEST: usize = 300;
    let told = message.split_once(", found ").map_or(message, |(expected, _)| expected);
    told.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"Expected input type "Int", found {ssn: "123-45-6789"}."#, r#"Expected input type "Int""#)]
    #[case(r#"Failed to parse "DateTime": not a time"#, r#"Failed to parse "DateTime": not a time"#)]
    fn messages_of_the_engine_keep_types_and_lose_values(#[case] message: &str, #[case] told: &str) {
        assert_eq!(without_values(message), told);
    }

    #[test]
    fn errors_are_bounded_and_what_is_left_out_is_told() {
        let errors = (0..50).map(|_| ServerError::new("Failed to parse \"x\".", None)).collect();
        let outcome = Outcome::of(Response::from_errors(errors), "", 20, "r");
        assert_eq!((outcome.errors.len(), outcome.extensions.errors_left_out), (20, Some(30)));
        assert_eq!(outcome.codes(), [Code::BadUserInput]);
        assert!(!outcome.is_refused());
    }
}
