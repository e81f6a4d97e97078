//! Trusted documents: the documents of the operator's own frontends, identified by their ids.
//!
//! A manifest lists them, in the format of graphql-codegen and Relay (`{"hash": "text"}`), or of Apollo (`{"format":
//! "apollo-persisted-query-manifest", "operations": [{"id", "body"}]}`). With the mode `only` no other document runs,
//! so callers cannot send documents of their own. Automatic persisted queries are something else: any caller may
//! register a text, so they save bytes and protect nothing.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use moka::future::Cache as Store;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use crate::error::{ErrorCode, PublicError};
use crate::privacy::digest::hex;
use crate::telemetry::names;

/// What the gateway does with documents that no manifest lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// It runs them.
    Off,
    /// It runs them and logs them.
    Log,
    /// It rejects them.
    #[serde(rename = "only")]
    Required,
}

/// The parts of a request that identify its document.
#[derive(Clone, Default)]
pub struct DocumentReference {
    /// The text.
    pub text: Option<String>,
    /// `documentId`, the id in a manifest.
    pub id: Option<String>,
    /// `extensions.persistedQuery.sha256Hash`, by which Apollo's clients identify a text.
    pub sha256: Option<String>,
}

/// The documents that a request can identify without their text.
#[derive(Debug)]
pub struct TrustedDocuments {
    mode: Enforcement,
    /// It can be replaced while the process runs. No code waits while it holds the lock.
    manifest: RwLock<Arc<Manifest>>,
    /// Texts that callers have registered by their hash. `None` if they may not.
    persisted: Option<Store<String, Arc<str>>>,
}

/// The documents of a manifest.
#[derive(Debug, Default)]
pub struct Manifest {
    texts: HashMap<Arc<str>, Arc<str>>,
    ids: HashMap<[u8; 32], Arc<str>>,
}

/// The text of a request's document, and whether it is trusted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvedDocument {
    pub text: Arc<str>,
    /// The document's id in the manifest. `None` if the manifest does not list it.
    pub id: Option<Arc<str>>,
}

/// A manifest that cannot be used. The text contains the file's path and never its contents.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("is neither a map from ids to documents nor an apollo-persisted-query-manifest")]
    NotAManifest,
    #[error("lists an id twice with different documents: generate it again")]
    Ambiguous,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ManifestFile {
    Apollo { format: String, operations: Vec<ApolloOperation> },
    Map(UniquePairs),
}

/// The members of an object in their order, with duplicates.
struct UniquePairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for UniquePairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = UniquePairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from ids to documents")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<UniquePairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = members.next_entry()? {
                    pairs.push(pair);
                }
                Ok(UniquePairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

impl Manifest {
    /// Reads the manifest in a file.
    ///
    /// # Errors
    /// If the file cannot be read or is no manifest.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        Self::parse(&std::fs::read(path).map_err(ManifestError::Unreadable)?)
    }

    fn parse(written: &[u8]) -> Result<Self, ManifestError> {
        let pairs = match serde_json::from_slice(written).map_err(|_| ManifestError::NotAManifest)? {
            ManifestFile::Map(UniquePairs(pairs)) => pairs,
            ManifestFile::Apollo { format, operations } if format == "apollo-persisted-query-manifest" => {
                operations.into_iter().map(|operation| (operation.id, operation.body)).collect()
            }
            ManifestFile::Apollo { .. } => return Err(ManifestError::NotAManifest),
        };
        let mut texts: HashMap<Arc<str>, Arc<str>> = HashMap::with_capacity(pairs.len());
        for (id, text) in pairs {
            let text: Arc<str> = text.into();
            if let Some(other) = texts.insert(id.into(), Arc::clone(&text))
                && other != text
            {
                return Err(ManifestError::Ambiguous);
            }
        }
        let ids = texts.iter().map(|(id, text)| (sha256(text), Arc::clone(id))).collect();
        Ok(Self { texts, ids })
    }

    /// The number of trusted documents.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there are no trusted documents.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The id of a text.
    fn id(&self, text: &str) -> Option<Arc<str>> {
        if self.is_empty() { None } else { self.ids.get(&sha256(text)).cloned() }
    }
}

impl TrustedDocuments {
    /// Creates the store of a manifest's documents. Callers may register texts of at most `registered_max_bytes` in
    /// total; with zero they may register none.
    pub fn new(mode: Enforcement, manifest: Manifest, registered_max_bytes: u64) -> Self {
        let registered = (registered_max_bytes > 0).then(|| {
            let weigh = |id: &String, text: &Arc<str>| u32::try_from(id.len() + text.len()).unwrap_or(u32::MAX);
            Store::builder().max_capacity(registered_max_bytes).weigher(weigh).build()
        });
        Self { mode, manifest: RwLock::new(Arc::new(manifest)), persisted: registered }
    }

