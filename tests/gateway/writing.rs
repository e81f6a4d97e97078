//! Writes: they are validated before they are sent, sent once, run to their end, and reported correctly.

mod checks;
mod outcome;
mod refusals;
mod repeats;
mod unknown_members;
mod update;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::Gateway;
use crate::support::stub::with;

const UNKNOWN: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_ffff_ffff_ffff);

const CREATE: &str = "mutation ($input: CreateCustomerInput!) { result: createCustomer(input: $input) { customer { id name } userErrors { code message path } } }";
const UPDATE: &str = "mutation ($input: UpdateCustomerInput!) { result: updateCustomer(input: $input) { customer { id name } userErrors { code message path } } }";
const DELETE: &str = "mutation ($input: DeleteCustomerInput!) { result: deleteCustomer(input: $input) { deletedCustomerId userErrors { code message path } } }";
const DECIDE: &str = "mutation ($input: DecideCustomerReviewInput!) { result: decideCustomerReview(input: $input) { customer { id } userErrors { code message path } } }";
const REFRESH: &str = "mutation ($input: RefreshCustomerReviewInput!) { result: refreshCustomerReview(input: $input) { customer { id } userErrors { code message path } } }";
const UNMASK: &str = "mutation ($input: UnmaskCustomerInput!) { result: unmaskCustomer(input: $input) { unmaskedCustomer { customerId name type status email phone externalId \
    address { address1 address2 city state zip } device { ipAddress } metadata { key value } config { processingMethod sandboxOutcome } createdAt \
    complianceProfile { ... on UnmaskedIndividualComplianceProfile { dob ssn } ... on UnmaskedBusinessComplianceProfile { ein legalBusinessName website representatives { name email phone } } } } \
    userErrors { code message path } } }";

/// The required fields of a new customer.
fn smallest(email: &str) -> Value {
    json!({"name": "Tess Planted", "type": "INDIVIDUAL", "email": email, "phone": "+12025550123", "device": {"ipAddress": "203.0.113.9"}})
}

/// The payload of a mutation that succeeded.
async fn run(gateway: &Gateway, mutation: &str, input: Value) -> Value {
    gateway.data_with(mutation, json!({"input": input})).await["result"].clone()
}

/// An unmasked customer.
async fn clear(gateway: &Gateway, id: Uuid) -> Value {
    run(gateway, UNMASK, json!({"id": id})).await["unmaskedCustomer"].clone()
}

/// The codes and paths of the errors of a payload that contains nothing else.
fn complaints(payload: &Value) -> Vec<(String, String)> {
    let fields = payload.as_object().unwrap();
    assert!(fields.iter().all(|(name, value)| name == "userErrors" || value.is_null()), "{payload}");
    let told = payload["userErrors"].as_array().unwrap().iter().map(|error| {
        let path = error["path"].as_array().map_or(String::from("-"), |path| {
            path.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join(".")
        });
        (error["code"].as_str().unwrap().to_owned(), path)
    });
    told.collect()
}

/// The paths of errors that all have the same code.
fn paths(payload: &Value, code: &str) -> Vec<String> {
    complaints(payload)
        .into_iter()
        .map(|(found, path)| {
            assert_eq!(found, code, "{payload}");
            path
        })
        .collect()
}

fn for_customer(id: impl serde::Serialize, more: Value) -> Value {
    with(json!({"id": id}), more)
}
