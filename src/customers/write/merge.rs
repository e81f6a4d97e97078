//! Merges an update with the current customer. An update is partial in the schema, and a full replacement at the
//! upstream, so the gateway also sends the fields that the caller leaves out.
//!
//! The masked record does not contain the device's address and the compliance profile, so the gateway reads the
//! unmasked record. It drops that record as soon as the replacement is built. If the upstream rejects the unmasked
//! read, the update still works if the caller gives the device. The replacement then has no profile, or the caller
//! gives the whole profile. The gateway never sends a masked value back.

use std::sync::Arc;

use chrono::Timelike;

use crate::model::input::{
    AddressInput, BusinessComplianceProfileInput, ComplianceProfileInput, DeviceInput,
    IndividualComplianceProfileInput, RepresentativeInput, UpdateCustomerInput,
};
use crate::model::lenient::UnreadableField;
use crate::model::{
    Address, Customer, CustomerStatus, CustomerType, DateTime, MaybeUndefined, MetadataEntry, Representative,
    UnmaskedBusinessComplianceProfile, UnmaskedComplianceProfile, UnmaskedCustomer,
    UnmaskedIndividualComplianceProfile, UserError, UserErrorCode,
};
use crate::privacy::Personal;
use crate::upstream::wire::body::{Metadata, metadata};
use crate::upstream::{ProfileBody, Replacement};

type Text = Personal<String>;

/// The customer before the update.
#[derive(Debug)]
pub struct CurrentCustomer {
    /// When the customer last changed.
    pub updated_at: DateTime,
    /// The record as a caller may see it; `None` where it was read unmasked.
    pub masked: Option<Arc<Customer>>,
    pub fields: Sendable,
}

impl From<UnmaskedCustomer> for CurrentCustomer {
    fn from(customer: UnmaskedCustomer) -> Self {
        let fields = Sendable {
            name: customer.name,
            kind: customer.kind,
            email: customer.email,
            phone: customer.phone,
            status: customer.status,
            device: customer.device.map(|device| DeviceInput { ip_address: device.ip_address }),
            address: customer.address.map(AddressInput::from),
            profile: Some(customer.compliance_profile.map(ProfileBody::from)),
            external_id: customer.external_id,
            metadata: customer.metadata.map(to_metadata),
        };
        Self { updated_at: customer.updated_at, masked: None, fields }
    }
}

impl TryFrom<Customer> for CurrentCustomer {
    type Error = UnreadableField;

    /// Takes a masked record.
    ///
    /// # Errors
    /// Where a field cannot be read: the replacement would lose it.
    fn try_from(customer: Customer) -> Result<Self, UnreadableField> {
        let masked = Some(Arc::new(customer.clone()));
        let Customer { summary, detail } = customer;
        // A profile that cannot be read exists: the replacement leaves it out.
        let has_profile = detail.compliance_profile.map_or(true, |profile| profile.is_some());
        let fields = Sendable {
            name: summary.name?,
            kind: summary.kind?,
            email: summary.email?,
            phone: summary.phone?,
            status: summary.status?,
            device: None,
            address: detail.address?.map(AddressInput::from),
            // If the masked record has no profile, the customer has none.
            profile: if has_profile { None } else { Some(None) },
            external_id: summary.external_id?,
            metadata: detail.metadata?.map(to_metadata),
        };
        Ok(Self { updated_at: summary.updated_at?, masked, fields })
    }
}

/// Whether a record is newer than the caller expects. Reads return whole seconds, and responses to writes return
/// fractions (`docs/upstream.md`, section 4.9). If one of the two times has no fraction, only seconds are compared.
pub fn has_changed_since(updated_at: DateTime, expected: DateTime) -> bool {
    let (updated_at, expected) = (updated_at.0, expected.0);
    if updated_at.nanosecond() == 0 || expected.nanosecond() == 0 {
        updated_at.timestamp() > expected.timestamp()
    } else {
        updated_at > expected
    }
}

