//! Trusted documents: the texts that the team's own frontends were built with, known by their ids.
//!
//! A manifest lists them, as graphql-codegen and Relay write it (`{"hash": "text"}`) or as Apollo does
//! (`{"format": "apollo-persisted-query-manifest", "operations": [{"id", "body"}]}`). With mode `only` nothing else is
//! run, which ends all guessing at what a caller may send. Automatic persisted queries, where any caller may register a
//! text, are apart from it: they save bytes and protect nothing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use moka::future::Cache as Store;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use crate::error::{Code, Failure};

/// What is done with documents that no manifest lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They run.
    Off,
    /// They run, and the log says so.
    Log,
    /// They do not run.
    Only,
}

/// How a request names its document.
#[derive(Clone, Default)]
pub struct Named {
    /// The text.
    pub text: Option<String>,
    /// `documentId`, the id in a manifest.
    pub id: Option<String>,
    /// `extensions.persistedQuery.sha256Hash`, by which Apollo's clients name a text.
    pub sha256: Option<String>,
}

/// Documents known by id.
#[derive(Debug)]
pub struct TrustedDocuments {
    mode: Mode,
    texts: HashMap<String, Arc<str>>,
    digests: HashSet<[u8; 32]>,
    /// Texts that callers registered by their hash; `None` where they may not.
    registered: Option<Store<String, Arc<str>>>,
}

/// A manifest that cannot be used. It names the file and never quotes it.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("is neither a map from ids to documents nor an apollo-persisted-query-manifest")]
    NotAManifest,
    #[error("lists an id twice, with different documents: write it anew")]
    Ambiguous,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Apollo { format: String, operations: Vec<ApolloOperation> },
    Map(Pairs),
}

/// The members of an object in their order, also those that come twice.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from ids to documents")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = members.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
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

impl TrustedDocuments {
    /// Documents of a manifest's file, where there is one; `registered_max_bytes` of texts that callers may register,
    /// none where it is zero.
    ///
    /// # Errors
    /// Where the file cannot be read or is no manifest.
    pub fn new(mode: Mode, manifest: Option<&Path>, registered_max_bytes: u64) -> Result<Self, ManifestError> {
        let texts = match manifest {
            None => HashMap::new(),
            Some(path) => read(&std::fs::read(path).map_err(ManifestError::Unreadable)?)?,
        };
        let digests = texts.values().map(|text| digest(text)).collect();
        let registered = (registered_max_bytes > 0).then(|| {
            let weigh = |id: &String, text: &Arc<str>| u32::try_from(id.len() + text.len()).unwrap_or(u32::MAX);
            Store::builder().max_capacity(registered_max_bytes).weigher(weigh).build()
        });
        Ok(Self { mode, texts, digests, registered })
    }

    /// How many documents are trusted.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The text that a request means.
    ///
    /// # Errors
    /// Where the id is not known, the text is not trusted and has to be, or a hash is not that of its text.
    pub async fn text(&self, named: Named) -> Result<Arc<str>, Failure> {
        let Named { text, id, sha256 } = named;
        let sha256 = sha256.map(|hash| hash.to_ascii_lowercase());
        let id = id.or_else(|| sha256.clone());
        match (text, id) {
            (None, None) => Err(Failure::new(Code::BadRequest, "The parameter `query` is missing.")),
            (None, Some(id)) => {
                if let Some(text) = self.texts.get(&id) {
                    return Ok(Arc::clone(text));
                }
                let registered = match &self.registered {
                    Some(registered) if self.mode != Mode::Only => registered.get(&id).await,
                    _ => None,
                };
                let text = registered.ok_or_else(|| self.unknown(sha256.is_some()))?;
                self.check_trust(&text)?;
                Ok(text)
            }
            (Some(text), _) => {
                let text: Arc<str> = text.into();
                self.check_trust(&text)?;
                let Some(hash) = sha256 else { return Ok(text) };
                if hex(&digest(&text)) != hash {
                    let message = "The hash in `extensions.persistedQuery` is not that of the document.";
                    return Err(Failure::new(Code::BadRequest, message));
                }
                if let Some(registered) = &self.registered {
                    registered.insert(hash, Arc::clone(&text)).await;
                }
                Ok(text)
            }
        }
    }

    /// Why nothing has this id. The messages are names that Apollo's and urql's clients look for: at the first they send
    /// the text, at the second they send texts from then on and try no more hashes.
    fn unknown(&self, by_hash: bool) -> Failure {
        if by_hash && self.texts.is_empty() && self.registered.is_none() {
            return Failure::new(Code::PersistedQueryNotSupported, "PersistedQueryNotSupported");
        }
        Failure::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound")
    }

