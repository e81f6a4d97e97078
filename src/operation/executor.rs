//! Prepares operations and runs them: the one way in for every transport.

use std::sync::Arc;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::parser::{Error as ParseError, parse_query};
use async_graphql::{Positioned, Request, Variables};
use serde_json::Value as Json;

use super::bounds::{self, Bounds};
use super::documents::{Documents, Known};
use super::outcome::{ErrorBounds, Outcome};
use super::trusted::{Document, Manifest, Named, TrustedDocuments};
use super::types::InputTypes;
use super::validated::{Shape, values_matter};
use super::{conflicts, rewrite, scan, typename, values, variables};
use crate::auth::Principal;
use crate::cache::{Digests, short};
use crate::customers::Session;
use crate::error::{Code, Failure};
use crate::graphql::{Schemas, cost};

/// What a transport has read of a request. It has no `Debug`: documents and variables hold personal data.
#[derive(Clone)]
pub struct Operation {
    pub document: Named,
    /// Which operation of the document; needed where it has several.
    pub name: Option<String>,
    pub variables: serde_json::Map<String, Json>,
}

/// An operation that may run. It has no `Debug`: it holds the variables.
pub struct Prepared {
    request: Request,
    validation: Validation,
    is_long: bool,
    kind: OperationType,
    label: Label,
    planned_calls: usize,
    unmaskings: usize,
}

/// What an operation is called where others than its caller read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// Its name; of a trusted document alone, since any other is the caller's words.
    pub name: Option<Arc<str>>,
    /// Its document: the id of a trusted one, of any other a digest under a secret.
    pub document: Arc<str>,
}

/// Whether an operation is validated when it runs.
enum Validation {
    /// It passed before, in the same shape.
    Passed,
    /// It is; where it passes, that is remembered.
    Due(Arc<Known>, Shape),
    /// It is, each time: what is run was made for its variables' values.
    Always,
}

impl Prepared {
    /// What it is called in the log and the metrics.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationType {
        self.kind
    }

    /// Whether it passed validation before, and is not validated again.
    pub fn has_passed(&self) -> bool {
        matches!(self.validation, Validation::Passed)
    }

    /// How many upstream calls it is going to make where nothing is kept.
    pub fn planned_calls(&self) -> usize {
        self.planned_calls
    }

    /// How many customers it is going to show in clear.
    pub fn unmaskings(&self) -> usize {
        self.unmaskings
    }
}

/// Bounds on documents; see `[graphql]` in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub max_tokens: usize,
    pub max_nesting: usize,
    pub max_name_bytes: usize,
    pub bounds: Bounds,
    pub documents_max_bytes: u64,
    pub errors: ErrorBounds,
    /// Whether introspection is answered.
    pub introspection: bool,
    /// How many values the arguments of an operation may hold, its variables put in.
    pub max_values: usize,
    /// How many upstream calls an operation may plan.
    pub max_upstream_calls: usize,
    /// How many representations of entities an operation may hold.
    pub max_representations: usize,
    /// How many customers an operation may show in clear.
    pub max_unmask_per_operation: usize,
}

/// The longest document, in bytes, whose unknown names are compared with those that are there, to suggest one. It takes
/// time by the length of both.
const MOST_SUGGESTED: usize = 16 * 1024;

/// Prepares and runs operations.
pub struct Executor {
    schemas: Schemas,
    types: InputTypes,
    trusted: TrustedDocuments,
    documents: Documents,
    settings: Settings,
}

impl Executor {
    /// An executor for a schema; documents are told apart by digests.
    ///
    /// # Errors
    /// Where the schema's own SDL cannot be read back.
    pub fn new(
        schemas: Schemas,
        trusted: TrustedDocuments,
        digests: Digests,
        settings: Settings,
    ) -> Result<Self, ParseError> {
        let types = InputTypes::from_sdl(&schemas.strict.sdl())?;
        let documents = Documents::new(settings.documents_max_bytes, digests);
        Ok(Self { schemas, types, trusted, documents, settings })
    }

    /// Takes every step before running: trusted document, scan, parse, bounds, conflicts, choose the operation, coerce
    /// variables, count values, cost, mend the engine's gaps.
    ///
    /// Whether the document fits the schema is found out by [`Executor::run`], unless it is known; what does not is not run.
    ///
    /// # Errors
    /// Why the operation may not run.
    pub async fn prepare(&self, operation: Operation, may_introspect: bool) -> Result<Prepared, Failure> {
        let Document { text, id } = self.trusted.document(operation.document).await?;
        let digest = self.documents.digest(&text);
        let known = self.documents.of(&text, digest, |text| self.read(text)).await?;
        let document = &known.document;
        let chosen = choose(document, operation.name.as_deref())?;
        let names = self.settings.introspection || may_introspect;
        let variables = variables::coerce(&self.types, &chosen.node.variable_definitions, operation.variables, names)?;
        let kind = chosen.node.ty;
        let values = values::count(&chosen.node, &document.fragments, &variables);
        if values > self.settings.max_values {
            return Err(bounds::over("max_values", self.settings.max_values, values));
        }
        let representations = cost::representations(&chosen.node, &document.fragments, &variables);
        if representations > self.settings.max_representations {
            return Err(bounds::over("max_representations", self.settings.max_representations, representations));
        }
        let planned_calls = cost::planned_calls(&chosen.node, &document.fragments, &variables);
        if planned_calls > self.settings.max_upstream_calls {
            return Err(bounds::over("max_upstream_calls", self.settings.max_upstream_calls, planned_calls));
        }
        let unmaskings = cost::unmaskings(&chosen.node, &document.fragments, &variables);
        if unmaskings > self.settings.max_unmask_per_operation {
            let limit = self.settings.max_unmask_per_operation;
            return Err(bounds::over("max_unmask_per_operation", limit, unmaskings));
        }
        let label = Label {
            name: id.as_ref().and_then(|_| name_of(document, operation.name.as_deref())),
            document: id.filter(|id| id.len() <= LONGEST_ID).unwrap_or_else(|| short(digest).into()),
        };
        let mut request = Request::new("").variables(variables);
        let shape = Shape::of(operation.name.as_deref(), &chosen.node.variable_definitions, &request.variables);
        let (document, merged) = mended(document, chosen.clone(), operation.name.as_deref(), &request.variables);
        let validation = match shape {
            _ if merged => Validation::Always,
            shape if known.has_passed(&shape) => Validation::Passed,
            shape => Validation::Due(known, shape),
        };
        request.operation_name = match &document.operations {
            // The engine looks for a name among named operations only.
            DocumentOperations::Single(_) => None,
            DocumentOperations::Multiple(_) => operation.name,
        };
        request.set_parsed_query(document);
        let is_long = text.len() > MOST_SUGGESTED;
        Ok(Prepared { request, validation, is_long, kind, label, planned_calls, unmaskings })
    }

