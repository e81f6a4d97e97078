//! The cost of an operation, computed before anything runs: upstream calls, unmasked customers, and fields of the
//! response.
//!
//! It prices each root field as `graphql/customer.rs` resolves each field: which field costs which call. The calls are
//! those for an empty cache and an upstream without failures. Cached customers and shared calls cost less. A window
//! that needs two pages costs one call more than planned, and so does a second call in place of a failed one. Rows
//! from the end of a list also cost the total.

use std::collections::HashSet;

use async_graphql::Positioned;
use async_graphql::parser::types::Field as Lowered;
use async_graphql_value::Value;

use crate::graphql::connection::{DEFAULT_COUNT, MAX_ROWS};
use crate::graphql::root_field::RootField;
use crate::model::{CustomerId, Mutation};
use crate::operation::document::collect::{CollectedField, CollectedOperation, CollectedSelection};

/// The fields that a list does not contain. For each row, one call loads them.
const DETAIL_FIELDS: [&str; 6] = ["address", "complianceProfile", "device", "metadata", "config", "review"];

/// The assumed length of a list without an argument that limits it. Few lists of the upstream are longer.
const ASSUMED_LIST_ITEMS: usize = 10;

/// The cost of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cost {
    /// The number of upstream calls.
    pub calls: usize,
    /// The number of unmasked customers.
    pub unmaskings: usize,
    /// The number of representations of entities, duplicates included, because each gets its own result.
    pub representations: usize,
    /// The number of fields in the response: rows × fields. Duplicate rows count each time.
    pub response_fields: usize,
}

/// The cost of a lowered operation.
///
/// # Errors
/// The name of a root field without a price.
pub fn cost<'a>(collected: &'a CollectedOperation, lowered: &[Positioned<Lowered>]) -> Result<Cost, &'a str> {
    let mut cost = Cost::default();
    // All requests for one customer within an operation share one call.
    let mut customers = HashSet::new();
    for (field, lowered) in collected.fields.iter().zip(lowered) {
        let root = RootField::from_name(&field.name).ok_or(field.name.as_str())?;
        let call = RootCall { selection: &field.selection, arguments: &lowered.node };
        let calls = match root {
            RootField::Customer | RootField::Node => {
                customers.extend(call.argument("id").and_then(customer_id));
                0
            }
            RootField::CustomerReview => {
                customers.extend(call.argument("customerId").and_then(customer_id));
                0
            }
            RootField::Nodes => {
                customers.extend(call.items("ids").iter().filter_map(customer_id));
                0
            }
            RootField::Entities => {
                let representations = call.items("representations");
                cost.representations = cost.representations.saturating_add(representations.len());
                customers.extend(representations.iter().filter_map(referenced_customer));
                0
            }
            RootField::CustomerByExternalId => 1 + usize::from(call.selects_any(&DETAIL_FIELDS)),
            RootField::Customers => call.calls_of_window(),
            RootField::CustomerPage => 1 + call.lookups("nodes", call.rows()),
            RootField::Mutation(mutation) => {
                cost.unmaskings += usize::from(mutation == Mutation::Unmask);
                mutation.info().planned_calls + call.review_of_payload()
            }
            RootField::Viewer | RootField::Service | RootField::Typename | RootField::Schema | RootField::Type => 0,
        };
        cost.calls = cost.calls.saturating_add(calls);
        let rows = match root {
            RootField::Nodes => call.items("ids").len(),
            RootField::Entities => call.items("representations").len(),
            RootField::Customers | RootField::CustomerPage => call.rows(),
            _ => 1,
        };
        cost.response_fields = cost.response_fields.saturating_add(response_fields(field, rows));
    }
    cost.calls = cost.calls.saturating_add(customers.len());
    Ok(cost)
}

/// The number of response fields of a root field. `rows` is the length of its list, or of the list in its connection.
fn response_fields(root: &CollectedField, rows: usize) -> usize {
    let inside = root.selection.fields().map(|field| match field.name.as_str() {
        "edges" | "nodes" => field_count(field, rows),
        _ => field_count(field, ASSUMED_LIST_ITEMS),
    });
    let inside = inside.fold(0, usize::saturating_add);
    let times = if root.is_list { rows } else { 1 };
    inside.saturating_mul(times).saturating_add(1)
}

