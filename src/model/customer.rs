//! A customer: the nine fields that a list carries, and the five that only a look-up gives.

use std::fmt;
use std::str::FromStr;

use async_graphql::{Enum, SimpleObject};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;
use uuid::Uuid;

use super::lenient::{FromJson, Readable, UnreadableField};
use super::{ComplianceProfile, DateTime};
use crate::privacy::Personal;
use crate::privacy::pii::{
    PersonalDataClass::{Contact, Network},
    pii,
};

/// A customer's id: the upstream's UUID as it is. No other text can be one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(pub Uuid);

/// The text is not a UUID in its 36-character form, so no customer can have it as an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidCustomerId;

impl FromStr for CustomerId {
    type Err = InvalidCustomerId;

    fn from_str(text: &str) -> Result<Self, InvalidCustomerId> {
        const HYPHENATED: usize = 36;
        if text.len() != HYPHENATED {
            return Err(InvalidCustomerId);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidCustomerId)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// In the form that the upstream writes.
impl FromJson for CustomerId {
    fn from_text(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

/// A customer as a look-up gives it: all fourteen fields, tax numbers, date of birth and device address masked.
#[derive(Clone, Debug)]
pub struct Customer {
    /// The fields that a list carries too.
    pub summary: CustomerSummary,
    /// The fields that only a look-up gives.
    pub detail: CustomerDetail,
}

/// A row of the upstream's list: nine fields, none of them masked. Each is there, or cannot be read.
#[derive(Clone, Debug)]
pub struct CustomerSummary {
    pub id: Readable<CustomerId>,
    pub name: Readable<Personal<String>>,
    pub kind: Readable<CustomerType>,
    pub email: Readable<Personal<String>>,
    pub phone: Readable<Personal<String>>,
    pub external_id: Readable<Option<Personal<String>>>,
    pub status: Readable<CustomerStatus>,
    pub created_at: Readable<DateTime>,
    pub updated_at: Readable<DateTime>,
}

/// What a list leaves out.
#[derive(Clone, Debug)]
pub struct CustomerDetail {
    pub address: Readable<Option<Address>>,
    pub compliance_profile: Readable<Option<ComplianceProfile>>,
    pub device: Readable<Option<Device>>,
    /// `None` where the upstream sent none; sorted by key.
    pub metadata: Readable<Option<Vec<MetadataEntry>>>,
    pub config: Readable<Option<CustomerConfig>>,
}

impl CustomerSummary {
    /// The fields that cannot be read.
    pub fn unreadable(&self) -> Vec<&'static str> {
        field_names([
            unreadable(&self.id),
            unreadable(&self.name),
            unreadable(&self.kind),
            unreadable(&self.email),
            unreadable(&self.phone),
            unreadable(&self.external_id),
            unreadable(&self.status),
            unreadable(&self.created_at),
            unreadable(&self.updated_at),
        ])
    }
}

impl CustomerDetail {
    /// The fields that cannot be read.
    pub fn unreadable(&self) -> Vec<&'static str> {
        field_names([
            unreadable(&self.address),
            unreadable(&self.compliance_profile),
            unreadable(&self.device),
            unreadable(&self.metadata),
            unreadable(&self.config),
        ])
    }
}

fn unreadable<T>(field: &Readable<T>) -> Option<UnreadableField> {
    field.as_ref().err().copied()
}

fn field_names(fields: impl IntoIterator<Item = Option<UnreadableField>>) -> Vec<&'static str> {
    fields.into_iter().flatten().map(|UnreadableField(name)| name).collect()
}

/// What a customer is: a person or a company.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerType {
    /// A natural person; screened by KYC (know your customer).
    Individual,
    /// A company; screened by KYB (know your business).
    Business,
    /// A word of the upstream that this version of the gateway does not know. Output only: as an input it is refused.
    #[serde(other)]
    Unrecognized,
}

/// Where a customer stands. This, not a review's decision, says whether it may transact.
#[derive(Enum, IntoStaticStr, Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum CustomerStatus {
    /// The screening is running.
    Pending,
    /// Waits for a person to decide: see `decideCustomerReview`.
    Review,
    /// May transact.
    Verified,
    /// Switched off.
    Inactive,
    /// May not transact.
    Rejected,
    /// A word of the upstream that this version of the gateway does not know. Output only: as an input it is refused.
    #[serde(other)]
    Unrecognized,
}

impl CustomerStatus {
    /// Its name in the schema.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A postal address in the United States. Not masked.
#[derive(SimpleObject, Clone, Debug)]
pub struct Address {
    /// Street and number.
    #[graphql(directive = pii::apply(Contact))]
    pub address1: Personal<String>,
    /// Apartment, suite or the like.
    #[graphql(directive = pii::apply(Contact))]
    pub address2: Option<Personal<String>>,
    /// City.
    #[graphql(directive = pii::apply(Contact))]
    pub city: Personal<String>,
    /// State as two capital letters, such as `NV`.
    #[graphql(directive = pii::apply(Contact))]
    pub state: Personal<String>,
    /// ZIP code, `89501` or `89501-1234`.
    #[graphql(directive = pii::apply(Contact))]
    pub zip: Personal<String>,
}

/// The device that a customer signed up with.
#[derive(SimpleObject, Clone, Debug)]
pub struct Device {
    /// The IP address at sign-up, masked: `**.**.**.**`. For the clear one see `unmaskCustomer`.
    #[graphql(directive = pii::apply(Network))]
    pub ip_address: Personal<String>,
}

/// A pair of the caller's own data at a customer.
#[derive(SimpleObject, Clone, Debug)]
pub struct MetadataEntry {
    /// The key, at most 40 characters; once per customer.
    #[graphql(directive = pii::apply(Contact))]
    pub key: Personal<String>,
    /// The value, at most 40 characters.
    #[graphql(directive = pii::apply(Contact))]
    pub value: Personal<String>,
}

/// How a customer's screening was asked for when it was created.
#[derive(SimpleObject, Clone, Debug)]
pub struct CustomerConfig {
    /// When the screening runs.
    pub processing_method: Option<ProcessingMethod>,
    /// The outcome forced for testing; the upstream's sandbox alone knows it.
    pub sandbox_outcome: Option<SandboxOutcome>,
}

/// When a new customer's screening runs.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessingMethod {
    /// During the call: the answer already has the settled status. The upstream's default.
    Inline,
    /// After the call: the answer is `PENDING`, the result comes later.
    Background,
    /// Not at all.
    Skip,
    /// A word of the upstream that this version of the gateway does not know. Output only: as an input it is refused.
    #[serde(other)]
    Unrecognized,
}

/// The status that the upstream's sandbox gives a new customer.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxOutcome {
    /// What the real checks say.
    Standard,
    /// Always `VERIFIED`.
    Verified,
    /// Always `REJECTED`.
    Rejected,
    /// Always `REVIEW`.
    Review,
    /// A word of the upstream that this version of the gateway does not know. Output only: as an input it is refused.
    #[serde(other)]
    Unrecognized,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hyphenated_uuid_is_an_id() {
        assert!("0190b2de-7c11-7c3a-8f10-2f6b2c3d4e5f".parse::<CustomerId>().is_ok());
        for wrong in ["", "42", "0190b2de7c117c3a8f102f6b2c3d4e5f", "urn:uuid:0190b2de-7c11-7c3a-8f10-2f6b2c3d4e5f"] {
            assert_eq!(wrong.parse::<CustomerId>(), Err(InvalidCustomerId), "{wrong}");
        }
    }
}
