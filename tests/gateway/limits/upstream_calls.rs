//! The upstream cost of an operation: known before the first call, limited, and reported on request.

use customers_sandbox::seed::{ADA, REX};
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Attacked, PLANTED, over, refused};
use crate::support::gateway::{Gateway, send, without_errors};
use crate::support::{CUSTOMER, LIST, REVIEW, codes, count};

#[rstest]
#[case::rows_with_details("", &items("customers(first: 100) { nodes { device { ipAddress } } }", 3), json!({}), 303)]
#[case::rows_in_edges("", &items("customers(last: 100) { edges { node { ...F } } }", 3), json!({}), 306)]
#[case::pages_with_reviews("", &items("customerPage(size: 100) { nodes { ...F } }", 3), json!({}), 303)]
#[case::by_a_variable("($n: Int)", &items("customers(first: $n) { nodes { ...F } }", 5), json!({"n": 60}), 305)]
#[case::by_the_default_of_a_variable("($m: Int = 80)", &items("customers(first: $m) { nodes { ...F } }", 5), json!({}), 405)]
#[case::more_rows_than_there_can_be("", &items("customers(first: 1000000) { nodes { ...F } }", 3), json!({}), 303)]
#[tokio::test]
async fn a_plan_over_the_bound_is_refused_before_the_first_call(
    #[case] declared: &str,
    #[case] fields: &str,
    #[case] variables: Value,
    #[case] planned: usize,
) {
    let attacked = Attacked::start().await;
    let mut document = format!("query {declared} {{ {fields} }}");
    if fields.contains("...F") {
        document.push_str(" fragment F on Customer { review { identity { decision } } }");
    }
    over(&attacked.document(document, variables).await, "max_upstream_calls", 250, planned);
}

fn items(field: &str, times: usize) -> String {
    (0..times).map(|i| format!("a{i}: {field} ")).collect()
}

/// One list, selected in many positions. It counts at each position, before the engine runs.
#[rstest]
#[case::of_ids("$l: [ID!]!", "nodes(ids: $l) { id }", json!("planted"), 1)]
#[case::of_words("$l: [CustomerStatus!]", "customers(filter: {statuses: $l}) { totalCount }", json!("REVIEW"), 2)]
#[tokio::test]
async fn a_list_counts_wherever_a_variable_puts_it(
    #[case] declared: &str,
    #[case] field: &str,
    #[case] item: Value,
    #[case] around: usize,
) {
    let attacked = Attacked::start().await;
    let many = vec![item; 15_000];
    let query = format!("query ({declared}) {{ {} ...F }} fragment F on Query {{ last: {field} }}", items(field, 49));
    let got = attacked.document(query, json!({"l": many})).await;
    over(&got, "max_argument_values", 10_000, 50 * (around + 15_000));
}

#[rstest]
#[case("customers(first: 1000000) { totalCount nodes { id } }")]
#[case("customers(first: 2147483647) { nodes { id } }")]
#[case("customers(first: 0) { nodes { id } }")]
#[case("customers(first: -1) { nodes { id } }")]
#[case("customers(first: 101) { nodes { id } }")]
#[case("customers(first: 10, last: 10) { nodes { id } }")]
#[case("customerPage(size: 1000000) { nodes { id } }")]
#[case("customerPage(number: -5) { nodes { id } }")]
#[tokio::test]
async fn too_many_rows_are_rejected_without_an_upstream_call(#[case] field: &str) {
    let attacked = Attacked::start().await;
    let got = attacked.document(format!("{{ {field} }}"), json!({})).await;
    assert_eq!(codes(&got.json()), ["BAD_USER_INPUT"], "{}", got.text);
}

/// The upstream accepts no URL of this length: it closes the connection, which looks like a failure.
#[rstest]
#[case("customerByExternalId(externalId: $text) { id }", "externalId")]
#[case("customers(filter: {name: $text}) { totalCount }", "filter.name")]
#[case("customers(filter: {email: $text}) { totalCount }", "filter.email")]
#[case("customers(filter: {externalId: $text}) { totalCount }", "filter.externalId")]
#[case("customerPage(filter: {search: $text}) { meta { totalItems } }", "filter.search")]
#[tokio::test]
async fn a_too_long_filter_text_is_rejected_without_an_upstream_call(#[case] field: &str, #[case] place: &str) {
    let attacked = Attacked::start().await;
    let query = format!("query ($text: String!) {{ {field} }}");
    let got = attacked.document(query.as_str(), json!({"text": PLANTED.repeat(72)})).await.json();
    let error = crate::support::only_error(&got);
    let told = format!("`{place}` is too long: 500 bytes at most.");
    assert_eq!((&error["extensions"]["code"], &error["message"]), (&json!("BAD_USER_INPUT"), &json!(told)));
    let answer = attacked.gateway.ask_with(&query, json!({"text": "x".repeat(500)})).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
}

