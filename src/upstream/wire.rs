//! Where the wire's shapes differ from the model's: customers with a profile that does not say what it is, metadata
//! as a map, a page's metadata with a sort order in any case.

use std::collections::BTreeMap;

use async_graphql::ID;
use serde::{Deserialize, Deserializer};

use crate::model::{
    Address, BusinessComplianceProfile, ComplianceProfile, Customer, CustomerConfig, CustomerDetail, CustomerId,
    CustomerStatus, CustomerSummary, CustomerType, Date, DateTime, Device, IdentityReview, IndividualComplianceProfile,
    MetadataEntry, PageMeta, Representative, SortOrder, UnmaskedBusinessComplianceProfile, UnmaskedComplianceProfile,
    UnmaskedCustomer, UnmaskedDevice, UnmaskedIndividualComplianceProfile, lenient,
};
use crate::privacy::Personal;

type Text = Personal<String>;

/// The fourteen fields of a customer, masked or clear.
#[derive(Deserialize)]
pub struct WireCustomer {
    // The nine of a list's row once more and not flattened: flattening keeps every field in a buffer first, and this
    // is the type that is read most.
    id: CustomerId,
    name: Text,
    #[serde(rename = "type", deserialize_with = "lenient::word")]
    kind: CustomerType,
    email: Text,
    phone: Text,
    #[serde(default)]
    external_id: Option<Text>,
    #[serde(deserialize_with = "lenient::word")]
    status: CustomerStatus,
    created_at: DateTime,
    updated_at: DateTime,
    #[serde(default)]
    address: Option<Address>,
    #[serde(default)]
    compliance_profile: Option<WireProfile>,
    #[serde(default)]
    device: Option<Device>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Option<Text>>>,
    #[serde(default)]
    config: Option<CustomerConfig>,
}

impl WireCustomer {
    /// Whether its profile, or where it has none its type, is a company's.
    pub fn is_company(&self) -> bool {
        let by_type = self.kind == CustomerType::Business;
        self.compliance_profile.as_ref().map_or(by_type, |profile| !profile.is_of_a_person(self.kind))
    }
}

/// A review's data.
#[derive(Deserialize)]
pub struct WireReview {
    pub customer_details: WireCustomer,
    #[serde(default)]
    pub identity_details: Option<IdentityReview>,
}

/// A profile of either kind. A key that is there with `null` says as much about the kind as one with a value.
#[derive(Deserialize, Default)]
#[serde(default)]
struct WireProfile {
    #[serde(deserialize_with = "present")]
    dob: Option<Option<Text>>,
    #[serde(deserialize_with = "present")]
    ssn: Option<Option<Text>>,
    #[serde(deserialize_with = "present")]
    ein: Option<Option<Text>>,
    #[serde(deserialize_with = "present")]
    legal_business_name: Option<Option<Text>>,
    #[serde(deserialize_with = "present")]
    representatives: Option<Option<Vec<Representative>>>,
    #[serde(deserialize_with = "present")]
    website: Option<Option<Text>>,
}

/// Tells a key with `null` (`Some(None)`) from one that is not there (`None`, by `default`).
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

impl WireProfile {
    /// Person or company: by the keys that are there; where both kinds or neither are, by the customer's type; and
    /// where that is unknown, by the values. Never by the form of a value, which the mask breaks.
    fn is_of_a_person(&self, kind: CustomerType) -> bool {
        let person = self.dob.is_some() || self.ssn.is_some();
        let company = self.ein.is_some()
            || self.legal_business_name.is_some()
            || self.representatives.is_some()
            || self.website.is_some();
        match (person, company, kind) {
            (true, false, _) => true,
            (false, true, _) => false,
            (_, _, CustomerType::Individual) => true,
            (_, _, CustomerType::Business) => false,
            (_, _, CustomerType::Unrecognized) => self.dob.is_some_and_some() || self.ssn.is_some_and_some(),
        }
    }

    fn masked(self, kind: CustomerType) -> ComplianceProfile {
        if self.is_of_a_person(kind) {
            ComplianceProfile::Individual(IndividualComplianceProfile {
                dob: self.dob.flatten(),
                ssn: self.ssn.flatten(),
            })
        } else {
            ComplianceProfile::Business(BusinessComplianceProfile {
                ein: self.ein.flatten(),
                legal_business_name: self.legal_business_name.flatten(),
                representatives: self.representatives.flatten(),
                website: self.website.flatten(),
            })
        }
    }

    /// `Err` where a value is masked, or is no date where one belongs.
    fn clear(self, kind: CustomerType) -> Result<UnmaskedComplianceProfile, NotClear> {
        if self.is_of_a_person(kind) {
            let dob = self.dob.flatten().map(|text| {
                let date = text.reveal().get(..10).and_then(Date::read);
                clear(&text)?;
                date.map(Personal::new).ok_or(NotClear::NotADate)
            });
            let ssn = self.ssn.flatten();
            ssn.as_ref().map_or(Ok(()), clear)?;
            Ok(UnmaskedComplianceProfile::Individual(UnmaskedIndividualComplianceProfile {
                dob: dob.transpose()?,
                ssn,
            }))
        } else {
            let ein = self.ein.flatten();
            ein.as_ref().map_or(Ok(()), clear)?;
            Ok(UnmaskedComplianceProfile::Business(UnmaskedBusinessComplianceProfile {
                ein,
                legal_business_name: self.legal_business_name.flatten(),
                representatives: self.representatives.flatten(),
                website: self.website.flatten(),
            }))
        }
    }
}

/// Why what came as a clear record is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotClear {
    /// A value still wears its mask: the account may not see it.
    Masked,
    /// A date of birth that is no date.
    NotADate,
}