    /// Replaces the manifest.
    pub fn replace_manifest(&self, manifest: Manifest) {
        *self.manifest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manifest);
    }

    fn manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.manifest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The text that a request identifies.
    ///
    /// # Errors
    /// If the id is unknown, if the text must be trusted and is not, or if a hash does not fit its text.
    pub async fn resolve(&self, named: DocumentReference) -> Result<ResolvedDocument, PublicError> {
        let document = self.find(named).await?;
        let trust = if document.id.is_some() { "trusted" } else { "other" };
        metrics::counter!(names::DOCUMENTS_BY_TRUST, "trust" => trust).increment(1);
        Ok(document)
    }

    async fn find(&self, named: DocumentReference) -> Result<ResolvedDocument, PublicError> {
        let manifest = self.manifest();
        let DocumentReference { text, id, sha256 } = named;
        let sha256 = sha256.map(|hash| hash.to_ascii_lowercase());
        let id = id.or_else(|| sha256.clone());
        match (text, id) {
            (None, None) => Err(PublicError::new(ErrorCode::BadRequest, "The parameter `query` is missing.")),
            (None, Some(id)) => {
                if let Some((id, text)) = manifest.texts.get_key_value(id.as_str()) {
                    return Ok(ResolvedDocument { text: Arc::clone(text), id: Some(Arc::clone(id)) });
                }
                let registered = match &self.persisted {
                    Some(registered) if self.mode != Enforcement::Required => registered.get(&id).await,
                    _ => None,
                };
                let text = registered.ok_or_else(|| self.not_found(sha256.is_some(), &manifest))?;
                let id = manifest.id(&text);
                if id.is_none() {
                    self.check_untrusted(&text)?;
                }
                Ok(ResolvedDocument { text, id })
            }
            (Some(text), _) => {
                let text: Arc<str> = text.into();
                let id = manifest.id(&text);
                if id.is_none() {
                    self.check_untrusted(&text)?;
                }
                let Some(hash) = sha256 else { return Ok(ResolvedDocument { text, id }) };
                if hex(&crate::operation::document::trusted::sha256(&text)) != hash {
                    let message = "The hash in `extensions.persistedQuery` does not match the document.";
                    return Err(PublicError::new(ErrorCode::BadRequest, message));
                }
                if let Some(registered) = &self.persisted {
                    registered.insert(hash, Arc::clone(&text)).await;
                    // moka evicts only after some hundred inserts, so a burst of long texts would exceed the limit.
                    registered.run_pending_tasks().await;
                }
                Ok(ResolvedDocument { text, id })
            }
        }
    }

    /// The error for an unknown id. The messages are names that the clients of Apollo and urql look for. After the
    /// first they send the text. After the second they send only texts and no more hashes.
    fn not_found(&self, by_hash: bool, manifest: &Manifest) -> PublicError {
        if by_hash && manifest.is_empty() && self.persisted.is_none() {
            return PublicError::new(ErrorCode::PersistedQueryNotSupported, "PersistedQueryNotSupported");
        }
        PublicError::new(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
    }

    /// Checks whether a document that no manifest lists may run.
    fn check_untrusted(&self, text: &str) -> Result<(), PublicError> {
        match self.mode {
            Enforcement::Off => Ok(()),
            Enforcement::Log => {
                tracing::warn!(bytes = text.len(), "an untrusted document ran: the manifest does not list it");
                Ok(())
            }
            Enforcement::Required => {
                let message = "Only documents of the manifest may run. Send the `documentId` of one of them.";
                Err(PublicError::new(ErrorCode::PersistedQueryNotFound, message))
            }
        }
    }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{ viewer { subject } }";

    fn with(mode: Enforcement, manifest: &str) -> TrustedDocuments {
        let manifest = Manifest::parse(manifest.as_bytes()).expect("the manifest of this test");
        TrustedDocuments { persisted: Some(Store::new(10)), ..TrustedDocuments::new(mode, manifest, 0) }
    }

    fn by_id(id: &str) -> DocumentReference {
        DocumentReference { id: Some(id.to_owned()), ..DocumentReference::default() }
    }

    fn by_text(text: &str) -> DocumentReference {
        DocumentReference { text: Some(text.to_owned()), ..DocumentReference::default() }
    }

    #[tokio::test]
    async fn both_kinds_of_manifest_are_read() {
        let apollo = format!(
            r#"{{"format": "apollo-persisted-query-manifest", "version": 1,
                 "operations": [{{"id": "one", "name": "V", "type": "query", "body": "{TEXT}"}}]}}"#
        );
        for manifest in [format!(r#"{{"one": "{TEXT}"}}"#), apollo] {
            let documents = with(Enforcement::Required, &manifest);
            let one = ResolvedDocument { text: TEXT.into(), id: Some("one".into()) };
            assert_eq!(documents.resolve(by_id("one")).await.as_ref(), Ok(&one));
            assert_eq!(documents.resolve(by_text(TEXT)).await, Ok(one));
            let unknown = documents.resolve(by_id("two")).await.expect_err("an unknown id");
            assert_eq!(unknown.code, ErrorCode::PersistedQueryNotFound);
        }
        assert!(Manifest::parse(b"[]").is_err());
        assert!(Manifest::parse(br#"{"format": "other", "operations": []}"#).is_err());
    }

    #[test]
    fn an_id_stands_for_one_text() {
        let apollo = |second: &str| {
            format!(
                r#"{{"format": "apollo-persisted-query-manifest",
                     "operations": [{{"id": "a", "body": "{{ b }}"}}, {{"id": "a", "body": "{second}"}}]}}"#
            )
        };
        let map = |second: &str| format!(r#"{{"a": "{{ b }}", "a": "{second}"}}"#);
        for manifest in [apollo("{ c }"), map("{ c }")] {
            assert!(matches!(Manifest::parse(manifest.as_bytes()), Err(ManifestError::Ambiguous)), "{manifest}");
        }
        for manifest in [apollo("{ b }"), map("{ b }")] {
            assert_eq!(Manifest::parse(manifest.as_bytes()).expect("the same twice").len(), 1, "{manifest}");
        }
    }

    #[tokio::test]
    async fn in_mode_only_a_text_runs_where_the_manifest_has_it_and_nowhere_else() {
        let documents = with(Enforcement::Required, &format!(r#"{{"one": "{TEXT}"}}"#));
        assert!(documents.resolve(by_text(TEXT)).await.is_ok());
        assert!(documents.resolve(by_text("{ __typename }")).await.is_err());
        let logged = with(Enforcement::Log, "{}");
        assert!(logged.resolve(by_text("{ __typename }")).await.is_ok());
    }

    #[tokio::test]
    async fn another_manifest_takes_the_place_of_the_first() {
        let documents = with(Enforcement::Required, &format!(r#"{{"one": "{TEXT}"}}"#));
        documents.replace_manifest(Manifest::parse(br#"{"two": "{ __typename }"}"#).expect("a manifest"));
        assert!(documents.resolve(by_id("one")).await.is_err());
        assert!(documents.resolve(by_id("two")).await.is_ok());
    }

    #[tokio::test]
    async fn registered_texts_stay_within_their_bound() {
        let documents = TrustedDocuments::new(Enforcement::Off, Manifest::default(), 100_000);
        for number in 0..100 {
            let text = format!("{TEXT} # {number} {}", "x".repeat(10_000));
            let sha256 = Some(hex(&super::sha256(&text)));
            let named = DocumentReference { text: Some(text), sha256, ..DocumentReference::default() };
            assert!(documents.resolve(named).await.is_ok());
            let texts = documents.persisted.as_ref().expect("texts may be registered").iter();
            // Including entries that moka's maintenance has not processed.
            let bytes: usize = texts.map(|(_, text)| text.len()).sum();
            assert!(bytes <= 100_000, "{bytes} bytes after {number} texts");
        }
    }

    #[tokio::test]
    async fn a_text_is_registered_under_its_own_hash_and_no_other() {
        let documents = with(Enforcement::Off, "{}");
        let hash = hex(&sha256(TEXT));
        let named = |text: Option<&str>, hash: &str| DocumentReference {
            text: text.map(str::to_owned),
            sha256: Some(hash.to_owned()),
            ..DocumentReference::default()
        };
        assert!(documents.resolve(named(None, &hash)).await.is_err());
        assert!(documents.resolve(named(Some(TEXT), &hash.replace('a', "b"))).await.is_err());
        assert!(documents.resolve(named(Some(TEXT), &hash)).await.is_ok());
        let found = documents.resolve(named(None, &hash.to_uppercase())).await;
        assert_eq!(found, Ok(ResolvedDocument { text: TEXT.into(), id: None }), "registered, not trusted");
    }
}
