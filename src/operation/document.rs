//! Documents: parsed and validated once, then cached, because frontends send the same few texts again and again.
//!
//! A cached document is within all limits and valid against the schema. It also caches the collected forms of its
//! operations ([`collect`]), by the values of the Boolean variables in their conditions.

pub mod collect;
pub mod trusted;

mod arguments;
pub mod errors;
mod lexical;
pub mod limits;
pub mod parse;
pub mod position;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use apollo_compiler::executable::{ExecutableDocument, Operation, Selection, SelectionSet};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Node, Schema, ast};
use async_graphql::Variables;
use moka::future::Cache as Store;

use self::errors::RequestError;
use self::parse::{CONFLICTING_FIELDS, ParsedDocument, Settings};
use crate::error::{ErrorCode, PublicError};
use crate::operation::document::collect::{CollectedOperation, Conditions, boolean_variable};
use crate::privacy::digest::KeyedDigest;
use crate::telemetry::names;

/// Parses documents and caches them by the digest of their text. A document can contain literals, and a cache key must
/// not.
#[derive(Debug)]
pub struct DocumentCache {
    schema: Valid<Schema>,
    settings: Settings,
    cache: Store<u128, Arc<Document>>,
    digest: KeyedDigest,
}

/// A valid document.
#[derive(Debug)]
pub struct Document {
    /// The text as it was sent, for the positions in errors.
    pub text: Arc<str>,
    valid: Valid<ExecutableDocument>,
    /// The variables in the conditions of each operation and of its fragments.
    condition_variables: HashMap<Option<Box<str>>, Vec<Box<str>>>,
    /// The collected forms, oldest first.
    forms: Mutex<Vec<(FormKey, Arc<CollectedOperation>)>>,
    max_forms: usize,
    bytes: u32,
}

/// What a collected form depends on besides the document.
#[derive(Clone, PartialEq, Eq, Debug)]
struct FormKey {
    operation: Option<Box<str>>,
    /// In the order of [`ResolvedDocument::conditions`].
    conditions: Box<[bool]>,
}

impl FormKey {
    fn new(operation: &Operation, conditions: Box<[bool]>) -> Self {
        Self { operation: operation_key(operation), conditions }
    }
}

/// The estimated memory of a document per token, in bytes. Measured with 5,000 fields of one letter.
const BYTES_PER_TOKEN: usize = 250;
/// How many copies of a text are in memory: the text as sent, the text as parsed, and its literals in the parsed
/// document.
const TEXT_COPIES: usize = 3;
/// The estimated memory of a collected form per field, in bytes, including its names and arguments.
const BYTES_PER_FIELD: usize = 350;
/// The estimated memory of a collected form per argument value, in bytes. A long text counts as one value per 100
/// bytes.
const BYTES_PER_VALUE: usize = 100;
/// The maximum number of collected forms per document. A frontend uses few of the combinations of its conditions.
const MAX_FORMS: usize = 8;

impl DocumentCache {
    /// Creates a cache of documents whose estimated memory is at most `max_bytes`.
    pub fn new(schema: Valid<Schema>, settings: Settings, max_bytes: u64, digests: KeyedDigest) -> Self {
        let weigh = |_: &u128, document: &Arc<Document>| document.bytes;
        let cache = Store::builder().max_capacity(max_bytes).weigher(weigh).build();
        Self { schema, settings, cache, digest: digests }
    }

    /// The digest of a text under a secret, for places where the text must not appear. The same text has the same
    /// digest.
    pub fn text_digest(&self, text: &str) -> u128 {
        self.digest.digest([text])
    }

    /// The schema that documents are validated against.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The document of a text with this digest. `suggest` says whether error messages may contain names of the schema
    /// that the caller did not write.
    ///
    /// # Errors
    /// Why the document must not run. Such a document is not cached.
    pub async fn get_or_parse(
        &self,
        text: &Arc<str>,
        digest: u128,
        suggest: bool,
    ) -> Result<Arc<Document>, RequestError> {
        if let Some(document) = self.cache.get(&digest).await {
            record_lookup("hit");
            return Ok(document);
        }
        let read =
            parse::parse(&self.schema, text, &self.settings, suggest).inspect_err(|_| record_lookup("rejected"))?;
        record_lookup("miss");
        let document = Arc::new(Document::new(Arc::clone(text), read));
        self.cache.insert(digest, Arc::clone(&document)).await;
        // moka evicts only after some hundred inserts, so a burst of large documents would exceed the limit.
        self.cache.run_pending_tasks().await;
        Ok(document)
    }

