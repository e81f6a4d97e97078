//! `__typename`, which the engine's validation passes over: what stands at it would never be looked at.
//!
//! An argument or a selection there is refused. Directives are put around it instead, which means the same:
//! `__typename @skip(if: $a)` becomes `... @skip(if: $a) { __typename }`, and those the engine does look at.

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, InlineFragment, Selection, SelectionSet};

use crate::error::{Code, Failure};

/// Makes every `__typename` of a document one without anything at it.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` where one has an argument or a selection.
pub fn bare(document: &mut ExecutableDocument) -> Result<(), Failure> {
    use async_graphql::parser::types::DocumentOperations::{Multiple, Single};

    match &mut document.operations {
        Single(operation) => in_selection(&mut operation.node.selection_set.node)?,
        Multiple(operations) => {
            operations.values_mut().try_for_each(|operation| in_selection(&mut operation.node.selection_set.node))?;
        }
    }
    document.fragments.values_mut().try_for_each(|fragment| in_selection(&mut fragment.node.selection_set.node))
}

/// Goes down to every field. How deep they are was bounded before.
fn in_selection(selection: &mut SelectionSet) -> Result<(), Failure> {
    for item in &mut selection.items {
        match &mut item.node {
            Selection::Field(field) if field.node.name.node == "__typename" => {
                if !field.node.arguments.is_empty() || !field.node.selection_set.node.items.is_empty() {
                    let message = "The field \"__typename\" has no arguments and no fields of its own.";
                    return Err(Failure::new(Code::GraphqlValidationFailed, message));
                }
                let directives = std::mem::take(&mut field.node.directives);
                if !directives.is_empty() {
                    let items = vec![item.clone()];
                    let selection_set = Positioned::new(SelectionSet { items }, item.pos);
                    let around = InlineFragment { type_condition: None, directives, selection_set };
                    item.node = Selection::InlineFragment(Positioned::new(around, item.pos));
                }
            }
            Selection::Field(field) => in_selection(&mut field.node.selection_set.node)?,
            Selection::InlineFragment(fragment) => in_selection(&mut fragment.node.selection_set.node)?,
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}
