//! How large an operation is once its fragments are put in: found out in linear time, before the engine looks at it.
//!
//! The engine's own limits walk every fragment where it is spread: 900 bytes of fragments that each spread the next one
//! twice cost it minutes and gigabytes. Here each fragment is measured once and its measure is used wherever it is
//! spread. Every fragment is measured, and spread by some operation, since validation visits them all.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Name, Positioned};

use crate::error::{Code, Failure};
use crate::telemetry::names;

/// The bounds; see `[graphql]` in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_depth: usize,
    pub max_fields: usize,
    pub max_aliases: usize,
    pub max_root_fields: usize,
    pub max_directives: usize,
    pub max_introspection_depth: usize,
    pub max_operations: usize,
}

/// What a selection measures with its fragments put in. Sums stay where they are once they are too large to add to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Measure {
    /// Levels of fields and fragments.
    depth: usize,
    fields: usize,
    aliases: usize,
    root_fields: usize,
    directives: usize,
    /// How many of introspection's lists stand inside each other: each multiplies the answer.
    introspection_depth: usize,
}

impl Measure {
    /// Beside another selection of the same level.
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            fields: self.fields.saturating_add(other.fields),
            aliases: self.aliases.saturating_add(other.aliases),
            root_fields: self.root_fields.saturating_add(other.root_fields),
            directives: self.directives.saturating_add(other.directives),
            introspection_depth: self.introspection_depth.max(other.introspection_depth),
        }
    }
}

/// Refuses a document that is over a bound.
///
/// # Errors
/// `OPERATION_TOO_LARGE` with the bound's name, limit and value; a fragment that contains itself is no valid document.
pub fn check(document: &ExecutableDocument, bounds: &Bounds) -> Result<(), Failure> {
    let mut walk = Walk { fragments: &document.fragments, known: HashMap::new(), most_levels: bounds.max_depth };
    let operations = document.operations.iter().count();
    if operations > bounds.max_operations {
        return Err(over("max_operations", bounds.max_operations, operations));
    }
    // One is run, and validation goes through all of them, fragments put in.
    let mut fields = 0_usize;
    for (_, operation) in document.operations.iter() {
        let measure = walk.selection(&operation.node.selection_set.node, 0)?;
        let directives = measure.directives.saturating_add(operation.node.directives.len());
        fields = fields.saturating_add(measure.fields);
        for (bound, limit, value) in [
            ("max_root_fields", bounds.max_root_fields, measure.root_fields),
            ("max_aliases", bounds.max_aliases, measure.aliases),
            ("max_directives", bounds.max_directives, directives),
            ("max_fields", bounds.max_fields, fields),
            ("max_introspection_depth", bounds.max_introspection_depth, measure.introspection_depth),
        ] {
            if value > limit {
                return Err(over(bound, limit, value));
            }
        }
    }
    let spread = walk.known.len();
    for (name, fragment) in &document.fragments {
        walk.fragment(name, fragment, 0)?;
    }
    if spread < document.fragments.len() {
        // Validation would say the same, after it went through each with the others put in.
        return Err(Failure::new(Code::GraphqlValidationFailed, "A fragment is spread by no operation."));
    }
    Ok(())
}

/// The refusal of what is over a bound, counted.
pub fn over(bound: &'static str, limit: usize, value: usize) -> Failure {
    metrics::counter!(names::BOUNDS_REACHED, "bound" => bound).increment(1);
    let message = format!("The operation is over the bound `{bound}`: {value}, where {limit} is the limit.");
    Failure::new(Code::OperationTooLarge, message)
}

struct Walk<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// The measures of fragments; `None` while one is being taken.
    known: HashMap<&'a Name, Option<Measure>>,
    most_levels: usize,
}

