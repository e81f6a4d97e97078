//! How many values the arguments of an operation hold, its variables put in.
//!
//! A list in one variable can stand at every field, and the engine goes through it at each: to validate it, and again to
//! run it. A body of 800 kB kept it busy for ten seconds so. Counting goes through each variable and each fragment once.

use std::collections::HashMap;

use async_graphql::parser::types::{Directive, FragmentDefinition, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned, Value as ConstValue, Variables};
use async_graphql_value::Value;

/// How many values the arguments of all fields and directives hold: each text, number and word, each list and object, and
/// all that is in them; what stands in a fragment as often as it is spread. The fragments do not contain themselves, and
/// how deep they are was bounded before.
pub fn count(
    operation: &OperationDefinition,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &Variables,
) -> usize {
    let mut walk = Walk { fragments, variables, counted: HashMap::new(), sizes: HashMap::new() };
    walk.selection(&operation.selection_set.node).saturating_add(walk.directives(&operation.directives))
}

struct Walk<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &'a Variables,
    /// What the fragments hold that were gone through, and the variables.
    counted: HashMap<&'a Name, usize>,
    sizes: HashMap<&'a Name, usize>,
}

impl<'a> Walk<'a> {
    fn selection(&mut self, selection: &'a SelectionSet) -> usize {
        selection.items.iter().fold(0, |sum, item| {
            let inside = match &item.node {
                Selection::Field(field) => {
                    let arguments = self.arguments(&field.node.arguments);
                    arguments.saturating_add(self.selection(&field.node.selection_set.node))
                }
                Selection::InlineFragment(fragment) => self.selection(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
            };
            sum.saturating_add(inside).saturating_add(self.directives(item.node.directives()))
        })
    }

    fn fragment(&mut self, name: &'a Name) -> usize {
        if let Some(known) = self.counted.get(name) {
            return *known;
        }
        let Some(fragment) = self.fragments.get(name) else { return 0 };
        let inside = self.selection(&fragment.node.selection_set.node);
        let values = inside.saturating_add(self.directives(&fragment.node.directives));
        self.counted.insert(name, values);
        values
    }

    fn directives(&mut self, directives: &'a [Positioned<Directive>]) -> usize {
        let arguments = directives.iter().map(|directive| self.arguments(&directive.node.arguments));
        arguments.fold(0, usize::saturating_add)
    }

    fn arguments(&mut self, arguments: &'a [(Positioned<Name>, Positioned<Value>)]) -> usize {
        arguments.iter().fold(0, |sum, (_, value)| sum.saturating_add(self.written(&value.node)))
    }

    /// Of a value as it is written in the document.
    fn written(&mut self, value: &'a Value) -> usize {
        match value {
            Value::Variable(name) => self.variable(name),
            Value::List(items) => items.iter().fold(1, |sum, item| sum.saturating_add(self.written(item))),
            Value::Object(fields) => fields.values().fold(1, |sum, field| sum.saturating_add(self.written(field))),
            Value::String(text) => text_size(text),
            _ => 1,
        }
    }

    fn variable(&mut self, name: &'a Name) -> usize {
        let variables = self.variables;
        *self.sizes.entry(name).or_insert_with(|| variables.get(name).map_or(0, given))
    }
}

/// Of a value that a variable has.
fn given(value: &ConstValue) -> usize {
    match value {
        ConstValue::List(items) => 1 + items.iter().map(given).sum::<usize>(),
        ConstValue::Object(fields) => 1 + fields.values().map(given).sum::<usize>(),
        ConstValue::String(text) => text_size(text),
        _ => 1,
    }
}

/// A long text is as many values as it has hundreds of bytes: it is copied to each place where its variable stands.
fn text_size(text: &str) -> usize {
    1 + text.len() / 100
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::parser::types::ExecutableDocument;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn of(document: &ExecutableDocument, variables: &Variables) -> usize {
        let (_, operation) = document.operations.iter().next().expect("one operation");
        count(&operation.node, &document.fragments, variables)
    }

    #[rstest]
    #[case::nothing("{ a { b } }", 0)]
    #[case::literals("{ a(b: 1, c: [2, {d: \"3\"}]) }", 5)]
    #[case::a_variable_at_each_place("{ a(b: $list) c: a(b: [$list]) }", 4 + 5)]
    #[case::inside_a_field("{ a { b(c: $deep) } }", 5)]
    #[case::in_directives("query @a(b: 1) { c @d(e: $list) ... @f(g: 2) { h } }", 6)]
    #[case::as_often_as_it_is_spread("{ ...A b { ...A } } fragment A on Q @c(d: 1) { e(f: $list) ...B } fragment B on Q { g(h: 1) }", 2 * 6)]
    #[case::what_has_no_value("{ a(b: $none) }", 0)]
    #[case::a_long_text("{ a(b: $long) c(b: [$long]) }", 4 + 5)]
    fn every_value_counts_where_it_stands(#[case] document: &str, #[case] values: usize) {
        let document = parse_query(document).expect("the document of this test");
        let variables =
            Variables::from_json(json!({"list": [1, 2, 3], "deep": [{"a": 1, "b": [null]}], "long": "a".repeat(300)}));
        assert_eq!(of(&document, &variables), values);
    }

    #[test]
    fn a_sum_too_large_to_hold_is_as_large_as_can_be() {
        let mut document = "{ ...F0 }".to_owned();
        for level in 0..30 {
            document += &format!(" fragment F{level} on Q {{ {} }}", format!("...F{} ", level + 1).repeat(20));
        }
        document += " fragment F30 on Q { a(b: $list) }";
        let document = parse_query(document).expect("the document of this test");
        assert_eq!(of(&document, &Variables::from_json(json!({"list": [1]}))), usize::MAX);
    }
}
