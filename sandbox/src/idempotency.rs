//! The idempotency keys of a tenant and their results.
//!
//! A key belongs to the first request that has it, whatever its result. The same request gets the first response again.
//! Another request gets a 409, and so does the same request while the first one runs. A 400 uses up its key too
//! (reported from live use); a 422 is stored and replayed like any response. The lifetime of a key is not published:
//! here a key lives until 2,000 newer keys exist.

use std::collections::{HashMap, VecDeque};

use sha2::{Digest as _, Sha256};

use super::response::{ApiError, ApiResponse, FieldProblem};

const MAX_KEYS: usize = 2000;

/// Identifies a request: a digest of method, path and body.
type Fingerprint = [u8; 32];

/// The fingerprint of a request.
pub(crate) fn fingerprint(method: &str, path: &str, body: &[u8]) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in [method.as_bytes(), path.as_bytes(), body] {
        // The lengths delimit the parts.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Rejects a key of the wrong length with a 400 whose one item names no field (seen).
pub(crate) fn check(key: &str) -> Result<(), ApiError> {
    if (10..=40).contains(&key.chars().count()) {
        return Ok(());
    }
    let detail = "The Idempotency-Key header must have 10 to 40 characters.";
    Err(ApiError::Malformed(vec![FieldProblem::without_path(detail)]))
}

#[derive(Clone)]
struct StoredKey {
    fingerprint: Fingerprint,
    /// `None` while the request runs.
    response: Option<ApiResponse>,
}

/// The keys of one tenant.
#[derive(Clone, Default)]
pub(crate) struct IdempotencyKeys {
    stored: HashMap<String, StoredKey>,
    /// Oldest first.
    order: VecDeque<String>,
}

/// How to handle a request with a key.
pub(crate) enum Claim {
    /// The key is new: perform the request, then call `settle`.
    First,
    /// Return this response.
    Replay(ApiResponse),
    /// Return this 409.
    Conflict(ApiError),
}

impl IdempotencyKeys {
    /// Claims the key for a request.
    pub(crate) fn claim(&mut self, key: &str, fingerprint: Fingerprint) -> Claim {
        match self.stored.get(key) {
            Some(stored) if stored.fingerprint != fingerprint => {
                Claim::Conflict(ApiError::Conflict("This idempotency key belongs to a different request."))
            }
            Some(StoredKey { response: None, .. }) => {
                Claim::Conflict(ApiError::Conflict("The first request with this idempotency key is still running."))
            }
            Some(StoredKey { response: Some(response), .. }) => {
                Claim::Replay(ApiResponse { is_replay: true, ..response.clone() })
            }
            None => {
                if self.order.len() >= MAX_KEYS
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.stored.remove(&oldest);
                }
                self.order.push_back(key.to_owned());
                self.stored.insert(key.to_owned(), StoredKey { fingerprint, response: None });
                Claim::First
            }
        }
    }

    /// Stores the response of the first request. A key that a reset removed in the meantime is not added again.
    pub(crate) fn settle(&mut self, key: &str, response: &ApiResponse) {
        if let Some(stored) = self.stored.get_mut(key) {
            stored.response = Some(response.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_conflicts_while_running_then_replays_to_its_request_only() {
        let mut keys = IdempotencyKeys::default();
        let (mine, other) = (fingerprint("POST", "/a", b"{}"), fingerprint("POST", "/a", b"[]"));
        assert!(matches!(keys.claim("0123456789", mine), Claim::First));
        assert!(matches!(keys.claim("0123456789", mine), Claim::Conflict(_)));
        keys.settle("0123456789", &ApiResponse::from(ApiError::NotFound));
        assert!(matches!(keys.claim("0123456789", mine), Claim::Replay(response) if response.is_replay));
        assert!(matches!(keys.claim("0123456789", other), Claim::Conflict(_)));
    }

    #[test]
    fn the_oldest_key_is_evicted_at_the_limit() {
        let mut keys = IdempotencyKeys::default();
        for number in 0..=MAX_KEYS {
            keys.claim(&format!("key-{number:06}"), [0; 32]);
        }
        assert_eq!((keys.stored.len(), keys.order.len()), (MAX_KEYS, MAX_KEYS));
        assert!(!keys.stored.contains_key("key-000000"));
    }

    #[test]
    fn fingerprint_parts_are_delimited() {
        assert_ne!(fingerprint("PUT", "/ab", b"c"), fingerprint("PUT", "/a", b"bc"));
    }

    #[test]
    fn a_key_must_have_10_to_40_characters() {
        for (length, good) in [(9, false), (10, true), (40, true), (41, false)] {
            assert_eq!(check(&"k".repeat(length)).is_ok(), good, "{length}");
        }
    }
}