/// The whole customer after the update, or the fields that are missing for it.
pub fn replacement(base: Sendable, input: UpdateCustomerInput) -> Result<Replacement, Vec<UserError>> {
    let mut missing = Vec::new();
    if let MaybeUndefined::Value(given) = &input.compliance_profile {
        missing.extend(profile_type_mismatch(given, base.kind));
    }
    let device = merge_optional(input.device, base.device);
    if device.is_none() {
        let message = "The upstream does not show the address known: give the device, which every update sends.";
        missing.push(UserError::at(UserErrorCode::Required, ["device"], message));
    }
    let status = merge_optional(input.status, (base.status != CustomerStatus::Unrecognized).then_some(base.status));
    if status.is_none() {
        let message = "The status known is not one that can be sent: give one.";
        missing.push(UserError::at(UserErrorCode::Required, ["status"], message));
    }
    let compliance_profile = match (input.compliance_profile, base.profile) {
        // There is no profile to keep. Perhaps an earlier update could not send it. A repeated update leaves the
        // profile out as well, so that it sends the same bytes.
        (MaybeUndefined::Undefined, Some(None)) => None,
        (MaybeUndefined::Undefined, profile) => profile,
        (MaybeUndefined::Null, _) => Some(None),
        (MaybeUndefined::Value(given), Some(profile)) => Some(Some(merge_profile(given, profile))),
        (MaybeUndefined::Value(given), None) => {
            missing.extend(missing_profile_fields(&given));
            Some(Some(ProfileBody::from(given)))
        }
    };
    match (device, status) {
        (Some(device), Some(status)) if missing.is_empty() => Ok(Replacement {
            name: merge_required(input.name, base.name),
            email: merge_required(input.email, base.email),
            phone: merge_required(input.phone, base.phone),
            device,
            status,
            address: merge_optional(input.address, base.address),
            compliance_profile,
            external_id: merge_optional(input.external_id, base.external_id),
            metadata: merge_optional(input.metadata.map_value(metadata), base.metadata),
        }),
        _ => Err(missing),
    }
}

/// The error of a profile that is for another type of customer.
pub fn profile_type_mismatch(given: &ComplianceProfileInput, kind: CustomerType) -> Option<UserError> {
    let (place, fits) = match given {
        ComplianceProfileInput::Individual(_) => ("individual", kind != CustomerType::Business),
        ComplianceProfileInput::Business(_) => ("business", kind != CustomerType::Individual),
    };
    let message = "This profile is for another type of customer: a person takes `individual`, a company `business`.";
    (!fits).then(|| UserError::at(UserErrorCode::Invalid, ["complianceProfile", place], message))
}

/// The wire paths of the objects that an update replaces as a whole: unknown members of the old object are not part of
/// the new one. A profile is merged, unless it is not known unmasked or has the fields of the other customer type.
pub fn replaced_objects(input: &UpdateCustomerInput, base: &Sendable) -> Vec<&'static [&'static str]> {
    let (is_replaced, names_representatives) = match (&input.compliance_profile, &base.profile) {
        (MaybeUndefined::Undefined, _) => (false, false),
        (MaybeUndefined::Null, _) | (MaybeUndefined::Value(_), None | Some(None)) => (true, false),
        (MaybeUndefined::Value(ComplianceProfileInput::Individual(_)), Some(Some(known))) => {
            (matches!(known, ProfileBody::Business { .. }), false)
        }
        (MaybeUndefined::Value(ComplianceProfileInput::Business(given)), Some(Some(known))) => {
            (matches!(known, ProfileBody::Individual { .. }), !given.representatives.is_undefined())
        }
    };
    let objects: [(&'static [&'static str], bool); 4] = [
        (&["address"], !input.address.is_undefined()),
        (&["device"], !input.device.is_undefined()),
        (&["compliance_profile"], is_replaced),
        (&["compliance_profile", "representatives"], names_representatives),
    ];
    objects.into_iter().filter_map(|(path, is_replaced)| is_replaced.then_some(path)).collect()
}

/// The given value; `None` if the input clears it; the known value if the input leaves it out.
fn merge_optional<T>(given: MaybeUndefined<T>, known: Option<T>) -> Option<T> {
    match given {
        MaybeUndefined::Undefined => known,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(value) => Some(value),
    }
}

/// The given value, or the known value. For fields that cannot be cleared: validation rejects null before.
fn merge_required<T>(given: MaybeUndefined<T>, known: T) -> T {
    given.take().unwrap_or(known)
}

/// The known fields of a customer, in the form of the wire.
#[derive(Clone, Debug)]
pub struct Sendable {
    pub name: Text,
    pub kind: CustomerType,
    pub email: Text,
    pub phone: Text,
    pub status: CustomerStatus,
    /// `None` if it is not known unmasked.
    pub device: Option<DeviceInput>,
    pub address: Option<AddressInput>,
    /// `None` if it is not known unmasked; `Some(None)` if there is none.
    pub profile: Option<Option<ProfileBody>>,
    pub external_id: Option<Text>,
    pub metadata: Option<Metadata>,
}

