//! Resolves the fragments and conditions of an operation: `CollectFields()` of the specification, at every level.
//!
//! In the result each response key occurs once, for one call with one set of arguments. Two calls under one key cannot
//! be expressed, so a response cannot mix them. Fields that cannot be merged are an error. Arguments are compared
//! strictly, also the lengths of lists, whatever the validator accepts.
//!
//! Arguments are kept as written, with their variables. The result depends on the document, the operation and the
//! values of the Boolean variables in its conditions. It is cached by these ([`crate::operation::document`]).
//! [`crate::operation::lower`] inserts the variables of a request.

use apollo_compiler::collections::{HashMap, HashSet, IndexMap};
use apollo_compiler::executable::{self, ExecutableDocument, OperationType, Selection as Written, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Node, Schema, ast};
use async_graphql::{Name, Value as ConstValue, Variables};
use async_graphql_value::Value;

use crate::operation::document::position::offset;

/// An operation in its collected form.
#[derive(Debug)]
pub struct CollectedOperation {
    pub kind: OperationType,
    /// The root fields, in the order of the response.
    pub fields: Vec<CollectedField>,
    /// The byte offset of the operation in the text.
    pub offset: usize,
    /// The number of fields at all levels.
    pub field_count: usize,
    /// The number of values in the arguments of all fields, without the values of variables.
    pub value_count: usize,
    /// The variables in the arguments, and how often each occurs.
    pub variable_uses: HashMap<Name, usize>,
}

/// One field of a response: one call under one response key.
#[derive(Debug)]
pub struct CollectedField {
    pub name: Name,
    pub alias: Option<Name>,
    pub arguments: Vec<Argument>,
    pub selection: CollectedSelection,
    /// Whether the field's type is a list.
    pub is_list: bool,
    /// The byte offset of the field in the text.
    pub offset: usize,
}

/// An argument as written.
#[derive(Debug)]
pub struct Argument {
    pub name: Name,
    pub value: Value,
    /// The byte offset of the value in the text.
    pub offset: usize,
}

/// The selection on a field's value.
#[derive(Debug)]
pub enum CollectedSelection {
    /// The same fields for every object. Empty for a scalar.
    Fields(Vec<CollectedField>),
    /// The fields by the object's type, in the order of the schema: for a union, and for an interface with fragments.
    ByType(Vec<(Name, Vec<CollectedField>)>),
}

impl CollectedField {
    /// The name of the field in the response.
    pub fn response_key(&self) -> &Name {
        self.alias.as_ref().unwrap_or(&self.name)
    }
}

impl CollectedSelection {
    /// The fields with this name, for every response key and every type.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a CollectedField> {
        self.fields().filter(move |field| field.name == name)
    }

    /// All fields, of every type.
    pub fn fields(&self) -> impl Iterator<Item = &CollectedField> {
        let (same, by_type) = match self {
            Self::Fields(fields) => (fields.as_slice(), [].as_slice()),
            Self::ByType(types) => ([].as_slice(), types.as_slice()),
        };
        same.iter().chain(by_type.iter().flat_map(|(_, fields)| fields))
    }
}

/// Why an operation cannot be collected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CollectError {
    /// Two different calls have one response key. The value is the byte offset of the second.
    ConflictingFields(usize),
    /// The arguments contain more values than the limit.
    TooManyValues,
}

/// Which conditions are met.
#[derive(Clone, Copy)]
pub enum Conditions<'a> {
    /// All of them, `@skip` included. Fields that can be merged then can always be merged.
    All,
    /// Those that are true for these variables.
    Variables(&'a Variables),
}

/// Collects an operation of a valid document. `max_argument_values` limits the values in its arguments.
///
/// # Errors
/// If two calls have one response key, or the arguments contain too many values.
pub fn collect(
    schema: &Schema,
    document: &ExecutableDocument,
    operation: &Node<executable::Operation>,
    conditions: Conditions<'_>,
    max_argument_values: usize,
) -> Result<CollectedOperation, CollectError> {
    let mut collector = Collector {
        schema,
        document,
        conditions,
        max_argument_values,
        size: 0,
        value_count: 0,
        variable_uses: HashMap::default(),
        interned_names: HashMap::default(),
    };
    let root = &operation.selection_set;
    let fields = collector.object(&root.ty, &[root])?;
    Ok(CollectedOperation {
        kind: operation.operation_type,
        fields,
        offset: offset(operation),
        field_count: collector.size,
        value_count: collector.value_count,
        variable_uses: collector.variable_uses,
    })
}