#[tokio::test]
async fn numbers_past_32_bits_are_refused() {
    let attacked = Attacked::start().await;
    for number in ["2147483648", "99999999999999999999999999", "1e400", "-2147483649"] {
        let document = format!("{{ customers(first: {number}) {{ nodes {{ id }} }} }}");
        let got = attacked.document(document, json!({})).await;
        assert!(!codes(&got.json()).is_empty() && !got.text.contains("INTERNAL"), "{}", got.text);
    }
    let query = "query ($n: Int) { customers(first: $n) { nodes { id } } }";
    for number in [json!(2_147_483_648_u64), json!(1e300), json!(u64::MAX), json!(2.5)] {
        refused(&attacked.document(query, json!({"n": number})).await, 400, "BAD_USER_INPUT");
    }
}

async fn reported(gateway: &Gateway, query: &str) -> Value {
    send(gateway.post(&json!({"query": query})).header("gateway-report-upstream", "1")).await
}

fn report(planned: u64, actual: u64, cached: u64, shared: u64) -> Value {
    json!({"upstream": {"planned": planned, "actual": actual, "cached": cached, "shared": shared}})
}

#[tokio::test]
async fn the_upstream_report_has_planned_actual_cached_and_shared() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = format!("{{ customer(id: \"{ADA}\") {{ name device {{ ipAddress }} }} }}");
    assert_eq!(reported(&gateway, &query).await["extensions"], report(1, 1, 0, 0));
    assert_eq!(reported(&gateway, &query).await["extensions"], report(1, 0, 1, 0));
    assert_eq!(gateway.ask(&query).await.get("extensions"), None, "only who asks is told");
    assert_eq!(reported(&gateway, "{ viewer { subject } }").await["extensions"], report(0, 0, 0, 0));
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), 1);
}

#[tokio::test]
async fn a_cached_customer_counts_once_in_the_report() {
    let (gateway, _sandbox) = Gateway::start().await;
    let both = format!("{{ customer(id: \"{ADA}\") {{ name review {{ identity {{ decision }} }} }} }}");
    assert_eq!(reported(&gateway, &both).await["extensions"], report(1, 1, 0, 0), "what it read itself was not kept");
    assert_eq!(reported(&gateway, &both).await["extensions"], report(1, 0, 1, 0));
    let twice = format!(
        "{{ a: customer(id: \"{ADA}\") {{ name }} b: customerReview(customerId: \"{ADA}\") {{ customer {{ name }} }}
            c: customer(id: \"{REX}\") {{ name }} }}"
    );
    assert_eq!(reported(&gateway, &twice).await["extensions"], report(2, 1, 1, 0));
    assert_eq!(reported(&gateway, &twice).await["extensions"], report(2, 0, 2, 0));
    let page = "{ customers(first: 5) { nodes { id } } b: customers(first: 5) { nodes { name } } }";
    assert_eq!(reported(&gateway, page).await["extensions"], report(2, 1, 0, 0));
    assert_eq!(reported(&gateway, page).await["extensions"], report(2, 0, 1, 0));
}

#[tokio::test]
async fn the_plan_of_a_list_with_details_is_what_it_costs_with_nothing_kept() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = "{ customers(first: 5) { nodes { name review { identity { decision } } } } }";
    assert_eq!(reported(&gateway, query).await["extensions"], report(6, 6, 0, 0));
    let calls = sandbox.calls().await;
    assert_eq!((count(&calls, LIST), count(&calls, REVIEW) + count(&calls, CUSTOMER)), (1, 5), "{calls}");
    assert_eq!(reported(&gateway, query).await["extensions"], report(6, 0, 6, 0));
}

#[tokio::test]
async fn calls_that_many_callers_share_are_counted_once() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.latency(400).await;
    let query = format!("{{ customer(id: \"{REX}\") {{ name }} }}");
    let answers = join_all((0..20).map(|_| reported(&gateway, &query))).await;
    let mut sums = [0, 0, 0, 0];
    for answer in answers {
        let upstream = &answer["extensions"]["upstream"];
        for (sum, name) in sums.iter_mut().zip(["planned", "actual", "cached", "shared"]) {
            *sum += upstream[name].as_u64().unwrap();
        }
        without_errors(answer);
    }
    let [planned, actual, cached, shared] = sums;
    assert_eq!((planned, actual, cached + shared), (20, 1, 19));
    assert!(shared > 0, "they came while the one call was under way");
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), 1);
}

#[tokio::test]
async fn every_response_has_the_report_if_configured() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.graphql.always_report_upstream = true).await;
    let answer = gateway.ask("{ customers(first: 1) { totalCount } }").await;
    assert_eq!(answer["extensions"], report(1, 1, 0, 0));
}
