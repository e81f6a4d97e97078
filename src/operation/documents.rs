//! Parsed documents, kept: frontends send the same few again and again, and parsing is half of a small query.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::parser::{self, parse_query};
use moka::future::Cache as Store;

use crate::cache::Digests;
use crate::telemetry::names;

/// Parsed documents by the digest of their text: a document can hold literals, a key must not.
#[derive(Debug)]
pub struct Documents {
    store: Store<u128, Parsed>,
    digests: Digests,
}

#[derive(Clone, Debug)]
struct Parsed {
    document: Arc<ExecutableDocument>,
    text_bytes: u32,
}

impl Documents {
    /// Keeps documents of `max_bytes` of text, by digests.
    pub fn new(max_bytes: u64, digests: Digests) -> Self {
        let store =
            Store::builder().max_capacity(max_bytes).weigher(|_: &u128, parsed: &Parsed| parsed.text_bytes).build();
        Self { store, digests }
    }

    /// What a text is called where it must not be repeated: the same for the same text, under a secret.
    pub fn digest(&self, text: &str) -> u128 {
        self.digests.of([text])
    }

    /// The document of a text, which has this digest.
    ///
    /// # Errors
    /// Where it is no GraphQL. The parser's message repeats the text, so it is not for a caller's eyes; its place is.
    pub async fn parse(&self, text: &str, key: u128) -> Result<Arc<ExecutableDocument>, parser::Error> {
        if let Some(parsed) = self.store.get(&key).await {
            count("kept");
            return Ok(parsed.document);
        }
        let document = parse_query(text).inspect_err(|_| count("wrong"))?;
        count("parsed");
        let document = Arc::new(document);
        let text_bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.store.insert(key, Parsed { document: Arc::clone(&document), text_bytes }).await;
        Ok(document)
    }
}

fn count(result: &'static str) {
    metrics::counter!(names::DOCUMENT_PARSES, "result" => result).increment(1);
}
