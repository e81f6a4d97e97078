//! Accounts: which account a token lets its caller act for, and that no caller sees another account's data.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::provider::{Provider, Signer};
use super::{Gateway, OWN, claims, gateway};

const A: &str = "0a000000-0000-4000-8000-00000000000a";
const B: &str = "0b000000-0000-4000-8000-00000000000b";
const C: &str = "0c000000-0000-4000-8000-00000000000c";

async fn started() -> (Gateway, Provider, Signer) {
    let ec = Signer::ec("ec-1");
    let provider = Provider::start(&[&ec]).await;
    let gateway = gateway(&format!("algorithms = 'ES256'\njwks_url = '{}'", provider.url)).await;
    (gateway, provider, ec)
}

#[tokio::test]
async fn a_caller_acts_for_an_account_that_its_token_lists() {
    let (gateway, _provider, ec) = started().await;
    let answers = [
        (json!({"account_id": A}), None, Ok(A)),
        (json!({"account_id": A}), Some(A), Ok(A)),
        (json!({"account_id": A}), Some(B), Err((403, "FORBIDDEN"))),
        (json!({"account_id": [A, B]}), Some(B), Ok(B)),
        (json!({"account_id": [A, B]}), Some(C), Err((403, "FORBIDDEN"))),
        (json!({"account_id": [A, B]}), Some(OWN), Err((403, "FORBIDDEN"))),
        (json!({"account_id": [A, B]}), None, Err((400, "BAD_REQUEST"))),
        (json!({"account_id": [B]}), None, Ok(B)),
        (json!({}), None, Ok(OWN)),
        (json!({}), Some(OWN), Ok(OWN)),
        (json!({}), Some(A), Err((403, "FORBIDDEN"))),
        (json!({"account_id": "acct_1"}), None, Err((403, "FORBIDDEN"))),
        (json!({"account_id": []}), None, Err((403, "FORBIDDEN"))),
        (json!({"account_id": A}), Some("acct_1"), Err((400, "BAD_REQUEST"))),
    ];
    for (token, named, expected) in answers {
        let query = json!({"query": "{ viewer { accountId } }"});
        let got = gateway.ask(&ec.token(&claims(token.clone())), named, query).await;
        match expected {
            Ok(account) => assert_eq!(got.viewer()["accountId"], account, "{token} {named:?}"),
            Err((status, code)) => {
                assert_eq!((got.status, got.code()), (status, json!(code)), "{token} {named:?} {}", got.text);
                assert!(!got.text.contains(A) && !got.text.contains(B), "{}", got.text);
            }
        }
    }
}

#[tokio::test]
async fn an_invalid_token_reveals_nothing_about_accounts() {
    let (gateway, _provider, _ec) = started().await;
    let forged = Signer::ec("ec-1").token(&claims(json!({"account_id": [A, B]})));
    for named in [None, Some(A), Some("acct_1")] {
        let got = gateway.ask(&forged, named, json!({"query": "{ viewer { accountId } }"})).await;
        assert_eq!(got.status, 401);
    }
}

/// The customers whose names contain a word.
async fn found(gateway: &Gateway, token: &str, word: &str) -> Value {
    let query = "query($word: String!) { customers(first: 5, filter: {search: $word}) { totalCount nodes { name } } }";
    let got = gateway.ask(token, None, json!({"query": query, "variables": {"word": word}})).await;
    let json = got.json();
    assert!(json["errors"].is_null(), "{json}");
    json["data"]["customers"].clone()
}

#[tokio::test]
async fn callers_of_different_accounts_never_see_each_others_customers() {
    let (gateway, _provider, ec) = started().await;
    let callers = [(A, "Arthur Zebulon"), (B, "Beatrice Zebulon")];
    let tokens = callers.map(|(account, _)| ec.token(&claims(json!({"account_id": account}))));
    let create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } userErrors { code } } }";
    let mut ids = Vec::new();
    for ((_, name), token) in callers.iter().zip(&tokens) {
        assert_eq!(found(&gateway, token, "Zebulon").await["totalCount"], 0);
        let input = json!({"name": name, "type": "INDIVIDUAL", "email": "zebulon@example.com",
            "phone": "+12025550123", "device": {"ipAddress": "203.0.113.9"}});
        let got = gateway.ask(token, None, json!({"query": create, "variables": {"input": input}})).await;
        let id = got.json()["data"]["createCustomer"]["customer"]["id"].clone();
        assert!(id.is_string(), "the same e-mail is free in another account: {}", got.text);
        ids.push(id);
    }
    // One account's cache entries exist while the other account sends the same query, hundreds of times.
    let (gateway, tokens, ids) = (&gateway, &tokens, &ids);
    join_all((0..300).map(|n| async move {
        let (mine, theirs) = (n % 2, 1 - n % 2);
        let list = found(gateway, &tokens[mine], "Zebulon").await;
        assert_eq!(list, json!({"totalCount": 1, "nodes": [{"name": callers[mine].1}]}));
        let query = "query($mine: ID!, $theirs: ID!) { mine: customer(id: $mine) { name } theirs: customer(id: $theirs) { name } }";
        let variables = json!({"mine": ids[mine], "theirs": ids[theirs]});
        let got = gateway.ask(&tokens[mine], None, json!({"query": query, "variables": variables})).await;
        assert_eq!(got.json()["data"], json!({"mine": {"name": callers[mine].1}, "theirs": null}), "{}", got.text);
    }))
    .await;
}
