//! The wire types that differ from the model's: a compliance profile does not name its kind, metadata is a map, and the
//! sort order of a page is in any letter case.

use std::collections::BTreeMap;

use async_graphql::ID;
use serde::Deserialize;

use super::envelope::Envelope;
use super::{NotUnmasked, PersonalText};
use crate::model::lenient::{self, EnumWord, LenientField, Object, Readable, UnreadableField};
use crate::model::{
    Address, Customer, CustomerConfig, CustomerDetail, CustomerId, CustomerStatus, CustomerSummary, CustomerType,
    DateTime, Device, IdentityReview, MetadataEntry, PageMeta, ProcessingMethod, SandboxOutcome, SortOrder,
    UnmaskedCustomer, UnmaskedDevice,
};
use crate::privacy::Personal;

use super::profile::{MaskedField, WireProfile, check_unmasked, ensure_masked};

/// A row of a list. Each field accepts any JSON value.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct WireRow {
    id: LenientField<CustomerId>,
    name: LenientField<PersonalText>,
    #[serde(rename = "type")]
    kind: LenientField<EnumWord<CustomerType>>,
    email: LenientField<PersonalText>,
    phone: LenientField<PersonalText>,
    external_id: LenientField<PersonalText>,
    status: LenientField<EnumWord<CustomerStatus>>,
    created_at: LenientField<DateTime>,
    updated_at: LenientField<DateTime>,
}

/// The fourteen fields of a customer, masked or unmasked.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct WireCustomer {
    // The nine fields of a row are repeated, because serde's `flatten` buffers all fields, and this type is parsed
    // most.
    id: LenientField<CustomerId>,
    name: LenientField<PersonalText>,
    #[serde(rename = "type")]
    kind: LenientField<EnumWord<CustomerType>>,
    email: LenientField<PersonalText>,
    phone: LenientField<PersonalText>,
    external_id: LenientField<PersonalText>,
    status: LenientField<EnumWord<CustomerStatus>>,
    created_at: LenientField<DateTime>,
    updated_at: LenientField<DateTime>,
    address: LenientField<Object<WireAddress>>,
    compliance_profile: LenientField<Object<WireProfile>>,
    device: LenientField<Object<WireDevice>>,
    metadata: LenientField<BTreeMap<String, LenientField<PersonalText>>>,
    config: LenientField<Object<WireConfig>>,
}

impl WireCustomer {
    /// Whether the customer is a business: by its profile, or without a profile by its type.
    pub fn is_company(&self) -> bool {
        let kind = match &self.kind {
            LenientField::Value(EnumWord(kind)) => *kind,
            _ => CustomerType::Unrecognized,
        };
        match &self.compliance_profile {
            LenientField::Value(Object(profile)) => !profile.is_individual(kind),
            _ => kind == CustomerType::Business,
        }
    }
}

/// A review's data. If the screening cannot be read, the customer still can.
pub struct WireReview {
    pub customer_details: WireCustomer,
    pub identity_details: Readable<Option<IdentityReview>>,
}

