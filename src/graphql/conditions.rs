//! `@include` and `@skip`, once variables have their values.

use async_graphql::parser::types::Directive;
use async_graphql::{Positioned, Value as ConstValue, Variables};
use async_graphql_value::Value;

/// Whether a directive says if its selection is there.
pub fn is_condition(directive: &Directive) -> bool {
    matches!(directive.name.node.as_str(), "include" | "skip")
}

/// Whether a selection with these directives is there. A condition without a value, which validation is going to
/// refuse, counts as met.
pub fn is_included(directives: &[Positioned<Directive>], variables: &Variables) -> bool {
    directives.iter().filter(|directive| is_condition(&directive.node)).all(|directive| {
        let wanted = directive.node.name.node == "include";
        let given = match directive.node.get_argument("if").map(|value| &value.node) {
            Some(Value::Boolean(value)) => Some(*value),
            Some(Value::Variable(name)) => match variables.get(name) {
                Some(ConstValue::Boolean(value)) => Some(*value),
                _ => None,
            },
            _ => None,
        };
        given.is_none_or(|given| given == wanted)
    })
}
