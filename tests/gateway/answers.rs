//! Unexpected responses of the upstream: other content codings, no body, unreadable rows, unmasked values where masked
//! ones are required. The gateway returns everything that it can read.

use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::gateway::{send, without_errors};
use crate::support::stub::{clear_person, id_in, person, with};
use crate::support::wire::gzip;
use crate::support::{Gateway, Reply, Stub, codes, only_error};

fn name_of(id: Uuid) -> String {
    format!("{{ customer(id: \"{id}\") {{ name }} }}")
}

#[rstest]
#[case::capitals("GZIP", true)]
#[case::old_name("x-gzip", true)]
#[case::old_name_in_capitals("X-GZip", true)]
#[case::with_spaces(" gzip ", true)]
#[case::with_the_plain_one("gzip, identity", true)]
#[case::plain("identity", false)]
#[case::plain_in_capitals("Identity", false)]
#[case::none("", false)]
#[tokio::test]
async fn each_content_coding_name_is_recognized(#[case] coding: &'static str, #[case] compressed: bool) {
    let stub = Stub::start(move |seen| {
        let mut reply = Reply::object(&person(id_in(&seen.path))).header("content-encoding", coding);
        if compressed {
            reply.body = gzip(&reply.body);
        }
        reply
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
    assert_eq!(stub.seen()[0].header("accept-encoding"), Some("gzip, br"));
}

#[rstest]
#[case::that_nobody_asked_for("zstd")]
#[case::twice("gzip, gzip")]
#[tokio::test]
async fn an_unknown_content_coding_is_an_invalid_upstream_response(#[case] coding: &'static str) {
    let stub =
        Stub::start(move |seen| Reply::object(&person(id_in(&seen.path))).header("content-encoding", coding)).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    assert_eq!(codes(&gateway.ask(&name_of(ADA)).await), ["UPSTREAM_INVALID_RESPONSE"]);
}

/// `{"data": …}` after the byte order mark that Windows programs write.
fn marked(mut reply: Reply) -> Reply {
    reply.body.splice(0..0, *b"\xef\xbb\xbf");
    reply
}

#[tokio::test]
async fn a_byte_order_mark_before_upstream_json_is_skipped() {
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "GET" => marked(Reply::object(&person(id_in(&seen.path)))),
        _ => marked(Reply::refusal(422, None, &[(Some("email"), "Must be unique.")])),
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
    let create = "mutation { createCustomer(input: {name: \"A\", type: INDIVIDUAL, email: \"a@example.test\", \
        phone: \"+12025550123\", device: {ipAddress: \"203.0.113.9\"}}) { userErrors { code } } }";
    assert_eq!(gateway.data(create).await["createCustomer"]["userErrors"], json!([{"code": "TAKEN"}]));
}

#[tokio::test]
async fn a_byte_order_mark_before_a_request_is_skipped() {
    let (gateway, _sandbox) = Gateway::start().await;
    let body = [b"\xef\xbb\xbf", json!({"query": name_of(ADA)}).to_string().as_bytes()].concat();
    let request = gateway.request(reqwest::Method::POST, "/graphql").header("content-type", "application/json");
    assert_eq!(without_errors(send(request.body(body)).await)["customer"]["name"], "Ada Example");
}

#[rstest]
#[case::no_content(204, "")]
#[case::empty(200, "")]
#[case::accepted(202, "")]
#[case::blank(200, " \r\n")]
#[tokio::test]
async fn a_delete_with_an_empty_response_succeeds(#[case] status: u16, #[case] body: &'static str) {
    let stub = Stub::start(move |_| Reply { status, headers: Vec::new(), body: body.into() }).await;
    let gateway = Gateway::over(&stub.base, |settings| settings.upstream.retry.max_attempts = 3).await;
    let delete = format!(
        "mutation {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId userErrors {{ code }} }} }}"
    );
    let expected = json!({"deletedCustomerId": ADA, "userErrors": []});
    assert_eq!(gateway.data(&delete).await["deleteCustomer"], expected);
    assert_eq!(stub.routes(), [format!("DELETE /v1/customers/{ADA}")]);
}

#[tokio::test]
async fn a_read_with_an_empty_response_is_invalid() {
    let stub = Stub::start(|_| Reply { status: 204, headers: Vec::new(), body: Vec::new() }).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    assert_eq!(codes(&gateway.ask(&name_of(ADA)).await), ["UPSTREAM_INVALID_RESPONSE"]);
}

const MASKED: &str = "complianceProfile { ... on IndividualComplianceProfile { dob ssn } ... on BusinessComplianceProfile { ein legalBusinessName } } \
    device { ipAddress } address { zip }";

#[tokio::test]
async fn an_unmasked_value_in_a_masked_record_is_masked() {
    let stub = Stub::start(|seen| {
        let id = id_in(&seen.path);
        let company =
            json!({"type": "business", "compliance_profile": {"ein": "98-7654321", "legal_business_name": "Blue LLC"}});
        let clear = if id == REX.to_string() { with(clear_person(id), company) } else { clear_person(id) };
        match seen.method == "GET" && seen.path.ends_with("/review") {
            true => Reply::object(&json!({"customer_details": clear})),
            false => Reply::object(&clear),
        }
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let person = json!({"complianceProfile": {"dob": "****-**-**", "ssn": "***-**-****"},
        "device": {"ipAddress": "**.**.**.**"}, "address": {"zip": "89501"}});
    let query = format!("{{ customer(id: \"{ADA}\") {{ {MASKED} }} }}");
    assert_eq!(gateway.data(&query).await["customer"], person);
    assert_eq!(gateway.data(&query).await["customer"], person, "as it is kept");
    let query = format!("{{ customerReview(customerId: \"{ADA}\") {{ customer {{ {MASKED} }} }} }}");
    assert_eq!(gateway.data(&query).await["customerReview"]["customer"], person);
    let query = format!("{{ customer(id: \"{REX}\") {{ {MASKED} }} }}");
    let company = json!({"ein": "**-*******", "legalBusinessName": "Blue LLC"});
    assert_eq!(gateway.data(&query).await["customer"]["complianceProfile"], company);
    let decide = format!(
        "mutation {{ decideCustomerReview(input: {{customerId: \"{ADA}\", decision: VERIFIED}}) {{ customer {{ {MASKED} }} }} }}"
    );
    assert_eq!(gateway.data(&decide).await["decideCustomerReview"]["customer"], person);
}

/// A gateway whose list has three rows, with the given second row.
async fn listing(change: Value) -> (Gateway, Stub) {
    let stub = Stub::start(move |seen| {
        let id = Uuid::from_u128;
        if seen.path != "/v1/customers" {
            let own_id = json!({"id": id_in(&seen.path)});
            return Reply::object(&with(with(person(ADA), change.clone()), own_id));
        }
        Reply::page(seen, &[person(id(1)), with(person(id(2)), change.clone()), person(id(3))], 3)
    })
    .await;
    (Gateway::over(&stub.base, |_| {}).await, stub)
}

/// Checks that an error has the path of a field of a row, and that its message names the field.
fn assert_names(error: &Value, row: &Value, field: &str) {
    let place = [row.as_array().unwrap().as_slice(), &[json!(field)]].concat();
    assert_eq!(error["path"], Value::Array(place));
    assert!(error["message"].as_str().unwrap().contains(&format!("`{field}`")), "{error}");
}

#[rstest]
#[case::null(json!({"email": null}), "email")]
#[case::number(json!({"name": {}}), "name")]
#[case::list(json!({"phone": []}), "phone")]
#[case::no_date(json!({"created_at": "yesterday"}), "createdAt")]
#[case::no_status(json!({"status": null}), "status")]
#[case::no_external_id(json!({"external_id": {"a": 1}}), "externalId")]
#[tokio::test]
async fn an_unreadable_field_fails_that_field_only(#[case] change: Value, #[case] field: &str) {
    let (gateway, _stub) = listing(change).await;
    let others: Vec<&str> = ["id", "name", "email", "phone", "externalId", "status", "type", "createdAt", "updatedAt"]
        .into_iter()
        .filter(|other| *other != field)
        .collect();
    let others = others.join(" ");
    // A query without the field gets no error.
    let query =
        format!("{{ customers(first: 3) {{ nodes {{ {others} }} totalCount }} customerPage {{ nodes {{ id }} }} }}");
    let data = gateway.data(&query).await;
    assert_eq!(data["customers"]["nodes"].as_array().unwrap().len(), 3);
    let answer = gateway.ask(&format!("{{ customers(first: 3) {{ nodes {{ {field} }} }} }}")).await;
    let error = only_error(&answer);
    assert_names(error, &json!(["customers", "nodes", 1]), field);
    assert_eq!(error["extensions"]["code"], "UPSTREAM_INVALID_RESPONSE");
    let one = Uuid::from_u128(2);
    let answer = gateway.ask(&format!("{{ customer(id: \"{one}\") {{ {field} }} viewer {{ permissions }} }}")).await;
    assert_names(only_error(&answer), &json!(["customer"]), field);
    assert!(answer["data"]["viewer"].is_object(), "{answer}");
}

/// Under `onError: NULL` only the field itself is null, even if its type is non-null.
#[tokio::test]
async fn with_on_error_null_an_unreadable_field_is_null_and_the_rest_is_returned() {
    let (gateway, _stub) = listing(json!({"email": null, "created_at": "yesterday"})).await;
    let query = "{ customers(first: 3) { nodes { name email createdAt } totalCount } }";
    let answer = send(gateway.post(&json!({"query": query, "onError": "NULL"}))).await;
    let rows = answer["data"]["customers"]["nodes"].as_array().unwrap();
    let read: Vec<_> = rows.iter().map(|row| (row["name"].is_string(), row["email"].is_string())).collect();
    assert_eq!(read, [(true, true), (true, false), (true, true)], "{answer}");
    let paths: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["path"].clone()).collect();
    for field in ["email", "createdAt"] {
        assert!(paths.contains(&json!(["customers", "nodes", 1, field])), "{answer}");
    }
}

#[tokio::test]
async fn a_row_without_an_id_fails_only_fields_that_need_it() {
    let (gateway, _stub) = listing(json!({"id": 7})).await;
    let data = gateway.data("{ customers(first: 3) { edges { cursor node { name } } } }").await;
    assert_eq!(data["customers"]["edges"].as_array().unwrap().len(), 3);
    let answer = gateway.ask("{ customerPage { nodes { name device { ipAddress } } } }").await;
    assert_eq!(only_error(&answer)["path"], json!(["customerPage", "nodes", 1, "device"]));
    assert_eq!(answer["data"]["customerPage"]["nodes"][2]["device"]["ipAddress"], "**.**.**.**");
    let (gateway, _stub) = listing(json!({"id": null})).await;
    let answer = gateway.ask("{ customerPage { nodes { id } } }").await;
    assert_names(only_error(&answer), &json!(["customerPage", "nodes", 1]), "id");
}

#[rstest]
#[case::numeric_external_id(json!({"external_id": 12345678901234567890_u64}), "externalId", json!("12345678901234567890"))]
#[case::a_fraction(json!({"external_id": 1.5}), "externalId", json!("1.5"))]
#[case::numeric_metadata(json!({"metadata": {"tier": 3, "vip": true, "none": null}}), "metadata { key value }",
    json!([{"key": "tier", "value": "3"}, {"key": "vip", "value": "true"}]))]
#[case::a_numeric_zip(json!({"address": {"address1": "1 Way", "city": "Reno", "state": "NV", "zip": 89501}}), "address { zip }", json!({"zip": "89501"}))]
#[tokio::test]
async fn a_number_in_place_of_a_string_is_read_as_string(
    #[case] change: Value,
    #[case] field: &str,
    #[case] shown: Value,
) {
    let (gateway, _stub) = listing(change).await;
    let name = field.split(' ').next().unwrap();
    let data = gateway.data(&format!("{{ customers(first: 3) {{ nodes {{ {field} }} }} }}")).await;
    assert_eq!(data["customers"]["nodes"][1][name], shown);
}

#[rstest]
#[case::in_an_escape(br"\ud83d")]
#[case::the_other_half(br"\uDE00")]
#[case::in_bytes(b"\xed\xa0\xbd")]
#[case::of_another_encoding(b"\xe9")]
#[tokio::test]
async fn a_lone_surrogate_is_replaced(#[case] half: &'static [u8]) {
    let stub = Stub::start(move |seen| {
        let mut reply = Reply::page(seen, &[with(person(ADA), json!({"name": "A_PLACE \u{1f600} \\ud83d"}))], 1);
        let place = reply.body.windows(7).position(|window| window == b"A_PLACE").unwrap();
        reply.body.splice(place..place + 7, half.iter().copied());
        reply
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let data = gateway.data("{ customers { nodes { name } } }").await;
    let name = data["customers"]["nodes"][0]["name"].as_str().unwrap();
    assert!(name.starts_with('\u{fffd}') && name.ends_with(" \u{1f600} \\ud83d"), "{name}");
}

#[rstest]
#[case::an_address_without_a_city(json!({"address": {"address1": "1 Way", "city": null, "state": "NV", "zip": "89501"}}), "address { zip }")]
#[case::an_address_that_is_a_text(json!({"address": "1 Way"}), "address { zip }")]
#[case::a_device_without_an_address(json!({"device": {}}), "device { ipAddress }")]
#[case::a_profile_that_is_a_list(json!({"compliance_profile": []}), "complianceProfile { __typename }")]
#[case::metadata_that_is_a_list(json!({"metadata": ["tier"]}), "metadata { key }")]
#[tokio::test]
async fn an_unreadable_object_is_null_with_an_error(#[case] change: Value, #[case] field: &str) {
    let (gateway, _stub) = listing(change).await;
    let name = field.split(' ').next().unwrap();
    let answer =
        gateway.ask(&format!("{{ customer(id: \"{ADA}\") {{ name {field} config {{ processingMethod }} }} }}")).await;
    let error = only_error(&answer);
    assert_eq!(
        (&error["path"], &error["extensions"]["code"]),
        (&json!(["customer", name]), &json!("UPSTREAM_INVALID_RESPONSE"))
    );
    assert_eq!(
        (&answer["data"]["customer"]["name"], &answer["data"]["customer"][name]),
        (&json!("Ada Example"), &Value::Null)
    );
}

#[tokio::test]
async fn an_unreadable_screening_keeps_the_customer_without_another_call() {
    let stub = Stub::start(|seen| {
        let review = json!({"review_id": 7, "decision": null, "breakdown": [], "created_at": 1, "updated_at": 2});
        Reply::object(&json!({"customer_details": person(id_in(&seen.path)), "identity_details": review}))
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let answer = gateway
        .ask(&format!(
            "{{ customer(id: \"{ADA}\") {{ name device {{ ipAddress }} review {{ identity {{ decision }} }} }} }}"
        ))
        .await;
    let error = only_error(&answer);
    assert_eq!(error["path"], json!(["customer", "review", "identity"]));
    assert_eq!(error["extensions"]["code"], "UPSTREAM_INVALID_RESPONSE");
    let expected = json!({"name": "Ada Example", "device": {"ipAddress": "**.**.**.**"}, "review": {"identity": null}});
    assert_eq!(answer["data"]["customer"], expected);
    assert_eq!(stub.routes(), [format!("GET /v1/customers/{ADA}/review")]);
}

#[tokio::test]
async fn unreadable_page_metadata_keeps_the_rows() {
    let stub = Stub::start(|seen| {
        let reply = Reply::page(seen, &[person(ADA)], 1);
        let mut body: Value = serde_json::from_slice(&reply.body).unwrap();
        body["meta"]["api_request_id"] = Value::Null;
        body["meta"]["sort_by"] = json!(["name"]);
        Reply::json(200, &body)
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let data = gateway.data("{ customers { nodes { id } totalCount } customerPage { nodes { id } } }").await;
    assert_eq!(data["customers"], json!({"nodes": [{"id": ADA}], "totalCount": 1}));
    let answer = gateway.ask("{ customerPage { meta { totalItems } } }").await;
    assert_eq!(only_error(&answer)["path"], json!(["customerPage", "meta"]));
}

#[tokio::test]
async fn an_update_of_a_partly_unreadable_record_loses_nothing() {
    for (change, sent) in [(json!({"metadata": {"tier": 3}}), true), (json!({"email": null}), false)] {
        let stub = Stub::start(move |seen| match seen.method.as_str() {
            "GET" => Reply::object(&with(clear_person(id_in(&seen.path)), change.clone())),
            _ => Reply::object(&person(id_in(&seen.path))),
        })
        .await;
        let gateway = Gateway::over(&stub.base, |_| {}).await;
        let update = format!(
            "mutation {{ updateCustomer(input: {{id: \"{ADA}\", name: \"New\"}}) {{ customer {{ name }} userErrors {{ code }} }} }}"
        );
        let answer = gateway.ask(&update).await;
        let put = stub.seen().into_iter().find(|seen| seen.method == "PUT");
        assert_eq!(put.map(|put| put.json()["metadata"].clone()), sent.then(|| json!({"tier": "3"})));
        assert_eq!(codes(&answer).len(), usize::from(!sent), "{answer}");
    }
}