/// The known profile with the given fields changed. A profile of the other customer type replaces it.
fn merge_profile(given: ComplianceProfileInput, known: Option<ProfileBody>) -> ProfileBody {
    match (given, known) {
        (ComplianceProfileInput::Individual(given), Some(ProfileBody::Individual { dob, ssn })) => {
            let IndividualComplianceProfileInput { dob: new_dob, ssn: new_ssn } = given;
            ProfileBody::Individual { dob: merge_optional(new_dob, dob), ssn: merge_optional(new_ssn, ssn) }
        }
        (
            ComplianceProfileInput::Business(given),
            Some(ProfileBody::Business { ein, legal_business_name, representatives, website }),
        ) => ProfileBody::Business {
            ein: merge_optional(given.ein, ein),
            legal_business_name: merge_optional(given.legal_business_name, legal_business_name),
            representatives: merge_optional(given.representatives, representatives),
            website: merge_optional(given.website, website),
        },
        (given, _) => ProfileBody::from(given),
    }
}

/// The errors for profile fields that the input leaves out although the known profile cannot be read.
fn missing_profile_fields(given: &ComplianceProfileInput) -> Vec<UserError> {
    let fields = match given {
        ComplianceProfileInput::Individual(IndividualComplianceProfileInput { dob, ssn }) => {
            vec![("individual", "dob", dob.is_undefined()), ("individual", "ssn", ssn.is_undefined())]
        }
        ComplianceProfileInput::Business(given) => {
            let BusinessComplianceProfileInput { ein, legal_business_name, representatives, website } = given;
            vec![
                ("business", "ein", ein.is_undefined()),
                ("business", "legalBusinessName", legal_business_name.is_undefined()),
                ("business", "representatives", representatives.is_undefined()),
                ("business", "website", website.is_undefined()),
            ]
        }
    };
    let message = "The upstream does not show the value known: give one, or null to clear it.";
    let missing = fields.into_iter().filter(|(_, _, missing)| *missing);
    missing
        .map(|(kind, field, _)| UserError::at(UserErrorCode::Required, ["complianceProfile", kind, field], message))
        .collect()
}

fn to_metadata(entries: Vec<MetadataEntry>) -> Metadata {
    entries.into_iter().map(|entry| (entry.key.reveal().clone(), entry.value)).collect()
}

impl From<Address> for AddressInput {
    fn from(address: Address) -> Self {
        let Address { address1, address2, city, state, zip } = address;
        Self { address1, address2, city, state, zip }
    }
}

impl From<Representative> for RepresentativeInput {
    fn from(representative: Representative) -> Self {
        let Representative { name, email, phone } = representative;
        Self { name, email, phone }
    }
}

impl From<UnmaskedComplianceProfile> for ProfileBody {
    fn from(profile: UnmaskedComplianceProfile) -> Self {
        match profile {
            UnmaskedComplianceProfile::Individual(UnmaskedIndividualComplianceProfile { dob, ssn }) => {
                Self::Individual { dob: dob.map(|dob| dob.reveal().to_string().into()), ssn }
            }
            UnmaskedComplianceProfile::Business(profile) => {
                let UnmaskedBusinessComplianceProfile { ein, legal_business_name, representatives, website } = profile;
                let representatives =
                    representatives.map(|people| people.into_iter().map(RepresentativeInput::from).collect());
                Self::Business { ein, legal_business_name, representatives, website }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime {
        serde_json::from_str(&format!("\"{text}\"")).expect("a time of this test")
    }

    #[test]
    fn whole_seconds_are_compared_as_whole_seconds() {
        let (second, later) = ("2026-07-07T06:21:44Z", "2026-07-07T06:21:45Z");
        let (early, late) = ("2026-07-07T06:21:44.1Z", "2026-07-07T06:21:44.2Z");
        for (updated_at, expected, changed) in [
            (second, second, false),
            (second, early, false),
            (early, second, false),
            (late, early, true),
            (early, early, false),
            (later, early, true),
            (second, later, false),
        ] {
            assert_eq!(has_changed_since(time(updated_at), time(expected)), changed, "{updated_at} {expected}");
        }
    }
}
