//! What the scan lets through neither overflows the parser's stack nor keeps the bounds busy, and what the bounds let
//! through is no larger than they say, fragments put in.
#![no_main]

use std::collections::HashMap;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::Value;
use customers_gateway::graphql::cost::planned_calls;
use customers_gateway::operation::bounds::{Bounds, check};
use customers_gateway::operation::conflicts;
use customers_gateway::operation::scan::extent;
use libfuzzer_sys::fuzz_target;

/// As in `config/default.toml`.
const BOUNDS: Bounds = Bounds {
    max_depth: 24,
    max_fields: 5000,
    max_aliases: 200,
    max_root_fields: 100,
    max_directives: 100,
    max_introspection_depth: 4,
    max_operations: 50,
};

fuzz_target!(|text: &str| {
    let extent = extent(text);
    if extent.tokens > 10_000 || extent.nesting > 64 {
        return;
    }
    let Ok(document) = parse_query(text) else { return };
    assert!(tokens(&document) <= extent.tokens, "the scan counts less than the parser sees");
    if check(&document, &BOUNDS).is_err() {
        return;
    }
    let _ = conflicts::check(&document);
    for (_, operation) in document.operations.iter() {
        // Each field stands under so many levels at most, each of which can be a selection of its own.
        let mut left = BOUNDS.max_fields * BOUNDS.max_depth;
        walk(&operation.node.selection_set.node, &document.fragments, 1, &mut left);
        let _ = planned_calls(&operation.node, &document.fragments, &Variables::default());
    }
});

/// Walks everything that a document becomes.
fn walk(
    selection: &SelectionSet,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    level: usize,
    left: &mut usize,
) {
    for item in &selection.items {
        assert!(level <= BOUNDS.max_depth, "deeper than the bound");
        *left = left.checked_sub(1).expect("larger than the bound");
        match &item.node {
            Selection::Field(field) => walk(&field.node.selection_set.node, fragments, level + 1, left),
            Selection::InlineFragment(inline) => walk(&inline.node.selection_set.node, fragments, level + 1, left),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    walk(&fragment.node.selection_set.node, fragments, level + 1, left);
                }
            }
        }
    }
}

/// At least so many tokens a document had.
fn tokens(document: &ExecutableDocument) -> usize {
    fn of_value(value: &Value) -> usize {
        match value {
            Value::List(items) => 2 + items.iter().map(of_value).sum::<usize>(),
            Value::Object(fields) => 2 + fields.values().map(|value| 2 + of_value(value)).sum::<usize>(),
            Value::Variable(_) => 2,
            _ => 1,
        }
    }
    fn of(selection: &SelectionSet) -> usize {
        let items = selection.items.iter().map(|item| match &item.node {
            Selection::Field(field) => {
                1 + 2 * usize::from(field.node.alias.is_some())
                    + field.node.arguments.iter().map(|(_, value)| 2 + of_value(&value.node)).sum::<usize>()
                    + of(&field.node.selection_set.node)
            }
            Selection::InlineFragment(inline) => 1 + of(&inline.node.selection_set.node),
            Selection::FragmentSpread(_) => 2,
        });
        items.sum::<usize>() + 2 * usize::from(!selection.items.is_empty())
    }
    let operations = document.operations.iter().map(|(_, operation)| of(&operation.node.selection_set.node));
    // `fragmentA` is two words to the parser; one definition has one of it.
    let fragments = document.fragments.values().map(|fragment| 3 + of(&fragment.node.selection_set.node));
    operations.chain(fragments).sum()
}
