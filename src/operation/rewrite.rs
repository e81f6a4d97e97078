//! What the engine would get wrong, mended in the document before it gets it.
//!
//! - An argument whose variable is neither given nor has a default counts as left out (GraphQL specification, section
//!   6.4.1): the engine would pass null to an argument that has a default of its own.
//! - Two selections of the same mutation field under one response key are one field (section 6.3.2): the engine would
//!   run it twice and merge the answers, which for a mutation is a write sent twice.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    Field, FragmentDefinition, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::Value;

use crate::graphql::conditions::{is_condition, is_included};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Drops the arguments whose variable has no value, and the declarations of variables that are used nowhere else then.
pub fn drop_arguments_without_a_value(
    operation: &mut OperationDefinition,
    fragments: &mut Fragments,
    variables: &Variables,
) {
    let without: HashSet<Name> = operation
        .variable_definitions
        .iter()
        .map(|definition| &definition.node.name.node)
        .filter(|name| !variables.contains_key(*name))
        .cloned()
        .collect();
    if without.is_empty() {
        return;
    }
    let mut dropped = HashSet::new();
    each_field(&mut operation.selection_set.node, &mut |field| drop_arguments(field, &without, &mut dropped));
    for fragment in fragments.values_mut() {
        each_field(&mut fragment.node.selection_set.node, &mut |field| drop_arguments(field, &without, &mut dropped));
    }
    if dropped.is_empty() {
        return;
    }
    let still_used = variables_of(operation, fragments);
    operation.variable_definitions.retain(|definition| {
        let name = &definition.node.name.node;
        !dropped.contains(name) || still_used.contains(name)
    });
}

fn drop_arguments(field: &mut Field, without: &HashSet<Name>, dropped: &mut HashSet<Name>) {
    field.arguments.retain(|(_, value)| match &value.node {
        Value::Variable(name) if without.contains(name) => {
            dropped.insert(name.clone());
            false
        }
        _ => true,
    });
}

