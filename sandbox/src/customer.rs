//! A customer as the sandbox stores it: unmasked.
//!
//! `view` makes the wire forms. None of these types implement `Debug` or `Display`, so no record can reach a log.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::enums::{CustomerStatus, CustomerType, Outcome, ProcessingMethod};
use super::screening::Screening;
use super::timestamp::Timestamp;
use super::unknown_members::UnknownMembers;

/// The caller's own key-value pairs.
pub(crate) type Metadata = BTreeMap<String, String>;

#[derive(Clone)]
pub(crate) struct Customer {
    /// UUID version 7 (seen).
    pub(crate) id: Uuid,
    /// Never blank.
    pub(crate) name: String,
    /// Fixed at creation.
    pub(crate) kind: CustomerType,
    /// Unique in its store, ignoring case.
    pub(crate) email: String,
    /// E.164.
    pub(crate) phone: String,
    pub(crate) status: CustomerStatus,
    /// The caller's own id; not unique.
    pub(crate) external_id: Option<String>,
    /// Complete or absent.
    pub(crate) address: Option<Address>,
    /// Of the shape that belongs to `kind`.
    pub(crate) profile: Option<Profile>,
    /// IPv4, unmasked.
    pub(crate) ip_address: String,
    /// The caller's own key-value pairs.
    pub(crate) metadata: Option<Metadata>,
    /// As requested at creation.
    pub(crate) configuration: Configuration,
    pub(crate) created_at: Timestamp,
    /// Strictly later after every change.
    pub(crate) updated_at: Timestamp,
    /// The latest screening; `None` before the first one.
    pub(crate) screening: Option<Arc<Screening>>,
    /// Members that the contract does not have.
    pub(crate) unknown_members: UnknownMembers,
}

impl Customer {
    /// The key for sorting and searching by name: in lower case.
    pub(crate) fn name_key(&self) -> String {
        self.name.to_lowercase()
    }

    /// The key for uniqueness of the e-mail address: in lower case.
    pub(crate) fn email_key(&self) -> String {
        self.email.to_lowercase()
    }
}

/// A postal address in the United States.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Address {
    /// Street and number.
    pub address1: String,
    /// Apartment or floor. The wire always has the key, with `null` if empty, as in the vendor's samples.
    pub address2: Option<String>,
    /// City.
    pub(crate) city: String,
    /// Two capital letters.
    pub(crate) state: String,
    /// Five or nine digits.
    pub(crate) zip: String,
}

/// Compliance data, unmasked. The wire always has the required keys of a shape, with `null` if empty.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A person.
    Individual {
        /// `YYYY-MM-DD`.
        dob: Option<String>,
        /// `NNN-NN-NNNN`.
        ssn: Option<String>,
    },
    /// A company.
    Business {
        /// `NN-NNNNNNN`.
        ein: Option<String>,
        /// The registered name.
        legal_business_name: Option<String>,
        /// The company's representatives.
        representatives: Option<Vec<Representative>>,
        /// An absolute URI.
        website: Option<String>,
    },
}

impl Profile {
    /// The type of customer that this shape belongs to.
    pub(crate) fn kind(&self) -> CustomerType {
        match self {
            Self::Individual { .. } => CustomerType::Individual,
            Self::Business { .. } => CustomerType::Business,
        }
    }
}

/// A representative of a company.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Representative {
    /// Never blank.
    pub(crate) name: String,
    /// The contract sets no format.
    pub(crate) email: Option<String>,
    /// The contract sets no format.
    pub(crate) phone: Option<String>,
}

/// The options of a create. Responses echo them (seen), with the server's defaults.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Configuration {
    /// When the customer is screened.
    pub(crate) processing_method: ProcessingMethod,
    /// The requested result of the screening.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sandbox_outcome: Option<Outcome>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { processing_method: ProcessingMethod::Inline, sandbox_outcome: None }
    }
}
