//! Converts an upstream's rejection of a write to user errors with paths of the input.
//!
//! The upstream spells field references in two ways (`Device.IpAddress` on 400, `device.ip_address` on 422:
//! `docs/upstream.md`, section 6), and its sentences can contain personal data. A user error has the field name of the
//! input. It contains the upstream's sentence only if the sentence consists of known words.

use crate::customers::Error;
use crate::customers::write::updatable_fields::UPDATABLE_FIELDS;
use crate::model::{Mutation, UserError, UserErrorCode};
use crate::privacy::redact::KnownValues;
use crate::privacy::sentences;
use crate::upstream::{self, ErrorKind, Rejection};

/// The user error of an id without a customer.
pub fn not_found(mutation: Mutation) -> UserError {
    UserError::at(UserErrorCode::NotFound, [mutation.info().id_field], "There is no such customer.")
}

/// The errors that the caller can fix.
///
/// `known` are the values that were sent or read for this write; no message contains one of them. `callers_key`: the
/// caller gave the idempotency key.
///
/// # Errors
/// If the caller can fix nothing.
pub fn from_rejection(
    error: upstream::Error,
    write: Mutation,
    known: &[String],
    callers_key: bool,
) -> Result<Vec<UserError>, Error> {
    match &error.kind {
        ErrorKind::NotFound if write != Mutation::Create => Ok(vec![not_found(write)]),
        ErrorKind::Conflict(_) if callers_key => Ok(vec![key_reused()]),
        ErrorKind::Rejected(refusal) | ErrorKind::Conflict(refusal) => Ok(rejection_user_errors(refusal, write, known)),
        _ if error.is_outcome_unknown() && write != Mutation::Unmask => Err(Error::OutcomeUnknown(error.into())),
        _ => Err(error.into()),
    }
}

/// The messages for a rejection without a reason, and for a sentence about a rule or a value that can contain personal
/// data.
const REJECTED_WITHOUT_REASON: &str = "The upstream refused this without a reason.";
const REJECTED_BY_RULE: &str =
    "The Customers API refused this by a rule of its own. Its sentence is not shown: it may name somebody.";
const REJECTED_VALUE: &str = "The Customers API refused this value. Its sentence is not shown: it may name somebody.";

/// The user error of an idempotency key that was used for another request.
pub fn key_reused() -> UserError {
    let message = "This key was used for another request: take a new key for a new one.";
    UserError::at(UserErrorCode::IdempotencyKeyReused, ["idempotencyKey"], message)
}

/// The user error of an update that was not sent again because another caller changed the customer.
pub fn superseded(was_sent: bool) -> UserError {
    let message = match was_sent {
        true => {
            "Somebody else changed the customer while this update was being sent, so it was not sent again. It may have been made all the same: read the customer again and decide anew."
        }
        false => "The customer has changed since: read it again and decide anew.",
    };
    UserError::without_path(UserErrorCode::Conflict, message)
}

fn rejection_user_errors(refusal: &Rejection, write: Mutation, known: &[String]) -> Vec<UserError> {
    let known = KnownValues::new(known.iter().map(String::as_str));
    let sentence = |text: &str, not_shown: &str| match text.trim() {
        "" => REJECTED_WITHOUT_REASON.to_owned(),
        text => sentences::allowed_sentence(text, &known).unwrap_or_else(|| not_shown.to_owned()),
    };
    if refusal.items.is_empty() {
        let detail = refusal.detail.as_ref().map_or("", |detail| detail.reveal().as_str());
        return vec![rule_user_error(detail, write, sentence(detail, REJECTED_BY_RULE))];
    }
    let items = refusal.items.iter().map(|item| {
        let detail = item.detail.reveal();
        let path = item.reference.as_deref().and_then(|reference| input_path(reference, write));
        let about_email = path.as_deref().is_some_and(|path| path == ["email"]);
        if about_email && is_email_taken(detail) {
            return email_taken();
        }
        match path {
            Some(path) => UserError::at(UserErrorCode::Invalid, path, sentence(detail, REJECTED_VALUE)),
            None if detail.to_ascii_lowercase().contains("idempotency") => {
                UserError::at(UserErrorCode::Invalid, ["idempotencyKey"], sentence(detail, REJECTED_VALUE))
            }
            None => UserError::without_path(UserErrorCode::Invalid, sentence(detail, REJECTED_BY_RULE)),
        }
    });
    items.collect()
}

/// The user error of a rejection without a field. Two rules are recognised by words in their text. For all others the
/// message is `sentence`.
fn rule_user_error(detail: &str, write: Mutation, sentence: String) -> UserError {
    let said = detail.to_ascii_lowercase();
    let about_email = said.contains("email") || said.contains("e-mail");
    if about_email && is_email_taken(detail) && matches!(write, Mutation::Create | Mutation::Update) {
        return email_taken();
    }
    if write == Mutation::Decide && (said.contains("review") || said.contains("status")) {
        let message = "The customer is not waiting for a decision: its status is not REVIEW (any more).";
        return UserError::at(UserErrorCode::NotInReview, ["customerId"], message);
    }
    UserError::without_path(UserErrorCode::Refused, sentence)
}

