//! Prepares and runs operations. Every transport uses it.

use std::sync::Arc;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Name, Request, Response, ServerError, Value};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Value as Json;

use super::cost::{Cost, cost};
use super::document::errors::RequestError;
use super::document::limits::exceeded;
use super::document::{Document, DocumentCache, parse};
use super::lower::{LoweredOperation, lower};
use super::on_error::OnError;
use super::response::{self, GraphqlResponse};
use super::variables;
use crate::auth::Principal;
use crate::customers::Session;
use crate::error::{ErrorCode, PublicError};
use crate::graphql::Schema;
use crate::graphql::nullability::NullOnError;
use crate::operation::document::collect::CollectedOperation;
use crate::operation::document::trusted::{self, DocumentReference, Manifest, TrustedDocuments};
use crate::privacy::digest::{KeyedDigest, abbreviated};
use crate::response_size::ResponseSize;
use crate::setting;

/// The parameters of a request. It has no `Debug`, because documents and variables contain personal data.
#[derive(Clone)]
pub struct GraphqlRequest {
    pub document: DocumentReference,
    /// The operation of the document to run. Required if the document has several.
    pub operation_name: Option<String>,
    pub variables: serde_json::Map<String, Json>,
    /// How far errors propagate. `None` for the default of the settings.
    pub on_error: Option<OnError>,
}

/// An operation that may run. It has no `Debug`, because it contains the variables.
pub struct PreparedOperation {
    document: Arc<Document>,
    collected: Arc<CollectedOperation>,
    operation: LoweredOperation,
    on_error: OnError,
    label: OperationLabel,
    cost: Cost,
}

/// The name of an operation in logs and metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperationLabel {
    /// The operation's name. Only for a trusted document, because any other name is text of the caller.
    pub name: Option<Arc<str>>,
    /// The document: the id of a trusted one, otherwise a digest under a secret.
    pub document: Arc<str>,
}

impl PreparedOperation {
    /// The name in the log and the metrics.
    pub fn label(&self) -> &OperationLabel {
        &self.label
    }

    /// Query, mutation or subscription.
    pub fn kind(&self) -> OperationType {
        self.operation.kind
    }

    /// The number of upstream calls with an empty cache.
    pub fn planned_calls(&self) -> usize {
        self.cost.calls
    }

    /// The number of customers that it unmasks.
    pub fn unmaskings(&self) -> usize {
        self.cost.unmaskings
    }

    /// The units that it costs besides the request unit: one per planned call, and one per 10,000 response fields.
    pub fn rate_limit_cost(&self) -> usize {
        self.cost.calls.saturating_add(self.cost.response_fields / FIELDS_PER_UNIT)
    }
}

/// Limits on operations; see `[graphql]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Settings {
    #[serde(flatten)]
    pub documents: parse::Settings,
    pub documents_max_bytes: u64,
    #[serde(flatten)]
    pub responses: response::ResponseLimits,
    /// How many upstream calls an operation may plan.
    #[serde(deserialize_with = "setting::positive")]
    pub max_upstream_calls: usize,
    /// How many representations of entities an operation may hold.
    #[serde(deserialize_with = "setting::positive")]
    pub max_representations: usize,
    /// How many fields an answer may have.
    pub max_response_fields: usize,
    /// What an error does where the caller does not say.
    #[serde(deserialize_with = "setting::word")]
    pub on_error: OnError,
}

/// Prepares and runs operations.
pub struct Executor {
    schema: Schema,
    trusted: TrustedDocuments,
    documents: DocumentCache,
    settings: Settings,
    introspection: bool,
    max_unmask_per_operation: usize,
}

impl Executor {
    /// An executor for a schema; documents are told apart by digests. `introspection` is whether every caller may use
    /// introspection. `max_unmask_per_operation` is how many customers an operation may unmask.
    ///
    /// # Errors
    /// If the schema's own SDL is not valid.
    pub fn new(
        schema: Schema,
        trusted: TrustedDocuments,
        digests: KeyedDigest,
        settings: Settings,
        introspection: bool,
        max_unmask_per_operation: usize,
    ) -> Result<Self, String> {
        let valid = parse::schema(&schema.sdl())?;
        let documents = DocumentCache::new(valid, settings.documents, settings.documents_max_bytes, digests);
        Ok(Self { schema, trusted, documents, settings, introspection, max_unmask_per_operation })
    }

    /// Takes every step before running: finds the document, parses it unless it is cached, selects the operation,
    /// coerces the variables, collects the fields, inserts the variables, and compares the cost with the limits.
    ///
    /// # Errors
    /// Why the operation may not run.
    pub async fn prepare(
        &self,
        operation: GraphqlRequest,
        may_introspect: bool,
    ) -> Result<PreparedOperation, RequestError> {
        let trusted::ResolvedDocument { text, id } = self.trusted.resolve(operation.document).await?;
        let digest = self.documents.text_digest(&text);
        let names = self.introspection || may_introspect;
        let document = self.documents.get_or_parse(&text, digest, names).await?;
        let chosen = document.operation(operation.operation_name.as_deref())?;
        let variables = variables::coerce(self.documents.schema(), &chosen.variables, operation.variables, names)?;
        let collected = self.documents.collected(&document, chosen, &variables)?;
        let lowered = lower(&collected, &variables, self.settings.documents.max_argument_values)?;
        let cost = cost(&collected, &lowered.fields).map_err(|field| {
            tracing::error!(field, "a root field has no price");
            PublicError::new(ErrorCode::InternalServerError, "Something went wrong in the gateway.")
        })?;
        let settings = &self.settings;
        for (name, limit, value) in [
            ("max_representations", settings.max_representations, cost.representations),
            ("max_upstream_calls", settings.max_upstream_calls, cost.calls),
            ("max_unmask_per_operation", self.max_unmask_per_operation, cost.unmaskings),
            ("max_response_fields", settings.max_response_fields, cost.response_fields),
        ] {
            if value > limit {
                return Err(exceeded(name, limit, value).into());
            }
        }
        let name = chosen.name.as_ref().filter(|_| id.is_some());
        let label = OperationLabel {
            name: name.map(|name| name.as_str().into()),
            document: id.filter(|id| id.len() <= MAX_DOCUMENT_ID_CHARS).unwrap_or_else(|| abbreviated(digest).into()),
        };
        let on_error = operation.on_error.unwrap_or(settings.on_error);
        Ok(PreparedOperation { document, collected, operation: lowered, on_error, label, cost })
    }