fn each_field(selection: &mut SelectionSet, visit: &mut impl FnMut(&mut Field)) {
    for item in &mut selection.items {
        match &mut item.node {
            Selection::Field(field) => {
                visit(&mut field.node);
                each_field(&mut field.node.selection_set.node, visit);
            }
            Selection::InlineFragment(fragment) => each_field(&mut fragment.node.selection_set.node, visit),
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// The variables that an operation uses, in its fragments as well.
fn variables_of(operation: &OperationDefinition, fragments: &Fragments) -> HashSet<Name> {
    let mut used = HashSet::new();
    used_variables(&operation.selection_set.node, &mut used);
    fragments.values().for_each(|fragment| used_variables(&fragment.node.selection_set.node, &mut used));
    used
}

fn used_variables(selection: &SelectionSet, used: &mut HashSet<Name>) {
    for item in &selection.items {
        let directives = item.node.directives().iter().flat_map(|directive| &directive.node.arguments);
        directives.for_each(|(_, value)| variables_in(&value.node, used));
        match &item.node {
            Selection::Field(field) => {
                field.node.arguments.iter().for_each(|(_, value)| variables_in(&value.node, used));
                used_variables(&field.node.selection_set.node, used);
            }
            Selection::InlineFragment(fragment) => used_variables(&fragment.node.selection_set.node, used),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn variables_in(value: &Value, used: &mut HashSet<Name>) {
    match value {
        Value::Variable(name) => {
            used.insert(name.clone());
        }
        Value::List(items) => items.iter().for_each(|item| variables_in(item, used)),
        Value::Object(fields) => fields.values().for_each(|field| variables_in(field, used)),
        _ => {}
    }
}

/// Makes one field of the mutation fields that stand under one response key. Where it does, the root is flattened, and
/// `fragments` keeps those that are still spread somewhere below it.
///
/// Answers whether anything was changed. What validation is going to refuse anyway is left as it is.
pub fn merge_repeated_mutations(
    operation: &mut OperationDefinition,
    fragments: &mut Fragments,
    variables: &Variables,
) -> bool {
    if operation.ty != OperationType::Mutation {
        return false;
    }
    let root = &operation.selection_set.node;
    let mut fields = Vec::new();
    if !flatten(root, fragments, variables, &mut HashSet::new(), &mut fields) {
        return false;
    }
    let mut merged: Vec<Positioned<Field>> = Vec::with_capacity(fields.len());
    let total = fields.len();
    for field in fields {
        let key = &field.node.response_key().node;
        match merged.iter_mut().find(|known| known.node.response_key().node == *key) {
            None => merged.push(field),
            Some(known) if same_call(&known.node, &field.node) => {
                known.node.selection_set.node.items.extend(field.node.selection_set.node.items);
            }
            Some(_) => return false,
        }
    }
    if merged.len() == total {
        return false;
    }
    let used_before = variables_of(operation, fragments);
    let items = merged.into_iter().map(|field| Positioned::new(Selection::Field(field.clone()), field.pos));
    operation.selection_set.node.items = items.collect();
    let mut spread = HashSet::new();
    spread_fragments(&operation.selection_set.node, fragments, &mut spread);
    fragments.retain(|name, _| spread.contains(name));
    // A variable that only a condition used has done its work: declared and not used, validation would refuse it.
    let still_used = variables_of(operation, fragments);
    operation.variable_definitions.retain(|definition| {
        let name = &definition.node.name.node;
        !used_before.contains(name) || still_used.contains(name)
    });
    true
}

fn same_call(a: &Field, b: &Field) -> bool {
    let arguments = |field: &Field| -> HashMap<Name, Value> {
        field.arguments.iter().map(|(name, value)| (name.node.clone(), value.node.clone())).collect()
    };
    a.name.node == b.name.node && arguments(a) == arguments(b)
}

/// The root fields that are going to run, in their order. False where the document is not valid.
fn flatten(
    selection: &SelectionSet,
    fragments: &Fragments,
    variables: &Variables,
    within: &mut HashSet<Name>,
    fields: &mut Vec<Positioned<Field>>,
) -> bool {
    let on_mutation = |condition: &Name| condition == "Mutation";
    for item in &selection.items {
        if !is_included(item.node.directives(), variables) {
            continue;
        }
        let flattened = match &item.node {
            Selection::Field(field) => {
                let mut field = field.clone();
                field.node.directives.retain(|directive| !is_condition(&directive.node));
                fields.push(field);
                true
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                condition.is_none_or(on_mutation)
                    && flatten(&fragment.node.selection_set.node, fragments, variables, within, fields)
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                let fragment =
                    fragments.get(name).filter(|fragment| on_mutation(&fragment.node.type_condition.node.on.node));
                // A fragment inside itself is a cycle, which validation refuses.
                fragment.is_some_and(|fragment| {
                    let entered = within.insert(name.clone());
                    let flattened =
                        entered && flatten(&fragment.node.selection_set.node, fragments, variables, within, fields);
                    within.remove(name);
                    flattened
                })
            }
        };
        if !flattened {
            return false;
        }
    }
    true
}

/// The fragments that a selection spreads, and those that they spread.
fn spread_fragments(selection: &SelectionSet, fragments: &Fragments, spread: &mut HashSet<Name>) {
    for item in &selection.items {
        match &item.node {
            Selection::Field(field) => spread_fragments(&field.node.selection_set.node, fragments, spread),
            Selection::InlineFragment(fragment) => {
                spread_fragments(&fragment.node.selection_set.node, fragments, spread);
            }
            Selection::FragmentSpread(found) => {
                let name = &found.node.fragment_name.node;
                if spread.insert(name.clone())
                    && let Some(fragment) = fragments.get(name)
                {
                    spread_fragments(&fragment.node.selection_set.node, fragments, spread);
                }
            }
        }
    }
}