/// The fields of one object, by response key.
type FieldGroups<'a> = IndexMap<&'a str, Vec<&'a Node<executable::Field>>>;

struct Collector<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    conditions: Conditions<'a>,
    max_argument_values: usize,
    size: usize,
    value_count: usize,
    variable_uses: HashMap<Name, usize>,
    /// Each name is allocated once.
    interned_names: HashMap<&'a str, Name>,
}

impl<'a> Collector<'a> {
    fn selection(&mut self, on: &'a str, sets: &[&'a SelectionSet]) -> Result<CollectedSelection, CollectError> {
        let types: Vec<&'a str> = match self.schema.types.get(on) {
            Some(ExtendedType::Union(union)) => union.members.iter().map(|member| member.as_str()).collect(),
            // Without fragments the selection is the same for every object.
            Some(ExtendedType::Interface(_)) if has_fragment(sets) => self.implementers(on),
            _ => return self.object(on, sets).map(CollectedSelection::Fields),
        };
        let by_type = types.into_iter().map(|on| {
            let fields = self.object(on, sets)?;
            Ok((self.intern(on), fields))
        });
        let mut by_type = by_type.collect::<Result<Vec<_>, _>>()?;
        by_type.retain(|(_, fields)| !fields.is_empty());
        Ok(CollectedSelection::ByType(by_type))
    }

    fn implementers(&self, interface: &str) -> Vec<&'a str> {
        let objects = self.schema.types.iter().filter_map(|(name, ty)| match ty {
            ExtendedType::Object(object) if object.implements_interfaces.iter().any(|i| i.as_str() == interface) => {
                Some(name.as_str())
            }
            _ => None,
        });
        objects.collect()
    }

    /// The fields of an object of this type.
    fn object(&mut self, on: &str, sets: &[&'a SelectionSet]) -> Result<Vec<CollectedField>, CollectError> {
        let (mut grouped, mut visited) = (FieldGroups::default(), HashSet::default());
        for set in sets {
            self.group(on, set, &mut grouped, &mut visited);
        }
        grouped.into_values().map(|fields| self.field(&fields)).collect()
    }

    /// `CollectFields()`.
    fn group(&self, on: &str, set: &'a SelectionSet, grouped: &mut FieldGroups<'a>, visited: &mut HashSet<&'a str>) {
        for selection in &set.selections {
            if !self.is_included(selection.directives()) {
                continue;
            }
            match selection {
                Written::Field(field) => grouped.entry(field.response_key().as_str()).or_default().push(field),
                Written::InlineFragment(fragment) => {
                    if fragment.type_condition.as_ref().is_none_or(|condition| self.applies(condition, on)) {
                        self.group(on, &fragment.selection_set, grouped, visited);
                    }
                }
                Written::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
                        && self.applies(&fragment.selection_set.ty, on)
                        && visited.insert(spread.fragment_name.as_str())
                    {
                        self.group(on, &fragment.selection_set, grouped, visited);
                    }
                }
            }
        }
    }

    fn applies(&self, condition: &str, on: &str) -> bool {
        condition == on || self.schema.is_subtype(condition, on)
    }

    fn is_included(&self, directives: &ast::DirectiveList) -> bool {
        let Conditions::Variables(variables) = self.conditions else { return true };
        directives.iter().all(|directive| {
            let wanted = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                _ => return true,
            };
            let given = directive.specified_argument_by_name("if").and_then(|value| match &**value {
                ast::Value::Boolean(value) => Some(*value),
                ast::Value::Variable(name) => boolean_variable(variables, name.as_str()),
                _ => None,
            });
            given == Some(wanted)
        })
    }

    /// Merges the fields under one response key to one call.
    fn field(&mut self, fields: &[&'a Node<executable::Field>]) -> Result<CollectedField, CollectError> {
        let Some((first, others)) = fields.split_first() else { return Err(CollectError::ConflictingFields(0)) };
        if let Some(other) = others.iter().find(|other| !is_same_call(first, other)) {
            return Err(CollectError::ConflictingFields(offset(other)));
        }
        self.size += 1;
        let mut arguments = Vec::with_capacity(first.arguments.len());
        for argument in &first.arguments {
            let value = self.value(&argument.value)?;
            arguments.push(Argument { name: self.intern(&argument.name), value, offset: offset(&argument.value) });
        }
        let sets: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
        let selection = if first.selection_set.selections.is_empty() {
            CollectedSelection::Fields(Vec::new())
        } else {
            self.selection(&first.selection_set.ty, &sets)?
        };
        Ok(CollectedField {
            name: self.intern(&first.name),
            alias: first.alias.as_ref().map(|alias| self.intern(alias)),
            arguments,
            selection,
            is_list: first.ty().is_list(),
            offset: offset(first),
        })
    }

    fn value(&mut self, value: &'a ast::Value) -> Result<Value, CollectError> {
        let size = match value {
            ast::Value::Variable(_) => 0,
            ast::Value::String(text) => text_size(text),
            _ => 1,
        };
        self.value_count = self.value_count.saturating_add(size);
        if self.value_count > self.max_argument_values {
            return Err(CollectError::TooManyValues);
        }
        Ok(match value {
            ast::Value::Variable(name) => {
                let name = self.intern(name);
                *self.variable_uses.entry(name.clone()).or_default() += 1;
                Value::Variable(name)
            }
            ast::Value::List(items) => {
                Value::List(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            ast::Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Ok((self.intern(name), self.value(value)?)));
                Value::Object(fields.collect::<Result<_, _>>()?)
            }
            scalar => const_value(scalar).into_value(),
        })
    }

    fn intern(&mut self, name: &'a str) -> Name {
        self.interned_names.entry(name).or_insert_with(|| Name::new(name)).clone()
    }
}

