//! Lowers a collected operation to the form that the engine runs: with the request's variables inserted, and without
//! named fragments, conditions and variables.

use apollo_compiler::executable::OperationType;
use async_graphql::parser::types::{
    self as engine, DocumentOperations, ExecutableDocument, InlineFragment, OperationDefinition, SelectionSet,
    TypeCondition,
};
use async_graphql::{Name, Positioned, Variables};
use async_graphql_value::Value;

use super::document::limits::exceeded;
use super::document::position::to_pos;
use crate::error::PublicError;
use crate::operation::document::collect::{CollectedField, CollectedOperation, CollectedSelection, value_count};

/// A lowered operation, by root field.
pub struct LoweredOperation {
    pub kind: engine::OperationType,
    pub fields: Vec<Positioned<engine::Field>>,
    offset: usize,
}

/// Inserts the variables into an operation. They are already coerced to their types.
///
/// # Errors
/// `OPERATION_TOO_LARGE` if the arguments would contain more than `max_argument_values` values. They are counted
/// before the first one is inserted, because a list in one variable can be used by every field.
pub fn lower(
    collected: &CollectedOperation,
    variables: &Variables,
    max_argument_values: usize,
) -> Result<LoweredOperation, PublicError> {
    let put_in = collected
        .variable_uses
        .iter()
        .map(|(name, times)| variables.get(name).map_or(0, value_count).saturating_mul(*times));
    let values = put_in.fold(collected.value_count, usize::saturating_add);
    if values > max_argument_values {
        return Err(exceeded("max_argument_values", max_argument_values, values));
    }
    let kind = match collected.kind {
        OperationType::Query => engine::OperationType::Query,
        OperationType::Mutation => engine::OperationType::Mutation,
        OperationType::Subscription => engine::OperationType::Subscription,
    };
    let fields = collected.fields.iter().map(|field| self::field(field, variables)).collect();
    Ok(LoweredOperation { kind, fields, offset: collected.offset })
}

impl LoweredOperation {
    /// The whole operation as one document.
    pub fn into_document(self) -> ExecutableDocument {
        document(self.kind, self.offset, self.fields)
    }

    /// One document per root field, with the field's response key.
    pub fn into_root_documents(self) -> impl Iterator<Item = (Name, ExecutableDocument)> {
        let Self { kind, fields, offset: at } = self;
        let key = |field: &engine::Field| field.response_key().node.clone();
        fields.into_iter().map(move |field| (key(&field.node), document(kind, at, vec![field])))
    }
}

fn document(kind: engine::OperationType, at: usize, fields: Vec<Positioned<engine::Field>>) -> ExecutableDocument {
    let pos = to_pos(at);
    let operation = OperationDefinition {
        ty: kind,
        variable_definitions: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::new(SelectionSet { items: fields.into_iter().map(as_selection).collect() }, pos),
    };
    ExecutableDocument {
        operations: DocumentOperations::Single(Positioned::new(operation, pos)),
        fragments: Default::default(),
    }
}

fn as_selection(field: Positioned<engine::Field>) -> Positioned<engine::Selection> {
    let pos = field.pos;
    Positioned::new(engine::Selection::Field(field), pos)
}

fn field(field: &CollectedField, variables: &Variables) -> Positioned<engine::Field> {
    let pos = to_pos(field.offset);
    let arguments = field.arguments.iter().filter_map(|argument| {
        let value = value(&argument.value, variables)?;
        Some((Positioned::new(argument.name.clone(), pos), Positioned::new(value, to_pos(argument.offset))))
    });
    let lowered = engine::Field {
        alias: field.alias.clone().map(|alias| Positioned::new(alias, pos)),
        name: Positioned::new(field.name.clone(), pos),
        arguments: arguments.collect(),
        directives: Vec::new(),
        selection_set: Positioned::new(selection(&field.selection, variables), pos),
    };
    Positioned::new(lowered, pos)
}

fn selection(selection: &CollectedSelection, variables: &Variables) -> SelectionSet {
    let fields =
        |fields: &[CollectedField]| fields.iter().map(|field| as_selection(self::field(field, variables))).collect();
    let items = match selection {
        CollectedSelection::Fields(selected) => fields(selected),
        CollectedSelection::ByType(types) => {
            let by_type = types.iter().map(|(on, selected)| {
                let pos = to_pos(selected.first().map_or(0, |first| first.offset));
                let on = TypeCondition { on: Positioned::new(on.clone(), pos) };
                let fragment = InlineFragment {
                    type_condition: Some(Positioned::new(on, pos)),
                    directives: Vec::new(),
                    selection_set: Positioned::new(SelectionSet { items: fields(selected) }, pos),
                };
                Positioned::new(engine::Selection::InlineFragment(Positioned::new(fragment, pos)), pos)
            });
            by_type.collect()
        }
    };
    SelectionSet { items }
}

/// A value with the variables inserted. `None` for a variable without a value: then the argument or input field is
/// omitted, so that its own default applies. In a list, such a variable is null.
fn value(value: &Value, variables: &Variables) -> Option<Value> {
    Some(match value {
        Value::Variable(name) => variables.get(name)?.clone().into_value(),
        Value::List(items) => {
            Value::List(items.iter().map(|item| self::value(item, variables).unwrap_or(Value::Null)).collect())
        }
        Value::Object(fields) => {
            let fields = fields.iter().filter_map(|(name, field)| Some((name.clone(), self::value(field, variables)?)));
            Value::Object(fields.collect())
        }
        literal => literal.clone(),
    })
}
