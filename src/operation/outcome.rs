//! What running an operation gave, with every error in order: it has a code and the request's id, and says nothing
//! that repeats the caller's values.

use std::time::Duration;

use async_graphql::{PathSegment, Response, ServerError, Value};
use serde::Serialize;

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
    fn is_empty(&self) -> bool {
        self.errors_left_out.is_none() && self.upstream.is_none() && self.stale.is_none()
    }
}

/// How many errors an answer holds at most.
#[derive(Clone, Copy, Debug)]
pub struct ErrorBounds {
    pub errors: usize,
    pub validation_errors: usize,
}

impl Outcome {
    /// Of an operation that was not run.
    pub fn refused(failure: &Failure, request_id: &str) -> Self {
        let mut error = ServerError::new(failure.message.clone(), None);
        error.extensions = Some(extensions(failure));
        Self { errors: vec![with_request_id(error, request_id)], data: None, extensions: Extensions::default() }
    }

    /// Of what the engine gave back.
    pub fn of(response: Response, bounds: ErrorBounds, request_id: &str) -> Self {
        // Before it runs anything the engine reports errors without a path and no data.
        let refused = response.data == Value::Null
            && !response.errors.is_empty()
            && response.errors.iter().all(|error| error.path.is_empty());
        let bound = if refused { bounds.validation_errors } else { bounds.errors };
        let left_out = response.errors.len().saturating_sub(bound);
        if left_out > 0 {
            let bound = if refused { "max_validation_errors" } else { "max_errors" };
            metrics::counter!(names::BOUNDS_REACHED, "bound" => bound).increment(1);
        }
        let errors = response.errors.into_iter().take(bound).map(|error| {
            let error = if has_code(&error) { error } else { told_by_us(error, refused) };
            with_request_id(error, request_id)
        });
        Self {
            errors: errors.collect(),
            data: (!refused).then_some(response.data),
            extensions: Extensions { errors_left_out: (left_out > 0).then_some(left_out), ..Extensions::default() },
        }
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
fn told_by_us(error: ServerError, refused: bool) -> ServerError {
    let (code, message) = if refused {
        (Code::GraphqlValidationFailed, without_values(&error.message))
    } else if is_about_an_argument(&error.message) {
        (Code::BadUserInput, without_values(&error.message))
    } else {
        let place: Vec<String> = error.path.iter().map(place).collect();
        tracing::error!(path = place.join("."), "the engine failed a field");
        (Code::InternalServerError, "Something went wrong in the gateway.".to_owned())
    };
    ServerError {
        message: message.clone(),
        source: None,
        locations: error.locations,
        path: error.path,
        extensions: Some(extensions(&Failure::new(code, message))),
    }
}

/// A place in the answer, without the caller's aliases: they could be anything.
fn place(segment: &PathSegment) -> String {
    match segment {
        PathSegment::Field(_) => "field".to_owned(),
        PathSegment::Index(index) => index.to_string(),
    }
}

/// The two ways in which the engine words a value that a scalar or an enum does not take.
fn is_about_an_argument(message: &str) -> bool {
    message.starts_with("Failed to parse \"") || message.starts_with("Expected input type \"")
}

/// An engine's message without the values that it quotes. Names of fields, arguments and types stay: they are what the
/// caller has to look at.
fn without_values(message: &str) -> String {
    const LONGEST: usize = 300;
    let message = match message.split_once(", found ") {
        Some((expected, _)) => expected,
        None => message,
    };
    let message = match message.split_once(" does not contain the value ") {
        Some((place, _)) => format!("{place} does not contain this value"),
        None => message.to_owned(),
    };
    if message.chars().count() <= LONGEST {
        return message;
    }
    message.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"Expected input type "Int", found {ssn: "123-45-6789"}."#, r#"Expected input type "Int""#)]
    #[case(
        r#"Invalid value for argument "a", enumeration type "B" does not contain the value "ada@example.test""#,
        r#"Invalid value for argument "a", enumeration type "B" does not contain this value"#
    )]
    #[case(r#"Unknown field "nam" on type "Customer"."#, r#"Unknown field "nam" on type "Customer"."#)]
    fn messages_of_the_engine_keep_names_and_lose_values(#[case] message: &str, #[case] told: &str) {
        assert_eq!(without_values(message), told);
    }

    #[test]
    fn errors_are_bounded_and_what_is_left_out_is_told() {
        let errors = (0..50).map(|_| ServerError::new("Unknown field \"x\".", None)).collect();
        let bounds = ErrorBounds { errors: 1000, validation_errors: 20 };
        let outcome = Outcome::of(Response::from_errors(errors), bounds, "r");
        assert_eq!((outcome.errors.len(), outcome.extensions.errors_left_out), (20, Some(30)));
        assert_eq!(outcome.codes(), [Code::GraphqlValidationFailed]);
        assert!(outcome.is_refused());
    }
}
