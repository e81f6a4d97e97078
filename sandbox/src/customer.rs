//! A customer as the sandbox keeps it: in clear, the way the vendor's own store must.
//!
//! What of it is shown, and how, is the business of `view`. None of these types can be printed:
//! the people are made up, but a log line with a record in it is a habit not to start.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::enums::{CustomerStatus, CustomerType, Outcome, ProcessingMethod};
use super::screening::Screening;
use super::timestamp::Timestamp;
use super::unknown_members::UnknownMembers;

/// Pairs of the caller's own.
pub(crate) type Metadata = BTreeMap<String, String>;

/// One customer.
#[derive(Clone)]
pub(crate) struct Customer {
    /// Version 7, as seen.
    pub(crate) id: Uuid,
    /// Never blank.
    pub(crate) name: String,
    /// Fixed at creation.
    pub(crate) kind: CustomerType,
    /// Unique in its world without regard to case.
    pub(crate) email: String,
    /// E.164.
    pub(crate) phone: String,
    /// Where the customer stands.
    pub(crate) status: CustomerStatus,
    /// The caller's own id; not unique.
    pub(crate) external_id: Option<String>,
    /// All or nothing.
    pub(crate) address: Option<Address>,
    /// Of the shape that fits `kind`.
    pub(crate) profile: Option<Profile>,
    /// IPv4, in clear.
    pub(crate) ip_address: String,
    /// The caller's own pairs.
    pub(crate) metadata: Option<Metadata>,
    /// What was asked for at creation.
    pub(crate) configuration: Configuration,
    /// When it was created.
    pub(crate) created_at: Timestamp,
    /// Strictly later after every change.
    pub(crate) updated_at: Timestamp,
    /// The last screening, where one ran.
    pub(crate) screening: Option<Arc<Screening>>,
    /// What the contract does not have.
    pub(crate) unknown_members: UnknownMembers,
}

impl Customer {
    /// What a list is sorted and searched by: the name without regard to case.
    pub(crate) fn name_key(&self) -> String {
        self.name.to_lowercase()
    }

    /// What must be unique in a world.
    pub(crate) fn email_key(&self) -> String {
        self.email.to_lowercase()
    }
}

/// A postal address in the United States.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Address {
    /// Street and number.
    pub address1: String,
    /// Flat or floor; the key is always there, `null` where empty, as in the vendor's samples.
    pub address2: Option<String>,
    /// Town.
    pub(crate) city: String,
    /// Two capital letters.
    pub(crate) state: String,
    /// Five digits, or nine.
    pub(crate) zip: String,
}

/// What the law asks about a customer, in clear. The keys of a shape are always sent, `null` or not.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Of a person.
    Individual {
        /// `YYYY-MM-DD`.
        dob: Option<String>,
        /// `NNN-NN-NNNN`.
        ssn: Option<String>,
    },
    /// Of a company.
    Business {
        /// `NN-NNNNNNN`.
        ein: Option<String>,
        /// The name in the register.
        legal_business_name: Option<String>,
        /// Who speaks for it.
        representatives: Option<Vec<Representative>>,
        /// An absolute URI.
        website: Option<String>,
    },
}

impl Profile {
    /// The kind of customer that this shape belongs to.
    pub(crate) fn kind(&self) -> CustomerType {
        match self {
            Self::Individual { .. } => CustomerType::Individual,
            Self::Business { .. } => CustomerType::Business,
        }
    }
}

/// A person who speaks for a company.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Representative {
    /// Never blank.
    pub(crate) name: String,
    /// As given; the contract sets no form.
    pub(crate) email: Option<String>,
    /// As given; the contract sets no form.
    pub(crate) phone: Option<String>,
}

/// What was asked for at creation, echoed back (seen), the server's default included.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Configuration {
    /// When to screen.
    pub(crate) processing_method: ProcessingMethod,
    /// How the screening is to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sandbox_outcome: Option<Outcome>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { processing_method: ProcessingMethod::Inline, sandbox_outcome: None }
    }
}
