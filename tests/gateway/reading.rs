//! The cost of reads: every row of the table of calls, exactly.

use customers_gateway::upstream::ArrayEncoding;
use customers_sandbox::seed::{ADA, BLUE_KETTLE, IVY, PENNY, REX, RHEA};
use rstest::rstest;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::stub::{id_in, person};
use crate::support::{CUSTOMER, Gateway, LIST, REVIEW, Reply, Stub, codes, only_error};

/// The nine fields that a list contains.
const SUMMARY: &str = "id name type status email phone externalId createdAt updatedAt";
/// The five fields that a list does not contain.
const DETAIL: [&str; 5] = [
    "address { city }",
    "complianceProfile { __typename }",
    "device { ipAddress }",
    "metadata { key }",
    "config { processingMethod }",
];
const UNKNOWN: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_ffff_ffff_ffff);

fn customer(selection: &str) -> String {
    format!("{{ customer(id: \"{ADA}\") {{ {selection} }} }}")
}

fn customers(selection: &str) -> String {
    format!("{{ customers(first: 20) {{ {selection} }} }}")
}

/// The data, and their cost on a gateway with an empty cache.
async fn cost(query: &str, variables: Value) -> (Value, Value) {
    let (gateway, sandbox) = Gateway::start().await;
    let data = gateway.data_with(query, variables).await;
    (data, sandbox.calls().await)
}

#[tokio::test]
async fn a_customer_costs_one_call_whatever_is_asked_of_it() {
    for (selection, calls) in [
        (SUMMARY.to_owned(), json!({CUSTOMER: 1})),
        (format!("{SUMMARY} {}", DETAIL.join(" ")), json!({CUSTOMER: 1})),
        (format!("{SUMMARY} {} review {{ identity {{ decision }} }}", DETAIL.join(" ")), json!({REVIEW: 1})),
        ("review { customer { name device { ipAddress } } }".to_owned(), json!({REVIEW: 1})),
    ] {
        let (data, spent) = cost(&customer(&selection), json!({})).await;
        assert!(data["customer"].is_object());
        assert_eq!(spent, calls, "{selection}");
    }
}

#[tokio::test]
async fn a_review_costs_one_call_with_its_customer() {
    let query = format!(
        "{{ customerReview(customerId: \"{ADA}\") {{ customer {{ {SUMMARY} {} }} identity {{ decision }} }} }}",
        DETAIL.join(" ")
    );
    let (data, calls) = cost(&query, json!({})).await;
    assert_eq!(data["customerReview"]["customer"]["name"], "Ada Example");
    assert_eq!(calls, json!({REVIEW: 1}));
}

#[tokio::test]
async fn one_id_under_fifty_aliases_costs_one_call() {
    let fields: String = (0..50).map(|i| format!("a{i}: customer(id: \"{ADA}\") {{ name }} ")).collect();
    let (data, calls) = cost(&format!("{{ {fields} }}"), json!({})).await;
    assert_eq!(data.as_object().unwrap().len(), 50);
    assert_eq!(calls, json!({CUSTOMER: 1}));
}

#[tokio::test]
async fn aliases_of_one_id_with_and_without_its_review_cost_one_call() {
    let query = format!(
        "{{ a: customer(id: \"{ADA}\") {{ name }} b: customer(id: \"{ADA}\") {{ review {{ identity {{ decision }} }} }} \
         c: customerReview(customerId: \"{ADA}\") {{ customer {{ email }} }} d: node(id: \"{ADA}\") {{ id }} }}"
    );
    let (data, calls) = cost(&query, json!({})).await;
    assert_eq!(data["a"]["name"], "Ada Example");
    assert_eq!(calls, json!({REVIEW: 1}));
}

fn fifty_aliases_over_ten_ids() -> String {
    let fields: String =
        (0..50_u128).map(|i| format!("a{i}: customer(id: \"{}\") {{ id }} ", Uuid::from_u128(i % 10 + 1))).collect();
    format!("{{ {fields} }}")
}

#[tokio::test]
async fn fifty_aliases_over_ten_ids_cost_ten_calls_at_once() {
    // The stub responds only after all ten requests have arrived, so sequential calls would never end.
    let stub = Stub::holding(10, |seen| Reply::object(&person(id_in(&seen.path)))).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let data = gateway.data(&fifty_aliases_over_ten_ids()).await;
    assert_eq!(data["a13"]["id"], Uuid::from_u128(4).to_string());
    assert_eq!((stub.seen().len(), stub.most_at_once()), (10, 10));
}

