//! The schema's input types, as far as coercing variables needs them. They are read from the schema's own SDL, so that
//! they cannot differ from it.

use std::collections::{BTreeSet, HashMap};

use async_graphql::parser::types::{Type, TypeKind, TypeSystemDefinition};
use async_graphql::parser::{Error, parse_schema};
use async_graphql::{Name, Value};

/// The input types by name.
#[derive(Debug)]
pub struct InputTypes {
    types: HashMap<Name, InputType>,
}

/// A named input type.
#[derive(Debug)]
pub enum InputType {
    /// The five of the specification by their names; `_Any`, which takes anything; any other takes a string, whose form
    /// its resolver checks.
    Scalar,
    Enum(BTreeSet<Name>),
    Object {
        fields: Vec<InputField>,
        one_of: bool,
    },
}

/// A field of an input object.
#[derive(Debug)]
pub struct InputField {
    pub name: Name,
    pub ty: Type,
    pub default: Option<Value>,
}

impl InputTypes {
    /// The input types of a schema.
    ///
    /// # Errors
    /// Where the text is no SDL.
    pub fn from_sdl(sdl: &str) -> Result<Self, Error> {
        let scalars = ["Int", "Float", "String", "Boolean", "ID"].map(|name| (Name::new(name), InputType::Scalar));
        let mut types = HashMap::from(scalars);
        for definition in parse_schema(sdl)?.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let definition = definition.node;
            let input_type = match definition.kind {
                TypeKind::Scalar => InputType::Scalar,
                TypeKind::Enum(values) => {
                    InputType::Enum(values.values.into_iter().map(|value| value.node.value.node).collect())
                }
                TypeKind::InputObject(object) => InputType::Object {
                    one_of: definition.directives.iter().any(|directive| directive.node.name.node == "oneOf"),
                    fields: object
                        .fields
                        .into_iter()
                        .map(|field| InputField {
                            name: field.node.name.node,
                            ty: field.node.ty.node,
                            default: field.node.default_value.map(|value| value.node),
                        })
                        .collect(),
                },
                TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_) => continue,
            };
            types.insert(definition.name.node, input_type);
        }
        Ok(Self { types })
    }

    /// The type with this name; none where it is no input type.
    pub fn get(&self, name: &str) -> Option<&InputType> {
        self.types.get(name)
    }
}