/// The number of response fields of a field, with all fields below it. `items` is its length if it is a list.
fn field_count(field: &CollectedField, items: usize) -> usize {
    let inside = field.selection.fields().map(|field| field_count(field, assumed_items(&field.name)));
    let inside = inside.fold(0, usize::saturating_add);
    let inside = if field.is_list { inside.max(1).saturating_mul(items) } else { inside };
    inside.saturating_add(1)
}

/// The assumed length of a list with this name. The lists of introspection are as long as the schema makes them.
fn assumed_items(name: &str) -> usize {
    match name {
        "types" => 100,
        "args" | "interfaces" | "possibleTypes" => 2,
        _ => ASSUMED_LIST_ITEMS,
    }
}

/// A root field with its arguments.
struct RootCall<'a> {
    selection: &'a CollectedSelection,
    arguments: &'a Lowered,
}

impl<'a> RootCall<'a> {
    fn argument(&self, name: &str) -> Option<&'a Value> {
        self.arguments.get_argument(name).map(|value| &value.node)
    }

    /// The items of a list. A single value is a list of one.
    fn items(&self, name: &str) -> &'a [Value] {
        match self.argument(name) {
            Some(Value::List(items)) => items,
            Some(item) => std::slice::from_ref(item),
            None => &[],
        }
    }

    /// The number of rows that the arguments select.
    fn rows(&self) -> usize {
        let number = |name: &str| match self.argument(name)? {
            Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        };
        let rows = number("first").or_else(|| number("last")).or_else(|| number("size")).unwrap_or(DEFAULT_COUNT);
        rows.min(MAX_ROWS) as usize
    }

    fn calls_of_window(&self) -> usize {
        if !self.selects_any(&["edges", "nodes", "pageInfo", "totalCount"]) {
            return 0;
        }
        // `last` without `before` needs the total first. If the query selects only the total, that is the only call.
        let is_given = |name: &str| self.argument(name).is_some_and(|value| *value != Value::Null);
        let from_the_end = is_given("last") && !is_given("before") && self.selects_any(&["edges", "nodes", "pageInfo"]);
        let in_edges = self.selection.named("edges").flat_map(|edges| edges.selection.named("node"));
        let wanted =
            in_edges.chain(self.selection.named("nodes")).any(|node| selects_any(&node.selection, &DETAIL_FIELDS));
        1 + usize::from(from_the_end) + if wanted { self.rows() } else { 0 }
    }

    /// The number of calls that load the fields of rows under this name.
    fn lookups(&self, name: &str, rows: usize) -> usize {
        let wanted = self.selection.named(name).any(|node| selects_any(&node.selection, &DETAIL_FIELDS));
        if wanted { rows } else { 0 }
    }

    fn review_of_payload(&self) -> usize {
        usize::from(self.selection.named("customer").any(|customer| selects_any(&customer.selection, &["review"])))
    }

    fn selects_any(&self, names: &[&str]) -> bool {
        selects_any(self.selection, names)
    }
}

fn selects_any(selection: &CollectedSelection, names: &[&str]) -> bool {
    selection.fields().any(|field| names.contains(&field.name.as_str()))
}

