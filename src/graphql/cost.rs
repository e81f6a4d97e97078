//! How many upstream calls an operation plans to make, known before it makes the first one.
//!
//! It stands beside the resolvers since it says of each root field what `customer.rs` says of each field: which costs
//! which call. The plan is for an empty cache and an upstream that answers; what is kept or shared costs less. A window
//! that needs two pages, and what a failed call has to be made up for with another, cost one call more than planned.
//! Rows from a list's end cost the total as well.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use async_graphql::parser::types::{Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value, Variables};

use super::conditions::is_included;
use super::connection::{DEFAULT_COUNT, MOST_ROWS};
use crate::model::CustomerId;

/// The fields that a list does not carry: asking one of them of a row costs a call.
const DETAIL: [&str; 6] = ["address", "complianceProfile", "device", "metadata", "config", "review"];

/// How many upstream calls an operation plans to make.
pub fn planned_calls(
    operation: &OperationDefinition,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &Variables,
) -> usize {
    let document = Document { fragments, variables };
    // However often and in however many places a request asks for a customer, it is one call.
    let mut customers = HashSet::new();
    let mut others = 0_usize;
    for field in document.fields(&operation.selection_set.node) {
        match field.name.node.as_str() {
            "customer" | "node" => customers.extend(document.id(field, "id")),
            "customerReview" => customers.extend(document.id(field, "customerId")),
            "nodes" => customers.extend(document.ids(field)),
            "_entities" => customers.extend(document.references(field)),
            other => others = others.saturating_add(document.calls_of(other, field)),
        }
    }
    others.saturating_add(customers.len())
}

/// How many customers an operation is going to show in clear.
pub fn unmaskings(
    operation: &OperationDefinition,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &Variables,
) -> usize {
    let document = Document { fragments, variables };
    let fields = document.fields(&operation.selection_set.node);
    fields.iter().filter(|field| field.name.node == "unmaskCustomer").count()
}

/// How many representations of entities an operation holds, those that are there several times included: each is answered.
pub fn representations(
    operation: &OperationDefinition,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &Variables,
) -> usize {
    let document = Document { fragments, variables };
    let fields = document.fields(&operation.selection_set.node);
    let entities = fields.into_iter().filter(|field| field.name.node == "_entities");
    entities.fold(0, |sum, field| sum.saturating_add(document.length(field, "representations")))
}

struct Document<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &'a Variables,
}

impl<'a> Document<'a> {
    /// What a root field costs that is not about customers named by their ids.
    fn calls_of(&self, name: &str, field: &'a Field) -> usize {
        let selection = &field.selection_set.node;
        match name {
            "customerByExternalId" => 1 + usize::from(self.wants_any(selection, &DETAIL)),
            "customers" => {
                let rows = self.number(field, "first").or_else(|| self.number(field, "last")).unwrap_or(DEFAULT_COUNT);
                let edges = self.inside(selection, "edges");
                let in_edges = edges.iter().flat_map(|edges| self.inside(edges, "node"));
                let nodes: Vec<_> = self.inside(selection, "nodes").into_iter().chain(in_edges).collect();
                let only_typename = !self.wants_any(selection, &["edges", "nodes", "pageInfo", "totalCount"]);
                // `last` without `before` needs the total first; where the total alone is asked for, that is all.
                let from_the_end = self.number(field, "last").is_some()
                    && self.argument(field, "before").is_none_or(|before| *before == Value::Null)
                    && self.wants_any(selection, &["edges", "nodes", "pageInfo"]);
                if only_typename { 0 } else { 1 + usize::from(from_the_end) + self.look_ups(&nodes, rows) }
            }
            "customerPage" => {
                let rows = self.number(field, "size").unwrap_or(DEFAULT_COUNT);
                1 + self.look_ups(&self.inside(selection, "nodes"), rows)
            }
            "updateCustomer" => 2 + self.review_of_payload(selection),
            "createCustomer" | "decideCustomerReview" | "refreshCustomerReview" => {
                1 + self.review_of_payload(selection)
            }
            "deleteCustomer" | "unmaskCustomer" => 1,
            // `viewer`, introspection, and what validation is going to refuse.
            _ => 0,
        }
    }

