//! Rules for arguments that `apollo-compiler` does not check, by a walk over all arguments with their types.
//!
//! - A variable inside a list or an object must fit the type at its position. The validator compares only the names of
//!   the types there.
//! - A default of `null` is no default: `$a: ID = null` does not fit `ID!`.
//! - A `@oneOf` input object takes exactly one non-null field. A variable there must be non-null.
//! - No field of an input object occurs twice.
//! - A custom scalar takes a string. The validator accepts anything, and a number that JSON cannot represent would
//!   become null.

use std::collections::HashSet;

use apollo_compiler::ast::{DirectiveList, Type, Value, VariableDefinition};
use apollo_compiler::executable::{ExecutableDocument, Operation, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Node, Schema};

use super::errors::DocumentError;
use super::position;

/// The errors in a document's arguments and in the defaults of its variables. `names` says whether messages may
/// contain types and enum values that the caller did not write.
pub fn check(schema: &Schema, document: &ExecutableDocument, names: bool) -> Vec<DocumentError> {
    let mut mistakes = Vec::new();
    for operation in document.operations.iter() {
        let mut walk =
            ArgumentWalk { schema, document, operation, suggest: names, fragments: HashSet::new(), errors: Vec::new() };
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                walk.value(default, Some(&variable.ty), false);
            }
            walk.directives(&variable.directives);
        }
        walk.directives(&operation.directives);
        walk.selection(&operation.selection_set);
        mistakes.append(&mut walk.errors);
    }
    mistakes
}

struct ArgumentWalk<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    operation: &'a Operation,
    suggest: bool,
    /// The fragments that were visited. A fragment gives the same result wherever this operation spreads it.
    fragments: HashSet<&'a Name>,
    errors: Vec<DocumentError>,
}

impl<'a> ArgumentWalk<'a> {
    fn selection(&mut self, set: &'a SelectionSet) {
        for selection in &set.selections {
            self.directives(selection.directives());
            match selection {
                Selection::Field(field) => {
                    for argument in &field.arguments {
                        if let Some(definition) = field.definition.argument_by_name(&argument.name) {
                            self.value(&argument.value, Some(&definition.ty), definition.default_value.is_some());
                        }
                    }
                    self.selection(&field.selection_set);
                }
                Selection::InlineFragment(fragment) => self.selection(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    if self.fragments.insert(&spread.fragment_name)
                        && let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
                    {
                        self.directives(&fragment.directives);
                        self.selection(&fragment.selection_set);
                    }
                }
            }
        }
    }

    fn directives(&mut self, directives: &'a DirectiveList) {
        for directive in directives.iter() {
            let Some(definition) = self.schema.directive_definitions.get(&directive.name) else { continue };
            for argument in &directive.arguments {
                if let Some(definition) = definition.argument_by_name(&argument.name) {
                    self.value(&argument.value, Some(&definition.ty), definition.default_value.is_some());
                }
            }
        }
    }

    /// `ty` is the type at the value's position. It is `None` inside a custom scalar that takes anything.
    /// `has_default` says whether the position has a default of its own.
    fn value(&mut self, value: &'a Node<Value>, ty: Option<&Type>, has_default: bool) {
        match (&**value, ty) {
            (Value::Variable(name), Some(ty)) => {
                let fits = |variable: &Node<VariableDefinition>| is_usage_allowed(variable, ty, has_default);
                if let Some(variable) = self.variable(name).filter(|variable| !fits(variable)) {
                    let declared = &variable.ty;
                    let expected = if self.suggest { format!("where `{ty}` is expected") } else { "there".to_owned() };
                    let message = format!("Variable `${name}` of type `{declared}` cannot be used {expected}.");
                    self.record(message, value);
                }
            }
            (Value::List(items), ty) => items.iter().for_each(|item| self.value(item, ty.map(Type::item_type), false)),
            (Value::Object(fields), ty) => self.object(value, fields, ty),
            (_, None) => {}
            (_, Some(ty)) => self.leaf(value, ty),
        }
        if let Some(name) = ty.filter(|_| matches!(&**value, Value::Object(_))).and_then(|ty| self.text_scalar(ty)) {
            self.record_expected("a string", name, value);
        }
    }

