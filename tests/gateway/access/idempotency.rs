//! Callers share the gateway's key, but not their idempotency keys.

use serde_json::{Value, json};

use super::provider::{Provider, Signer};
use super::{Gateway, claims, gateway};

const CREATE: &str = "mutation ($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id email } userErrors { code } } }";

async fn create(gateway: &Gateway, signer: &Signer, claim: Value, email: &str) -> Value {
    let input = json!({"name": "Tess Planted", "type": "INDIVIDUAL", "email": email, "phone": "+12025550123",
        "device": {"ipAddress": "203.0.113.9"}, "idempotencyKey": "signup-0001"});
    let got =
        gateway.ask(&signer.token(&claims(claim)), None, json!({"query": CREATE, "variables": {"input": input}})).await;
    let json = got.json();
    assert_eq!(json["errors"], Value::Null, "{json}");
    json["data"]["createCustomer"].clone()
}

#[tokio::test]
async fn idempotency_keys_are_scoped_to_the_caller() {
    let signer = Signer::ec("ec-1");
    let provider = Provider::start(&[&signer]).await;
    let gateway = gateway(&format!("algorithms = 'ES256'\njwks_url = '{}'", provider.url)).await;
    let seven = create(&gateway, &signer, json!({"sub": "user-7"}), "seven@example.test").await;
    assert_eq!(seven["userErrors"], json!([]));
    // Another caller's first use of the key.
    let eight = create(&gateway, &signer, json!({"sub": "user-8"}), "eight@example.test").await;
    assert_eq!((&eight["userErrors"], &eight["customer"]["email"]), (&json!([]), &json!("eight@example.test")));
    // With the same body it is still another request, and does not return the first caller's customer.
    let nine = create(&gateway, &signer, json!({"sub": "user-9"}), "seven@example.test").await;
    assert_eq!(nine, json!({"customer": null, "userErrors": [{"code": "TAKEN"}]}));
    // A repetition by the first caller is the same request.
    assert_eq!(create(&gateway, &signer, json!({"sub": "user-7"}), "seven@example.test").await, seven);
    // For the first caller the key is used up.
    let other = create(&gateway, &signer, json!({"sub": "user-7"}), "else@example.test").await;
    assert_eq!(other["userErrors"], json!([{"code": "IDEMPOTENCY_KEY_REUSED"}]));
}