    /// The collected form of a document's operation with these variables.
    ///
    /// # Errors
    /// If a condition has no value.
    pub fn collected(
        &self,
        document: &Document,
        operation: &Node<Operation>,
        variables: &Variables,
    ) -> Result<Arc<CollectedOperation>, RequestError> {
        let form = document.form(operation, variables)?;
        let known = document.forms().iter().find(|(known, _)| *known == form).map(|(_, form)| Arc::clone(form));
        if let Some(known) = known {
            return Ok(known);
        }
        let conditions = Conditions::Variables(variables);
        let collected =
            collect::collect(&self.schema, &document.valid, operation, conditions, self.settings.max_argument_values);
        // Both errors were excluded when the document was parsed, with every condition met.
        let collected =
            Arc::new(collected.map_err(|_| PublicError::new(ErrorCode::GraphqlValidationFailed, CONFLICTING_FIELDS))?);
        let mut forms = document.forms();
        if forms.len() >= document.max_forms {
            forms.remove(0);
        }
        forms.push((form, Arc::clone(&collected)));
        Ok(collected)
    }
}

impl Document {
    fn new(text: Arc<str>, read: ParsedDocument) -> Self {
        let ParsedDocument { document, tokens, collected } = read;
        let fields = collected.iter().map(|operation| operation.field_count).max().unwrap_or(0);
        let values = collected.iter().map(|operation| operation.value_count).max().unwrap_or(0);
        let found: Vec<ConditionVariables> = document
            .operations
            .iter()
            .map(|operation| ConditionVariables::from_operation(&document, operation))
            .collect();
        let combinations = |conditional: &ConditionVariables| match u32::try_from(conditional.variables.len()) {
            Ok(variables) => 1_usize.checked_shl(variables).unwrap_or(usize::MAX),
            Err(_) => usize::MAX,
        };
        let most_forms = found.iter().map(combinations).fold(0, usize::saturating_add).min(MAX_FORMS);
        let form_bytes = fields.saturating_mul(BYTES_PER_FIELD).saturating_add(values.saturating_mul(BYTES_PER_VALUE));
        let forms_bytes = most_forms.saturating_mul(form_bytes);
        let bytes = text.len().saturating_mul(TEXT_COPIES).saturating_add(tokens.saturating_mul(BYTES_PER_TOKEN));
        let bytes = u32::try_from(bytes.saturating_add(forms_bytes)).unwrap_or(u32::MAX);
        // An operation without conditions has one form, which was collected when the document was parsed.
        let forms = document.operations.iter().zip(collected).zip(&found).filter(|(_, found)| !found.has_condition);
        let forms =
            forms.map(|((operation, collected), _)| (FormKey::new(operation, Box::default()), Arc::new(collected)));
        let forms = Mutex::new(forms.take(most_forms).collect());
        let names = document.operations.iter().map(|operation| operation_key(operation));
        let conditions = names.zip(found.into_iter().map(|found| found.variables)).collect();
        Self { text, valid: document, condition_variables: conditions, forms, max_forms: most_forms, bytes }
    }

    /// The operation to run.
    ///
    /// # Errors
    /// `BAD_REQUEST` if no operation has this name, or if there are several and no name.
    pub fn operation(&self, name: Option<&str>) -> Result<&Node<Operation>, PublicError> {
        let operations = &self.valid.operations;
        operations.get(name).map_err(|_| {
            let message = match name {
                Some(_) => "The document has no operation with this `operationName`.",
                None => "The document has several operations. Select one by `operationName`.",
            };
            PublicError::new(ErrorCode::BadRequest, message)
        })
    }

    fn form(&self, operation: &Operation, variables: &Variables) -> Result<FormKey, PublicError> {
        let value = |name: &str| {
            boolean_variable(variables, name).ok_or_else(|| {
                // The variable's type is nullable and its default is not null, so the document is valid; but the
                // request sent null.
                let message = format!("Variable `${name}` must not be null: a condition takes `true` or `false`.");
                PublicError::new(ErrorCode::BadUserInput, message)
            })
        };
        let names = self.condition_variables.get(&operation_key(operation)).map(Vec::as_slice).unwrap_or_default();
        let conditions = names.iter().map(|name| value(name)).collect::<Result<_, _>>()?;
        Ok(FormKey::new(operation, conditions))
    }