    /// Goes by another manifest of trusted documents from now on.
    pub fn trust(&self, manifest: Manifest) {
        self.trusted.replace(manifest);
    }

    /// The document of a text that is not kept.
    fn read(&self, text: &str) -> Result<ExecutableDocument, Failure> {
        let extent = scan::extent(text);
        for (bound, limit, value) in [
            ("max_tokens", self.settings.max_tokens, extent.tokens),
            ("max_nesting", self.settings.max_nesting, extent.nesting),
            ("max_name_bytes", self.settings.max_name_bytes, extent.longest_name),
        ] {
            if value > limit {
                return Err(bounds::over(bound, limit, value));
            }
        }
        let mut document = parse_query(text).map_err(|error| not_graphql(&error))?;
        bounds::check(&document, &self.settings.bounds)?;
        conflicts::check(&document)?;
        typename::bare(&mut document)?;
        Ok(document)
    }

    /// Runs a prepared operation for a caller.
    pub async fn run(
        &self,
        prepared: Prepared,
        principal: Principal,
        session: Arc<Session>,
        request_id: &str,
    ) -> Outcome {
        let open = self.settings.introspection || principal.may_introspect;
        let request = if open { prepared.request } else { prepared.request.disable_introspection() };
        let request = request.data(Principal { may_introspect: open, ..principal }).data(session);
        let schema = match prepared.validation {
            Validation::Passed => &self.schemas.passed,
            Validation::Due(..) | Validation::Always if prepared.is_long => &self.schemas.silent,
            Validation::Due(..) | Validation::Always => &self.schemas.strict,
        };
        let response = schema.execute(request).await;
        let outcome = Outcome::of(response, self.settings.errors, request_id);
        if let Validation::Due(known, shape) = prepared.validation
            // What was run has passed, whatever came of it.
            && !outcome.is_refused()
            && !values_matter(&known.document, &self.types)
        {
            known.pass(shape);
        }
        outcome
    }
}

/// Where a text stops being GraphQL. The parser's own message repeats the text, which can hold personal data.
fn not_graphql(error: &ParseError) -> Failure {
    let place = error.positions().next();
    let place = place.map(|pos| format!(" at line {}, column {}", pos.line, pos.column)).unwrap_or_default();
    Failure::new(Code::GraphqlParseFailed, format!("The document is not GraphQL: syntax error{place}."))
}

/// The operation to run.
fn choose<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, Failure> {
    let unknown = || {
        let message = "The document has no operation with this `operationName`.";
        Failure::new(Code::BadRequest, message)
    };
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Single(_), Some(_)) => Err(unknown()),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name).ok_or_else(unknown),
        (DocumentOperations::Multiple(operations), None) => match operations.values().next() {
            Some(operation) if operations.len() == 1 => Ok(operation),
            _ => {
                let message = "The document has several operations: say which one by `operationName`.";
                Err(Failure::new(Code::BadRequest, message))
            }
        },
    }
}

/// The name of the operation to run, where it has one.
fn name_of(document: &ExecutableDocument, name: Option<&str>) -> Option<Arc<str>> {
    match (&document.operations, name) {
        (DocumentOperations::Single(_), _) => None,
        (DocumentOperations::Multiple(_), Some(name)) => Some(name.into()),
        (DocumentOperations::Multiple(operations), None) => operations.keys().next().map(|name| name.as_str().into()),
    }
}

/// Ids are hashes or names; a longer one would fill the log.
const LONGEST_ID: usize = 100;

/// The document with the chosen operation mended, and whether that went by the values of variables.
fn mended(
    document: &ExecutableDocument,
    chosen: Positioned<OperationDefinition>,
    name: Option<&str>,
    variables: &Variables,
) -> (ExecutableDocument, bool) {
    let mut operation = chosen;
    let mut fragments = document.fragments.clone();
    rewrite::drop_arguments_without_a_value(&mut operation.node, &mut fragments, variables);
    if rewrite::merge_repeated_mutations(&mut operation.node, &mut fragments, variables) {
        return (ExecutableDocument { operations: DocumentOperations::Single(operation), fragments }, true);
    }
    let mut operations = document.operations.clone();
    match (&mut operations, name) {
        (DocumentOperations::Single(place), _) => *place = operation,
        (DocumentOperations::Multiple(places), Some(name)) => {
            if let Some(place) = places.get_mut(name) {
                *place = operation;
            }
        }
        (DocumentOperations::Multiple(places), None) => {
            if let Some(place) = places.values_mut().next() {
                *place = operation;
            }
        }
    }
    (ExecutableDocument { operations, fragments }, false)
}
