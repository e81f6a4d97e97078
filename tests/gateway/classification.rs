//! Each leaf of the schema with personal data has `@pii`. The leaves without the directive are listed here, with a
//! reason.

use std::collections::BTreeSet;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{ConstDirective, Type, TypeKind, TypeSystemDefinition};
use async_graphql::{Positioned, Value};
use customers_gateway::customers::write::writer::NOT_PERSONAL_MEMBERS;
use customers_gateway::graphql;

/// Types whose values do not identify a person.
const HARMLESS_TYPES: [(&str, &str); 5] = [
    ("ID", "made by a machine, and no person can be told from it without what is behind it"),
    ("Boolean", "says whether something is so, never what it is"),
    ("Int", "counts and sizes"),
    ("Float", "scores and sums"),
    ("DateTime", "when something was recorded"),
];

/// Other leaves without the directive: a type and a field (or `Type.field(argument)`), `*` for any.
const HARMLESS: [(&str, &str); 17] = [
    ("*.codes", "codes of the screening, the same for everybody"),
    ("*.idempotencyKey", "a key of the caller's making; kept out of every log all the same"),
    ("CustomerEdge.cursor", "a position in a list"),
    ("PageInfo.startCursor", "a position in a list"),
    ("PageInfo.endCursor", "a position in a list"),
    ("Query.customers(after)", "a position in a list"),
    ("Query.customers(before)", "a position in a list"),
    ("PageMeta.sortBy", "a word of the API"),
    ("ReasonMessage.code", "codes of the screening"),
    ("ReasonMessage.message", "the text of a code, the same for everybody"),
    ("WatchlistCheck.matched", "names of lists, not of people"),
    ("WatchlistMatch.listName", "the name of a list"),
    ("WatchlistMatch.matchFields", "names of fields"),
    ("UserError.message", "written by the gateway, or cut by it"),
    ("UserError.path", "names of fields"),
    ("Viewer.subject", "the caller's own name, shown to itself alone"),
    ("ReputationInsights.*Dates", "when accounts and transactions were reported"),
];

/// A leaf of the schema.
struct Leaf {
    place: String,
    type_name: String,
    class: Option<String>,
}

fn class(directives: &[Positioned<ConstDirective>]) -> Option<String> {
    let mark = directives.iter().find(|directive| directive.node.name.node == "pii")?;
    match &mark.node.get_argument("class").expect("a mark without a class").node {
        Value::Enum(class) => Some(class.to_string()),
        other => panic!("a class that is no word: {other}"),
    }
}

fn base(ty: &Type) -> String {
    let text = ty.to_string();
    text.trim_matches(['[', ']', '!']).to_owned()
}

/// All fields, arguments and input fields of scalar type, and the names of the enums.
fn leaves() -> (Vec<Leaf>, BTreeSet<String>) {
    let document = parse_schema(graphql::sdl()).expect("the exported schema");
    let (mut leaves, mut enums, mut composites) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut add = |place: String, ty: &Type, directives: &[Positioned<ConstDirective>]| {
        leaves.push(Leaf { place, type_name: base(ty), class: class(directives) });
    };
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let (name, kind) = (definition.node.name.node, definition.node.kind);
        let fields = match kind {
            TypeKind::Enum(_) => {
                enums.insert(name.to_string());
                continue;
            }
            TypeKind::Object(object) => object.fields,
            TypeKind::Interface(interface) => interface.fields,
            TypeKind::InputObject(object) => {
                composites.insert(name.to_string());
                for field in object.fields {
                    let field = field.node;
                    add(format!("{name}.{}", field.name.node), &field.ty.node, &field.directives);
                }
                continue;
            }
            TypeKind::Union(_) => {
                composites.insert(name.to_string());
                continue;
            }
            TypeKind::Scalar => continue,
        };
        composites.insert(name.to_string());
        for field in fields {
            let field = field.node;
            let place = format!("{name}.{}", field.name.node);
            for argument in &field.arguments {
                let argument = &argument.node;
                add(format!("{place}({})", argument.name.node), &argument.ty.node, &argument.directives);
            }
            add(place, &field.ty.node, &field.directives);
        }
    }
    leaves.retain(|leaf| !composites.contains(&leaf.type_name));
    (leaves, enums)
}

fn fits(pattern: &str, place: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => place.starts_with(before) && place.ends_with(after),
        None => pattern == place,
    }
}

