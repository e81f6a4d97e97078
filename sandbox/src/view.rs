//! The wire forms of a customer: masked, unmasked, list row, event.
//!
//! Masked are the date of birth, SSN, EIN and the device's address; `null` stays `null`. Name, e-mail, phone, address,
//! legal name, website, representatives and metadata are not masked. For address and representatives this is assumed
//! (`docs/upstream.md`, open point 10).
//! Seen: responses with one customer omit absent optional members; a list row has an explicit `null` for `external_id`.

use serde::Serialize;
use uuid::Uuid;

use super::customer::{Address, Configuration, Customer, Metadata, Profile, Representative};
use super::enums::{CustomerStatus, CustomerType};
use super::timestamp::TimestampFormat;

/// The mask of a date of birth (seen).
pub(crate) const DOB_MASK: &str = "****-**-**";
/// The mask of an SSN (seen).
pub(crate) const SSN_MASK: &str = "***-**-****";
/// The mask of an EIN (seen).
pub(crate) const EIN_MASK: &str = "**-*******";
/// The mask of a device's address (seen).
pub(crate) const IP_MASK: &str = "**.**.**.**";

/// Whether personal data is masked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// In all responses but one.
    Masked,
    /// In the response of `…/unmasked`.
    Unmasked,
}

impl Visibility {
    fn apply<'a>(self, value: Option<&'a str>, mask: &'a str) -> Option<&'a str> {
        match self {
            Self::Masked => value.map(|_| mask),
            Self::Unmasked => value,
        }
    }
}

/// The nine fields of a list row.
#[derive(Serialize)]
pub(crate) struct Summary<'a> {
    id: Uuid,
    name: &'a str,
    #[serde(rename = "type")]
    kind: CustomerType,
    email: &'a str,
    phone: &'a str,
    external_id: Option<&'a str>,
    status: CustomerStatus,
    created_at: String,
    updated_at: String,
}

/// The fourteen fields of a customer.
#[derive(Serialize)]
pub(crate) struct FullCustomer<'a> {
    id: Uuid,
    name: &'a str,
    #[serde(rename = "type")]
    kind: CustomerType,
    email: &'a str,
    phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    status: CustomerStatus,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compliance_profile: Option<ProfileView<'a>>,
    device: Device<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    config: Configuration,
}

/// The thirteen fields of an event: without `config`, and with a flat profile without representatives.
#[derive(Serialize)]
pub(crate) struct EventData<'a> {
    id: Uuid,
    name: &'a str,
    #[serde(rename = "type")]
    kind: CustomerType,
    email: &'a str,
    phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    status: CustomerStatus,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compliance_profile: Option<FlatProfile<'a>>,
    device: Device<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
}

#[derive(Serialize)]
struct Device<'a> {
    ip_address: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ProfileView<'a> {
    Individual {
        dob: Option<&'a str>,
        ssn: Option<&'a str>,
    },
    Business {
        ein: Option<&'a str>,
        legal_business_name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        representatives: Option<&'a [Representative]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        website: Option<&'a str>,
    },
}

#[derive(Default, Serialize)]
struct FlatProfile<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    dob: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ein: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_business_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    website: Option<&'a str>,
}

/// A list row. Lists are reads, so timestamps have the read format.
pub(crate) fn summary(customer: &Customer) -> Summary<'_> {
    Summary {
        id: customer.id,
        name: &customer.name,
        kind: customer.kind,
        email: &customer.email,
        phone: &customer.phone,
        external_id: customer.external_id.as_deref(),
        status: customer.status,
        created_at: TimestampFormat::Read.format(customer.created_at),
        updated_at: TimestampFormat::Read.format(customer.updated_at),
    }
}

/// The complete customer.
pub(crate) fn full_customer(customer: &Customer, visibility: Visibility, format: TimestampFormat) -> FullCustomer<'_> {
    FullCustomer {
        id: customer.id,
        name: &customer.name,
        kind: customer.kind,
        email: &customer.email,
        phone: &customer.phone,
        external_id: customer.external_id.as_deref(),
        status: customer.status,
        created_at: format.format(customer.created_at),
        updated_at: format.format(customer.updated_at),
        address: customer.address.as_ref(),
        compliance_profile: customer.profile.as_ref().map(|profile| profile_view(profile, visibility)),
        device: device(customer, visibility),
        metadata: customer.metadata.as_ref(),
        config: customer.configuration,
    }
}

/// The customer in an event, always masked.
pub(crate) fn event_data(customer: &Customer) -> EventData<'_> {
    EventData {
        id: customer.id,
        name: &customer.name,
        kind: customer.kind,
        email: &customer.email,
        phone: &customer.phone,
        external_id: customer.external_id.as_deref(),
        status: customer.status,
        created_at: TimestampFormat::Write.format(customer.created_at),
        updated_at: TimestampFormat::Write.format(customer.updated_at),
        address: customer.address.as_ref(),
        compliance_profile: customer.profile.as_ref().map(flat_profile),
        device: device(customer, Visibility::Masked),
        metadata: customer.metadata.as_ref(),
    }
}

fn device(customer: &Customer, visibility: Visibility) -> Device<'_> {
    let clear = Some(customer.ip_address.as_str());
    Device { ip_address: visibility.apply(clear, IP_MASK).unwrap_or(IP_MASK) }
}

fn profile_view(profile: &Profile, visibility: Visibility) -> ProfileView<'_> {
    match profile {
        Profile::Individual { dob, ssn } => ProfileView::Individual {
            dob: visibility.apply(dob.as_deref(), DOB_MASK),
            ssn: visibility.apply(ssn.as_deref(), SSN_MASK),
        },
        Profile::Business { ein, legal_business_name, representatives, website } => ProfileView::Business {
            ein: visibility.apply(ein.as_deref(), EIN_MASK),
            legal_business_name: legal_business_name.as_deref(),
            representatives: representatives.as_deref(),
            website: website.as_deref(),
        },
    }
}

fn flat_profile(profile: &Profile) -> FlatProfile<'_> {
    match profile_view(profile, Visibility::Masked) {
        ProfileView::Individual { dob, ssn } => FlatProfile { dob, ssn, ..FlatProfile::default() },
        ProfileView::Business { ein, legal_business_name, website, .. } => {
            FlatProfile { ein, legal_business_name, website, ..FlatProfile::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, to_value};

    use super::*;

    fn shown(profile: &Profile, visibility: Visibility) -> Value {
        to_value(profile_view(profile, visibility)).expect("plain data")
    }

    #[test]
    fn the_profile_of_an_individual_is_masked_and_null_stays_null() {
        let profile = Profile::Individual { dob: Some("1980-02-03".into()), ssn: None };
        assert_eq!(shown(&profile, Visibility::Masked), json!({"dob": "****-**-**", "ssn": null}));
        assert_eq!(shown(&profile, Visibility::Unmasked), json!({"dob": "1980-02-03", "ssn": null}));
    }

    #[test]
    fn only_the_ein_of_a_business_is_masked() {
        let profile = Profile::Business {
            ein: Some("98-7654321".into()),
            legal_business_name: Some("Blue Kettle LLC".into()),
            representatives: Some(vec![Representative { name: "Cy Doe".into(), email: None, phone: None }]),
            website: None,
        };
        assert_eq!(
            shown(&profile, Visibility::Masked),
            json!({"ein": "**-*******", "legal_business_name": "Blue Kettle LLC",
                   "representatives": [{"name": "Cy Doe", "email": null, "phone": null}]})
        );
    }
}
