//! Measures the operations of a document with their fragments expanded, in linear time and before validation.
//!
//! Each fragment is measured once, and its measure is used wherever it is spread. Otherwise 900 bytes of fragments
//! that each spread the next one twice would cost minutes. Every fragment is measured and must be spread by an
//! operation, because validation walks all of them.
//!
//! The limits measure the document as it was parsed: the form that is built with the schema lacks unknown fields.

use std::collections::HashMap;

use apollo_compiler::Name;
use apollo_compiler::ast::{Definition, Document, FragmentDefinition, Selection};
use apollo_compiler::collections::IndexMap;
use serde::Deserialize;

use super::errors::{DocumentError, RequestError};
use crate::error::{ErrorCode, PublicError};
use crate::graphql::schema::ENGINE_MAX_DEPTH;
use crate::setting;
use crate::telemetry::names;

/// The bounds; see `[graphql]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct DocumentLimits {
    // Four levels below the recursion limit of the engine.
    #[serde(deserialize_with = "setting::within::<_, _, 1, { ENGINE_MAX_DEPTH - 4 }>")]
    pub max_depth: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_fields: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_aliases: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_root_fields: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_directives: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_introspection_depth: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_operations: usize,
}

/// The measures of a selection with its fragments expanded. Sums saturate.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct SelectionSize {
    /// Levels of fields and fragments.
    depth: usize,
    fields: usize,
    aliases: usize,
    root_fields: usize,
    directives: usize,
    /// How many introspection lists are nested. Each multiplies the size of the response.
    introspection_depth: usize,
}

impl SelectionSize {
    /// Adds the measures of another selection of the same level.
    fn combine(self, other: Self) -> Self {
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

/// Rejects a document that exceeds a limit.
///
/// # Errors
/// `OPERATION_TOO_LARGE` with the limit's name and both values. `GRAPHQL_VALIDATION_FAILED` for a fragment that
/// contains itself, and for one that no operation spreads, because validation would walk them first.
pub fn check(document: &Document, limits: &DocumentLimits) -> Result<(), RequestError> {
    let mut walk =
        LimitWalk { fragments: IndexMap::default(), fragment_sizes: HashMap::new(), max_depth: limits.max_depth };
    let mut operations = Vec::new();
    for definition in &document.definitions {
        match definition {
            Definition::OperationDefinition(operation) => operations.push(operation),
            Definition::FragmentDefinition(fragment) => {
                // Validation rejects a second fragment with the same name.
                walk.fragments.entry(&fragment.name).or_insert(fragment);
            }
            // Validation rejects type definitions.
            _ => {}
        }
    }
    if operations.len() > limits.max_operations {
        return Err(exceeded("max_operations", limits.max_operations, operations.len()).into());
    }
    if operations.is_empty() {
        let mistake = DocumentError::new("The document has no operation.", None);
        return Err(RequestError::document_error(ErrorCode::GraphqlValidationFailed, mistake));
    }
    // One operation runs, but validation walks all of them with their fragments expanded.
    let mut fields = 0_usize;
    for operation in operations {
        let measure = walk.selection(&operation.selection_set, 0)?;
        let directives = measure.directives.saturating_add(operation.directives.len());
        fields = fields.saturating_add(measure.fields);
        for (name, limit, value) in [
            ("max_root_fields", limits.max_root_fields, measure.root_fields),
            ("max_aliases", limits.max_aliases, measure.aliases),
            ("max_directives", limits.max_directives, directives),
            ("max_fields", limits.max_fields, fields),
            ("max_introspection_depth", limits.max_introspection_depth, measure.introspection_depth),
        ] {
            if value > limit {
                return Err(exceeded(name, limit, value).into());
            }
        }
    }
    let fragments: Vec<_> = walk.fragments.values().copied().collect();
    let spread: Vec<bool> = fragments.iter().map(|fragment| walk.fragment_sizes.contains_key(&fragment.name)).collect();
    for fragment in &fragments {
        walk.fragment(fragment, 0)?;
    }
    match fragments.iter().zip(spread).find(|(_, is_spread)| !is_spread) {
        None => Ok(()),
        Some((fragment, _)) => {
            let message = format!("The fragment `{}` is not used by any operation.", fragment.name);
            let at = fragment.name.location().map(|span| span.offset());
            Err(RequestError::document_error(ErrorCode::GraphqlValidationFailed, DocumentError::new(message, at)))
        }
    }
}

/// The error for an exceeded limit. It is counted in the metrics.
pub fn exceeded(name: &'static str, limit: usize, value: usize) -> PublicError {
    metrics::counter!(names::LIMITS_REACHED, "limit" => name).increment(1);
    let message = format!("The operation exceeds the limit `{name}`: {value}, where {limit} is the maximum.");
    PublicError::new(ErrorCode::OperationTooLarge, message)
}

struct LimitWalk<'a> {
    fragments: IndexMap<&'a Name, &'a FragmentDefinition>,
    /// The measures of fragments. `None` while a fragment is being measured.
    fragment_sizes: HashMap<&'a Name, Option<SelectionSize>>,
    max_depth: usize,
}

impl<'a> LimitWalk<'a> {
    /// `level` is the depth of this selection. The recursion goes no deeper than the limit.
    fn selection(&mut self, selection: &'a [Selection], level: usize) -> Result<SelectionSize, RequestError> {
        if selection.is_empty() {
            return Ok(SelectionSize::default());
        }
        if level >= self.max_depth {
            return Err(exceeded("max_depth", self.max_depth, level + 1).into());
        }
        let mut total = SelectionSize::default();
        for item in selection {
            let (measure, directives) = match item {
                Selection::Field(field) => {
                    let inside = self.selection(&field.selection_set, level + 1)?;
                    let measure = SelectionSize {
                        depth: inside.depth + 1,
                        fields: inside.fields.saturating_add(1),
                        aliases: inside.aliases.saturating_add(usize::from(field.alias.is_some())),
                        root_fields: 1,
                        introspection_depth: inside.introspection_depth
                            + usize::from(is_introspection_list(&field.name)),
                        ..inside
                    };
                    (measure, &field.directives)
                }
                Selection::InlineFragment(fragment) => {
                    let inside = self.selection(&fragment.selection_set, level + 1)?;
                    (SelectionSize { depth: inside.depth + 1, ..inside }, &fragment.directives)
                }
                Selection::FragmentSpread(spread) => {
                    let measure = match self.fragments.get(&spread.fragment_name).copied() {
                        Some(fragment) => self.fragment(fragment, level)?,
                        // Validation reports an unknown fragment. It counts as a field, because it takes time to
                        // process too.
                        None => SelectionSize { fields: 1, root_fields: 1, ..SelectionSize::default() },
                    };
                    (measure, &spread.directives)
                }
            };
            let directives = measure.directives.saturating_add(directives.len());
            total = total.combine(SelectionSize { directives, ..measure });
        }
        Ok(total)
    }

