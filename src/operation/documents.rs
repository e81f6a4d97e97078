//! Documents that were read, kept: frontends send the same few again and again, and reading one is most of a small query.
//!
//! What is kept is within the bounds, so that neither the scan nor the bounds look at it again. And it remembers in which
//! shapes it passed validation; see [`super::validated`].

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::ExecutableDocument;
use moka::future::Cache as Store;

use super::scan;
use super::validated::Shape;
use crate::cache::Digests;
use crate::telemetry::names;

/// How many shapes a document remembers; frontends leave out the same few variables again and again.
const MOST_SHAPES: usize = 16;

/// What a document takes in memory for each of its tokens. Measured: 5,000 fields of one letter took 1.7 MB.
const BYTES_PER_TOKEN: usize = 350;

/// Documents by the digest of their text: a document can hold literals, a key must not.
#[derive(Debug)]
pub struct Documents {
    store: Store<u128, Kept>,
    digests: Digests,
}

#[derive(Clone, Debug)]
struct Kept {
    known: Arc<Known>,
    bytes: u32,
}

/// A document that is within the bounds, and what is known of it.
#[derive(Debug)]
pub struct Known {
    pub document: ExecutableDocument,
    passed: Mutex<Vec<Shape>>,
}

impl Known {
    fn new(document: ExecutableDocument) -> Self {
        Self { document, passed: Mutex::default() }
    }

    /// Whether it passed validation in this shape.
    pub fn has_passed(&self, shape: &Shape) -> bool {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).contains(shape)
    }

    /// Remembers that it passed validation in this shape, in place of the oldest one where there are many.
    pub fn pass(&self, shape: Shape) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.contains(&shape) {
            return;
        }
        if passed.len() >= MOST_SHAPES {
            passed.remove(0);
        }
        passed.push(shape);
    }
}

impl Documents {
    /// Keeps documents that take about `max_bytes` of memory at most, by digests.
    pub fn new(max_bytes: u64, digests: Digests) -> Self {
        let store = Store::builder().max_capacity(max_bytes).weigher(|_: &u128, kept: &Kept| kept.bytes).build();
        Self { store, digests }
    }

    /// What a text is called where it must not be repeated: the same for the same text, under a secret.
    pub fn digest(&self, text: &str) -> u128 {
        self.digests.of([text])
    }

    /// The document of a text, which has this digest: the one that is kept, or what `read` makes of the text.
    ///
    /// # Errors
    /// Those of `read`; such a text is not kept.
    pub async fn of<E>(
        &self,
        text: &str,
        key: u128,
        read: impl FnOnce(&str) -> Result<ExecutableDocument, E>,
    ) -> Result<Arc<Known>, E> {
        if let Some(kept) = self.store.get(&key).await {
            count("kept");
            return Ok(kept.known);
        }
        let known = Arc::new(Known::new(read(text).inspect_err(|_| count("refused"))?));
        count("read");
        let bytes = text.len().saturating_add(scan::extent(text).tokens.saturating_mul(BYTES_PER_TOKEN));
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.store.insert(key, Kept { known: Arc::clone(&known), bytes }).await;
        Ok(known)
    }
}

fn count(result: &'static str) {
    metrics::counter!(names::DOCUMENT_READS, "result" => result).increment(1);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use async_graphql::Variables;
    use async_graphql::parser::parse_query;

    use super::*;

    #[tokio::test]
    async fn a_text_is_read_once_and_what_cannot_be_read_is_not_kept() {
        let documents = Documents::new(100_000, Digests::new());
        assert_eq!(documents.of("{ a }", 1, |_| Err("no")).await.expect_err("it was not read"), "no");
        let first = documents.of("{ a }", 1, |text| parse_query(text)).await.expect("a document");
        let again = documents.of("{ a }", 1, |_| -> Result<_, Infallible> { unreachable!("it is kept") }).await;
        assert!(Arc::ptr_eq(&first, &again.expect("the same")));
    }

    #[test]
    fn the_shapes_of_a_document_are_bounded() {
        let known = Known::new(parse_query("{ a }").expect("a document"));
        let shape = |i: usize| Shape::of(Some(&format!("Q{i}")), &[], &Variables::default());
        (0..100).for_each(|i| known.pass(shape(i)));
        (0..2).for_each(|_| known.pass(shape(99)));
        assert!(known.has_passed(&shape(99)) && known.has_passed(&shape(100 - MOST_SHAPES)));
        assert!(!known.has_passed(&shape(99 - MOST_SHAPES)));
    }
}
