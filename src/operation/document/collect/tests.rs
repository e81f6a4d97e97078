use std::collections::HashSet;

use apollo_compiler::validation::Valid;
use async_graphql::parser::types as engine;
use async_graphql::{Positioned, Variables};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use crate::operation::document::collect::*;
use crate::operation::document::errors::RequestError;
use crate::operation::document::{limits, parse};
use crate::operation::lower::lower;

const SDL: &str = "
    directive @oneOf on INPUT_OBJECT
    interface Named { name: String friend(id: ID): Named }
    type Cat implements Named { name: String friend(id: ID): Named lives: Int likes: Pet toys(ids: [ID!]): Int }
    type Dog implements Named { name: String friend(id: ID): Named barks: Int likes: Pet }
    union Pet = Cat | Dog
    input Box { ids: [ID!] text: String = \"t\" inner: Box }
    input One @oneOf { a: Int b: String }
    type Query {
        cat(id: ID, box: Box, one: One): Cat
        named(ids: [ID!]! = [\"x\"], word: Word): Named
        pets(first: Int! = 3): [Pet!]!
        on(day: Date, days: [Date!]): Int
    }
    scalar Date
    enum Word { RED GREEN UNRECOGNIZED }
    type Mutation { free(id: ID!): Cat }
";

fn settings() -> parse::Settings {
    parse::Settings {
        max_tokens: 10_000,
        max_nesting: 64,
        max_name_bytes: 128,
        limits: limits::DocumentLimits {
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
    }
}

fn schema() -> Valid<Schema> {
    parse::schema(SDL).expect("the schema of these tests")
}

fn lowered(text: &str, variables: serde_json::Value) -> Vec<Positioned<engine::Field>> {
    let schema = schema();
    let read = parse::parse(&schema, text, &settings(), true).expect("a valid document");
    let operation = read.document.operations.get(None).expect("one operation");
    let variables = Variables::from_json(variables);
    let collected = collect(&schema, &read.document, operation, Conditions::Variables(&variables), 10_000);
    lower(&collected.expect("it merges"), &variables, 10_000).expect("within the limit").fields
}

/// The fields of an operation as text, with fragments by type.
fn printed(fields: &[Positioned<engine::Field>]) -> String {
    fn selection(items: &[Positioned<engine::Selection>]) -> String {
        let items = items.iter().map(|item| match &item.node {
            engine::Selection::Field(inside) => field(&inside.node),
            engine::Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.to_string());
                format!(
                    "... on {} {{ {} }}",
                    on.unwrap_or_default(),
                    selection(&fragment.node.selection_set.node.items)
                )
            }
            engine::Selection::FragmentSpread(_) => "a fragment by name".to_owned(),
        });
        items.collect::<Vec<_>>().join(" ")
    }
    fn field(field: &engine::Field) -> String {
        let alias = field.alias.as_ref().map(|alias| format!("{}: ", alias.node)).unwrap_or_default();
        let arguments = field.arguments.iter().map(|(name, value)| format!("{}: {}", name.node, value.node));
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
        let inside = selection(&field.selection_set.node.items);
        let inside = if inside.is_empty() { inside } else { format!(" {{ {inside} }}") };
        format!("{alias}{}{arguments}{inside}", field.name.node)
    }
    fields.iter().map(|item| field(&item.node)).collect::<Vec<_>>().join(" ")
}

#[rstest]
#[case::as_it_is("{ cat(id: 1) { name } }", json!({}), "cat(id: 1) { name }")]
#[case::one_key_once("{ cat { name } cat { lives name } }", json!({}), "cat { name lives }")]
#[case::root_and_inline("{ c: cat(id: 1) { name } ... on Query { c: cat(id: 1) { lives } } }", json!({}), "c: cat(id: 1) { name lives }")]
#[case::by_name(
    "{ ...F cat { lives } ...F } fragment F on Query { cat { name } ...G } fragment G on Query { cat { l: lives } }",
    json!({}),
    "cat { name l: lives lives }"
)]
#[case::met("query ($y: Boolean!, $n: Boolean = false) { a: cat @include(if: $y) { name } b: cat @skip(if: $y) { name } c: cat @include(if: $n) { name } ... @skip(if: $n) { d: cat { name } } }", json!({"y": true, "n": false}), "a: cat { name } d: cat { name }")]
#[case::arguments_in_any_order("{ cat(box: {ids: [1], text: \"a\"}, id: 2) { name } cat(id: 2, box: {text: \"a\", ids: [1]}) { lives } }", json!({}), "cat(box: {ids: [1], text: \"a\"}, id: 2) { name lives }")]
#[case::variables("query ($b: Box, $i: ID!, $n: String) { cat(box: {ids: [$i], text: $n, inner: $b}, id: $i) { name } }", json!({"i": "x", "b": {"ids": ["y"]}}), "cat(box: {ids: [\"x\"], inner: {ids: [\"y\"]}}, id: \"x\") { name }")]
#[case::an_argument_without_a_value("query ($i: ID, $f: Int = 7) { cat(id: $i) { name } pets(first: $f) { __typename } }", json!({"f": 7}), "cat { name } pets(first: 7) { ... on Cat { __typename } ... on Dog { __typename } }")]
#[case::an_interface("{ named { name friend { name } } }", json!({}), "named { name friend { name } }")]
#[case::an_interface_with_a_fragment(
    "{ named { name ... on Cat { lives } ...N } } fragment N on Named { n: name }",
    json!({}),
    "named { ... on Cat { name lives n: name } ... on Dog { name n: name } }"
)]
#[case::a_union(
    "{ pets { ... on Cat { lives likes { ... on Dog { barks } } } ... on Named { name } } }",
    json!({}),
    "pets { ... on Cat { lives likes { ... on Dog { barks } } name } ... on Dog { name } }"
)]
#[case::one_name_on_two_types("{ pets { ... on Cat { n: lives } ... on Dog { n: barks } } }", json!({}), "pets { ... on Cat { n: lives } ... on Dog { n: barks } }")]
#[case::a_word("{ named(word: RED) { name } }", json!({}), "named(word: RED) { name }")]
#[case::texts("{ cat(id: \"\\u{1F600}\\uD83D\\uDE00 a\") { name } named(ids: \"\"\"\n    say \\\"\"\" now\n      deeper\n    \"\"\") { name } }", json!({}), "cat(id: \"😀😀 a\") { name } named(ids: \"say \\\"\\\"\\\" now\\n  deeper\") { name }")]
#[case::a_mutation("mutation { free(id: 1) { name } ... { free(id: 1) { lives } } }", json!({}), "free(id: 1) { name lives }")]
fn what_the_engine_runs(#[case] text: &str, #[case] variables: serde_json::Value, #[case] expected: &str) {
    assert_eq!(printed(&lowered(text, variables)), expected);
}