fn is_email_taken(detail: &str) -> bool {
    let said = detail.to_ascii_lowercase();
    ["exist", "unique", "taken", "duplicate", "already", "in use"].iter().any(|word| said.contains(word))
}

fn email_taken() -> UserError {
    UserError::at(UserErrorCode::Taken, ["email"], "Another customer has this e-mail address already.")
}

/// The path below `input` of a field reference of the upstream; `None` if the input has no such field.
fn input_path(reference: &str, write: Mutation) -> Option<Vec<String>> {
    let reference = reference.strip_prefix("$.").unwrap_or(reference);
    let segments: Vec<String> = reference
        .split(['.', '[', ']', '/'])
        .map(|segment| segment.trim_matches(['"', '\'']))
        .filter(|segment| !segment.is_empty())
        .map(camel_case)
        .collect();
    let (head, tail) = segments.split_first()?;
    let tail: Vec<&str> = tail.iter().map(String::as_str).collect();
    let path: Vec<&str> = match (head.as_str(), tail.as_slice()) {
        ("idempotencyKey", _) => vec!["idempotencyKey"],
        ("id", _) if write != Mutation::Create => vec![write.info().id_field],
        ("status", _) if write == Mutation::Decide => vec!["decision"],
        // The other inputs do not have the fields below.
        _ if !matches!(write, Mutation::Create | Mutation::Update) => return None,
        ("type" | "config", _) if write == Mutation::Update => return None,
        ("status", _) if write == Mutation::Create => return None,
        ("device", _) => vec!["device", "ipAddress"],
        ("address", [field @ ("address1" | "address2" | "city" | "state" | "zip"), ..]) => vec!["address", field],
        ("address", _) => vec!["address"],
        ("config", [field @ ("processingMethod" | "sandboxOutcome"), ..]) => vec!["config", field],
        ("config", _) => vec!["config"],
        ("complianceProfile", [field @ ("dob" | "ssn"), ..]) => vec!["complianceProfile", "individual", field],
        ("complianceProfile", ["representatives", index, field @ ("name" | "email" | "phone"), ..])
            if index.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            vec!["complianceProfile", "business", "representatives", index, field]
        }
        ("complianceProfile", [field @ ("ein" | "legalBusinessName" | "representatives" | "website"), ..]) => {
            vec!["complianceProfile", "business", field]
        }
        ("complianceProfile", _) => vec!["complianceProfile"],
        (field, _) if field == "type" || UPDATABLE_FIELDS.iter().any(|known| known.name == field) => vec![field],
        _ => return None,
    };
    Some(path.into_iter().map(str::to_owned).collect())
}