#[tokio::test]
async fn no_more_calls_are_in_flight_than_the_setting_allows() {
    let stub = Stub::holding(3, |seen| Reply::object(&person(id_in(&seen.path)))).await;
    let gateway = Gateway::over(&stub.base, |settings| settings.upstream.concurrency.max_in_flight = 3).await;
    gateway.data(&fifty_aliases_over_ten_ids()).await;
    assert_eq!((stub.seen().len(), stub.most_at_once()), (10, 3));
}

#[tokio::test]
async fn a_list_costs_one_call_and_one_more_per_customer_only_for_what_it_does_not_carry() {
    let review = "review { identity { decision } }";
    let all_details = DETAIL.join(" ");
    let mut cases = vec![
        (
            format!(
                "totalCount pageInfo {{ endCursor }} edges {{ cursor node {{ {SUMMARY} }} }} nodes {{ {SUMMARY} }}"
            ),
            json!({LIST: 1}),
        ),
        (format!("nodes {{ {all_details} }}"), json!({LIST: 1, CUSTOMER: 20})),
        (format!("nodes {{ {SUMMARY} {review} }}"), json!({LIST: 1, REVIEW: 20})),
        (format!("nodes {{ {SUMMARY} {all_details} {review} }}"), json!({LIST: 1, REVIEW: 20})),
        (format!("edges {{ node {{ {all_details} {review} }} }}"), json!({LIST: 1, REVIEW: 20})),
        // One position selects the review, and the other the detail fields.
        (format!("edges {{ node {{ {all_details} }} }} nodes {{ {review} }}"), json!({LIST: 1, REVIEW: 20})),
    ];
    cases.extend(DETAIL.map(|field| (format!("nodes {{ id {field} }}"), json!({LIST: 1, CUSTOMER: 20}))));
    for (selection, calls) in cases {
        let (_, spent) = cost(&customers(&selection), json!({})).await;
        assert_eq!(spent, calls, "{selection}");
    }
}

#[rstest]
#[case::a_named_fragment("query { customers(first: 20) { ...List } } fragment List on CustomerConnection { nodes { ...Row } } fragment Row on Customer { address { city } review { identity { decision } } }", json!({}), json!({LIST: 1, REVIEW: 20}))]
#[case::an_inline_fragment("{ customers(first: 20) { ... on CustomerConnection { edges { node { ... { metadata { key } } ... on Customer { review { identity { decision } } } } } } } }", json!({}), json!({LIST: 1, REVIEW: 20}))]
#[case::an_interface_fragment("{ customers(first: 20) { nodes { ... on Node { id } } } }", json!({}), json!({LIST: 1}))]
#[case::aliases("{ l: customers(first: 20) { n: nodes { a: address { city } r: review { identity { decision } } } } }", json!({}), json!({LIST: 1, REVIEW: 20}))]
#[case::included_by_a_variable("query ($r: Boolean!) { customers(first: 20) { nodes { id device { ipAddress } review @include(if: $r) { identity { decision } } } } }", json!({"r": true}), json!({LIST: 1, REVIEW: 20}))]
#[case::not_included_by_a_variable("query ($r: Boolean!) { customers(first: 20) { nodes { id device { ipAddress } review @include(if: $r) { identity { decision } } } } }", json!({"r": false}), json!({LIST: 1, CUSTOMER: 20}))]
#[case::included_by_a_default("query ($r: Boolean = true) { customers(first: 20) { nodes { id review @include(if: $r) { identity { decision } } } } }", json!({}), json!({LIST: 1, REVIEW: 20}))]
#[case::skipped_by_a_default("query ($s: Boolean = true) { customers(first: 20) { nodes { id address @skip(if: $s) { city } } } }", json!({}), json!({LIST: 1}))]
#[case::not_skipped_by_a_variable("query ($s: Boolean = true) { customers(first: 20) { nodes { id address @skip(if: $s) { city } } } }", json!({"s": false}), json!({LIST: 1, CUSTOMER: 20}))]
#[case::a_skipped_fragment("query ($s: Boolean = true) { customers(first: 20) { nodes { id ...Rest @skip(if: $s) } } } fragment Rest on Customer { review { identity { decision } } }", json!({}), json!({LIST: 1}))]
#[case::a_skipped_list("query ($s: Boolean = true) { customers(first: 20) { totalCount nodes @skip(if: $s) { review { identity { decision } } } } }", json!({}), json!({LIST: 1}))]
#[tokio::test]
async fn the_cost_follows_the_selection_that_is_left_after_fragments_and_conditions(
    #[case] query: &str,
    #[case] variables: Value,
    #[case] calls: Value,
) {
    let (_, spent) = cost(query, variables).await;
    assert_eq!(spent, calls);
}

