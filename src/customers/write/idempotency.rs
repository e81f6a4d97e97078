//! Idempotency keys, and the check that a response belongs to the request.
//!
//! The upstream has one namespace of keys for each of its credentials. Callers that share the gateway's credential
//! would share one namespace: a key that one caller has used would be rejected for another caller, or would return the
//! first caller's customer. So the gateway derives the key that it sends from the account, the subject and the caller's
//! key. The derived key is the same on every instance and after a restart. Otherwise a repeated request could create a
//! customer twice.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::customers::comparison::is_same;
use crate::model::Customer;
use crate::model::input::CreateCustomerInput;
use crate::privacy::Personal;
use crate::privacy::digest::hex;
use crate::upstream::Replacement;

/// The longest key that the upstream takes, in characters.
const MAX_KEY_CHARS: usize = 40;

/// The namespace of one caller's keys under a shared credential.
#[derive(Clone, Debug)]
pub struct KeyNamespace {
    account: Option<Uuid>,
    subject: Personal<String>,
}

impl KeyNamespace {
    /// The namespace of a subject that acts for an account.
    pub fn new(account: Option<Uuid>, subject: &str) -> Self {
        Self { account, subject: Personal::new(subject.to_owned()) }
    }

    /// The key that is sent for a caller's key.
    fn scoped_key(&self, key: &str) -> String {
        let account = self.account.map(|account| account.hyphenated().to_string()).unwrap_or_default();
        let mut hash = Sha256::new();
        for part in [account.as_str(), self.subject.reveal(), key] {
            // Lengths keep the parts apart.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hex(&hash.finalize()).chars().take(MAX_KEY_CHARS).collect()
    }
}

/// An idempotency key.
#[derive(Clone)]
pub struct IdempotencyKey {
    /// The key that is sent.
    pub sent: String,
    /// The key that the caller gave.
    callers: Option<Personal<String>>,
}

impl IdempotencyKey {
    /// The caller's key, in its namespace if it has one; or a new key.
    pub fn new(given: Option<&Personal<String>>, space: Option<&KeyNamespace>) -> Self {
        let text = match (given, space) {
            (Some(key), Some(space)) => space.scoped_key(key.reveal()),
            (Some(key), None) => key.reveal().clone(),
            (None, _) => Uuid::new_v4().to_string(),
        };
        Self { sent: text, callers: given.cloned() }
    }

    /// Whether the caller gave it. A key that the gateway made is used for one request only.
    pub fn is_from_caller(&self) -> bool {
        self.callers.is_some()
    }

    /// The values that no message may contain: the sent key and the given key.
    pub fn redacted_values(&self) -> impl Iterator<Item = String> {
        let given = self.callers.as_ref().map(|key| key.reveal().clone());
        std::iter::once(self.sent.clone()).chain(given)
    }
}

/// The sent fields that identify a customer, for the comparison with the response.
#[derive(Clone, Debug)]
pub struct SubmittedCustomer {
    name: Personal<String>,
    email: Personal<String>,
    external_id: Option<Personal<String>>,
}

impl From<&CreateCustomerInput> for SubmittedCustomer {
    fn from(input: &CreateCustomerInput) -> Self {
        Self { name: input.name.clone(), email: input.email.clone(), external_id: input.external_id.clone() }
    }
}

impl From<&Replacement> for SubmittedCustomer {
    fn from(body: &Replacement) -> Self {
        Self { name: body.name.clone(), email: body.email.clone(), external_id: body.external_id.clone() }
    }
}

impl SubmittedCustomer {
    /// Whether a customer has the sent fields in the tidied comparison ([`crate::customers::comparison`]). `None` if a
    /// field cannot be read and the others are the same.
    pub fn matches(&self, customer: &Customer) -> Option<bool> {
        let told = &customer.summary;
        let name = told.name.as_ref().map(|name| is_same(Some(&self.name), Some(name)));
        let email = told.email.as_ref().map(|email| is_same(Some(&self.email), Some(email)));
        let external_id = told.external_id.as_ref().map(|id| is_same(self.external_id.as_ref(), id.as_ref()));
        let fields = [name, email, external_id];
        if fields.contains(&Ok(false)) { Some(false) } else { fields.iter().all(Result::is_ok).then_some(true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(account: u128, subject: &str, key: &str) -> String {
        let account = (account > 0).then(|| Uuid::from_u128(account));
        IdempotencyKey::new(Some(&Personal::new(key.to_owned())), Some(&KeyNamespace::new(account, subject))).sent
    }

    #[test]
    fn keys_are_kept_apart_by_account_and_subject_and_have_the_upstreams_length() {
        let keys = [
            key(0, "user-7", "signup-0001"),
            key(1, "user-7", "signup-0001"),
            key(2, "user-7", "signup-0001"),
            key(1, "user-8", "signup-0001"),
            key(1, "user-7", "signup-0002"),
            key(1, "user-7s", "ignup-0001"),
        ];
        assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
        assert!(keys.iter().all(|key| key.len() == MAX_KEY_CHARS && key.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    /// The derivation is a format: if it changes, a retry that reaches another version of the gateway creates a second
    /// customer.
    #[test]
    fn a_key_is_the_same_on_every_instance() {
        assert_eq!(key(10, "user-7", "signup-0001"), "5b783ba0ed83cc00502578b56961f9b380cfed0f");
    }

    #[test]
    fn a_key_without_a_space_is_sent_as_it_is_and_a_made_one_is_nobodys() {
        let given = Personal::new("signup-0001".to_owned());
        let callers = IdempotencyKey::new(Some(&given), None);
        assert_eq!((callers.sent.as_str(), callers.is_from_caller()), ("signup-0001", true));
        let made = IdempotencyKey::new(None, Some(&KeyNamespace::new(None, "user-7")));
        assert!(!made.is_from_caller() && (10..=MAX_KEY_CHARS).contains(&made.sent.len()));
    }
}
