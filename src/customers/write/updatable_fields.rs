//! The fields that an update can change. [`UPDATABLE_FIELDS`] has one row for each: its name, whether an input gives it,
//! which of its parts differ from a record, and whether a later read still shows the same value.

use crate::customers::comparison::{Comparable, Comparison, are_same};
use crate::customers::write::merge::Sendable;
use crate::model::input::{AddressInput, ComplianceProfileInput, UpdateCustomerInput};
use crate::model::lenient::Readable;
use crate::model::{Address, Customer, MaybeUndefined, MetadataEntry};
use crate::privacy::Personal;
use crate::upstream::ProfileBody;
use crate::upstream::wire::body::{Metadata, metadata};

type Text = Personal<String>;

/// A field that an update can change.
#[derive(Debug)]
pub struct UpdatableField {
    /// The name of the input field.
    pub name: &'static str,
    pub is_given: fn(&UpdateCustomerInput) -> bool,
    /// The names of the parts that an input gives and that differ from a record. Without a record, all given parts differ.
    pub differences: fn(&UpdateCustomerInput, Option<&Sendable>, Comparison) -> Vec<&'static str>,
    /// Whether a masked record that was read later has the value of an earlier record. A value that cannot be read does not
    /// count as the same.
    pub is_unchanged: fn(&Sendable, &Customer) -> bool,
}

/// The row of a field: its name, its differences, and whether it is unchanged. The form with `as` compares the field as one
/// value with the one `known`, where `None` is an unknown value, and `Some(None)` is no value.
macro_rules! field {
    ($name:literal, $field:ident, $differences:expr, $is_unchanged:expr) => {
        UpdatableField {
            name: $name,
            is_given: |input| !input.$field.is_undefined(),
            differences: $differences,
            is_unchanged: $is_unchanged,
        }
    };
    ($name:literal, $field:ident as $part:literal, |$known:ident| $value:expr, $is_unchanged:expr) => {
        field!(
            $name,
            $field,
            |input, known, comparison| named(
                $part,
                differs(&input.$field, known.and_then(|$known| $value), comparison)
            ),
            $is_unchanged
        )
    };
}

/// The fields, in the order in which audit records name them.
pub static UPDATABLE_FIELDS: [UpdatableField; 9] = [
    field!("name", name as "name", |known| Some(Some(&known.name)), |was, now| is_same(&was.name, &now.summary.name)),
    field!("email", email as "email", |known| Some(Some(&known.email)), |was, now| is_same(&was.email, &now.summary.email)),
    field!("phone", phone as "phone", |known| Some(Some(&known.phone)), |was, now| is_same(&was.phone, &now.summary.phone)),
    // An update may have set the status already, so `UnchangedFields` compares it.
    field!("status", status as "status", |known| Some(Some(&known.status)), |_, _| true),
    field!("device", device as "device.ipAddress", |known| known.device.as_ref().map(Some), |_, _| true),
    field!("address", address, address_differences, |was, now| is_same_address(&was.address, &now.detail.address)),
    field!("complianceProfile", compliance_profile, profile_differences, |_, _| true),
    field!("externalId", external_id as "externalId", |known| Some(known.external_id.as_ref()), |was, now| {
        match (&was.external_id, &now.summary.external_id) {
            (Some(was), Ok(Some(now))) => is_same_or_masked(was, now),
            (was, now) => was.is_none() && matches!(now, Ok(None)),
        }
    }),
    field!(
        "metadata",
        metadata,
        |input, known, comparison| {
            let given = input.metadata.clone().map_value(metadata);
            named("metadata", differs(&given, known.map(|known| known.metadata.as_ref()), comparison))
        },
        |was, now| is_same_metadata(was.metadata.as_ref(), &now.detail.metadata)
    ),
];

