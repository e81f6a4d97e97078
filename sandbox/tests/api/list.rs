//! The list: pages, sort order, filters.

use customers_sandbox::seed;
use serde_json::Value;

use super::{RunningSandbox, minimal_customer, start, with};

async fn names(sandbox: &RunningSandbox, query: &str) -> Vec<String> {
    let rows = sandbox.get(&format!("/v1/customers?{query}")).await.data();
    rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

async fn total(sandbox: &RunningSandbox, query: &str) -> u64 {
    sandbox.get(&format!("/v1/customers?{query}")).await.json()["meta"]["total_items"].as_u64().unwrap()
}

#[tokio::test]
async fn the_first_page_has_100_rows_by_name_and_nine_meta_fields() {
    let sandbox = start().await;
    let got = sandbox.get("/v1/customers").await.json();
    assert_eq!(got["response_type"], "array");
    assert_eq!(got["data"].as_array().unwrap().len(), 100);
    let meta = &got["meta"];
    assert_eq!(meta.as_object().unwrap().len(), 9);
    let expected: [(&str, Value); 7] = [
        ("max_page_size", 1000.into()),
        ("page_number", 1.into()),
        ("page_size", 100.into()),
        ("sort_by", "name".into()),
        ("sort_order", "asc".into()),
        ("total_items", seed::COUNT.into()),
        ("total_pages", 3.into()),
    ];
    for (name, value) in expected {
        assert_eq!(meta[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_row_has_nine_fields_and_a_null_external_id() {
    let sandbox = start().await;
    let rows = sandbox.get("/v1/customers?page_size=1000").await.data();
    for row in rows.as_array().unwrap() {
        assert_eq!(row.as_object().unwrap().len(), 9, "{row}");
    }
    assert!(rows.as_array().unwrap().iter().any(|row| row["external_id"].is_null()));
}

#[tokio::test]
async fn a_page_past_the_end_is_empty_and_has_the_totals() {
    let sandbox = start().await;
    let got = sandbox.get("/v1/customers?page_number=4").await.json();
    assert_eq!(got["data"], serde_json::json!([]));
    assert_eq!((&got["meta"]["total_items"], &got["meta"]["total_pages"]), (&seed::COUNT.into(), &3.into()));
}

#[tokio::test]
async fn names_are_sorted_case_insensitively() {
    let sandbox = start().await;
    for (name, email) in [("aaa b", "1@example.test"), ("AAA c", "2@example.test"), ("Aaa A", "3@example.test")] {
        let body = with(minimal_customer(email), serde_json::json!({"name": name}));
        assert_eq!(sandbox.post("/v1/customers", body).await.status, 201);
    }
    assert_eq!(names(&sandbox, "page_size=3").await, ["Aaa A", "aaa b", "AAA c"]);
    assert_eq!(names(&sandbox, "sort_by=created_at&sort_order=desc&page_size=1").await, ["Aaa A"]);
}

#[tokio::test]
async fn equal_names_are_sorted_by_ascending_id_in_both_orders() {
    let sandbox = start().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let body = with(minimal_customer(&format!("{number}@example.test")), serde_json::json!({"name": "Same Name"}));
        ids.push(sandbox.post("/v1/customers", body).await.data()["id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    for order in ["asc", "desc"] {
        let rows = sandbox.get(&format!("/v1/customers?name=same%20name&sort_order={order}")).await.data();
        let found: Vec<&str> = rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(found, ids, "{order}");
    }
}

#[tokio::test]
async fn each_filter_finds_its_customers() {
    let sandbox = start().await;
    for (query, expected) in [
        ("name=A%20EX", "Ada Example,Rhea Example"),
        ("email=ADA%40example.test", "Ada Example"),
        ("email=ada", ""),
        ("external_id=ada-1", "Ada Example"),
        ("external_id=ADA-1", ""),
        ("search_text=KETTLE", "Blue Kettle"),
        ("search_text=%2B12025550123&page_size=1&name=ada", "Ada Example"),
        ("search_text=rhea-6", "Rhea Example"),
        ("status=pending&name=penny", "Penny Example"),
        ("types=business&name=example", ""),
        ("created_from=2026-07-07T06:22:44&created_to=2026-07-07T06:22:44Z", "Blue Kettle"),
        ("colour=red&external_id=rex-3", "Rex Example"),
    ] {
        assert_eq!(names(&sandbox, query).await.join(","), expected, "{query}");
    }
}

#[tokio::test]
async fn comma_lists_and_repeated_keys_are_equivalent() {
    let sandbox = start().await;
    let both = total(&sandbox, "status=pending").await + total(&sandbox, "status=review").await;
    for query in ["status=pending,review", "status=pending%2Creview", "status=pending&status=review"] {
        assert_eq!(total(&sandbox, query).await, both, "{query}");
    }
    assert_eq!(total(&sandbox, "types=individual%2Cbusiness").await, seed::COUNT as u64);
}

#[tokio::test]
async fn all_invalid_parameters_are_reported_at_once() {
    let sandbox = start().await;
    let got = sandbox.get("/v1/customers?page_number=0&page_size=1001&sort_order=up&types=cat&created_from=x").await;
    assert_eq!(got.status, 422);
    assert_eq!(got.references(), ["page_number", "page_size", "sort_order", "types", "created_from"]);
    for query in ["page_size=0", "page_number=-1", "page_number=one", "status=resubmit"] {
        assert_eq!(sandbox.get(&format!("/v1/customers?{query}")).await.status, 422, "{query}");
    }
}