fn clear(text: &Text) -> Result<(), NotClear> {
    if text.reveal().contains('*') { Err(NotClear::Masked) } else { Ok(()) }
}

/// Whether a key is there and has a value.
trait Present {
    fn is_some_and_some(&self) -> bool;
}

impl<T> Present for Option<Option<T>> {
    fn is_some_and_some(&self) -> bool {
        matches!(self, Some(Some(_)))
    }
}

/// Metadata as a list sorted by key. A value of `null`, which webhooks may carry, is as if the key were not there.
fn entries(map: BTreeMap<String, Option<Text>>) -> Vec<MetadataEntry> {
    map.into_iter()
        .filter_map(|(key, value)| value.map(|value| MetadataEntry { key: Personal::new(key), value }))
        .collect()
}

impl From<WireCustomer> for Customer {
    fn from(wire: WireCustomer) -> Self {
        Self {
            summary: CustomerSummary {
                id: wire.id,
                name: wire.name,
                kind: wire.kind,
                email: wire.email,
                phone: wire.phone,
                external_id: wire.external_id,
                status: wire.status,
                created_at: wire.created_at,
                updated_at: wire.updated_at,
            },
            detail: CustomerDetail {
                address: wire.address,
                compliance_profile: wire.compliance_profile.map(|profile| profile.masked(wire.kind)),
                device: wire.device,
                metadata: wire.metadata.map(entries),
                config: wire.config,
            },
        }
    }
}

impl TryFrom<WireCustomer> for UnmaskedCustomer {
    type Error = NotClear;

    fn try_from(wire: WireCustomer) -> Result<Self, NotClear> {
        if let Some(device) = &wire.device {
            clear(&device.ip_address)?;
        }
        Ok(Self {
            customer_id: ID(wire.id.to_string()),
            compliance_profile: wire.compliance_profile.map(|profile| profile.clear(wire.kind)).transpose()?,
            name: wire.name,
            kind: wire.kind,
            status: wire.status,
            email: wire.email,
            phone: wire.phone,
            external_id: wire.external_id,
            address: wire.address,
            device: wire.device.map(|device| UnmaskedDevice { ip_address: device.ip_address }),
            metadata: wire.metadata.map(entries),
            config: wire.config,
            created_at: wire.created_at,
            updated_at: wire.updated_at,
        })
    }
}

/// A page's metadata.
#[derive(Deserialize)]
pub struct WirePageMeta {
    api_request_id: String,
    api_request_timestamp: DateTime,
    #[serde(deserialize_with = "lenient::clamped")]
    max_page_size: i32,
    #[serde(deserialize_with = "lenient::clamped")]
    page_number: i32,
    #[serde(deserialize_with = "lenient::clamped")]
    page_size: i32,
    sort_by: String,
    #[serde(deserialize_with = "lenient::word")]
    sort_order: WireSortOrder,
    #[serde(deserialize_with = "lenient::clamped")]
    total_items: i32,
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

impl From<WirePageMeta> for PageMeta {
    fn from(wire: WirePageMeta) -> Self {
        Self {
            api_request_id: ID(wire.api_request_id),
            api_request_timestamp: wire.api_request_timestamp,
            max_page_size: wire.max_page_size,
            page_number: wire.page_number,
            page_size: wire.page_size,
            sort_by: wire.sort_by,
            sort_order: match wire.sort_order {
                WireSortOrder::Asc => SortOrder::Asc,
                WireSortOrder::Desc => SortOrder::Desc,
            },
            total_items: wire.total_items.max(0),
            total_pages: wire.total_pages.max(0),
        }
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

    fn is_person(kind: &str, profile: &str) -> bool {
        let customer = Customer::from(customer(kind, profile));
        matches!(customer.detail.compliance_profile, Some(ComplianceProfile::Individual(_)))
    }

    #[test]
    fn a_masked_individual_is_never_taken_for_a_business() {
        let masked = r#"{"dob": "****-**-**", "ssn": "***-**-****"}"#;
        for kind in ["individual", "Individual", "business", "cooperative"] {
            assert!(is_person(kind, masked), "{kind}");
        }
        assert!(is_person("individual", r#"{"dob": null, "ssn": null}"#));
        assert!(is_person("individual", "{}"));
    }

    #[test]
    fn a_profile_with_the_keys_of_both_goes_by_the_type_and_then_by_the_values() {
        let flat = r#"{"dob": null, "ssn": "***-**-****", "ein": null, "legal_business_name": null, "website": null}"#;
        assert!(is_person("individual", flat));
        assert!(!is_person("business", flat));
        assert!(is_person("cooperative", flat));
        assert!(!is_person("individual", r#"{"ein": "**-*******", "legal_business_name": "A Inc"}"#));
    }

    #[test]
    fn metadata_is_sorted_and_empty_values_are_left_out() {
        let metadata = Customer::from(customer("individual", "null")).detail.metadata.unwrap_or_default();
        let keys: Vec<_> = metadata.iter().map(|entry| entry.key.reveal().as_str()).collect();
        assert_eq!(keys, ["a", "b"]);
    }

    #[test]
    fn a_record_that_wears_its_mask_is_not_clear() {
        let masked = customer("individual", r#"{"dob": "****-**-**", "ssn": "123-45-6789"}"#);
        assert_eq!(UnmaskedCustomer::try_from(masked).err(), Some(NotClear::Masked));
        let clear = customer("individual", r#"{"dob": "1980-02-29", "ssn": "123-45-6789"}"#);
        assert!(UnmaskedCustomer::try_from(clear).is_ok());
    }
}