    fn forms(&self) -> std::sync::MutexGuard<'_, Vec<(FormKey, Arc<CollectedOperation>)>> {
        self.forms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of an operation in a document: its name.
fn operation_key(operation: &Operation) -> Option<Box<str>> {
    operation.name.as_ref().map(|name| name.as_str().into())
}

/// The conditions of an operation and of its fragments.
#[derive(Default)]
struct ConditionVariables {
    /// Whether there is a condition, with a variable or a literal.
    has_condition: bool,
    /// The variables in the conditions, without duplicates.
    variables: Vec<Box<str>>,
}

impl ConditionVariables {
    fn from_operation(document: &ExecutableDocument, operation: &Operation) -> Self {
        let mut conditional = Self::default();
        conditional.find(document, &operation.selection_set, &mut HashSet::new());
        conditional
    }

    /// Adds the conditions of a selection. Its depth was limited before.
    fn find<'a>(&mut self, document: &'a ExecutableDocument, set: &'a SelectionSet, visited: &mut HashSet<&'a str>) {
        for selection in &set.selections {
            for directive in selection.directives().iter() {
                self.has_condition = true;
                for argument in &directive.arguments {
                    if let ast::Value::Variable(name) = &*argument.value
                        && !self.variables.iter().any(|known| **known == *name.as_str())
                    {
                        self.variables.push(name.as_str().into());
                    }
                }
            }
            match selection {
                Selection::Field(field) => self.find(document, &field.selection_set, visited),
                Selection::InlineFragment(fragment) => self.find(document, &fragment.selection_set, visited),
                Selection::FragmentSpread(spread) => {
                    if visited.insert(&spread.fragment_name)
                        && let Some(fragment) = document.fragments.get(&spread.fragment_name)
                    {
                        self.find(document, &fragment.selection_set, visited);
                    }
                }
            }
        }
    }
}

