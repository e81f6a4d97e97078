//! The names of the fields that an update changes, and whether its change of status is a decision.
//!
//! There are two comparisons. The exact one decides what is sent and recorded, so that an update can correct the
//! spelling of a name. The tidied one ([`crate::customers::comparison`]) decides whether a record has the values of a
//! repeated update.
//!
//! The names are those of the schema's output types, as in the records of unmaskings: `device.ipAddress`,
//! `complianceProfile.ssn`. They contain no values.

use crate::customers::comparison::Comparison;
use crate::customers::write::merge::Sendable;
use crate::customers::write::updatable_fields::UPDATABLE_FIELDS;
use crate::model::CustomerStatus;
use crate::model::input::UpdateCustomerInput;

/// A change of a customer's status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusChange {
    pub old: CustomerStatus,
    pub new: CustomerStatus,
}

impl StatusChange {
    /// Whether the change is a decision about the customer. Each change is one, except between VERIFIED and INACTIVE.
    pub fn is_decision(self) -> bool {
        use CustomerStatus::{Inactive, Verified};
        !matches!((self.old, self.new), (Verified, Inactive) | (Inactive, Verified))
    }
}

/// The change of status by an update; `None` if the status stays the same.
pub fn status_change(input: &UpdateCustomerInput, known: &Sendable) -> Option<StatusChange> {
    let new = *input.status.value()?;
    (new != known.status).then_some(StatusChange { old: known.status, new })
}

/// The names of the fields that an input gives.
pub fn given_fields(input: &UpdateCustomerInput) -> Vec<&'static str> {
    field_names(input, None, Comparison::Exact)
}

/// The names of the fields of this customer that an update changes. A given field whose current value cannot be read
/// counts as changed.
pub fn changed_fields(input: &UpdateCustomerInput, known: &Sendable) -> Vec<&'static str> {
    field_names(input, Some(known), Comparison::Exact)
}

/// The given fields whose values a customer is not known to have.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    /// The names of the fields.
    pub fields: Vec<&'static str>,
    /// Whether the masked record hides all of them, so that it does not tell whether the update took effect.
    pub are_hidden: bool,
}

/// Compares an update with a record in the tidied form. A value that a masked record hides counts as missing.
pub fn missing(input: &UpdateCustomerInput, known: &Sendable) -> Missing {
    let fields = field_names(input, Some(known), Comparison::Tidied);
    let is_hidden = |field: &&str| match field.split('.').next() {
        Some("device") => known.device.is_none(),
        Some("complianceProfile") => known.profile.is_none(),
        _ => false,
    };
    Missing { are_hidden: fields.iter().all(is_hidden), fields }
}