/// The id of a customer. An invalid id costs no call.
fn customer_id(value: &Value) -> Option<CustomerId> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The customer of a representation. An invalid representation costs no call.
fn referenced_customer(representation: &Value) -> Option<CustomerId> {
    match representation {
        Value::Object(fields) => fields.get("id").and_then(customer_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::graphql::Schema;
    use crate::operation::document::collect::{Conditions, collect};
    use crate::operation::document::parse;
    use crate::operation::lower::lower;

    const A: &str = "0190b2de-7c11-7c3a-8f10-000000000001";
    const B: &str = "0190b2de-7c11-7c3a-8f10-000000000002";

    fn of(document: &str) -> Cost {
        let schema = parse::schema(&Schema::subgraph().sdl()).expect("the schema");
        let text = document.replace("\"A\"", &format!("\"{A}\"")).replace("\"B\"", &format!("\"{B}\""));
        let parsed = apollo_compiler::ExecutableDocument::parse(&schema, text, "").expect("the document of this test");
        let operation = parsed.operations.get(None).expect("one operation");
        let variables = Variables::from_json(json!({"no": false, "n": 12, "b": B}));
        let collected =
            collect(&schema, &parsed, operation, Conditions::Variables(&variables), 1_000).expect("it merges");
        let lowered = lower(&collected, &variables, 1_000).expect("within the limit");
        cost(&collected, &lowered.fields).expect("a price for each")
    }

    #[rstest]
    #[case("{ viewer { subject } __typename }", 0)]
    #[case("{ customer(id: \"A\") { name review { identity { decision } } } }", 1)]
    #[case(
        "{ a: customer(id: \"A\") { name } b: customerReview(customerId: \"A\") { identity { decision } } c: node(id: \"B\") { id } }",
        2
    )]
    #[case("{ nodes(ids: [\"A\", \"B\", \"A\", \"no id\"]) { id } }", 2)]
    #[case("{ nodes(ids: \"A\") { id } }", 1)]
    #[case(
        "query ($b: ID, $none: ID) { _entities(representations: [{__typename: \"Customer\", id: \"A\"}, {__typename: \"Customer\", id: \"A\"}, {__typename: \"Customer\", id: $b}, {id: 7}, {id: $none}, null]) { __typename } customer(id: \"A\") { id } }",
        2
    )]
    #[case("{ customers(first: 20) { nodes { name } } }", 1)]
    #[case("{ customers(first: 20) { nodes { device { ipAddress } } } }", 21)]
    #[case(
        "{ customers(last: 7) { edges { node { ...F } } } } fragment F on Customer { review { identity { decision } } }",
        9
    )]
    #[case("{ customers(last: 7, before: null) { pageInfo { hasNextPage } } }", 2)]
    #[case("{ customers(last: 7, before: \"c\") { pageInfo { hasNextPage } } }", 1)]
    #[case("{ customers(last: 7) { totalCount } }", 1)]
    #[case(
        "query ($no: Boolean!) { customers { nodes { review @include(if: $no) { identity { decision } } } totalCount } }",
        1
    )]
    #[case("{ customers { totalCount } }", 1)]
    #[case("{ customers { __typename } }", 0)]
    #[case("query ($n: Int!) { customerPage(size: $n) { nodes { config { processingMethod } } } }", 13)]
    #[case("{ customerByExternalId(externalId: \"x\") { address { city } } }", 2)]
    #[case(
        "mutation { updateCustomer(input: {id: 1}) { customer { review { identity { decision } } } } unmaskCustomer(input: {id: 1}) { userErrors { code } } }",
        4
    )]
    fn the_calls_of_an_operation_are_known_before_it_runs(#[case] document: &str, #[case] calls: usize) {
        assert_eq!(of(document).calls, calls);
    }

    #[rstest]
    #[case::one_object("{ viewer { subject accountId } }", 3)]
    #[case::rows("{ customers(first: 20) { nodes { id name } } }", 1 + 1 + 20 * 2)]
    #[case::rows_twice("{ customers(first: 20) { nodes { id } edges { node { id } } } }", 1 + 21 + 1 + 20 * 2)]
    #[case::an_id_as_often_as_it_is_given("{ nodes(ids: [\"A\", \"A\", \"A\"]) { id ... on Customer { name } } }", 1 + 3 * 2)]
    #[case::under_each_alias("{ a: nodes(ids: [\"A\", \"A\"]) { id } b: nodes(ids: [\"A\", \"A\"]) { id } }", 6)]
    #[case::a_list_of_unknown_length("{ customer(id: \"A\") { metadata { key value } } }", 1 + 1 + 10 * 2)]
    #[case::a_list_of_texts("{ customerReview(customerId: \"A\") { identity { kyc { codes } } } }", 1 + 1 + 1 + 1 + 10)]
    fn the_fields_of_an_answer_are_known_before_it_is_made(#[case] document: &str, #[case] fields: usize) {
        assert_eq!(of(document).response_fields, fields);
    }
}
