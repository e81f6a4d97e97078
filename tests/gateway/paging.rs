//! Windows of lists: each equals a slice of the whole list, and costs one call or two.

use customers_sandbox::seed::ADA;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::stub::person;
use crate::support::stub::with;
use crate::support::{Gateway, LIST, Reply, Sandbox, Stub, codes, count};

const WINDOW: &str = "query ($first: Int, $after: String, $last: Int, $before: String) { \
    customers(first: $first, after: $after, last: $last, before: $before) { \
    edges { cursor node { id } } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

/// Pseudo-random numbers that are the same in each run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// An upstream with this many customers, in both orders.
async fn upstream_with(total: u128) -> Stub {
    Stub::start(move |seen| {
        let number = |name| seen.parameter(name).unwrap().parse::<usize>().unwrap();
        let mut rows: Vec<Value> = (1..=total).map(|i| person(Uuid::from_u128(i))).collect();
        if seen.parameter("sort_order").unwrap() == "desc" {
            rows.reverse();
        }
        let size = number("page_size");
        let page: Vec<Value> = rows.into_iter().skip((number("page_number") - 1) * size).take(size).collect();
        Reply::page(seen, &page, u64::try_from(total).unwrap())
    })
    .await
}

/// The ids of the whole list, by numbered pages.
async fn whole(gateway: &Gateway, total: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 1..=total.div_ceil(100) {
        let query = "query ($n: Int!) { customerPage(number: $n, size: 100) { nodes { id } } }";
        let data = gateway.data_with(query, json!({"n": number})).await;
        let rows = data["customerPage"]["nodes"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(ids.len(), total);
    ids
}

/// Every row's id and cursor, by following `endCursor`.
async fn walked(gateway: &Gateway, page: usize) -> Vec<(String, String)> {
    let (mut rows, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = gateway.data_with(WINDOW, json!({"first": page, "after": after})).await;
        let list = &data["customers"];
        for edge in list["edges"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            rows.push((text(&edge["node"]["id"]), text(&edge["cursor"])));
        }
        assert_eq!(list["pageInfo"]["hasPreviousPage"], rows.len() > page);
        after = list["pageInfo"]["endCursor"].clone();
        if list["pageInfo"]["hasNextPage"] == false {
            return rows;
        }
    }
}

/// How many calls a range of rows needs: one if a page of up to 1000 rows contains it.
fn pages_needed(start: usize, end: usize) -> u64 {
    if start >= end || (end - start..=1000).any(|size| start / size == (end - 1) / size) { 1 } else { 2 }
}

/// Queries random windows and compares each with its slice. `calls` returns and resets the number of calls.
async fn windows_equal_slices(gateway: &Gateway, total: usize, rounds: usize, calls: impl AsyncFn() -> u64) {
    let ids = whole(gateway, total).await;
    let rows = walked(gateway, 100).await;
    assert_eq!(rows.iter().map(|(id, _)| id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    calls().await;
    let mut numbers = Numbers(total as u64);
    for _ in 0..rounds {
        let size = 1 + numbers.below(100);
        let forward = numbers.below(2) == 0;
        let mut bound = || (total > 0 && numbers.below(2) == 0).then(|| numbers.below(total));
        let (after, before) = (bound(), bound());
        let cursor = |place: Option<usize>| place.map(|place| rows[place].1.clone());
        let mut asked = json!({"after": cursor(after), "before": cursor(before)});
        asked[if forward { "first" } else { "last" }] = json!(size);
        let (from, to) = (after.map_or(0, |after| after + 1), before.unwrap_or(total));
        let (start, end) = match (from < to, forward) {
            (false, _) => (from, from),
            (true, true) => (from, to.min(from + size)),
            (true, false) => (from.max(to.saturating_sub(size)), to),
        };
        let what = format!("{total}: {size} forward={forward} after={after:?} before={before:?}");
        let data = gateway.data_with(WINDOW, asked).await;
        let list = &data["customers"];
        let got: Vec<&str> =
            list["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["id"].as_str().unwrap()).collect();
        assert_eq!(got, ids[start.min(total)..end.min(total)], "{what}");
        assert_eq!(list["totalCount"], total, "{what}");
        let info = &list["pageInfo"];
        if got.is_empty() {
            assert_eq!((&info["startCursor"], &info["endCursor"]), (&Value::Null, &Value::Null), "{what}");
        } else {
            let expected = json!({"hasNextPage": end < total, "hasPreviousPage": start > 0,
                "startCursor": rows[start].1, "endCursor": rows[end - 1].1});
            assert_eq!(*info, expected, "{what}");
        }
        // The length of the list is unknown, so a window at the front is requested as if the list continued.
        let asked_until = if forward { before.unwrap_or(usize::MAX).min(from + size) } else { end };
        let needed = match !forward && before.is_none() {
            // The total first. An empty window needs no other call, and the page of the total contains the only row.
            true if start >= end || (start, end) == (0, 1) => 1,
            true => 1 + pages_needed(start, end),
            false => pages_needed(start, asked_until),
        };
        assert_eq!(calls().await, needed, "{what}");
    }
}

#[rstest]
#[case(0)]
#[case(1)]
#[case(25)]
#[tokio::test]
async fn windows_of_a_short_list_are_its_slices(#[case] total: u128) {
    let stub = upstream_with(total).await;
    let gateway = Gateway::over(&stub.base, |settings| settings.cache.enabled = false).await;
    let counted = std::cell::Cell::new(0);
    windows_equal_slices(&gateway, usize::try_from(total).unwrap(), 100, async || {
        let all = stub.seen().len();
        u64::try_from(all - counted.replace(all)).unwrap()
    })
    .await;
}

async fn list_calls(sandbox: &Sandbox) -> u64 {
    let calls = sandbox.calls().await;
    sandbox.forget_calls().await;
    count(&calls, LIST)
}

#[tokio::test]
async fn windows_of_the_sandboxs_list_are_its_slices() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.cache.enabled = false).await;
    windows_equal_slices(&gateway, 250, 200, async || list_calls(&sandbox).await).await;
}

#[tokio::test]
async fn windows_of_a_long_list_are_its_slices() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.cache.enabled = false).await;
    sandbox.plant(2250).await;
    windows_equal_slices(&gateway, 2500, 200, async || list_calls(&sandbox).await).await;
}

#[tokio::test]
async fn a_list_can_be_walked_backwards() {
    let (gateway, _sandbox) = Gateway::start().await;
    let ids = whole(&gateway, 250).await;
    let (mut rows, mut before) = (Vec::new(), Value::Null);
    loop {
        let data = gateway.data_with(WINDOW, json!({"last": 37, "before": before})).await;
        let list = &data["customers"];
        let page = list["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned());
        rows.splice(0..0, page);
        before = list["pageInfo"]["startCursor"].clone();
        if list["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
    }
    assert_eq!(rows, ids);
}

#[tokio::test]
async fn the_last_rows_of_a_long_list_cost_its_total_and_one_call() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.plant(2250).await;
    let ids = whole(&gateway, 2500).await;
    sandbox.forget_calls().await;
    for calls in [2, 0] {
        let data = gateway.data_with(WINDOW, json!({"last": 3})).await;
        assert_eq!(ids_of(&data["customers"]), ids[2497..]);
        assert_eq!(list_calls(&sandbox).await, calls);
    }
    // A cached total is not requested again.
    assert_eq!(
        gateway.data("{ customers(sort: {order: DESC}) { totalCount } }").await["customers"]["totalCount"],
        2500
    );
    assert_eq!(list_calls(&sandbox).await, 1);
    gateway.data("{ customers(last: 3, sort: {order: DESC}) { nodes { id } } }").await;
    assert_eq!(list_calls(&sandbox).await, 1);
}

fn ids_of(list: &Value) -> Vec<String> {
    list["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned()).collect()
}

/// A list in which ten rows are equal in the sort field. Equal rows are in the order of their ids in both sort orders,
/// as in every database whose order ends with the key.
async fn upstream_with_ties(total: u128) -> Stub {
    Stub::start(move |seen| {
        let number = |name| seen.parameter(name).unwrap().parse::<usize>().unwrap();
        let mut ids: Vec<u128> = (0..total).collect();
        if seen.parameter("sort_order").unwrap() == "desc" {
            ids.sort_by_key(|id| (std::cmp::Reverse(id / 10), *id));
        }
        let size = number("page_size");
        let page: Vec<Value> = ids
            .into_iter()
            .skip((number("page_number") - 1) * size)
            .take(size)
            .map(|id| with(person(Uuid::from_u128(id)), json!({"name": format!("Name {:03}", id / 10)})))
            .collect();
        Reply::page(seen, &page, u64::try_from(total).unwrap())
    })
    .await
}

#[rstest]
#[case(10)]
#[case(25)]
#[tokio::test]
async fn the_end_of_a_list_with_equal_rows_is_its_end(#[case] total: u128) {
    let stub = upstream_with_ties(total).await;
    let gateway = Gateway::over(&stub.base, |settings| settings.cache.enabled = false).await;
    let ids = whole(&gateway, usize::try_from(total).unwrap()).await;
    let (mut rows, mut before) = (Vec::new(), Value::Null);
    loop {
        let data = gateway.data_with(WINDOW, json!({"last": 3, "before": before})).await;
        let list = &data["customers"];
        rows.splice(0..0, ids_of(list));
        before = list["pageInfo"]["startCursor"].clone();
        if list["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
    }
    assert_eq!(rows, ids);
}

/// An upstream may report more rows than it returns.
#[tokio::test]
async fn a_window_without_rows_ends_the_list_whatever_the_total_says() {
    let stub = Stub::start(|seen| {
        let rows: Vec<Value> = (1..=3).map(|id| person(Uuid::from_u128(id))).collect();
        let first = seen.parameter("page_number").unwrap() == "1" && seen.parameter("page_size").unwrap() != "1";
        Reply::page(seen, if first { &rows } else { &[] }, 40)
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let data = gateway.data_with(WINDOW, json!({"first": 3})).await;
    assert_eq!(data["customers"]["pageInfo"]["hasNextPage"], true);
    let end = data["customers"]["pageInfo"]["endCursor"].clone();
    let nowhere = json!({"hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null});
    for window in [json!({"first": 3, "after": end}), json!({"last": 3}), json!({"last": 3, "after": end})] {
        let data = gateway.data_with(WINDOW, window.clone()).await;
        assert_eq!((ids_of(&data["customers"]), &data["customers"]["pageInfo"]), (vec![], &nowhere), "{window}");
    }
}

#[tokio::test]
async fn the_end_of_a_list_that_shrinks_while_it_is_read_is_its_end() {
    let total = std::sync::atomic::AtomicU64::new(40);
    let stub = Stub::start(move |seen| {
        let number = |name| seen.parameter(name).unwrap().parse::<u64>().unwrap();
        let (size, from) = (number("page_size"), (number("page_number") - 1) * number("page_size"));
        // After the total was read, most rows are deleted.
        let total = total.swap(7, std::sync::atomic::Ordering::SeqCst);
        let rows: Vec<Value> = (from..total.min(from + size)).map(|id| person(Uuid::from_u128(id.into()))).collect();
        Reply::page(seen, &rows, total)
    })
    .await;
    let gateway = Gateway::over(&stub.base, |settings| settings.cache.enabled = false).await;
    let data = gateway.data_with(WINDOW, json!({"last": 3})).await;
    assert_eq!(ids_of(&data["customers"]), [4_u128, 5, 6].map(|id| Uuid::from_u128(id).to_string()));
    assert_eq!(data["customers"]["pageInfo"]["hasNextPage"], false);
}

/// A page number in a URL must fit every upstream's integers, and a row must be one that a list can have.
#[rstest]
#[case("{ customerPage(number: 2000000000, size: 1) { nodes { id } } }")]
#[case("{ customerPage(number: 1000001, size: 100) { nodes { id } } }")]
#[case("{ customerPage(number: 2147483647) { nodes { id } } }")]
#[case("{ customers(first: 1, after: \"AFTER\") { nodes { id } } }")]
#[case("{ customers(last: 1, before: \"BEFORE\") { nodes { id } } }")]
#[tokio::test]
async fn an_out_of_range_row_is_rejected_without_an_upstream_call(#[case] query: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    let data = gateway.data("{ customers(first: 1) { pageInfo { endCursor } } }").await;
    let cursor = data["customers"]["pageInfo"]["endCursor"].as_str().unwrap();
    // The position is in the last four bytes.
    let forged = |position: u32| {
        use base64::Engine;
        let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let mut bytes = base64.decode(cursor).unwrap();
        bytes[5..].copy_from_slice(&position.to_be_bytes());
        base64.encode(bytes)
    };
    sandbox.forget_calls().await;
    let query = query.replace("AFTER", &forged(2_000_000_000)).replace("BEFORE", &forged(u32::MAX));
    let refused = gateway.ask(&query).await;
    assert_eq!(codes(&refused), ["BAD_USER_INPUT"], "{refused}");
    assert_eq!(sandbox.calls().await, json!({}));
}

#[rstest]
#[case("9999-12-31T23:59:59-01:00")]
#[case("0000-01-01T00:00:00+01:00")]
#[tokio::test]
async fn a_time_past_the_years_of_four_digits_is_refused_before_anything_is_sent(#[case] time: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    for field in ["createdFrom", "createdTo"] {
        let query = format!("{{ customers(filter: {{{field}: \"{time}\"}}) {{ totalCount }} }}");
        let refused = gateway.ask(&query).await;
        assert_eq!(codes(&refused).len(), 1, "{refused}");
        let query = format!("query ($t: DateTime) {{ customers(filter: {{{field}: $t}}) {{ totalCount }} }}");
        let refused = gateway.ask_with(&query, json!({"t": time})).await;
        assert_eq!(codes(&refused), ["BAD_USER_INPUT"], "{refused}");
    }
    assert_eq!(sandbox.calls().await, json!({}));
    let last = "{ customers(filter: {createdTo: \"9999-12-31T23:59:59Z\"}) { totalCount } }";
    assert_eq!(gateway.data(last).await["customers"]["totalCount"], 250);
}

#[tokio::test]
async fn the_default_page_size_is_25() {
    let (gateway, _sandbox) = Gateway::start().await;
    assert_eq!(gateway.data_with(WINDOW, json!({})).await["customers"]["edges"].as_array().unwrap().len(), 25);
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let (gateway, sandbox) = Gateway::start().await;
    let data = gateway.data("{ customers(first: 2) { pageInfo { endCursor } } }").await;
    let cursor = data["customers"]["pageInfo"]["endCursor"].as_str().unwrap();
    sandbox.forget_calls().await;
    for arguments in [
        format!("after: \"{cursor}\", filter: {{statuses: REVIEW}}"),
        format!("after: \"{cursor}\", sort: {{by: CREATED_AT}}"),
        format!("after: \"{cursor}\", sort: {{order: DESC}}"),
        format!("before: \"{cursor}\", filter: {{search: \"x\"}}"),
        format!("after: \"{cursor}x\""),
        "after: \"\"".to_owned(),
        "before: \"nonsense\"".to_owned(),
    ] {
        let refused = gateway.ask(&format!("{{ customers({arguments}) {{ nodes {{ id }} }} }}")).await;
        assert_eq!(codes(&refused), ["BAD_USER_INPUT"], "{arguments}");
    }
    assert_eq!(sandbox.calls().await, json!({}));
    // The same list in another notation is the same list.
    let same = format!(
        "{{ customers(after: \"{cursor}\", filter: {{statuses: [], name: \"\"}}, sort: {{}}) {{ totalCount }} }}"
    );
    assert_eq!(gateway.data(&same).await["customers"]["totalCount"], 250);
}

#[rstest]
#[case("first: 1, last: 1")]
#[case("first: 0")]
#[case("first: -1")]
#[case("first: 101")]
#[case("last: 0")]
#[case("last: -5")]
#[case("last: 101")]
#[case("filter: {statuses: UNRECOGNIZED}")]
#[case("filter: {types: [UNRECOGNIZED]}")]
#[tokio::test]
async fn invalid_window_arguments_are_rejected(#[case] arguments: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    for selection in ["nodes { id }", "totalCount"] {
        let refused = gateway.ask(&format!("{{ customers({arguments}) {{ {selection} }} }}")).await;
        assert_eq!(codes(&refused), ["BAD_USER_INPUT"], "{selection}");
    }
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn filter_and_sort_reach_the_list() {
    let (gateway, _sandbox) = Gateway::start().await;
    let data = gateway
        .data(
            "{ customers(first: 100, filter: {statuses: [REVIEW], types: [INDIVIDUAL]}, sort: {by: CREATED_AT, order: DESC}) \
             { nodes { status type createdAt } } }",
        )
        .await;
    let rows = data["customers"]["nodes"].as_array().unwrap();
    assert!(rows.len() > 1 && rows.iter().all(|row| row["status"] == "REVIEW" && row["type"] == "INDIVIDUAL"));
    let created: Vec<&str> = rows.iter().map(|row| row["createdAt"].as_str().unwrap()).collect();
    assert!(created.is_sorted_by(|a, b| a >= b), "{created:?}");
}

#[tokio::test]
async fn a_list_that_has_shrunk_before_the_cursor_is_read_from_its_end() {
    let total = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(40));
    let shrinking = std::sync::Arc::clone(&total);
    let stub = Stub::start(move |seen| {
        let total = shrinking.load(std::sync::atomic::Ordering::SeqCst);
        let number = |name| seen.parameter(name).unwrap().parse::<u64>().unwrap();
        let (size, from) = (number("page_size"), (number("page_number") - 1) * number("page_size"));
        let descending = seen.parameter("sort_order").unwrap() == "desc";
        let places = (from..total.min(from + size)).map(|place| if descending { total - 1 - place } else { place });
        let rows: Vec<Value> =
            places.map(|place| with(person(ADA), json!({"id": Uuid::from_u128(u128::from(place))}))).collect();
        Reply::page(seen, &rows, total)
    })
    .await;
    let gateway = Gateway::over(&stub.base, |settings| settings.cache.enabled = false).await;
    let data = gateway.data_with(WINDOW, json!({"last": 1})).await;
    let cursor = data["customers"]["pageInfo"]["endCursor"].clone();
    total.store(10, std::sync::atomic::Ordering::SeqCst);
    let data = gateway.data_with(WINDOW, json!({"last": 4, "before": cursor})).await;
    let got: Vec<String> = data["customers"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge["node"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(got, (6..10).map(|place| Uuid::from_u128(place).to_string()).collect::<Vec<_>>());
}
