//! Parsed documents, kept: frontends send the same few again and again, and parsing is half of a small query.

use std::sync::Arc;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::parser::{self, parse_query};
use moka::future::Cache as Store;

use crate::cache::Digests;

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
    /// Keeps documents of `max_bytes` of text.
    pub fn new(max_bytes: u64) -> Self {
        let store =
            Store::builder().max_capacity(max_bytes).weigher(|_: &u128, parsed: &Parsed| parsed.text_bytes).build();
        Self { store, digests: Digests::new() }
    }

    /// The document of a text.
    ///
    /// # Errors
    /// Where it is no GraphQL. The parser's message repeats the text, so it is not for a caller's eyes; its place is.
    pub async fn parse(&self, text: &str) -> Result<Arc<ExecutableDocument>, parser::Error> {
        let key = self.digests.of([text]);
        if let Some(parsed) = self.store.get(&key).await {
            return Ok(parsed.document);
        }
        let document = Arc::new(parse_query(text)?);
        let text_bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.store.insert(key, Parsed { document: Arc::clone(&document), text_bytes }).await;
        Ok(document)
    }
}
