//! What the tests of the gateway stand on: the real gateway on a port of its own, over a real sandbox on another one, or
//! over a stub that answers what a test tells it to.

pub mod certified;
pub mod gateway;
pub mod stub;
pub mod wire;

pub use gateway::{Gateway, Sandbox};
pub use stub::{Reply, Stub};

use serde_json::Value;

/// Routes as the sandbox counts them.
pub const LIST: &str = "GET /v1/customers";
pub const CUSTOMER: &str = "GET /v1/customers/{id}";
pub const REVIEW: &str = "GET /v1/customers/{id}/review";
pub const UNMASKED: &str = "GET /v1/customers/{id}/unmasked";

/// The codes of an answer's errors, in their order.
pub fn codes(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().map(|error| error["extensions"]["code"].as_str().expect("every error has a code")).collect()
}

/// The only error of an answer, which has what every error has to have.
pub fn only_error(answer: &Value) -> &Value {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("no errors: {answer}"));
    assert_eq!(errors.len(), 1, "{answer}");
    let extensions = &errors[0]["extensions"];
    assert!(extensions["code"].is_string() && extensions["retryable"].is_boolean(), "{answer}");
    assert!(uuid::Uuid::parse_str(extensions["requestId"].as_str().expect("a request id")).is_ok());
    &errors[0]
}

/// The calls of one route in what the sandbox counted.
pub fn count(calls: &Value, route: &str) -> u64 {
    calls.get(route).and_then(Value::as_u64).unwrap_or(0)
}