fn field_names(input: &UpdateCustomerInput, known: Option<&Sendable>, comparison: Comparison) -> Vec<&'static str> {
    UPDATABLE_FIELDS.iter().flat_map(|field| (field.differences)(input, known, comparison)).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::model::input::{
        AddressInput, ComplianceProfileInput, DeviceInput, IndividualComplianceProfileInput, MetadataEntryInput,
    };
    use crate::model::{CustomerType, MaybeUndefined};
    use crate::privacy::Personal;
    use crate::upstream::ProfileBody;
    use crate::upstream::wire::body::Metadata;

    type Text = Personal<String>;

    fn text(value: &str) -> Text {
        Personal::new(value.to_owned())
    }

    fn address(zip: &str) -> AddressInput {
        let [address1, city, state] = ["1 Way", "Reno", "NV"].map(text);
        AddressInput { address1, address2: None, city, state, zip: text(zip) }
    }

    fn base() -> Sendable {
        Sendable {
            name: text("Ada"),
            kind: CustomerType::Individual,
            email: text("ada@example.test"),
            phone: text("+12025550123"),
            status: CustomerStatus::Verified,
            device: Some(DeviceInput { ip_address: text("203.0.113.9") }),
            address: Some(address("89501")),
            profile: Some(Some(ProfileBody::Individual { dob: None, ssn: Some(text("900-12-3456")) })),
            external_id: None,
            metadata: None,
        }
    }

    fn nothing() -> UpdateCustomerInput {
        UpdateCustomerInput {
            id: "1".into(),
            name: MaybeUndefined::Undefined,
            email: MaybeUndefined::Undefined,
            phone: MaybeUndefined::Undefined,
            status: MaybeUndefined::Undefined,
            device: MaybeUndefined::Undefined,
            address: MaybeUndefined::Undefined,
            compliance_profile: MaybeUndefined::Undefined,
            external_id: MaybeUndefined::Undefined,
            metadata: MaybeUndefined::Undefined,
            reason: None,
            expected_updated_at: None,
            idempotency_key: None,
        }
    }

    fn profile(dob: MaybeUndefined<Text>, ssn: MaybeUndefined<Text>) -> MaybeUndefined<ComplianceProfileInput> {
        MaybeUndefined::Value(ComplianceProfileInput::Individual(IndividualComplianceProfileInput { dob, ssn }))
    }

    #[test]
    fn what_is_given_and_is_there_already_is_no_change() {
        let given = UpdateCustomerInput {
            name: MaybeUndefined::Value(text("Ada")),
            status: MaybeUndefined::Value(CustomerStatus::Verified),
            device: MaybeUndefined::Value(DeviceInput { ip_address: text("203.0.113.9") }),
            address: MaybeUndefined::Value(address("89501")),
            compliance_profile: profile(MaybeUndefined::Null, MaybeUndefined::Value(text("900-12-3456"))),
            external_id: MaybeUndefined::Null,
            metadata: MaybeUndefined::Null,
            ..nothing()
        };
        assert_eq!(changed_fields(&given, &base()), [""; 0]);
        assert_eq!(status_change(&given, &base()), None);
        assert_eq!(given_fields(&given).len(), 12, "{:?}", given_fields(&given));
    }

    #[test]
    fn each_change_is_named_and_what_stays_is_not() {
        let pair = MetadataEntryInput { key: text("tier"), value: text("gold") };
        let given = UpdateCustomerInput {
            name: MaybeUndefined::Value(text("Ada")),
            phone: MaybeUndefined::Value(text("+12025550199")),
            status: MaybeUndefined::Value(CustomerStatus::Inactive),
            address: MaybeUndefined::Value(address("89502")),
            compliance_profile: profile(MaybeUndefined::Undefined, MaybeUndefined::Null),
            external_id: MaybeUndefined::Value(text("x")),
            metadata: MaybeUndefined::Value(vec![pair]),
            ..nothing()
        };
        assert_eq!(
            changed_fields(&given, &base()),
            ["phone", "status", "address.zip", "complianceProfile.ssn", "externalId", "metadata"]
        );
    }

    #[test]
    fn what_is_not_known_in_clear_counts_as_changed() {
        let known = Sendable { device: None, profile: None, ..base() };
        let given = UpdateCustomerInput {
            device: MaybeUndefined::Value(DeviceInput { ip_address: text("203.0.113.9") }),
            compliance_profile: MaybeUndefined::Null,
            ..nothing()
        };
        assert_eq!(changed_fields(&given, &known), ["device.ipAddress", "complianceProfile"]);
    }

    #[test]
    fn no_metadata_and_an_empty_map_are_the_same() {
        for known in [None, Some(Metadata::new())] {
            let known = Sendable { metadata: known, ..base() };
            for metadata in [MaybeUndefined::Null, MaybeUndefined::Value(Vec::new())] {
                assert_eq!(changed_fields(&UpdateCustomerInput { metadata, ..nothing() }, &known), [""; 0]);
            }
        }
    }

    #[test]
    fn what_the_upstream_tidied_up_is_a_change_that_is_not_missing() {
        let pair = |value: &str| MetadataEntryInput { key: text("tier"), value: text(value) };
        let given = UpdateCustomerInput {
            name: MaybeUndefined::Value(text(" zoe\u{308} ")),
            email: MaybeUndefined::Value(text("ADA@example.test")),
            external_id: MaybeUndefined::Value(text(" ")),
            metadata: MaybeUndefined::Value(vec![pair("Gold ")]),
            ..nothing()
        };
        let metadata = Some(Metadata::from([("tier".to_owned(), text("gold"))]));
        let known = Sendable { name: text("ZO\u{cb}"), metadata, ..base() };
        assert_eq!(changed_fields(&given, &known), ["name", "email", "externalId", "metadata"]);
        assert_eq!(missing(&given, &known), Missing { fields: Vec::new(), are_hidden: true });
        let given = UpdateCustomerInput { metadata: MaybeUndefined::Value(vec![pair("silver")]), ..given };
        assert_eq!(missing(&given, &known), Missing { fields: vec!["metadata"], are_hidden: false });
    }

    #[test]
    fn a_value_that_is_hidden_is_missing() {
        let known = Sendable { device: None, profile: None, ..base() };
        let given = UpdateCustomerInput {
            name: MaybeUndefined::Value(text("Ada")),
            device: MaybeUndefined::Value(DeviceInput { ip_address: text("203.0.113.9") }),
            compliance_profile: profile(MaybeUndefined::Undefined, MaybeUndefined::Value(text("900-12-3456"))),
            ..nothing()
        };
        let fields = vec!["device.ipAddress", "complianceProfile.ssn"];
        assert_eq!(missing(&given, &known), Missing { fields, are_hidden: true });
        let given = UpdateCustomerInput { name: MaybeUndefined::Value(text("Bea")), ..given };
        assert!(!missing(&given, &known).are_hidden);
        assert!(!missing(&given, &base()).are_hidden && missing(&given, &base()).fields == ["name"]);
    }

    #[rstest]
    fn only_switching_off_and_on_is_no_decision(
        #[values("PENDING", "REVIEW", "VERIFIED", "INACTIVE", "REJECTED", "UNRECOGNIZED")] old: &str,
        #[values("PENDING", "REVIEW", "VERIFIED", "INACTIVE", "REJECTED")] new: &str,
    ) {
        let status = |name: &str| {
            use CustomerStatus::{Inactive, Pending, Rejected, Review, Unrecognized, Verified};
            let all = [Pending, Review, Verified, Inactive, Rejected, Unrecognized];
            all.into_iter().find(|status| status.name() == name).expect("a status of this test")
        };
        let change = StatusChange { old: status(old), new: status(new) };
        let harmless = [("VERIFIED", "INACTIVE"), ("INACTIVE", "VERIFIED")].contains(&(old, new));
        assert_eq!(change.is_decision(), !harmless);
    }
}
