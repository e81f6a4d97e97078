//! One audit record: the actor, the mutation, the customer, the reason and the outcome. It contains names of fields and
//! codes, and no values.
//!
//! The reason is the only free text. It is redacted, and its length is limited.

use serde::Serialize;
use uuid::Uuid;

use crate::privacy::digest::sha256;
use crate::privacy::redact;

/// The longest reason, and the longest name of a subject, in characters.
const MAX_TEXT_CHARS: usize = 200;
/// The most names of fields. The schema has half as many.
const MAX_FIELDS: usize = 64;
/// The most codes of one record.
const MAX_CODES: usize = 16;

/// The caller in a record.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Actor {
    /// The subject of the caller's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The upstream account of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Uuid>,
    /// The start of the SHA-256 of the caller's own key, for a caller without a subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Actor {
    /// A caller with the subject of its token, its account, and its own key.
    pub fn new(subject: Option<&str>, account: Option<Uuid>, key: Option<&str>) -> Self {
        Self {
            subject: subject.map(|subject| subject.chars().take(MAX_TEXT_CHARS).collect()),
            account,
            // 64 bits identify a key for its owner, and do not reveal it to others.
            key: key.map(|key| sha256(key.as_bytes()).chars().take(16).collect()),
        }
    }
}

/// The outcome of a mutation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It took effect.
    Succeeded,
    /// The caller got `userErrors` with these codes. Nothing was changed or shown.
    Rejected(Vec<String>),
    /// The mutation failed with this `extensions.code`. Nothing was changed or shown.
    Failed(String),
    /// The write was sent, and it is unknown whether it took effect.
    OutcomeUnknown(String),
}

/// A record, without its position in the chain.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The name of the mutation. The names are part of the format of the file.
    pub action: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    codes: Vec<String>,
    #[serde(flatten)]
    actor: Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<Uuid>,
    /// The requested fields of an unmasking, or the changed fields of an update.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
    /// The status before a change of the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_status: Option<&'static str>,
    /// The requested status.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    pub request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_request_id: Option<Uuid>,
}

impl Record {
    /// A record of a mutation by an actor in a request, with its outcome.
    pub fn new(action: &'static str, actor: Actor, request_id: String, ending: Outcome) -> Self {
        let (outcome, codes) = match ending {
            Outcome::Succeeded => ("done", Vec::new()),
            Outcome::Rejected(codes) => ("refused", codes),
            Outcome::Failed(code) => ("failed", vec![code]),
            Outcome::OutcomeUnknown(code) => ("unknown", vec![code]),
        };
        let codes = codes.into_iter().take(MAX_CODES).collect();
        let (customer_id, fields, old_status, new_status) = (None, Vec::new(), None, None);
        let (reason, upstream_request_id) = (None, None);
        Self {
            action,
            outcome,
            codes,
            actor,
            customer_id,
            fields,
            old_status,
            new_status,
            reason,
            request_id,
            upstream_request_id,
        }
    }

    /// Sets the customer.
    #[must_use]
    pub fn with_customer(self, customer_id: Option<Uuid>) -> Self {
        Self { customer_id, ..self }
    }

    /// Sets the names of the fields.
    #[must_use]
    pub fn with_fields(self, fields: impl IntoIterator<Item = String>) -> Self {
        Self { fields: fields.into_iter().take(MAX_FIELDS).collect(), ..self }
    }

    /// Sets the statuses before and after, by their names in the schema.
    #[must_use]
    pub fn with_statuses(self, old_status: Option<&'static str>, new_status: Option<&'static str>) -> Self {
        Self { old_status, new_status, ..self }
    }

    /// Sets the reason of the caller, without the `known` values and without words that look personal.
    #[must_use]
    pub fn with_reason<'a>(self, reason: Option<&str>, known: impl IntoIterator<Item = &'a str>) -> Self {
        let reason =
            reason.map(|reason| redact::redact(reason, known).chars().take(MAX_TEXT_CHARS).collect::<String>());
        Self { reason: reason.filter(|reason| !reason.is_empty()), ..self }
    }

    /// Sets the upstream's id of the call.
    #[must_use]
    pub fn with_upstream_id(self, upstream_request_id: Option<Uuid>) -> Self {
        Self { upstream_request_id, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ending: Outcome) -> Record {
        Record::new("unmask", Actor::new(Some("u-1"), None, None), "r-1".into(), ending)
    }

    #[test]
    fn a_reason_is_cut_and_bounded() {
        let reason = format!("Ada Example, ada@example.test, 123-45-6789 called {}", "again ".repeat(100));
        let record = record(Outcome::Succeeded).with_reason(Some(&reason), ["Ada Example"]);
        let reason = record.reason.expect("a reason");
        assert!(reason.starts_with("[…], […] […] called again"), "{reason}");
        assert!(reason.chars().count() <= MAX_TEXT_CHARS);
    }

    #[test]
    fn a_record_names_fields_and_codes_and_leaves_out_what_it_does_not_know() {
        let record = record(Outcome::Rejected(vec!["NOT_FOUND".into()])).with_fields(["name".to_owned()]);
        assert_eq!(
            serde_json::to_string(&record).expect("JSON"),
            r#"{"action":"unmask","outcome":"refused","codes":["NOT_FOUND"],"subject":"u-1","fields":["name"],"request_id":"r-1"}"#
        );
    }

    #[test]
    fn a_change_of_status_is_told_with_both() {
        let line = serde_json::to_string(&record(Outcome::Succeeded).with_statuses(Some("REVIEW"), Some("VERIFIED")));
        assert!(line.expect("JSON").contains(r#""old_status":"REVIEW","new_status":"VERIFIED""#));
    }

    #[test]
    fn a_key_is_named_by_the_start_of_its_hash() {
        let key = Actor::new(None, None, Some("sk_live_planted")).key.expect("a name");
        assert!(key.len() == 16 && !"sk_live_planted".contains(&key));
    }
}