    /// Replaces the manifest of trusted documents.
    pub fn replace_manifest(&self, manifest: Manifest) {
        self.trusted.replace_manifest(manifest);
    }

    /// Runs a prepared operation for a caller.
    pub async fn run(
        &self,
        prepared: PreparedOperation,
        principal: Principal,
        session: Arc<Session>,
        request_id: &str,
    ) -> GraphqlResponse {
        let may_introspect = self.introspection || principal.may_introspect;
        let PreparedOperation { document, collected, operation, on_error, .. } = prepared;
        let limits = self.settings.responses;
        let size = Arc::new(match operation.kind {
            // The result of a mutation is always reported.
            OperationType::Mutation => ResponseSize::unlimited(),
            OperationType::Query | OperationType::Subscription => ResponseSize::limited(limits.max_response_bytes),
        });
        let principal = Principal { may_introspect, ..principal };
        let null_on_error = NullOnError(on_error == OnError::Null);
        let run =
            Execution { schema: &self.schema, principal, session, response_size: Arc::clone(&size), null_on_error };
        let response = tokio::select! {
            biased;
            () = size.exceeded() => None,
            response = run.operation(operation, on_error) => Some(response),
        };
        // A response that exceeds the size limit fails as a whole, also if it completes at the same moment.
        match response.filter(|_| !size.is_exceeded()) {
            Some(response) => GraphqlResponse::from_engine(response, &collected, &document.text, limits, request_id),
            None => GraphqlResponse::too_large(limits, request_id),
        }
    }
}

/// What all parts of an operation run with.
struct Execution<'a> {
    schema: &'a Schema,
    principal: Principal,
    session: Arc<Session>,
    response_size: Arc<ResponseSize>,
    null_on_error: NullOnError,
}

impl Execution<'_> {
    async fn operation(&self, operation: LoweredOperation, on_error: OnError) -> Response {
        match (on_error, operation.kind) {
            (OnError::Propagate, _) => self.document(operation.into_document()).await,
            (OnError::Halt, OperationType::Query | OperationType::Subscription) => {
                drop_data_on_error(self.document(operation.into_document()).await)
            }
            // Boxed, so that the futures of these rarer modes do not enlarge the common one.
            (OnError::Halt, OperationType::Mutation) => Box::pin(self.run_serially(operation, true)).await,
            (OnError::Null, OperationType::Mutation) => Box::pin(self.run_serially(operation, false)).await,
            (OnError::Null, OperationType::Query | OperationType::Subscription) => {
                Box::pin(self.run_in_parallel(operation)).await
            }
        }
    }

    async fn document(&self, document: ExecutableDocument) -> Response {
        let request = Request::new("").data(self.principal.clone()).data(Arc::clone(&self.session));
        let mut request = request.data(Arc::clone(&self.response_size)).data(self.null_on_error);
        if !self.principal.may_introspect {
            request = request.disable_introspection();
        }
        request.set_parsed_query(document);
        self.schema.execute(request).await
    }

    /// Runs the root fields of a query concurrently, each by itself. One that fails is null and does not affect the
    /// others.
    async fn run_in_parallel(&self, operation: LoweredOperation) -> Response {
        let (keys, documents): (Vec<_>, Vec<_>) = operation.into_root_documents().unzip();
        let responses = join_all(documents.into_iter().map(|document| self.document(document))).await;
        let mut parts = RootFieldResponses::default();
        keys.into_iter().zip(responses).for_each(|(key, response)| parts.add(key, response));
        parts.response()
    }

    /// Runs the root fields of a mutation one after the other. With `halt` the first error ends the operation, without
    /// data.
    async fn run_serially(&self, operation: LoweredOperation, halt: bool) -> Response {
        let mut parts = RootFieldResponses::default();
        for (key, document) in operation.into_root_documents() {
            parts.add(key, self.document(document).await);
            if halt && !parts.errors.is_empty() {
                break;
            }
        }
        if halt { drop_data_on_error(parts.response()) } else { parts.response() }
    }
}

/// Merges the responses of root fields that ran by themselves.
#[derive(Default)]
struct RootFieldResponses {
    data: IndexMap<Name, Value>,
    errors: Vec<ServerError>,
}

impl RootFieldResponses {
    fn add(&mut self, key: Name, mut response: Response) {
        let value = match &mut response.data {
            Value::Object(data) => data.swap_remove(&key).unwrap_or_default(),
            _ => Value::Null,
        };
        self.data.insert(key, value);
        self.errors.append(&mut response.errors);
    }

    fn response(self) -> Response {
        let mut response = Response::new(Value::Object(self.data));
        response.errors = self.errors;
        response
    }
}

fn drop_data_on_error(mut response: Response) -> Response {
    if !response.errors.is_empty() {
        response.data = Value::Null;
    }
    response
}

/// This many response fields take about as long as one call.
const FIELDS_PER_UNIT: usize = 10_000;

/// Ids are hashes or names. A longer id would fill the log.
const MAX_DOCUMENT_ID_CHARS: usize = 100;
