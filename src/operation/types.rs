//! The schema's input types, as far as coercing variables needs them. They are read from the schema's own SDL, so that
//! they cannot differ from it.

use std::collections::{BTreeSet, HashMap, HashSet};

use async_graphql::parser::types::{BaseType, InputValueDefinition, Type, TypeKind, TypeSystemDefinition};
use async_graphql::parser::{Error, parse_schema};
use async_graphql::{Name, Positioned, Value};

/// The input types by name.
#[derive(Debug)]
pub struct InputTypes {
    types: HashMap<Name, InputType>,
    /// The names of arguments and input fields that are lists, whatever they belong to.
    lists: HashSet<Name>,
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
        let mut lists = HashSet::new();
        let mut note_lists = |inputs: &[Positioned<InputValueDefinition>]| {
            let is_list = |input: &&InputValueDefinition| matches!(input.ty.node.base, BaseType::List(_));
            lists.extend(inputs.iter().map(|input| &input.node).filter(is_list).map(|input| input.name.node.clone()));
        };
        for definition in parse_schema(sdl)?.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let definition = definition.node;
            let input_type = match definition.kind {
                TypeKind::Scalar => InputType::Scalar,
                TypeKind::Enum(values) => {
                    InputType::Enum(values.values.into_iter().map(|value| value.node.value.node).collect())
                }
                TypeKind::InputObject(object) => {
                    note_lists(&object.fields);
                    InputType::Object {
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
                    }
                }
                TypeKind::Object(object) => {
                    object.fields.iter().for_each(|field| note_lists(&field.node.arguments));
                    continue;
                }
                TypeKind::Interface(_) | TypeKind::Union(_) => continue,
            };
            types.insert(definition.name.node, input_type);
        }
        Ok(Self { types, lists })
    }

    /// Whether an argument or input field with this name is a list, or could be: another one's is.
    pub fn is_list(&self, name: &Name) -> bool {
        self.lists.contains(name)
    }

    /// The type with this name; none where it is no input type.
    pub fn get(&self, name: &str) -> Option<&InputType> {
        self.types.get(name)
    }
}
