//! A customer: the nine fields that a list carries, and the five that only a look-up gives.

use std::fmt;
use std::str::FromStr;

use async_graphql::{Enum, SimpleObject};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::lenient;
use super::{ComplianceProfile, DateTime};
use crate::privacy::Personal;
use crate::privacy::pii::{
    Class::{Contact, Network},
    pii,
};

/// A customer's id: the upstream's UUID as it is. No other text can be one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(pub Uuid);

/// The text is not a UUID in its 36-character form, so no customer can have it as an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAnId;

impl FromStr for CustomerId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        const HYPHENATED: usize = 36;
        if text.len() != HYPHENATED {
            return Err(NotAnId);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| NotAnId)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
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

/// A row of the upstream's list: nine fields, none of them masked.
#[derive(Clone, Debug, Deserialize)]
pub struct CustomerSummary {
    pub id: CustomerId,
    pub name: Personal<String>,
    #[serde(rename = "type", deserialize_with = "lenient::word")]
    pub kind: CustomerType,
    pub email: Personal<String>,
    pub phone: Personal<String>,
    #[serde(default)]
    pub external_id: Option<Personal<String>>,
    #[serde(deserialize_with = "lenient::word")]
    pub status: CustomerStatus,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

/// What a list leaves out.
#[derive(Clone, Debug, Default)]
pub struct CustomerDetail {
    pub address: Option<Address>,
    pub compliance_profile: Option<ComplianceProfile>,
    pub device: Option<Device>,
    /// `None` where the upstream sent none; sorted by key.
    pub metadata: Option<Vec<MetadataEntry>>,
    pub config: Option<CustomerConfig>,
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
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
        match self {
            Self::Pending => "PENDING",
            Self::Review => "REVIEW",
            Self::Verified => "VERIFIED",
            Self::Inactive => "INACTIVE",
            Self::Rejected => "REJECTED",
            Self::Unrecognized => "UNRECOGNIZED",
        }
    }
}

/// A postal address in the United States. Not masked.
#[derive(SimpleObject, Clone, Debug, Deserialize)]
pub struct Address {
    /// Street and number.
    #[graphql(directive = pii::apply(Contact))]
    pub address1: Personal<String>,
    /// Apartment, suite or the like.
    #[graphql(directive = pii::apply(Contact))]
    #[serde(default)]
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
#[derive(SimpleObject, Clone, Debug, Deserialize)]
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
#[derive(SimpleObject, Clone, Debug, Deserialize)]
pub struct CustomerConfig {
    /// When the screening runs.
    #[serde(default, deserialize_with = "lenient::optional_word")]
    pub processing_method: Option<ProcessingMethod>,
    /// The outcome forced for testing; the upstream's sandbox alone knows it.
    #[serde(default, deserialize_with = "lenient::optional_word")]
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
            assert_eq!(wrong.parse::<CustomerId>(), Err(NotAnId), "{wrong}");
        }
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
            let row: CustomerSummary = serde_json::from_str(&row).expect("the row of this test");
            assert_eq!((row.status, row.kind, row.external_id), (status, CustomerType::Individual, None));
        }
    }
}