#[tokio::test]
async fn a_total_alone_asks_for_a_page_of_one() {
    let stub = Stub::start(|seen| Reply::page(seen, &[person(ADA)], 250)).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    assert_eq!(gateway.data("{ customers(first: 50) { totalCount } }").await["customers"]["totalCount"], 250);
    let seen = stub.seen();
    assert_eq!(stub.routes(), ["GET /v1/customers"]);
    assert_eq!(seen[0].query, "page_number=1&page_size=1&sort_by=name&sort_order=asc");
}

#[tokio::test]
async fn five_totals_cost_five_calls_at_once() {
    let stub = Stub::holding(5, |seen| {
        let total = seen.parameter("status").map_or(0, |status| status.len());
        Reply::page(seen, &[], total)
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let fields: String = ["PENDING", "REVIEW", "VERIFIED", "INACTIVE", "REJECTED"]
        .map(|status| format!("{status}: customers(filter: {{statuses: {status}}}) {{ totalCount }} "))
        .concat();
    let data = gateway.data(&format!("{{ {fields} }}")).await;
    assert_eq!(data["REVIEW"]["totalCount"], 6);
    assert_eq!((stub.seen().len(), stub.most_at_once()), (5, 5));
}

#[tokio::test]
async fn totals_over_the_sandbox_add_up() {
    let (data, calls) = cost(
        "{ all: customers { totalCount } a: customers(filter: {statuses: [PENDING, REVIEW]}) { totalCount } \
           b: customers(filter: {statuses: [VERIFIED, INACTIVE, REJECTED]}) { totalCount } }",
        json!({}),
    )
    .await;
    let total = |name: &str| data[name]["totalCount"].as_u64().unwrap();
    assert_eq!((total("all"), total("a") + total("b")), (250, 250));
    assert_eq!(calls, json!({LIST: 3}));
}

#[tokio::test]
async fn a_look_up_by_external_id_costs_one_call_and_one_more_for_details_or_the_review() {
    let query = |selection: &str| format!("{{ customerByExternalId(externalId: \"ada-1\") {{ {selection} }} }}");
    for (selection, calls) in [
        (SUMMARY, json!({LIST: 1})),
        ("id address { city } device { ipAddress }", json!({LIST: 1, CUSTOMER: 1})),
        ("id address { city } review { identity { decision } }", json!({LIST: 1, REVIEW: 1})),
    ] {
        let (data, spent) = cost(&query(selection), json!({})).await;
        assert!(data["customerByExternalId"].is_object());
        assert_eq!(spent, calls, "{selection}");
    }
}

#[tokio::test]
async fn an_external_id_is_compared_to_the_letter() {
    let (gateway, sandbox) = Gateway::start().await;
    let data = gateway
        .data(r#"{ a: customerByExternalId(externalId: "ada") { id } b: customerByExternalId(externalId: "ADA-1") { id } c: customerByExternalId(externalId: " ") { id } }"#)
        .await;
    assert_eq!(data, json!({"a": null, "b": null, "c": null}));
    assert_eq!(sandbox.calls().await, json!({LIST: 2}));
}

#[tokio::test]
async fn a_fresh_cache_entry_costs_no_call() {
    let (gateway, sandbox) = Gateway::start().await;
    for query in [
        customer(&format!("{SUMMARY} {}", DETAIL.join(" "))),
        customer("review { identity { decision messages { code } } } metadata { key }"),
        customers(&format!(
            "totalCount nodes {{ {SUMMARY} {} review {{ identity {{ decision }} }} }}",
            DETAIL.join(" ")
        )),
        r#"{ customerByExternalId(externalId: "rex-3") { name } }"#.to_owned(),
        "{ customerPage(number: 2) { meta { totalItems } nodes { id } } }".to_owned(),
        "{ customers { totalCount } }".to_owned(),
    ] {
        let first = gateway.data(&query).await;
        sandbox.forget_calls().await;
        assert_eq!(gateway.data(&query).await, first);
        assert_eq!(sandbox.calls().await, json!({}), "{query}");
    }
    // A cached review serves the customer too.
    gateway.data(&format!("{{ customerReview(customerId: \"{RHEA}\") {{ identity {{ decision }} }} }}")).await;
    sandbox.forget_calls().await;
    gateway.data(&format!("{{ customer(id: \"{RHEA}\") {{ name address {{ city }} }} }}")).await;
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn an_id_that_is_not_a_uuid_is_null_without_a_call() {
    let (gateway, sandbox) = Gateway::start().await;
    let data = gateway
        .data(r#"{ customer(id: "ada") { id } customerReview(customerId: "../etc") { identity { decision } } node(id: "") { id } nodes(ids: ["x", "1"]) { id } }"#)
        .await;
    assert_eq!(data, json!({"customer": null, "customerReview": null, "node": null, "nodes": [null, null]}));
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn a_customer_that_is_not_there_is_null_without_an_error() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = format!(
        "{{ customer(id: \"{UNKNOWN}\") {{ id }} customerReview(customerId: \"{UNKNOWN}\") {{ identity {{ decision }} }} \
         with: customer(id: \"{UNKNOWN}\") {{ id review {{ identity {{ decision }} }} }} node(id: \"{UNKNOWN}\") {{ id }} \
         customerByExternalId(externalId: \"nobody\") {{ id }} }}"
    );
    let expected =
        json!({"customer": null, "customerReview": null, "with": null, "node": null, "customerByExternalId": null});
    assert_eq!(gateway.data(&query).await, expected);
    assert_eq!(sandbox.calls().await, json!({LIST: 1, REVIEW: 1}));
}

#[tokio::test]
async fn nodes_keep_their_places() {
    let (gateway, sandbox) = Gateway::start().await;
    let data = gateway
        .data_with(
            "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Customer { name } } }",
            json!({"ids": [REX, UNKNOWN, "nonsense", ADA, REX]}),
        )
        .await;
    let of = |id: Uuid, name: &str| json!({"__typename": "Customer", "id": id, "name": name});
    assert_eq!(
        data["nodes"],
        json!([of(REX, "Rex Example"), null, null, of(ADA, "Ada Example"), of(REX, "Rex Example")])
    );
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 3}));
}

#[tokio::test]
async fn nodes_take_a_hundred_ids() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let ids = |count: u128| json!({"ids": (0..count).map(|i| Uuid::from_u128(i).to_string()).collect::<Vec<_>>()});
    assert_eq!(gateway.data_with(query, ids(100)).await["nodes"].as_array().unwrap().len(), 100);
    sandbox.forget_calls().await;
    let refused = gateway.ask_with(query, ids(101)).await;
    assert_eq!(only_error(&refused)["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn a_numbered_page_mirrors_the_upstreams() {
    let (gateway, sandbox) = Gateway::start().await;
    let data = gateway
        .data("{ customerPage(number: 3, size: 100, sort: {by: CREATED_AT, order: DESC}) { nodes { id } meta { apiRequestId apiRequestTimestamp maxPageSize pageNumber pageSize sortBy sortOrder totalItems totalPages } } }")
        .await;
    let mut meta: Map<String, Value> = data["customerPage"]["meta"].as_object().unwrap().clone();
    assert!(Uuid::parse_str(meta.remove("apiRequestId").unwrap().as_str().unwrap()).is_ok());
    assert!(meta.remove("apiRequestTimestamp").unwrap().as_str().unwrap().ends_with('Z'));
    let expected = json!({"maxPageSize": 1000, "pageNumber": 3, "pageSize": 100, "sortBy": "created_at", "sortOrder": "DESC", "totalItems": 250, "totalPages": 3});
    assert_eq!(Value::Object(meta), expected);
    assert_eq!(data["customerPage"]["nodes"].as_array().unwrap().len(), 50);
    assert_eq!(sandbox.calls().await, json!({LIST: 1}));
    for arguments in ["number: 0", "number: -1", "size: 0", "size: 101"] {
        let refused = gateway.ask(&format!("{{ customerPage({arguments}) {{ nodes {{ id }} }} }}")).await;
        assert_eq!(codes(&refused), ["BAD_USER_INPUT"], "{arguments}");
    }
    assert_eq!(sandbox.calls().await, json!({LIST: 1}));
}

#[tokio::test]
async fn a_page_with_reviews_costs_one_call_more_per_row() {
    let (_, calls) =
        cost("{ customerPage(size: 7) { nodes { address { city } review { identity { decision } } } } }", json!({}))
            .await;
    assert_eq!(calls, json!({LIST: 1, REVIEW: 7}));
}

#[rstest]
#[case(ArrayEncoding::Comma, "status=pending%2Creview&types=business%2Cindividual")]
#[case(ArrayEncoding::Repeated, "status=pending&status=review&types=business&types=individual")]
#[tokio::test]
async fn filters_go_out_in_the_wires_names_and_the_arrays_in_the_form_of_the_setting(
    #[case] arrays: ArrayEncoding,
    #[case] encoded: &str,
) {
    let stub = Stub::start(|seen| Reply::page(seen, &[], 0)).await;
    let gateway = Gateway::over(&stub.base, |settings| settings.upstream.array_encoding = arrays).await;
    let filter = json!({"name": "a&b", "email": "ada@example.test", "externalId": "u 1", "search": "x", "statuses": ["REVIEW", "PENDING"],
        "types": ["INDIVIDUAL", "BUSINESS"], "createdFrom": "2026-01-01T02:00:00+02:00", "createdTo": "2026-02-01T00:00:00Z"});
    gateway
        .data_with(
            "query ($f: CustomerFilter) { customers(first: 10, filter: $f, sort: {by: CREATED_AT, order: DESC}) { nodes { id } } }",
            json!({"f": filter}),
        )
        .await;
    let expected = format!(
        "page_number=1&page_size=10&sort_by=created_at&sort_order=desc&name=a%26b&email=ada%40example.test&external_id=u+1&search_text=x&\
         created_from=2026-01-01T00%3A00%3A00Z&created_to=2026-02-01T00%3A00%3A00Z&{encoded}"
    );
    assert_eq!(stub.seen().iter().map(|seen| seen.query.clone()).collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn the_seeded_customers_are_returned_as_documented() {
    let (gateway, _sandbox) = Gateway::start().await;
    let query = "query ($id: ID!) { customer(id: $id) { name type status externalId address { address1 address2 city state zip } \
        complianceProfile { __typename ... on IndividualComplianceProfile { dob ssn } ... on BusinessComplianceProfile { ein legalBusinessName website representatives { name email phone } } } \
        device { ipAddress } metadata { key value } config { processingMethod sandboxOutcome } review { identity { decision } } } }";
    let of = async |id: Uuid| gateway.data_with(query, json!({"id": id})).await["customer"].clone();
    let ada = json!({"name": "Ada Example", "type": "INDIVIDUAL", "status": "REVIEW", "externalId": "ada-1",
        "address": {"address1": "1 Analytical Way", "address2": "Apt 33", "city": "Portland", "state": "OR", "zip": "97201"},
        "complianceProfile": {"__typename": "IndividualComplianceProfile", "dob": "****-**-**", "ssn": "***-**-****"},
        "device": {"ipAddress": "**.**.**.**"},
        "metadata": [{"key": "referred_by", "value": "blue-kettle"}, {"key": "tier", "value": "gold"}],
        "config": {"processingMethod": "INLINE", "sandboxOutcome": "REVIEW"}, "review": {"identity": {"decision": "REVIEW"}}});
    assert_eq!(of(ADA).await, ada);
    let kettle = json!({"__typename": "BusinessComplianceProfile", "ein": "**-*******", "legalBusinessName": "Blue Kettle LLC",
        "website": "https://bluekettle.example.test/", "representatives": [
            {"name": "Cy Doe", "email": "cy@bluekettle.example.test", "phone": "+12025550145"},
            {"name": "Di Roe", "email": null, "phone": null}]});
    assert_eq!(of(BLUE_KETTLE).await["complianceProfile"], kettle);
    // The screening accepts, and the customer is rejected nevertheless.
    let rex = of(REX).await;
    assert_eq!((&rex["status"], &rex["review"]["identity"]["decision"]), (&json!("REJECTED"), &json!("ACCEPT")));
    // No optional value exists, and no screening has run.
    let penny = of(PENNY).await;
    assert_eq!(
        (&penny["address"], &penny["complianceProfile"], &penny["metadata"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(penny["review"], json!({"identity": null}));
    assert_eq!(
        of(IVY).await["complianceProfile"],
        json!({"__typename": "IndividualComplianceProfile", "dob": null, "ssn": null})
    );
}