/// Two calls under one key, and other documents that the validator accepts.
#[rstest]
#[case::root_and_inline("{ c: cat(id: 1) { name } ... on Query { c: cat(id: 2) { name } } }")]
#[case::root_and_named("{ c: cat(id: 1) { name } ...F } fragment F on Query { c: cat(id: 2) { lives } }")]
#[case::two_named(
    "{ ...F ...G } fragment F on Query { c: cat(id: 1) { name } } fragment G on Query { c: cat(id: 2) { name } }"
)]
#[case::another_field("{ cat { a: name } cat { a: lives } }")]
#[case::deep("{ cat { friend(id: 1) { name } } ... { cat { friend(id: 2) { name } } } }")]
#[case::by_conditions(
    "query ($y: Boolean!) { c: cat(id: 1) @include(if: $y) { name } c: cat(id: 2) @skip(if: $y) { name } }"
)]
#[case::a_list_that_goes_on("{ n: named(ids: [\"A\"]) { name } n: named(ids: [\"A\", \"B\"]) { name } }")]
#[case::a_list_that_is_empty("{ n: named(ids: []) { name } n: named(ids: [\"A\"]) { name } }")]
#[case::a_list_in_an_object("{ cat(box: {ids: [1]}) { name } cat(box: {ids: [1, 2]}) { name } }")]
#[case::with_and_without_arguments("{ cat { name } cat(id: null) { name } }")]
#[case::a_mutation("mutation { free(id: 1) { name } ... on Mutation { free(id: 2) { name } } }")]
#[case::on_an_interface("{ named { a: name ... on Cat { a: lives } } }")]
#[case::a_key_twice("{ cat(box: {text: \"a\", text: \"b\"}) { name } }")]
#[case::a_key_twice_in_a_default("query ($b: Box = {text: \"a\", text: \"a\"}) { cat(box: $b) { name } }")]
#[case::null_is_no_default("mutation ($i: ID = null) { free(id: $i) { name } }")]
#[case::null_is_no_default_of_a_condition("query ($y: Boolean = null) { cat @include(if: $y) { name } }")]
#[case::a_nullable_in_a_list("query ($i: ID) { named(ids: [$i]) { name } }")]
#[case::a_list_in_a_list("query ($i: [ID!]!) { named(ids: [$i]) { name } }")]
#[case::a_list_in_an_object_by_a_variable("query ($i: ID!) { cat(box: {ids: $i}) { name } }")]
#[case::one_of_none("{ cat(one: {}) { name } }")]
#[case::one_of_two("{ cat(one: {a: 1, b: \"b\"}) { name } }")]
#[case::one_of_null("{ cat(one: {a: null}) { name } }")]
#[case::one_of_a_nullable("query ($a: Int) { cat(one: {a: $a}) { name } }")]
#[case::one_of_a_nullable_with_a_default("query ($a: Int = 1) { cat(one: {a: $a}) { name } }")]
#[case::an_enum_in_quotes("{ named(word: \"RED\") { name } }")]
#[case::an_enum_by_a_text("query ($w: String) { named(word: $w) { name } }")]
#[case::no_object("{ cat(box: 1) { name } }")]
#[case::a_number_that_json_cannot_hold("{ on(day: 1e999) }")]
#[case::a_number_for_a_custom_scalar("{ on(days: [\"2020-01-01\", 7]) }")]
#[case::an_object_for_a_custom_scalar("{ on(day: {a: 1}) }")]
#[case::a_default_of_a_custom_scalar("query ($d: Date = 1e999) { on(day: $d) }")]
#[case::a_long_number_for_an_id("{ cat(id: 12345678901234567890) { name } }")]
fn what_is_refused(#[case] text: &str) {
    let refused = parse::parse(&schema(), text, &settings(), true).expect_err("it is not valid");
    assert_eq!(refused.code(), crate::error::ErrorCode::GraphqlValidationFailed, "{refused:?}");
    let RequestError::Document(mistakes) = refused else { unreachable!("a document is refused by its mistakes") };
    assert!(mistakes.shown().all(|mistake| mistake.position.is_some_and(|place| place.line > 0)), "{mistakes:?}");
}