    fn look_ups(&self, nodes: &[&'a SelectionSet], rows: u32) -> usize {
        let wanted = nodes.iter().any(|node| self.wants_any(node, &DETAIL));
        if wanted { rows.min(MOST_ROWS) as usize } else { 0 }
    }

    fn review_of_payload(&self, selection: &'a SelectionSet) -> usize {
        let customers = self.inside(selection, "customer");
        usize::from(customers.iter().any(|customer| self.wants_any(customer, &["review"])))
    }

    fn wants_any(&self, selection: &'a SelectionSet, names: &[&str]) -> bool {
        self.fields(selection).iter().any(|field| names.contains(&field.name.node.as_str()))
    }

    /// The selections inside the fields with a name.
    fn inside(&self, selection: &'a SelectionSet, name: &str) -> Vec<&'a SelectionSet> {
        let fields = self.fields(selection).into_iter().filter(|field| field.name.node == name);
        fields.map(|field| &field.selection_set.node).collect()
    }

    /// The fields of a selection, fragments put in. How many there can be was bounded before.
    fn fields(&self, selection: &'a SelectionSet) -> Vec<&'a Field> {
        let mut fields = Vec::new();
        self.collect(selection, &mut fields);
        fields
    }

    fn collect(&self, selection: &'a SelectionSet, fields: &mut Vec<&'a Field>) {
        for item in &selection.items {
            if !is_included(item.node.directives(), self.variables) {
                continue;
            }
            match &item.node {
                Selection::Field(field) => fields.push(&field.node),
                Selection::InlineFragment(fragment) => self.collect(&fragment.node.selection_set.node, fields),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.fragments.get(&spread.node.fragment_name.node) {
                        self.collect(&fragment.node.selection_set.node, fields);
                    }
                }
            }
        }
    }

    fn argument(&self, field: &'a Field, name: &str) -> Option<Cow<'a, Value>> {
        match &field.get_argument(name)?.node {
            // A list can be long, and many fields can be given the same one.
            async_graphql_value::Value::Variable(name) => self.variables.get(name).map(Cow::Borrowed),
            value => {
                // A variable without a value must not take the rest of a list out of the plan.
                let given = |name: Name| Ok::<_, Infallible>(self.variables.get(&name).cloned().unwrap_or_default());
                value.clone().into_const_with(given).ok().map(Cow::Owned)
            }
        }
    }

    /// How many values a list holds; one that is no list stands for a list of one.
    fn length(&self, field: &'a Field, name: &str) -> usize {
        use async_graphql_value::Value as Written;
        match field.get_argument(name).map(|value| &value.node) {
            Some(Written::List(items)) => items.len(),
            Some(Written::Variable(name)) => match self.variables.get(name) {
                Some(Value::List(items)) => items.len(),
                _ => 1,
            },
            _ => 1,
        }
    }

    fn number(&self, field: &'a Field, name: &str) -> Option<u32> {
        match self.argument(field, name)?.as_ref() {
            Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        }
    }

    /// A customer's id; what cannot be one costs no call.
    fn id(&self, field: &'a Field, name: &str) -> Option<CustomerId> {
        as_id(self.argument(field, name)?.as_ref())
    }

    fn ids(&self, field: &'a Field) -> Vec<CustomerId> {
        self.each(field, "ids", as_id)
    }

    /// The customers that representations stand for; what is no representation of one costs no call.
    fn references(&self, field: &'a Field) -> Vec<CustomerId> {
        self.each(field, "representations", |representation| match representation {
            Value::Object(fields) => fields.get("id").and_then(as_id),
            _ => None,
        })
    }

    fn each(&self, field: &'a Field, name: &str, id: fn(&Value) -> Option<CustomerId>) -> Vec<CustomerId> {
        match self.argument(field, name).as_deref() {
            Some(Value::List(items)) => items.iter().filter_map(id).collect(),
            Some(item) => id(item).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

fn as_id(value: &Value) -> Option<CustomerId> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use rstest::rstest;

    use super::*;

    const A: &str = "0190b2de-7c11-7c3a-8f10-000000000001";
    const B: &str = "0190b2de-7c11-7c3a-8f10-000000000002";

    #[rstest]
    #[case("{ viewer { subject } __typename }", 0)]
    #[case("{ customer(id: \"A\") { name review { identity { decision } } } }", 1)]
    #[case(
        "{ a: customer(id: \"A\") { name } b: customerReview(customerId: \"A\") { identity { decision } } c: node(id: \"B\") { id } }",
        2
    )]
    #[case("{ nodes(ids: [\"A\", \"B\", \"A\", \"no id\"]) { id } }", 2)]
    #[case(
        "{ _entities(representations: [{__typename: \"Customer\", id: \"A\"}, {__typename: \"Customer\", id: \"A\"}, {__typename: \"Customer\", id: $b}, {id: 7}, {id: $none}, null]) { __typename } customer(id: \"A\") { id } }",
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
    #[case("{ customers { nodes { review @include(if: $no) { identity { decision } } } totalCount } }", 1)]
    #[case("{ customers { totalCount } }", 1)]
    #[case("{ customers { __typename } }", 0)]
    #[case("query ($n: Int) { customerPage(size: $n) { nodes { config { processingMethod } } } }", 13)]
    #[case("{ customerByExternalId(externalId: \"x\") { address { city } } }", 2)]
    #[case(
        "mutation { updateCustomer(input: {}) { customer { review { identity { decision } } } } unmaskCustomer(input: {}) { userErrors { code } } }",
        4
    )]
    fn the_calls_of_an_operation_are_known_before_it_runs(#[case] document: &str, #[case] calls: usize) {
        let document =
            parse_query(document.replace("\"A\"", &format!("\"{A}\"")).replace("\"B\"", &format!("\"{B}\"")));
        let document = document.expect("the document of this test");
        let (_, operation) = document.operations.iter().next().expect("one operation");
        let mut variables = Variables::default();
        variables.insert(Name::new("no"), Value::Boolean(false));
        variables.insert(Name::new("n"), Value::from(12));
        variables.insert(Name::new("b"), Value::from(B));
        assert_eq!(planned_calls(&operation.node, &document.fragments, &variables), calls);
    }
}