    fn check_trust(&self, text: &str) -> Result<(), Failure> {
        match self.mode {
            Mode::Off => Ok(()),
            Mode::Log | Mode::Only if self.digests.contains(&digest(text)) => Ok(()),
            Mode::Log => {
                tracing::warn!(bytes = text.len(), "a document ran that no manifest lists");
                Ok(())
            }
            Mode::Only => {
                let message = "Only documents of the manifest are run here: send the `documentId` of one.";
                Err(Failure::new(Code::PersistedQueryNotFound, message))
            }
        }
    }
}

fn read(manifest: &[u8]) -> Result<HashMap<String, Arc<str>>, ManifestError> {
    let pairs = match serde_json::from_slice(manifest).map_err(|_| ManifestError::NotAManifest)? {
        Manifest::Map(Pairs(pairs)) => pairs,
        Manifest::Apollo { format, operations } if format == "apollo-persisted-query-manifest" => {
            operations.into_iter().map(|operation| (operation.id, operation.body)).collect()
        }
        Manifest::Apollo { .. } => return Err(ManifestError::NotAManifest),
    };
    let mut texts: HashMap<String, Arc<str>> = HashMap::with_capacity(pairs.len());
    for (id, text) in pairs {
        let text: Arc<str> = text.into();
        if let Some(other) = texts.insert(id, Arc::clone(&text))
            && other != text
        {
            return Err(ManifestError::Ambiguous);
        }
    }
    Ok(texts)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{ viewer { subject } }";

    fn with(mode: Mode, manifest: &str) -> TrustedDocuments {
        let texts = read(manifest.as_bytes()).expect("the manifest of this test");
        let digests = texts.values().map(|text| digest(text)).collect();
        let registered = Some(Store::new(10));
        TrustedDocuments { mode, texts, digests, registered }
    }

    fn by_id(id: &str) -> Named {
        Named { id: Some(id.to_owned()), ..Named::default() }
    }

    fn by_text(text: &str) -> Named {
        Named { text: Some(text.to_owned()), ..Named::default() }
    }

    #[tokio::test]
    async fn both_kinds_of_manifest_are_read() {
        let apollo = format!(
            r#"{{"format": "apollo-persisted-query-manifest", "version": 1,
                 "operations": [{{"id": "one", "name": "V", "type": "query", "body": "{TEXT}"}}]}}"#
        );
        for manifest in [format!(r#"{{"one": "{TEXT}"}}"#), apollo] {
            let documents = with(Mode::Only, &manifest);
            assert_eq!(documents.text(by_id("one")).await.as_deref(), Ok(TEXT));
            let unknown = documents.text(by_id("two")).await.expect_err("an unknown id");
            assert_eq!(unknown.code, Code::PersistedQueryNotFound);
        }
        assert!(read(b"[]").is_err() && read(br#"{"format": "other", "operations": []}"#).is_err());
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
            assert!(matches!(read(manifest.as_bytes()), Err(ManifestError::Ambiguous)), "{manifest}");
        }
        for manifest in [apollo("{ b }"), map("{ b }")] {
            assert_eq!(read(manifest.as_bytes()).expect("the same twice").len(), 1, "{manifest}");
        }
    }

    #[tokio::test]
    async fn in_mode_only_a_text_runs_where_the_manifest_has_it_and_nowhere_else() {
        let documents = with(Mode::Only, &format!(r#"{{"one": "{TEXT}"}}"#));
        assert!(documents.text(by_text(TEXT)).await.is_ok());
        assert!(documents.text(by_text("{ __typename }")).await.is_err());
        let logged = with(Mode::Log, "{}");
        assert!(logged.text(by_text("{ __typename }")).await.is_ok());
    }

    #[tokio::test]
    async fn a_text_is_registered_under_its_own_hash_and_no_other() {
        let documents = with(Mode::Off, "{}");
        let hash = hex(&digest(TEXT));
        let named = |text: Option<&str>, hash: &str| Named {
            text: text.map(str::to_owned),
            sha256: Some(hash.to_owned()),
            ..Named::default()
        };
        assert!(documents.text(named(None, &hash)).await.is_err());
        assert!(documents.text(named(Some(TEXT), &hash.replace('a', "b"))).await.is_err());
        assert!(documents.text(named(Some(TEXT), &hash)).await.is_ok());
        assert_eq!(documents.text(named(None, &hash.to_uppercase())).await.as_deref(), Ok(TEXT));
    }
}