#[test]
fn a_list_that_stands_at_many_places_counts_at_each_before_it_is_copied() {
    let schema = schema();
    let text = "query ($l: [ID!]!) { a: named(ids: $l) { name } b: named(ids: [\"x\", \"y\"]) { name } ...F } fragment F on Query { c: named(ids: $l) { name } }";
    let read = parse::parse(&schema, text, &settings(), true).expect("a valid document");
    let variables = Variables::from_json(json!({"l": vec!["id"; 40]}));
    let operation = read.document.operations.get(None).expect("one operation");
    let collected =
        collect(&schema, &read.document, operation, Conditions::Variables(&variables), 100).expect("it merges");
    assert!(lower(&collected, &variables, 2 * 41 + 3).is_ok());
    let refused = lower(&collected, &variables, 2 * 41 + 2).err().expect("one too many");
    assert!(refused.message.contains("`max_argument_values`: 85, where 84"), "{}", refused.message);
}

#[test]
fn a_literal_list_counts_as_often_as_its_fragment_is_spread() {
    let items = "1 ".repeat(3_000);
    let text = format!(
        "{{ a: cat {{ ...F }} b: cat {{ ...F }} c: cat {{ ...F }} d: cat {{ ...F }} }} fragment F on Cat {{ toys(ids: [{items}]) }}"
    );
    let settings = settings();
    let refused = parse::parse(&schema(), &text, &settings, true).expect_err("too many values");
    assert_eq!(refused.code(), crate::error::ErrorCode::OperationTooLarge);
}

/// Generates random selections from random bytes.
struct Random<'a> {
    tape: &'a [u8],
    schema: &'a Schema,
}