fn record_lookup(outcome: &'static str) {
    metrics::counter!(names::DOCUMENT_LOOKUPS, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::time::Duration;

    use serde_json::json;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::limits::DocumentLimits;
    use super::*;

    const SDL: &str = "type Query { a: Int b: Int c(d: String): Int }";

    fn documents() -> DocumentCache {
        documents_of(1_000_000)
    }

    fn documents_of(max_bytes: u64) -> DocumentCache {
        let settings = Settings {
            max_tokens: 1_000,
            max_nesting: 64,
            max_name_bytes: 128,
            limits: DocumentLimits {
                max_depth: 24,
                max_fields: 1_000,
                max_aliases: 100,
                max_root_fields: 100,
                max_directives: 100,
                max_introspection_depth: 4,
                max_operations: 50,
            },
            max_argument_values: 100,
            max_validation_errors: 20,
        };
        DocumentCache::new(parse::schema(SDL).expect("a schema"), settings, max_bytes, KeyedDigest::new())
    }

    #[tokio::test]
    async fn a_document_is_parsed_once_and_invalid_ones_are_not_cached() {
        let documents = documents();
        let text: Arc<str> = "{ a }".into();
        let digest = documents.text_digest(&text);
        let first = documents.get_or_parse(&text, digest, true).await.expect("a document");
        let again = documents.get_or_parse(&"other text".into(), digest, true).await.expect("the one that is kept");
        assert!(Arc::ptr_eq(&first, &again));
        for _ in 0..2 {
            assert!(documents.get_or_parse(&"{ nowhere }".into(), 7, true).await.is_err());
        }
    }

    /// A document of some 60 kB, and its weight.
    async fn large(documents: &DocumentCache, number: u128) -> (Weak<Document>, u64) {
        let text: Arc<str> = format!("{{ a }} # {number} {}", "x".repeat(20_000)).into();
        let document = documents.get_or_parse(&text, number, true).await.expect("a document");
        (Arc::downgrade(&document), document.bytes.into())
    }

    /// The weight of the cached documents, including those that moka's maintenance has not processed.
    fn kept(documents: &DocumentCache) -> u64 {
        documents.cache.iter().map(|(_, document)| u64::from(document.bytes)).sum()
    }

    #[tokio::test]
    async fn distinct_documents_one_after_another_stay_within_the_bound() {
        let documents = documents_of(1_000_000);
        for number in 0..300 {
            large(&documents, number).await;
            let bytes = kept(&documents);
            assert!(bytes <= 1_000_000, "{bytes} bytes after {number} documents");
        }
        let bytes = kept(&documents);
        assert!(bytes > 900_000, "only {bytes} bytes are used");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_burst_of_distinct_documents_stays_within_the_bound() {
        let documents = Arc::new(documents_of(1_000_000));
        let mut burst = JoinSet::new();
        for number in 0..300 {
            let documents = Arc::clone(&documents);
            burst.spawn(async move { large(&documents, number).await });
        }
        let read = burst.join_all().await;
        assert!(kept(&documents) <= 1_000_000, "{} bytes", kept(&documents));
        // The memory of an evicted document is freed when no thread can read it any more. The cache detects this as it
        // parses more documents, so up to two evicted documents may still be in memory.
        let in_memory =
            || read.iter().filter(|(document, _)| document.strong_count() > 0).map(|(_, bytes)| bytes).sum();
        let freed = async {
            for number in 1_000.. {
                let bytes: u64 = in_memory();
                if bytes <= 1_000_000 + 2 * 65_000 {
                    return;
                }
                large(&documents, number).await;
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), freed).await.expect("what is evicted is freed");
    }

    #[tokio::test]
    async fn an_operation_is_collected_once_for_each_set_of_conditions() {
        let documents = documents();
        let text: Arc<str> = "query Q($v: Boolean!, $d: String) { a @include(if: $v) c(d: $d) } query R { b }".into();
        let document = documents.get_or_parse(&text, 1, true).await.expect("a document");
        let collected = |name: &str, variables| {
            let operation = document.operation(Some(name)).expect("it is there");
            documents.collected(&document, operation, &Variables::from_json(variables)).expect("it merges")
        };
        let first = collected("Q", json!({"v": true, "d": "one"}));
        assert!(Arc::ptr_eq(&first, &collected("Q", json!({"v": true, "d": "two"}))), "arguments are kept as written");
        let other = collected("Q", json!({"v": false}));
        assert_eq!((first.fields.len(), other.fields.len()), (2, 1));
        assert_eq!(collected("R", json!({})).fields.len(), 1);
        assert!(Arc::ptr_eq(&first, &collected("Q", json!({"v": true}))));
    }

    #[tokio::test]
    async fn an_operation_without_a_condition_is_collected_when_it_is_read() {
        let documents = documents();
        let fields = async |text: &str, digest| {
            let document = documents.get_or_parse(&text.into(), digest, true).await.expect("a document");
            let kept = document.forms().len();
            let operation = document.operation(None).expect("one operation");
            let collected = documents.collected(&document, operation, &Variables::default()).expect("it merges");
            (kept, collected.fields.len())
        };
        assert_eq!(fields("{ a b }", 1).await, (1, 2));
        // A literal condition counts too: with every condition met both fields would be in the form.
        assert_eq!(fields("{ a @skip(if: true) b @include(if: true) }", 2).await, (0, 1));
    }

    #[tokio::test]
    async fn the_condition_of_one_operation_says_nothing_of_a_variable_of_another() {
        let documents = documents();
        let text: Arc<str> =
            "query A($v: String) { c(d: $v) } query B($v: Boolean!) { ...F } fragment F on Query { a @include(if: $v) b }".into();
        let document = documents.get_or_parse(&text, 1, true).await.expect("a document");
        for (name, variables, fields) in
            [("A", json!({}), 1), ("A", json!({"v": "x"}), 1), ("B", json!({"v": false}), 1)]
        {
            let operation = document.operation(Some(name)).expect("it is there");
            let collected = documents.collected(&document, operation, &Variables::from_json(variables));
            assert_eq!(collected.expect("it merges").fields.len(), fields);
        }
    }

    #[tokio::test]
    async fn the_forms_of_a_document_are_bounded() {
        let documents = documents();
        let names: Vec<String> = (0..10).map(|i| format!("v{i}")).collect();
        let declared: String = names.iter().map(|name| format!("${name}: Boolean! ")).collect();
        let fields: String = names.iter().map(|name| format!("{name}: a @include(if: ${name}) ")).collect();
        let text: Arc<str> = format!("query ({declared}) {{ {fields} }}").into();
        let document = documents.get_or_parse(&text, 1, true).await.expect("a document");
        for number in 0..100_usize {
            let values = names.iter().enumerate().map(|(i, name)| (name.clone(), json!(number >> i & 1 == 1)));
            let variables = Variables::from_json(serde_json::Value::Object(values.collect()));
            let operation = document.operation(None).expect("one operation");
            let collected = documents.collected(&document, operation, &variables).expect("it merges");
            assert_eq!(collected.fields.len(), number.count_ones() as usize);
        }
        assert_eq!(document.forms().len(), MAX_FORMS);
    }

    #[tokio::test]
    async fn a_condition_that_is_null_is_refused() {
        let documents = documents();
        let text: Arc<str> = "query ($v: Boolean = true) { a @include(if: $v) }".into();
        let document = documents.get_or_parse(&text, 1, true).await.expect("a document");
        let operation = document.operation(None).expect("one operation");
        let refused = documents.collected(&document, operation, &Variables::from_json(json!({"v": null})));
        assert_eq!(refused.expect_err("null is no condition").code(), ErrorCode::BadUserInput);
    }
}