fn named(name: &'static str, is_changed: bool) -> Vec<&'static str> {
    if is_changed { vec![name] } else { Vec::new() }
}

/// Whether a value is what it was. A masked value does not show a change.
fn is_same_or_masked(was: &Text, now: &Text) -> bool {
    was == now || now.reveal().contains('*')
}

fn is_same(was: &Text, now: &Readable<Text>) -> bool {
    now.as_ref().is_ok_and(|now| is_same_or_masked(was, now))
}

fn is_same_address(was: &Option<AddressInput>, now: &Readable<Option<Address>>) -> bool {
    match (was, now) {
        (Some(was), Ok(Some(now))) => {
            let lines = [&was.address1, &was.city, &was.state, &was.zip];
            let lines_now = [&now.address1, &now.city, &now.state, &now.zip];
            let address2 = match (&was.address2, &now.address2) {
                (Some(was), Some(now)) => is_same_or_masked(was, now),
                (was, now) => was.is_none() && now.is_none(),
            };
            lines.into_iter().zip(lines_now).all(|(was, now)| is_same_or_masked(was, now)) && address2
        }
        (was, now) => was.is_none() && matches!(now, Ok(None)),
    }
}

fn is_same_metadata(was: Option<&Metadata>, now: &Readable<Option<Vec<MetadataEntry>>>) -> bool {
    let Ok(now) = now else { return false };
    let now = now.as_deref().unwrap_or_default();
    let is_same = |entry: &MetadataEntry| {
        let was = was.and_then(|was| was.get(entry.key.reveal()));
        was.is_some_and(|value| is_same_or_masked(value, &entry.value))
    };
    was.map_or(0, Metadata::len) == now.len() && now.iter().all(is_same)
}

/// Whether what is given differs from what is known. `None` is not known, and `Some(None)` is known to be empty.
fn differs<T: Comparable>(given: &MaybeUndefined<T>, known: Option<Option<&T>>, comparison: Comparison) -> bool {
    let given = match given {
        MaybeUndefined::Undefined => return false,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(given) => Some(given),
    };
    known.is_none_or(|known| !are_same(given, known, comparison))
}

/// A part of an address.
type AddressPart = fn(&AddressInput) -> Option<&Text>;

/// The parts of an address, which is replaced as a whole.
const ADDRESS_PARTS: [(&str, AddressPart); 5] = [
    ("address.address1", |address| Some(&address.address1)),
    ("address.address2", |address| address.address2.as_ref()),
    ("address.city", |address| Some(&address.city)),
    ("address.state", |address| Some(&address.state)),
    ("address.zip", |address| Some(&address.zip)),
];

fn address_differences(
    input: &UpdateCustomerInput,
    known: Option<&Sendable>,
    comparison: Comparison,
) -> Vec<&'static str> {
    let given = match &input.address {
        MaybeUndefined::Undefined => return Vec::new(),
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(given) => Some(given),
    };
    let differs = |part: AddressPart| {
        let known = known.map(|known| known.address.as_ref().and_then(part));
        known.is_none_or(|known| !are_same(given.and_then(part), known, comparison))
    };
    ADDRESS_PARTS.into_iter().filter(|(_, part)| differs(*part)).map(|(name, _)| name).collect()
}

/// `known.profile` is `None` where the profile is not known unmasked.
fn profile_differences(
    input: &UpdateCustomerInput,
    known: Option<&Sendable>,
    comparison: Comparison,
) -> Vec<&'static str> {
    let known = known.and_then(|known| known.profile.as_ref());
    const DOB: &str = "complianceProfile.dob";
    const SSN: &str = "complianceProfile.ssn";
    const EIN: &str = "complianceProfile.ein";
    const LEGAL_NAME: &str = "complianceProfile.legalBusinessName";
    const REPRESENTATIVES: &str = "complianceProfile.representatives";
    const WEBSITE: &str = "complianceProfile.website";
    let fields = match &input.compliance_profile {
        MaybeUndefined::Undefined => Vec::new(),
        MaybeUndefined::Null => match known {
            None => vec![("complianceProfile", true)],
            Some(None) => Vec::new(),
            Some(Some(ProfileBody::Individual { dob, ssn })) => vec![(DOB, dob.is_some()), (SSN, ssn.is_some())],
            Some(Some(ProfileBody::Business { ein, legal_business_name, representatives, website })) => vec![
                (EIN, ein.is_some()),
                (LEGAL_NAME, legal_business_name.is_some()),
                (REPRESENTATIVES, representatives.as_ref().is_some_and(|list| !list.is_nothing(comparison))),
                (WEBSITE, website.is_some()),
            ],
        },
        MaybeUndefined::Value(ComplianceProfileInput::Individual(given)) => {
            let (dob, ssn) = match known {
                None => (None, None),
                Some(Some(ProfileBody::Individual { dob, ssn })) => (Some(dob.as_ref()), Some(ssn.as_ref())),
                Some(_) => (Some(None), Some(None)),
            };
            vec![(DOB, differs(&given.dob, dob, comparison)), (SSN, differs(&given.ssn, ssn, comparison))]
        }
        MaybeUndefined::Value(ComplianceProfileInput::Business(given)) => {
            let (ein, legal_name, representatives, website) = match known {
                None => (None, None, None, None),
                Some(Some(ProfileBody::Business { ein, legal_business_name, representatives, website })) => (
                    Some(ein.as_ref()),
                    Some(legal_business_name.as_ref()),
                    Some(representatives.as_ref()),
                    Some(website.as_ref()),
                ),
                Some(_) => (Some(None), Some(None), Some(None), Some(None)),
            };
            vec![
                (EIN, differs(&given.ein, ein, comparison)),
                (LEGAL_NAME, differs(&given.legal_business_name, legal_name, comparison)),
                (REPRESENTATIVES, differs(&given.representatives, representatives, comparison)),
                (WEBSITE, differs(&given.website, website, comparison)),
            ]
        }
    };
    fields.into_iter().filter_map(|(name, is_changed)| is_changed.then_some(name)).collect()
}