    fn fragment(&mut self, fragment: &'a FragmentDefinition, level: usize) -> Result<SelectionSize, RequestError> {
        match self.fragment_sizes.get(&fragment.name) {
            Some(Some(known)) if level + known.depth > self.max_depth => {
                Err(exceeded("max_depth", self.max_depth, level + known.depth).into())
            }
            Some(Some(known)) => Ok(*known),
            Some(None) => {
                let message = format!("The fragment `{}` contains itself.", fragment.name);
                let at = fragment.name.location().map(|span| span.offset());
                Err(RequestError::document_error(ErrorCode::GraphqlValidationFailed, DocumentError::new(message, at)))
            }
            None => {
                self.fragment_sizes.insert(&fragment.name, None);
                let inside = self.selection(&fragment.selection_set, level + 1)?;
                let directives = inside.directives.saturating_add(fragment.directives.len());
                let measure = SelectionSize { depth: inside.depth + 1, directives, ..inside };
                self.fragment_sizes.insert(&fragment.name, Some(measure));
                Ok(measure)
            }
        }
    }
}

/// Whether a field is one of introspection's lists. No field of the gateway's schema has such a name.
fn is_introspection_list(name: &Name) -> bool {
    matches!(
        name.as_str(),
        "types" | "fields" | "args" | "inputFields" | "possibleTypes" | "interfaces" | "enumValues" | "directives"
    )
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use apollo_compiler::parser::Parser;
    use rstest::rstest;

    use super::*;

    const LIMITS: DocumentLimits = DocumentLimits {
        max_depth: 24,
        max_fields: 1000,
        max_aliases: 100,
        max_root_fields: 50,
        max_directives: 50,
        max_introspection_depth: 4,
        max_operations: 50,
    };

    fn parsed(text: &str) -> Document {
        Parser::new().parse_ast(text, "").expect("the document of this test")
    }

    fn refused(text: &str) -> String {
        match check(&parsed(text), &LIMITS).expect_err("a document that is refused") {
            RequestError::Public(failure) => failure.message.into_owned(),
            RequestError::Document(mistakes) => mistakes.shown().map(|mistake| mistake.message.clone()).collect(),
        }
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
        assert!(refused("{ ...A } fragment A on Q { ...B } fragment B on Q { b ...A }").contains("contains itself"));
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
        assert!(refused(&chain(20, 2).replace("{ ...F0 }", "{ a }")).contains("not used by any operation"));
    }

    #[test]
    fn operations_are_measured_together() {
        let fields = "a ".repeat(20);
        let operations =
            |count: usize| -> String { (0..count).map(|i| format!("query A{i} {{ r {{ {fields} }} }} ")).collect() };
        assert!(refused(&operations(48)).contains("`max_fields`: 1008"));
        assert!(refused(&operations(51)).contains("`max_operations`: 51"));
        assert!(check(&parsed(&operations(47)), &LIMITS).is_ok());
    }

    #[test]
    fn nested_introspection_is_refused_and_the_usual_one_is_not() {
        let nested = "{ __schema { types { fields { type { fields { type { fields { args { name } } } } } } } } }";
        assert!(refused(nested).contains("`max_introspection_depth`: 5"));
        let usual = "{ __schema { types { fields { args { type { ofType { ofType { name } } } } } } } }";
        assert!(check(&parsed(usual), &LIMITS).is_ok());
    }
}
