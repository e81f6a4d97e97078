//! The work of a request is cancelled when its caller disconnects, except for a write.

use std::sync::Arc;

use customers_sandbox::seed::{ADA, REX, RHEA};
use serde_json::Value;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::name_of;
use crate::support::Gateway;
use crate::support::wire::{Act, Wire};

fn ask(gateway: &Arc<Gateway>, query: String) -> JoinHandle<Value> {
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move { gateway.ask(&query).await })
}

/// A gateway in front of an upstream that never responds.
async fn hanging() -> (Arc<Gateway>, Wire) {
    let wire = Wire::start(Act::Hang).await;
    let gateway = Gateway::over(&wire.base, |settings| {
        settings.server.deadline = std::time::Duration::from_secs(300);
        settings.upstream.timeout = std::time::Duration::from_secs(300);
    });
    (Arc::new(gateway.await), wire)
}

#[tokio::test]
async fn a_read_is_cancelled_with_its_last_waiter() {
    let (gateway, wire) = hanging().await;
    // Each request reads one more customer. Its call shows when the request is sent, and when it is cancelled.
    let and = |other: Uuid| {
        format!("{{ shared: customer(id: \"{ADA}\") {{ name }} own: customer(id: \"{other}\") {{ name }} }}")
    };
    let first = ask(&gateway, and(RHEA));
    wire.until(2, 0).await;
    let second = ask(&gateway, and(REX));
    wire.until(3, 0).await;
    first.abort();
    wire.until(3, 1).await;
    assert_eq!((wire.calls(), wire.gone()), (3, 1), "the other one waits");
    second.abort();
    wire.until(3, 3).await;
    let again = ask(&gateway, name_of(ADA));
    wire.until(4, 3).await;
    again.abort();
    wire.until(4, 4).await;
}

#[tokio::test]
async fn a_cancelled_request_cancels_its_calls() {
    let (gateway, wire) = hanging().await;
    let fields: String =
        (1..=9_u128).map(|i| format!("a{i}: customer(id: \"{}\") {{ id }} ", uuid::Uuid::from_u128(i))).collect();
    let caller = ask(&gateway, format!("{{ {fields} customers {{ totalCount }} }}"));
    wire.until(10, 0).await;
    caller.abort();
    wire.until(10, 10).await;
}

#[tokio::test]
async fn a_write_continues_after_its_caller_disconnects() {
    let (gateway, wire) = hanging().await;
    let caller =
        ask(&gateway, format!("mutation {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId }} }}"));
    wire.until(1, 0).await;
    caller.abort();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!((wire.calls(), wire.gone()), (1, 0));
}