impl<'a> Walk<'a> {
    /// `level` is how deep this selection stands; the walk goes no deeper than the bound, whatever the document does.
    fn selection(&mut self, selection: &'a SelectionSet, level: usize) -> Result<Measure, Failure> {
        if selection.items.is_empty() {
            return Ok(Measure::default());
        }
        if level >= self.most_levels {
            return Err(over("max_depth", self.most_levels, level + 1));
        }
        let mut total = Measure::default();
        for item in &selection.items {
            let measure = match &item.node {
                Selection::Field(field) => {
                    let inside = self.selection(&field.node.selection_set.node, level + 1)?;
                    Measure {
                        depth: inside.depth + 1,
                        fields: inside.fields.saturating_add(1),
                        aliases: inside.aliases.saturating_add(usize::from(field.node.alias.is_some())),
                        root_fields: 1,
                        introspection_depth: inside.introspection_depth + usize::from(is_list(&field.node.name.node)),
                        ..inside
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let inside = self.selection(&fragment.node.selection_set.node, level + 1)?;
                    Measure { depth: inside.depth + 1, ..inside }
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    match self.fragments.get_key_value(name) {
                        Some((name, fragment)) => self.fragment(name, fragment, level)?,
                        // One that is not there is for validation to name. It counts as a field: spread without end,
                        // nothing is still something to go through.
                        None => Measure { fields: 1, root_fields: 1, ..Measure::default() },
                    }
                }
            };
            let directives = measure.directives.saturating_add(item.node.directives().len());
            total = total.beside(Measure { directives, ..measure });
        }
        Ok(total)
    }

    fn fragment(
        &mut self,
        name: &'a Name,
        fragment: &'a Positioned<FragmentDefinition>,
        level: usize,
    ) -> Result<Measure, Failure> {
        match self.known.get(name) {
            Some(Some(known)) if level + known.depth > self.most_levels => {
                Err(over("max_depth", self.most_levels, level + known.depth))
            }
            Some(Some(known)) => Ok(*known),
            Some(None) => Err(Failure::new(
                Code::GraphqlValidationFailed,
                "A fragment contains itself; fragments must not form a cycle.",
            )),
            None => {
                self.known.insert(name, None);
                let inside = self.selection(&fragment.node.selection_set.node, level + 1)?;
                let directives = inside.directives.saturating_add(fragment.node.directives.len());
                let measure = Measure { depth: inside.depth + 1, directives, ..inside };
                self.known.insert(name, Some(measure));
                Ok(measure)
            }
        }
    }
}

/// Whether a field is one of introspection's lists. No field of our own has such a name.
fn is_list(name: &Name) -> bool {
    matches!(
        name.as_str(),
        "types" | "fields" | "args" | "inputFields" | "possibleTypes" | "interfaces" | "enumValues" | "directives"
    )
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use async_graphql::parser::parse_query;
    use rstest::rstest;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        max_depth: 24,
        max_fields: 1000,
        max_aliases: 100,
        max_root_fields: 50,
        max_directives: 50,
        max_introspection_depth: 4,
        max_operations: 50,
    };

    fn refused(document: &str) -> String {
        let document = parse_query(document).expect("the document of this test");
        check(&document, &BOUNDS).expect_err("a document that is too large").message.into_owned()
    }

    fn chain(levels: usize, spreads: usize) -> String {
        let mut document = "{ ...F0 }".to_owned();
        for level in 0..levels {
            let next = format!("...F{} ", level + 1).repeat(spreads);
            write!(document, " fragment F{level} on Query {{ {next} }}").expect("a string takes all");
        }
        write!(document, " fragment F{levels} on Query {{ a }}").expect("a string takes all");
        document
    }

    #[test]
    fn fragments_that_double_are_refused_by_what_they_would_become() {
        assert!(refused(&chain(20, 2)).contains(": 1048576,"));
        assert!(refused(&chain(9, 10)).contains(": 1000000000,"));
        let without_end = refused(&chain(20, 1000));
        assert!(without_end.contains(&usize::MAX.to_string()), "a sum too large to hold is still refused");
    }

    #[rstest]
    #[case(200)]
    #[case(5_000)]
    fn a_long_chain_of_fragments_is_refused_by_its_depth_whether_it_is_spread_or_not(#[case] levels: usize) {
        assert!(refused(&chain(levels, 1)).contains("`max_depth`"));
        assert!(refused(&chain(levels, 1).replace("{ ...F0 }", "{ a }")).contains("`max_depth`"));
    }

    #[test]
    fn a_fragment_that_contains_itself_is_refused() {
        assert!(refused("{ ...A } fragment A on Q { ...B } fragment B on Q { b ...A }").contains("cycle"));
    }

    #[rstest]
    #[case("max_aliases", 101, "x{}: a ")]
    #[case("max_root_fields", 51, "a ")]
    #[case("max_directives", 51, "...@include(if: true) { a } ")]
    fn each_bound_is_named(#[case] bound: &str, #[case] count: usize, #[case] item: &str) {
        let items: String = (0..count).map(|i| item.replace("{}", &i.to_string())).collect();
        let document =
            if bound == "max_root_fields" { format!("{{ {items} }}") } else { format!("{{ r {{ {items} }} }}") };
        assert!(refused(&document).contains(&format!("`{bound}`: {count}")), "{bound}");
    }

    #[test]
    fn fragments_that_multiply_nothing_are_refused() {
        assert!(refused(&chain(20, 2).replace("{ a }", "{ ...Nowhere }")).contains(": 1048576,"));
    }

    #[test]
    fn fragments_that_multiply_and_are_never_spread_are_refused() {
        assert!(refused(&chain(20, 2).replace("{ ...F0 }", "{ a }")).contains("spread by no operation"));
    }

    #[test]
    fn operations_are_measured_together() {
        let fields = "a ".repeat(20);
        let operations =
            |count: usize| -> String { (0..count).map(|i| format!("query A{i} {{ r {{ {fields} }} }} ")).collect() };
        assert!(refused(&operations(48)).contains("`max_fields`: 1008"));
        assert!(refused(&operations(51)).contains("`max_operations`: 51"));
        let few = parse_query(operations(47)).expect("a document");
        assert!(check(&few, &BOUNDS).is_ok());
    }

    #[test]
    fn nested_introspection_is_refused_and_the_usual_one_is_not() {
        let nested = "{ __schema { types { fields { type { fields { type { fields { args { name } } } } } } } } }";
        assert!(refused(nested).contains("`max_introspection_depth`: 5"));
        let usual = parse_query("{ __schema { types { fields { args { type { ofType { ofType { name } } } } } } } }");
        assert!(check(&usual.expect("a document"), &BOUNDS).is_ok());
    }
}
