//! No text breaks the way from a document to what the engine runs; what comes out of it is within the limits, and no
//! response key stands twice in one selection.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use apollo_compiler::executable::{ExecutableDocument, Operation};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Node, Schema};
use async_graphql::parser::types::{Field, Selection};
use async_graphql::{Name, Positioned, Value, Variables};
use customers_gateway::operation::document::collect::{CollectedOperation, Conditions, collect};
use customers_gateway::operation::cost::cost;
use customers_gateway::operation::document::limits::DocumentLimits;
use customers_gateway::operation::document::errors::{DocumentErrors, RequestError};
use customers_gateway::operation::document::parse::{self, Settings};
use customers_gateway::operation::lower::lower;
use libfuzzer_sys::fuzz_target;

/// As in `config/default.toml`.
const SETTINGS: Settings = Settings {
    max_tokens: 10_000,
    max_nesting: 64,
    max_name_bytes: 128,
    limits: DocumentLimits {
        max_depth: 24,
        max_fields: 5_000,
        max_aliases: 200,
        max_root_fields: 100,
        max_directives: 100,
        max_introspection_depth: 4,
        max_operations: 50,
    },
    max_argument_values: 10_000,
    max_validation_errors: 20,
};

/// The schema of a subgraph has all root fields.
static SCHEMA: LazyLock<Valid<Schema>> =
    LazyLock::new(|| parse::schema(&customers_gateway::graphql::Schema::subgraph().sdl()).expect("our own SDL"));

fuzz_target!(|text: &str| {
    let read = parse::parse(&SCHEMA, text, &SETTINGS, true);
    let again = parse::parse(&SCHEMA, text, &SETTINGS, true);
    let without_names = parse::parse(&SCHEMA, text, &SETTINGS, false);
    match (read, again, without_names) {
        (Ok(read), Ok(again), Ok(_)) => {
            let fields = |read: &parse::ParsedDocument| read.collected.iter().map(|operation| operation.field_count).max().unwrap_or(0);
            assert_eq!((read.tokens, fields(&read)), (again.tokens, fields(&again)));
            assert!(read.tokens <= text.len() && fields(&read) <= SETTINGS.limits.max_fields);
            for operation in read.document.operations.iter() {
                run(&read.document, operation, fields(&read));
            }
        }
        (Err(refused), Err(again), Err(without_names)) => {
            assert_eq!(format!("{refused:?}"), format!("{again:?}"), "the same text is refused otherwise");
            assert_eq!(refused.code(), without_names.code());
            for refused in [refused, without_names] {
                if let RequestError::Document(mistakes) = refused {
                    told(&mistakes, text);
                }
            }
        }
        _ => panic!("a text is refused once and read once"),
    }
});

/// What is said of a document is bounded, has its place in the text, and repeats no value.
fn told(mistakes: &DocumentErrors, text: &str) {
    let told: Vec<_> = mistakes.shown().collect();
    assert!(!told.is_empty() && told.len() <= SETTINGS.max_validation_errors);
    let lines = text.split(['\n', '\r']).count();
    let longest = text.split(['\n', '\r']).map(|line| line.chars().count()).max().unwrap_or_default();
    for mistake in told {
        if let Some(place) = mistake.position {
            assert!((1..=lines).contains(&place.line) && (1..=longest + 1).contains(&place.column), "{place:?}");
        }
        let message = &mistake.message;
        assert!(message.len() < 2_000, "a message that grows with what was sent");
        // Only strings and comments hold a tilde, and only numbers hold these two.
        assert!(!message.contains('~') && !message.contains("-8") && !message.contains(".8"), "{message}");
    }
}

/// From a valid operation to what the engine runs, with every condition met and with none.
fn run(document: &ExecutableDocument, operation: &Node<Operation>, most_fields: usize) {
    for met in [true, false] {
        let booleans = operation.variables.iter().filter(|variable| variable.ty.inner_named_type() == "Boolean");
        let mut variables = Variables::default();
        booleans.for_each(|variable| {
            variables.insert(Name::new(&variable.name), Value::Boolean(met));
        });
        let collect = |conditions| collect(&SCHEMA, document, operation, conditions, SETTINGS.max_argument_values);
        let collected = collect(Conditions::Variables(&variables)).expect("what is valid can be collected");
        assert_eq!(collected.field_count, size(&collected));
        assert!(collected.field_count <= most_fields, "more fields than with all conditions met");
        let lowered = lower(&collected, &variables, SETTINGS.max_argument_values).expect("the literals are within the limit");
        keys(lowered.fields.iter().map(|field| &field.node));
        cost(&collected, &lowered.fields).expect("every root field has a price");
        let expected: Vec<Name> = collected.fields.iter().map(|field| field.response_key().clone()).collect();
        let apart: Vec<Name> = lowered.into_root_documents().map(|(key, _)| key).collect();
        assert_eq!(apart, expected);
    }
}

fn size(collected: &CollectedOperation) -> usize {
    fn of(field: &customers_gateway::operation::document::collect::CollectedField) -> usize {
        1 + field.selection.fields().map(of).sum::<usize>()
    }
    collected.fields.iter().map(of).sum()
}

/// No response key twice among the fields of one object, and no type twice among those of one field.
fn keys<'a>(fields: impl Iterator<Item = &'a Field>) {
    let mut keys = HashSet::new();
    for field in fields {
        assert!(keys.insert(field.response_key().node.clone()), "a response key twice");
        assert!(field.directives.is_empty());
        selection(&field.selection_set.node.items);
    }
}

fn selection(items: &[Positioned<Selection>]) {
    let fields = items.iter().filter_map(|item| match &item.node {
        Selection::Field(field) => Some(&field.node),
        Selection::InlineFragment(_) => None,
        Selection::FragmentSpread(_) => panic!("a fragment by its name"),
    });
    keys(fields);
    let mut types = HashSet::new();
    for item in items {
        let Selection::InlineFragment(fragment) = &item.node else { continue };
        let condition = fragment.node.type_condition.as_ref().expect("a type");
        assert!(types.insert(condition.node.on.node.clone()), "a type twice");
        assert!(fragment.node.directives.is_empty());
        selection(&fragment.node.selection_set.node.items);
    }
    assert!(types.is_empty() || types.len() == items.len(), "fields beside types");
}