#[test]
fn every_leaf_is_marked_or_known_to_be_harmless() {
    let (leaves, enums) = leaves();
    assert!(leaves.len() > 150, "the walk has lost its way");
    let harmless = |leaf: &Leaf| {
        HARMLESS_TYPES.iter().any(|(name, _)| *name == leaf.type_name)
            || enums.contains(&leaf.type_name)
            || HARMLESS.iter().any(|(pattern, _)| fits(pattern, &leaf.place))
    };
    let unclassified: Vec<&str> =
        leaves.iter().filter(|leaf| leaf.class.is_none() && !harmless(leaf)).map(|leaf| leaf.place.as_str()).collect();
    assert!(unclassified.is_empty(), "mark them with @pii, or say why they are harmless: {unclassified:?}");
    let both: Vec<&str> =
        leaves.iter().filter(|leaf| leaf.class.is_some() && harmless(leaf)).map(|leaf| leaf.place.as_str()).collect();
    assert!(both.is_empty(), "marked and called harmless: {both:?}");
    let stale: Vec<&str> = HARMLESS
        .iter()
        .map(|(pattern, _)| *pattern)
        .filter(|pattern| !leaves.iter().any(|leaf| fits(pattern, &leaf.place)))
        .collect();
    assert!(stale.is_empty(), "nothing of the schema fits these any more: {stale:?}");
}

#[test]
fn a_field_name_has_one_personal_data_class() {
    let (leaves, _) = leaves();
    for (name, class) in [
        ("ssn", "IDENTITY"),
        ("dob", "IDENTITY"),
        ("ein", "IDENTITY"),
        ("legalBusinessName", "IDENTITY"),
        ("email", "CONTACT"),
        ("phone", "CONTACT"),
        ("name", "CONTACT"),
        ("zip", "CONTACT"),
        ("externalId", "CONTACT"),
        ("reason", "CONTACT"),
        ("ipAddress", "NETWORK"),
    ] {
        let places: Vec<&Leaf> = leaves
            .iter()
            // Of the screening these names stand before true and false.
            .filter(|leaf| {
                leaf.type_name != "Boolean" && leaf.place.trim_end_matches(')').ends_with(&format!(".{name}"))
            })
            .collect();
        assert!(!places.is_empty(), "{name}");
        for leaf in places {
            assert_eq!(leaf.class.as_deref(), Some(class), "{}", leaf.place);
        }
    }
}

/// A field of a model has the directive exactly if its type is `Personal`.
#[test]
fn fields_marked_pii_have_a_type_without_debug_output() {
    let sources = [
        include_str!("../../src/model/compliance.rs"),
        include_str!("../../src/model/customer.rs"),
        include_str!("../../src/model/filter.rs"),
        include_str!("../../src/model/input.rs"),
        include_str!("../../src/model/reputation.rs"),
        include_str!("../../src/model/review.rs"),
        include_str!("../../src/model/unmasked.rs"),
        include_str!("../../src/graphql/customer.rs"),
    ];
    let mut marked_fields = 0;
    for source in sources {
        let (mut in_schema, mut marked) = (false, false);
        for line in source.lines() {
            if line.starts_with("#[derive(") {
                in_schema = line.contains("Object");
            } else if line.starts_with("impl Customer {") || line.starts_with("#[Object]") {
                in_schema = line.starts_with("#[Object]");
            } else if line.contains("pii::apply(") {
                marked = true;
            } else if line.starts_with("    pub ") && line.ends_with(',') || line.starts_with("    async fn ") {
                let exempt = !in_schema || line.contains("idempotency_key");
                assert!(exempt || marked == line.contains("Personal<"), "{line}");
                marked_fields += usize::from(marked);
                marked = false;
            }
        }
    }
    assert!(marked_fields > 50, "the walk has lost its way");
}

/// `NOT_PERSONAL_MEMBERS` contains exactly the sent fields without the directive.
#[test]
fn only_unmarked_fields_survive_redaction() {
    let (leaves, enums) = leaves();
    let unmarked: BTreeSet<&str> = ["CreateCustomerInput.", "UpdateCustomerInput."]
        .iter()
        .flat_map(|input| leaves.iter().filter_map(move |leaf| Some((leaf, leaf.place.strip_prefix(input)?))))
        .filter(|(leaf, _)| leaf.class.is_none() && enums.contains(&leaf.type_name))
        .map(|(_, name)| name)
        .chain(leaves.iter().filter(|leaf| leaf.place.starts_with("CustomerConfigInput.")).map(|leaf| {
            assert!(leaf.class.is_none(), "the whole of `config` stays, so nothing in it may be personal");
            "config"
        }))
        .collect();
    assert_eq!(unmarked, BTreeSet::from(NOT_PERSONAL_MEMBERS));
}