impl WireReview {
    /// Parses the body of a review.
    ///
    /// # Errors
    /// If the body has no customer.
    pub fn parse(body: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Whole {
            customer_details: WireCustomer,
            #[serde(default)]
            identity_details: Option<IdentityReview>,
        }
        #[derive(Deserialize)]
        struct CustomerOnly {
            customer_details: WireCustomer,
        }
        if let Ok(Envelope { data: Whole { customer_details, identity_details } }) = serde_json::from_slice(body) {
            return Ok(Self { customer_details, identity_details: Ok(identity_details) });
        }
        let Envelope { data: CustomerOnly { customer_details } } = serde_json::from_slice(body)?;
        Ok(Self { customer_details, identity_details: Err(UnreadableField("identity")) })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireAddress {
    address1: LenientField<PersonalText>,
    address2: LenientField<PersonalText>,
    city: LenientField<PersonalText>,
    state: LenientField<PersonalText>,
    zip: LenientField<PersonalText>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireDevice {
    ip_address: LenientField<PersonalText>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireConfig {
    processing_method: LenientField<EnumWord<ProcessingMethod>>,
    sandbox_outcome: LenientField<EnumWord<SandboxOutcome>>,
}

/// Metadata as a list, sorted by key. An entry with the value `null` is omitted.
fn metadata_entries(
    map: LenientField<BTreeMap<String, LenientField<PersonalText>>>,
) -> Readable<Option<Vec<MetadataEntry>>> {
    let Some(map) = map.optional("metadata")? else { return Ok(None) };
    let entry = |(key, value): (String, LenientField<PersonalText>)| {
        let value = value.optional("metadata").transpose()?;
        Some(value.map(|value| MetadataEntry { key: Personal::new(key), value }))
    };
    map.into_iter().filter_map(entry).collect::<Readable<Vec<_>>>().map(Some)
}

fn address(address: LenientField<Object<WireAddress>>) -> Readable<Option<Address>> {
    let Some(Object(WireAddress { address1, address2, city, state, zip })) = address.optional("address")? else {
        return Ok(None);
    };
    Ok(Some(Address {
        address1: address1.required("address.address1")?,
        address2: address2.optional("address.address2")?,
        city: city.required("address.city")?,
        state: state.required("address.state")?,
        zip: zip.required("address.zip")?,
    }))
}

fn ip_address(device: LenientField<Object<WireDevice>>) -> Readable<Option<PersonalText>> {
    let device = device.optional("device")?;
    device.map(|Object(device)| device.ip_address.required("device.ipAddress")).transpose()
}

fn config(config: LenientField<Object<WireConfig>>) -> Readable<Option<CustomerConfig>> {
    let Some(Object(WireConfig { processing_method, sandbox_outcome })) = config.optional("config")? else {
        return Ok(None);
    };
    Ok(Some(CustomerConfig {
        processing_method: enum_value(processing_method.optional("config.processingMethod")?),
        sandbox_outcome: enum_value(sandbox_outcome.optional("config.sandboxOutcome")?),
    }))
}

fn enum_value<T>(word: Option<EnumWord<T>>) -> Option<T> {
    word.map(|EnumWord(word)| word)
}

impl From<WireRow> for CustomerSummary {
    fn from(wire: WireRow) -> Self {
        Self {
            id: wire.id.required("id"),
            name: wire.name.required("name"),
            kind: wire.kind.required("type").map(|EnumWord(kind)| kind),
            email: wire.email.required("email"),
            phone: wire.phone.required("phone"),
            external_id: wire.external_id.optional("externalId"),
            status: wire.status.required("status").map(|EnumWord(status)| status),
            created_at: wire.created_at.required("createdAt"),
            updated_at: wire.updated_at.required("updatedAt"),
        }
    }
}

impl From<LenientField<Object<WireRow>>> for CustomerSummary {
    /// All fields of a row that is no object are unreadable.
    fn from(row: LenientField<Object<WireRow>>) -> Self {
        match row {
            LenientField::Value(Object(row)) => row.into(),
            LenientField::Absent | LenientField::Null | LenientField::Unreadable => {
                Self { external_id: Err(UnreadableField("externalId")), ..WireRow::default().into() }
            }
        }
    }
}

impl From<WireCustomer> for Customer {
    fn from(wire: WireCustomer) -> Self {
        let WireCustomer { id, name, kind, email, phone, external_id, status, created_at, updated_at, .. } = wire;
        let row = WireRow { id, name, kind, email, phone, external_id, status, created_at, updated_at };
        let summary = CustomerSummary::from(row);
        let kind = summary.kind.unwrap_or(CustomerType::Unrecognized);
        let profile = wire.compliance_profile.optional("complianceProfile");
        Self {
            summary,
            detail: CustomerDetail {
                address: address(wire.address),
                compliance_profile: profile
                    .and_then(|profile| profile.map(|Object(profile)| profile.masked(kind)).transpose()),
                device: ip_address(wire.device).map(|address| {
                    address.map(|ip_address| Device { ip_address: ensure_masked(ip_address, MaskedField::IpAddress) })
                }),
                metadata: metadata_entries(wire.metadata),
                config: config(wire.config),
            },
        }
    }
}

impl TryFrom<WireCustomer> for UnmaskedCustomer {
    type Error = NotUnmasked;

    fn try_from(wire: WireCustomer) -> Result<Self, NotUnmasked> {
        let device = ip_address(wire.device)?.map(|ip_address| UnmaskedDevice { ip_address });
        if let Some(device) = &device {
            check_unmasked(&device.ip_address)?;
        }
        let EnumWord(kind) = wire.kind.required("type")?;
        let EnumWord(status) = wire.status.required("status")?;
        let profile = wire.compliance_profile.optional("complianceProfile")?;
        Ok(Self {
            customer_id: ID(wire.id.required("id")?.to_string()),
            compliance_profile: profile.map(|Object(profile)| profile.unmasked(kind)).transpose()?,
            name: wire.name.required("name")?,
            kind,
            status,
            email: wire.email.required("email")?,
            phone: wire.phone.required("phone")?,
            external_id: wire.external_id.optional("externalId")?,
            address: address(wire.address)?,
            device,
            metadata: metadata_entries(wire.metadata)?,
            config: config(wire.config)?,
            created_at: wire.created_at.required("createdAt")?,
            updated_at: wire.updated_at.required("updatedAt")?,
        })
    }
}

/// A page's metadata.
#[derive(Deserialize)]
pub struct WirePageMeta {
    #[serde(default)]
    api_request_id: LenientField<PersonalText>,
    #[serde(default)]
    api_request_timestamp: LenientField<DateTime>,
    #[serde(deserialize_with = "lenient::clamped")]
    max_page_size: i32,
    #[serde(deserialize_with = "lenient::clamped")]
    pub page_number: i32,
    #[serde(deserialize_with = "lenient::clamped")]
    pub page_size: i32,
    #[serde(default)]
    sort_by: LenientField<PersonalText>,
    #[serde(default)]
    sort_order: LenientField<EnumWord<WireSortOrder>>,
    #[serde(deserialize_with = "lenient::clamped")]
    pub total_items: i32,
    #[serde(deserialize_with = "lenient::clamped")]
    total_pages: i32,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum WireSortOrder {
    Desc,
    #[serde(other)]
    Asc,
}

impl TryFrom<WirePageMeta> for PageMeta {
    type Error = UnreadableField;

    fn try_from(wire: WirePageMeta) -> Readable<Self> {
        Ok(Self {
            api_request_id: ID(wire.api_request_id.required("meta.apiRequestId")?.reveal().clone()),
            api_request_timestamp: wire.api_request_timestamp.required("meta.apiRequestTimestamp")?,
            max_page_size: wire.max_page_size,
            page_number: wire.page_number,
            page_size: wire.page_size,
            sort_by: wire.sort_by.required("meta.sortBy")?.reveal().clone(),
            sort_order: match wire.sort_order.required("meta.sortOrder")?.0 {
                WireSortOrder::Asc => SortOrder::Asc,
                WireSortOrder::Desc => SortOrder::Desc,
            },
            total_items: wire.total_items.max(0),
            total_pages: wire.total_pages.max(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(kind: &str, profile: &str) -> WireCustomer {
        serde_json::from_str(&format!(
            r#"{{"id": "0190b2de-7c11-7c3a-8f10-2f6b2c3d4e5f", "name": "A", "type": "{kind}", "email": "e", "phone": "p",
                 "status": "review", "created_at": "2026-07-07T06:21:44", "updated_at": "2026-07-07T06:21:44",
                 "compliance_profile": {profile}, "metadata": {{"b": "2", "a": "1", "c": null}}}}"#
        ))
        .expect("the customer of this test")
    }

    #[test]
    fn metadata_is_sorted_and_empty_values_are_left_out() {
        let metadata = Customer::from(customer("individual", "null")).detail.metadata;
        let metadata = metadata.expect("it can be read").unwrap_or_default();
        let keys: Vec<_> = metadata.iter().map(|entry| entry.key.reveal().as_str()).collect();
        assert_eq!(keys, ["a", "b"]);
    }

    #[test]
    fn words_are_read_in_any_case_and_unknown_ones_are_kept_as_such() {
        for (word, status) in [
            ("review", CustomerStatus::Review),
            ("Verified", CustomerStatus::Verified),
            ("resubmit", CustomerStatus::Unrecognized),
        ] {
            let row = format!(
                r#"{{"id": "0190b2de-7c11-7c3a-8f10-2f6b2c3d4e5f", "name": "A", "type": "Individual", "email": "e",
                     "phone": "p", "status": "{word}", "created_at": "2026-07-07T06:21:44",
                     "updated_at": "2026-07-07T06:21:44Z", "a_new_field": [1]}}"#
            );
            let row: LenientField<Object<WireRow>> = serde_json::from_str(&row).expect("the row of this test");
            let row = CustomerSummary::from(row);
            assert_eq!((row.status, row.kind), (Ok(status), Ok(CustomerType::Individual)));
            assert_eq!((row.unreadable(), row.external_id), ([""; 0].to_vec(), Ok(None)));
        }
    }

    #[test]
    fn all_fields_of_a_row_that_is_no_object_are_unreadable() {
        for row in ["null", "7", "[]", "\"a\""] {
            let row: LenientField<Object<WireRow>> = serde_json::from_str(row).expect("the row of this test");
            assert_eq!(CustomerSummary::from(row).unreadable().len(), 9);
        }
    }
}
