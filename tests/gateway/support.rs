//! Test support: a real gateway on its own port, in front of a real sandbox on another port, or in front of a stub that
//! responds as the test defines.

pub mod certified;
pub mod gateway;
pub mod stub;
pub mod wire;

pub use gateway::{Gateway, Sandbox};
pub use stub::{Reply, Stub};

use serde_json::Value;

/// The route names in the sandbox's call counts.
pub const LIST: &str = "GET /v1/customers";
pub const CUSTOMER: &str = "GET /v1/customers/{id}";
pub const REVIEW: &str = "GET /v1/customers/{id}/review";
pub const UNMASKED: &str = "GET /v1/customers/{id}/unmasked";

/// The codes of a response's errors, in order.
pub fn codes(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().map(|error| error["extensions"]["code"].as_str().expect("every error has a code")).collect()
}

/// The only error of a response. It has the extensions that every error must have.
pub fn only_error(answer: &Value) -> &Value {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("no errors: {answer}"));
    assert_eq!(errors.len(), 1, "{answer}");
    let extensions = &errors[0]["extensions"];
    assert!(extensions["code"].is_string() && extensions["retryable"].is_boolean(), "{answer}");
    assert!(uuid::Uuid::parse_str(extensions["requestId"].as_str().expect("a request id")).is_ok());
    &errors[0]
}

/// The calls of one route in the sandbox's call counts.
pub fn count(calls: &Value, route: &str) -> u64 {
    calls.get(route).and_then(Value::as_u64).unwrap_or(0)
}