impl Random<'_> {
    /// An operation with its fragments and variables.
    fn document(&mut self) -> String {
        let mut text = self.selection("Query", 0);
        for on in ["Query", "Cat", "Dog", "Named"] {
            if text.contains(&format!("...F{on}")) {
                text = format!("{text} fragment F{on} on {on} {}", self.selection(on, 5));
            }
        }
        let variables = [("$y", "Boolean = true"), ("$n", "Boolean = false"), ("$i", "ID"), ("$j", "ID!")];
        let used = variables.iter().filter(|(name, _)| text.contains(name));
        let declared: Vec<String> = used.map(|(name, ty)| format!("{name}: {ty}")).collect();
        if declared.is_empty() { text } else { format!("query ({}) {text}", declared.join(", ")) }
    }

    fn next(&mut self, below: usize) -> usize {
        let Some((first, rest)) = self.tape.split_first() else { return 0 };
        self.tape = rest;
        usize::from(*first) % below
    }

    fn selection(&mut self, on: &str, depth: usize) -> String {
        let count = 1 + self.next(4);
        let items = (0..count).map(|_| self.item(on, depth)).collect::<Vec<_>>();
        format!("{{ {} }}", items.join(" "))
    }

    fn item(&mut self, on: &str, depth: usize) -> String {
        let condition = ["", "", "", "", " @include(if: $y)", " @skip(if: $n)"][self.next(6)];
        let on_type = if on == "Query" { "Query" } else { ["Cat", "Dog", "Named"][self.next(3)] };
        match self.next(if depth > 4 { 4 } else { 7 }) {
            5 => format!("... on {on_type}{condition} {}", self.selection(on_type, depth + 1)),
            6 => format!("...F{on_type}{condition}"),
            _ => self.field(on, depth, condition),
        }
    }

    fn field(&mut self, on: &str, depth: usize, condition: &str) -> String {
        let schema = self.schema;
        let fields: Vec<_> = match schema.types.get(on) {
            Some(ExtendedType::Object(object)) => object.fields.values().collect(),
            Some(ExtendedType::Interface(interface)) => interface.fields.values().collect(),
            _ => Vec::new(),
        };
        if fields.is_empty() {
            return "__typename".to_owned();
        }
        let field = fields[self.next(fields.len())];
        let alias = ["", "", "", "a: ", "b: "][self.next(5)];
        let arguments = if field.argument_by_name("id").is_some() {
            ["", "(id: 1)", "(id: 2)", "(id: $i)"][self.next(4)]
        } else if field.argument_by_name("ids").is_some() {
            ["", "(ids: [1])", "(ids: [1, 2])", "(ids: [$j])"][self.next(4)]
        } else {
            ""
        };
        let ty = field.ty.inner_named_type();
        let inside = match schema.types.get(ty) {
            None | Some(ExtendedType::Scalar(_) | ExtendedType::Enum(_)) => String::new(),
            Some(_) if depth > 4 => "{ __typename }".to_owned(),
            Some(_) => self.selection(ty, depth + 1),
        };
        format!("{alias}{}{arguments}{condition} {inside}", field.name)
    }
}

/// Checks that no selection has a response key twice, for any type.
fn each_key_once(items: &[Positioned<engine::Selection>]) {
    let mut keys = HashSet::new();
    let mut types = HashSet::new();
    for item in items {
        match &item.node {
            engine::Selection::Field(field) => {
                assert!(keys.insert(field.node.response_key().node.to_string()), "a key stands twice");
                assert!(field.node.directives.is_empty());
                each_key_once(&field.node.selection_set.node.items);
            }
            engine::Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref().expect("one object type").node.on.node.to_string();
                assert!(types.insert(on), "a type stands twice");
                each_key_once(&fragment.node.selection_set.node.items);
            }
            engine::Selection::FragmentSpread(_) => unreachable!("a fragment by name is left"),
        }
    }
    assert!(keys.is_empty() || types.is_empty(), "fields beside fragments");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_key_stands_for_two_calls(tape in proptest::collection::vec(any::<u8>(), 0..160), y: bool, n: bool) {
        let schema = schema();
        let text = Random { tape: &tape, schema: &schema }.document();
        if let Ok(read) = parse::parse(&schema, &text, &settings(), true) {
            let operation = read.document.operations.get(None).expect("one operation");
            let variables = Variables::from_json(json!({"y": y, "n": n, "i": "one", "j": "two"}));
            let collected = collect(&schema, &read.document, operation, Conditions::Variables(&variables), 10_000);
            let collected = collected.expect("what merges with every condition met merges with some");
            let lowered = lower(&collected, &variables, 10_000).expect("within the limit");
            for (key, document) in lowered.into_root_documents() {
                let engine::DocumentOperations::Single(operation) = document.operations else { unreachable!("one") };
                let items = &operation.node.selection_set.node.items;
                each_key_once(items);
                let [Positioned { node: engine::Selection::Field(field), .. }] = items.as_slice() else {
                    unreachable!("one root field")
                };
                assert_eq!(field.node.response_key().node, key);
            }
        }
    }
}

#[test]
fn many_random_documents_are_valid() {
    let schema = schema();
    let valid = (0..400_u32).filter(|seed| {
        let tape: Vec<u8> =
            (0..120_u32).map(|i| (seed.wrapping_mul(2_654_435_761).wrapping_add(i * i * 40_503) >> 13) as u8).collect();
        let text = Random { tape: &tape, schema: &schema }.document();
        parse::parse(&schema, &text, &settings(), true).is_ok()
    });
    let valid = valid.count();
    assert!((40..360).contains(&valid), "{valid} of 400: the property test above would see too little");
}