/// The number of values in a variable's value, itself included.
pub fn value_count(value: &ConstValue) -> usize {
    match value {
        ConstValue::List(items) => items.iter().map(value_count).fold(1, usize::saturating_add),
        ConstValue::Object(fields) => fields.values().map(value_count).fold(1, usize::saturating_add),
        ConstValue::String(text) => text_size(text),
        _ => 1,
    }
}

/// The number of values that a text counts as: one per 100 bytes, and one more, because the text is copied wherever it
/// is used.
fn text_size(text: &str) -> usize {
    1 + text.len() / 100
}

/// A constant as the engine's value. A constant contains no variables; if one did, it would become null.
pub fn const_value(value: &ast::Value) -> ConstValue {
    // A number that JSON cannot hold is null. The validator lets it stand only at `ID` and at custom scalars, which do not
    // take null either.
    let number = |text: &str| text.parse().map_or(ConstValue::Null, ConstValue::Number);
    match value {
        ast::Value::Null | ast::Value::Variable(_) => ConstValue::Null,
        ast::Value::Enum(name) => ConstValue::Enum(Name::new(name)),
        ast::Value::String(text) => ConstValue::String(text.clone()),
        ast::Value::Boolean(value) => ConstValue::Boolean(*value),
        ast::Value::Int(int) => number(int.as_str()),
        ast::Value::Float(float) => number(float.as_str()),
        ast::Value::List(items) => ConstValue::List(items.iter().map(|item| const_value(item)).collect()),
        ast::Value::Object(fields) => {
            ConstValue::Object(fields.iter().map(|(name, value)| (Name::new(name), const_value(value))).collect())
        }
    }
}

/// The value of a Boolean variable; `None` where it is null or not given.
pub fn boolean_variable(variables: &Variables, name: &str) -> Option<bool> {
    match variables.get(name) {
        Some(ConstValue::Boolean(value)) => Some(*value),
        _ => None,
    }
}

fn has_fragment(sets: &[&SelectionSet]) -> bool {
    sets.iter().any(|set| set.selections.iter().any(|selection| !matches!(selection, Written::Field(_))))
}

fn is_same_call(one: &Node<executable::Field>, other: &Node<executable::Field>) -> bool {
    one.ptr_eq(other) || (one.name == other.name && are_same_arguments(&one.arguments, &other.arguments))
}

fn are_same_arguments(one: &[Node<ast::Argument>], other: &[Node<ast::Argument>]) -> bool {
    let found = |name: &apollo_compiler::Name| other.iter().find(|argument| argument.name == *name);
    one.len() == other.len()
        && one.iter().all(|one| found(&one.name).is_some_and(|other| is_same_value(&one.value, &other.value)))
}

/// Whether two values are one, in whatever order their fields stand. The validator's comparison is not enough: it takes
/// two lists for one where the longer one begins like the shorter.
fn is_same_value(one: &ast::Value, other: &ast::Value) -> bool {
    match (one, other) {
        (ast::Value::List(one), ast::Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same_value(one, other))
        }
        (ast::Value::Object(one), ast::Value::Object(other)) => {
            let found = |name| other.iter().find(|(other, _)| other == name);
            one.len() == other.len()
                && one.iter().all(|(name, value)| found(name).is_some_and(|(_, other)| is_same_value(value, other)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests;
