//! What validation depends on besides a document's text, so that a document that passed it once need not pass it again.
//!
//! - Which operation is chosen: the engine looks at the values of its variables alone.
//! - Which variables have a value: [`super::rewrite`] drops the arguments of the others, and a literal with one of them in
//!   it is not looked at.
//! - Which of them are null: a type that can be null is also taken, by its default, where null is not.
//! - Nothing else of their values, as long as validation compares the types of variables with those of their places: they
//!   fit their own types, which [`super::variables`] sees to. It does not compare them inside an object that stands for a
//!   list of one; [`values_matter`] says where that is.

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet, VariableDefinition};
use async_graphql::{Name, Positioned, Value as ConstValue, Variables};
use async_graphql_value::Value;

use super::types::InputTypes;

/// A document's operation with what its variables are, as far as validation goes by them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    operation: Option<Box<str>>,
    /// In the order in which they are declared.
    variables: Box<[Given]>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given {
    Nothing,
    Null,
    Value,
}

impl Shape {
    /// The shape of an operation, by the name that the request chose it by, with variables that were coerced.
    pub fn of(name: Option<&str>, declared: &[Positioned<VariableDefinition>], variables: &Variables) -> Self {
        let given = |definition: &Positioned<VariableDefinition>| match variables.get(&definition.node.name.node) {
            None => Given::Nothing,
            Some(ConstValue::Null) => Given::Null,
            Some(_) => Given::Value,
        };
        Self { operation: name.map(Into::into), variables: declared.iter().map(given).collect() }
    }
}

/// Whether what validation says of a document may depend on its variables' values beyond their [`Shape`].
pub fn values_matter(document: &ExecutableDocument, types: &InputTypes) -> bool {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).any(|selection| in_selection(selection, types))
}

/// Goes down to every argument. How deep they are was bounded before.
fn in_selection(selection: &SelectionSet, types: &InputTypes) -> bool {
    selection.items.iter().any(|item| match &item.node {
        Selection::Field(field) => {
            let mut arguments = field.node.arguments.iter();
            arguments.any(|(name, value)| in_value(&name.node, &value.node, types))
                || in_selection(&field.node.selection_set.node, types)
        }
        Selection::InlineFragment(fragment) => in_selection(&fragment.node.selection_set.node, types),
        Selection::FragmentSpread(_) => false,
    })
}

fn in_value(place: &Name, value: &Value, types: &InputTypes) -> bool {
    match value {
        Value::Object(fields) if types.is_list(place) => fields.values().any(has_variable),
        Value::Object(fields) => fields.iter().any(|(name, value)| in_value(name, value, types)),
        Value::List(items) => items.iter().any(|item| match item {
            Value::Object(fields) => fields.iter().any(|(name, value)| in_value(name, value, types)),
            item => !matches!(item, Value::Variable(_)) && has_variable(item),
        }),
        _ => false,
    }
}

fn has_variable(value: &Value) -> bool {
    match value {
        Value::Variable(_) => true,
        Value::List(items) => items.iter().any(has_variable),
        Value::Object(fields) => fields.values().any(has_variable),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const SDL: &str =
        "type Query { a(thing: Thing, things: [Thing!]! = []): Int } input Thing { text: String things: [Thing!] }";

    #[rstest]
    #[case::a_variable("query ($v: Thing) { a(thing: $v, things: $v) }", false)]
    #[case::in_an_object("query ($v: String) { a(thing: {text: $v}) }", false)]
    #[case::in_a_list("query ($v: Thing!) { a(things: [$v, {text: $v}]) }", false)]
    #[case::in_a_list_in_an_object("query ($v: String) { a(thing: {things: [{text: $v}]}) }", false)]
    #[case::in_an_object_for_a_list("query ($v: String) { a(things: {text: $v}) }", true)]
    #[case::further_in("query ($v: String) { a(thing: {things: {things: [{text: $v}]}}) }", true)]
    #[case::in_a_fragment("query ($v: String) { ...F } fragment F on Query { ... { a(things: {text: $v}) } }", true)]
    #[case::in_a_list_of_lists("query ($v: Thing!) { a(things: [[$v]]) }", true)]
    #[case::none_in_an_object_for_a_list("{ a(things: {text: \"t\"}) }", false)]
    fn values_matter_where_types_are_not_compared(#[case] document: &str, #[case] matter: bool) {
        let types = InputTypes::from_sdl(SDL).expect("the schema of this test");
        assert_eq!(values_matter(&parse_query(document).expect("a document"), &types), matter);
    }

    #[test]
    fn a_shape_is_the_operation_and_which_variables_are_null_or_not_there() {
        let document = parse_query("query Q($a: Int, $b: Int) { c(a: $a, b: $b) }").expect("a document");
        let (_, operation) = document.operations.iter().next().expect("one operation");
        let shape =
            |name, variables| Shape::of(name, &operation.node.variable_definitions, &Variables::from_json(variables));
        assert_eq!(shape(Some("Q"), json!({"a": 1})), shape(Some("Q"), json!({"a": 2})));
        let others = [
            shape(None, json!({"a": 1})),
            shape(Some("Q"), json!({"a": null})),
            shape(Some("Q"), json!({"b": 1})),
            shape(Some("Q"), json!({"a": 1, "b": 1})),
        ];
        assert!(others.iter().all(|other| *other != shape(Some("Q"), json!({"a": 1}))));
    }
}
