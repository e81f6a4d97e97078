//! Two fields of one selection under one response key that are not the same field, and a directive that stands twice in
//! one place, found before the engine looks.
//!
//! The engine tells of every pair and every argument of it, again on each level of inline fragments around them: a
//! document of 30 kB makes it tens of millions of errors and gigabytes. Here the first one ends it. What counts as a
//! conflict is what counts as one there, so that nothing is left for it to tell. Of directives, too, it tells of each.

use std::collections::{HashMap, HashSet};

use async_graphql::Positioned;
use async_graphql::parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet};

use crate::error::{Code, Failure};

/// Refuses a document with a conflict.
///
/// # Errors
/// `GRAPHQL_VALIDATION_FAILED` for the first one.
pub fn check(document: &ExecutableDocument) -> Result<(), Failure> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    let operations = operations.map(|operation| (&operation.directives, &operation.selection_set.node));
    let fragments = document.fragments.values().map(|fragment| &fragment.node);
    let fragments = fragments.map(|fragment| (&fragment.directives, &fragment.selection_set.node));
    operations.chain(fragments).try_for_each(|(directives, selection)| {
        each_once(directives)?;
        each_selection(document, selection)
    })
}

/// None of the schema's directives may be repeated.
fn each_once(directives: &[Positioned<Directive>]) -> Result<(), Failure> {
    let mut names = HashSet::new();
    if directives.iter().all(|directive| names.insert(directive.node.name.node.as_str())) {
        return Ok(());
    }
    Err(Failure::new(
        Code::GraphqlValidationFailed,
        "A directive stands twice in one place, where each may stand once.",
    ))
}

/// Goes down to every selection. How deep they are was bounded before.
fn each_selection(document: &ExecutableDocument, selection: &SelectionSet) -> Result<(), Failure> {
    Outputs { document, fields: HashMap::new(), visited: HashSet::new() }.add(None, selection)?;
    selection.items.iter().try_for_each(|item| {
        each_once(item.node.directives())?;
        match &item.node {
            Selection::Field(field) => each_selection(document, &field.node.selection_set.node),
            Selection::InlineFragment(fragment) => each_selection(document, &fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => Ok(()),
        }
    })
}

/// The fields of one selection by type and response key.
struct Outputs<'a> {
    document: &'a ExecutableDocument,
    fields: HashMap<(Option<&'a str>, &'a str), &'a Field>,
    visited: HashSet<&'a str>,
}

impl<'a> Outputs<'a> {
    fn add(&mut self, on: Option<&'a str>, selection: &'a SelectionSet) -> Result<(), Failure> {
        for item in &selection.items {
            match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let key = (on, field.response_key().node.as_str());
                    if let Some(known) = self.fields.insert(key, field)
                        && !same(known, field)
                    {
                        let message = "Two fields conflict: they have one name in the answer, and differ in their \
                            field or its arguments. Give one of them an alias.";
                        return Err(Failure::new(Code::GraphqlValidationFailed, message));
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    self.add(on, &fragment.node.selection_set.node)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.document.fragments.get(name)
                        && self.visited.insert(name)
                    {
                        let on = Some(fragment.node.type_condition.node.on.node.as_str());
                        self.add(on, &fragment.node.selection_set.node)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn same(one: &Field, other: &Field) -> bool {
    let arguments = || one.arguments.iter().all(|(name, value)| other.get_argument(&name.node) == Some(value));
    one.name.node == other.name.node && one.arguments.len() == other.arguments.len() && arguments()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::of_arguments("{ a(b: 1) a(b: 2) }", true)]
    #[case::of_an_argument_that_is_left_out("{ a(b: 1) a }", true)]
    #[case::of_fields("{ a: b a: c }", true)]
    #[case::below_a_field("{ r { a: b a: c } }", true)]
    #[case::in_a_fragment("{ r } fragment F on R { a: b a: c }", true)]
    #[case::around_a_fragment("{ ...F ...G } fragment F on R { a: b } fragment G on R { a: c }", true)]
    #[case::of_a_directive("{ a @b @c @b }", true)]
    #[case::of_a_directive_on_an_operation("query @b @b { a }", true)]
    #[case::of_a_directive_on_a_spread("{ ...F @b @b } fragment F on Q { a }", true)]
    #[case::none_of_directives("query @b { a @b ... @b { c @b } }", false)]
    #[case::none("{ a(b: [1, {c: 2}]) a(b: [1, {c: 2}]) b: a(b: 3) }", false)]
    #[case::of_several_types("{ ... on A { a: b } ... on B { a: c } }", false)]
    #[case::in_a_circle("{ ...F } fragment F on R { a ...F }", false)]
    fn what_conflicts_is_refused(#[case] document: &str, #[case] conflicts: bool) {
        let document = parse_query(document).expect("the document of this test");
        assert_eq!(check(&document).is_err(), conflicts);
    }
}