    /// A value that is neither a variable nor a list nor an object.
    fn leaf(&mut self, value: &Node<Value>, ty: &Type) {
        let name = ty.inner_named_type();
        match (&**value, self.schema.types.get(name)) {
            (Value::Int(number), Some(ExtendedType::Scalar(_))) if name == "ID" && number.as_str().len() > 18 => {
                self.record(
                    "An id that is written as a number has at most 18 digits. Write it as a string.".to_owned(),
                    value,
                );
            }
            (Value::Int(_) | Value::Float(_) | Value::Boolean(_) | Value::Enum(_), _) => {
                if let Some(name) = self.text_scalar(ty) {
                    self.record_expected("a string", name, value);
                }
            }
            _ => {}
        }
    }

    /// The name of a custom scalar that takes a string. `_Any` takes anything.
    fn text_scalar<'t>(&self, ty: &'t Type) -> Option<&'t str> {
        let name = ty.inner_named_type();
        let scalar = self.schema.get_scalar(name)?;
        (!scalar.is_built_in() && name != "_Any").then_some(name.as_str())
    }

    fn record_expected(&mut self, expected: &str, name: &str, value: &Node<Value>) {
        let place = if self.suggest { format!(" for `{name}`") } else { String::new() };
        let found = match &**value {
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Boolean(_) => "a boolean",
            Value::Enum(_) => "an enum value",
            Value::Object(_) => "an object",
            Value::Null | Value::Variable(_) | Value::String(_) | Value::List(_) => "another value",
        };
        self.record(format!("Expected {expected}{place}, found {found}."), value);
    }

    fn object(&mut self, value: &'a Node<Value>, fields: &'a [(Name, Node<Value>)], ty: Option<&Type>) {
        let mut names = HashSet::new();
        if let Some((name, _)) = fields.iter().find(|(name, _)| !names.insert(name)) {
            self.record(format!("Field `{name}` of an input object is given twice."), value);
        }
        let schema = self.schema;
        let object = ty.and_then(|ty| schema.get_input_object(ty.inner_named_type()));
        if let Some(object) = object.filter(|object| object.directives.has("oneOf")) {
            let nullable = |value: &Node<Value>| match &**value {
                Value::Null => true,
                Value::Variable(name) => self.variable(name).is_some_and(|variable| !variable.ty.is_non_null()),
                _ => false,
            };
            if fields.len() != 1 || fields.iter().any(|(_, value)| nullable(value)) {
                let name = if self.suggest { format!("`{}`", object.name) } else { "This input object".to_owned() };
                let message = format!("{name} takes exactly one of its fields, and that must not be null.");
                self.record(message, value);
            }
        }
        for (name, value) in fields {
            // The validator reports a field that the type does not have.
            let definition = object.and_then(|object| object.fields.get(name));
            let has_default = definition.is_some_and(|definition| definition.default_value.is_some());
            self.value(value, definition.map(|definition| &*definition.ty), has_default);
        }
    }

    fn variable(&self, name: &Name) -> Option<&'a Node<VariableDefinition>> {
        self.operation.variables.iter().find(|variable| variable.name == *name)
    }

    fn record(&mut self, message: String, value: &Node<Value>) {
        self.errors.push(DocumentError::new(message, Some(position::offset(value))));
    }
}

/// `IsVariableUsageAllowed()` of the specification.
fn is_usage_allowed(variable: &VariableDefinition, ty: &Type, has_default: bool) -> bool {
    let default = variable.default_value.as_ref().is_some_and(|default| !default.is_null());
    if ty.is_non_null() && !variable.ty.is_non_null() {
        return (default || has_default) && variable.ty.is_assignable_to(&ty.clone().nullable());
    }
    variable.ty.is_assignable_to(ty)
}