/// Converts `IpAddress`, `ip_address` and `Ip-Address` to `ipAddress`.
fn camel_case(word: &str) -> String {
    let mut camel = String::with_capacity(word.len());
    let mut capital_next = false;
    for c in word.chars() {
        match c {
            '_' | '-' | ' ' => capital_next = !camel.is_empty(),
            c if camel.is_empty() => camel.push(c.to_ascii_lowercase()),
            c if capital_next => {
                camel.push(c.to_ascii_uppercase());
                capital_next = false;
            }
            c => camel.push(c),
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::privacy::Personal;
    use crate::privacy::redact::work;
    use crate::upstream::{ConnectFailure, RejectionItem};

    #[rstest]
    #[case("Device.IpAddress", "device.ipAddress")]
    #[case("device.ip_address", "device.ipAddress")]
    #[case("$.address.zip", "address.zip")]
    #[case("ComplianceProfile.LegalBusinessName", "complianceProfile.business.legalBusinessName")]
    #[case("compliance_profile.ssn", "complianceProfile.individual.ssn")]
    #[case("ComplianceProfile.Representatives[1].Email", "complianceProfile.business.representatives.1.email")]
    #[case("metadata.tier", "metadata")]
    #[case("Metadata['my key']", "metadata")]
    #[case("external_id", "externalId")]
    #[case("Idempotency-Key", "idempotencyKey")]
    #[case("Config.SandboxOutcome", "config.sandboxOutcome")]
    fn places_are_named_as_the_input_names_them(#[case] reference: &str, #[case] path: &str) {
        assert_eq!(input_path(reference, Mutation::Create).map(|path| path.join(".")).as_deref(), Some(path));
    }

    #[rstest]
    #[case("")]
    #[case("Something.Else")]
    #[case("...")]
    fn a_place_that_no_input_has_is_none(#[case] reference: &str) {
        assert_eq!(input_path(reference, Mutation::Create), None);
    }

    #[rstest]
    #[case(Mutation::Decide, "Status", Some("decision"))]
    #[case(Mutation::Decide, "Id", Some("customerId"))]
    #[case(Mutation::Update, "status", Some("status"))]
    #[case(Mutation::Update, "Type", None)]
    #[case(Mutation::Create, "status", None)]
    #[case(Mutation::Delete, "email", None)]
    fn a_place_is_one_of_the_inputs_own(#[case] write: Mutation, #[case] reference: &str, #[case] path: Option<&str>) {
        assert_eq!(input_path(reference, write).map(|path| path.join(".")).as_deref(), path);
    }

    fn refused(detail: &str, items: &[(Option<&str>, &str)]) -> upstream::Error {
        let items = items.iter().map(|(reference, detail)| RejectionItem {
            reference: reference.map(str::to_owned),
            detail: Personal::new((*detail).to_owned()),
        });
        let detail = Some(Personal::new(detail.to_owned()));
        ErrorKind::Rejected(Rejection { detail, items: items.collect() }).into()
    }

    fn mended(error: upstream::Error, write: Mutation) -> Vec<UserError> {
        from_rejection(error, write, &["Ada Example".to_owned()], true).expect("something that can be mended")
    }

    #[test]
    fn an_e_mail_that_is_there_already_is_taken_and_is_not_named() {
        let detail = "A customer with the email ada@example.test already exists. Emails must be unique.";
        let errors = mended(refused(detail, &[]), Mutation::Create);
        assert_eq!(errors[0].code, UserErrorCode::Taken);
        assert!(!format!("{errors:?}").contains("ada@"));
        let errors = mended(refused("", &[(Some("Email"), "ada@example.test is already in use")]), Mutation::Update);
        assert_eq!(errors[0].code, UserErrorCode::Taken);
    }

    #[test]
    fn a_decision_about_a_customer_that_does_not_wait_is_told_as_that() {
        let errors = mended(refused("Customer status is verified.", &[]), Mutation::Decide);
        assert_eq!(errors[0].code, UserErrorCode::NotInReview);
        let errors = mended(refused("Customer status is verified.", &[]), Mutation::Update);
        assert_eq!(errors[0].code, UserErrorCode::Refused);
    }

    #[test]
    fn any_other_rule_is_told_in_the_upstreams_words_where_they_name_nobody() {
        for (sentence, told) in [
            ("Account of Ada Example is frozen.", "Account of […] is frozen."),
            ("Account of Ada Example (+12025550123) is frozen.", REJECTED_BY_RULE),
            ("Account of Bea Example is frozen.", REJECTED_BY_RULE),
            ("  ", REJECTED_WITHOUT_REASON),
        ] {
            let errors = mended(refused(sentence, &[]), Mutation::Delete);
            assert_eq!((errors[0].code, errors[0].message.as_str()), (UserErrorCode::Refused, told));
        }
    }

    /// The values are prepared once for all complaints, and each complaint is searched once for all values.
    #[test]
    fn the_work_grows_linearly_with_known_values_and_complaints() {
        let steps = |count: usize| {
            let known: Vec<String> = (0..count).map(|number| format!("Known value {number:04}")).collect();
            let details: Vec<String> = known.iter().map(|value| format!("Account of {value} is frozen.")).collect();
            let items: Vec<_> = details.iter().map(|detail| (Some("metadata"), detail.as_str())).collect();
            let error = refused("", &items);
            work::of(|| {
                let errors =
                    from_rejection(error, Mutation::Create, &known, true).expect("something that can be mended");
                assert!(errors.iter().all(|error| error.message == "Account of […] is frozen."));
                assert_eq!(errors.len(), count);
            })
        };
        let (few, many) = (steps(100), steps(1_000));
        assert!(few >= 100 * ("Known value 0000".len() + "Account of Known value 0000 is frozen.".len()), "{few}");
        assert!(many <= 11 * few, "{few} steps for 100, {many} for 1,000");
    }

    #[test]
    fn every_item_is_told_with_its_place() {
        let error =
            refused("", &[(Some("Phone"), "Not E.164."), (None, "The Idempotency-Key is too short."), (None, "Hm.")]);
        let places: Vec<_> = mended(error, Mutation::Create).into_iter().map(|error| error.path).collect();
        let path = |names: [&str; 2]| Some(names.map(str::to_owned).to_vec());
        assert_eq!(places, [path(["input", "phone"]), path(["input", "idempotencyKey"]), None]);
    }

    #[test]
    fn a_conflict_is_about_the_key_only_where_the_key_is_the_callers() {
        let conflict = || upstream::Error::without_body(ErrorKind::Conflict(Rejection::default()));
        let with = from_rejection(conflict(), Mutation::Create, &[], true).expect("mendable");
        let without = from_rejection(conflict(), Mutation::Create, &[], false).expect("mendable");
        assert_eq!([with[0].code, without[0].code], [UserErrorCode::IdempotencyKeyReused, UserErrorCode::Refused]);
    }

    #[test]
    fn a_write_without_an_answer_may_have_been_carried_out() {
        for kind in [
            ErrorKind::InProgress,
            ErrorKind::TimedOut,
            ErrorKind::ConnectionLost,
            ErrorKind::Failed { status: 502, retry_after: None },
        ] {
            assert!(matches!(from_rejection(kind.into(), Mutation::Create, &[], true), Err(Error::OutcomeUnknown(_))));
        }
        assert!(matches!(
            from_rejection(
                ErrorKind::Unreachable(ConnectFailure::ConnectionRefused).into(),
                Mutation::Create,
                &[],
                true
            ),
            Err(Error::Upstream(_))
        ));
    }
}
