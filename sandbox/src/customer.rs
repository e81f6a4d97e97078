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
pub type Metadata = BTreeMap<String, String>;

/// One customer.
#[derive(Clone)]
pub struct Customer {
    /// Version 7, as seen.
    pub id: Uuid,
    /// Never blank.
    pub name: String,
    /// Fixed at creation.
    pub kind: CustomerType,
    /// Unique in its world without regard to case.
    pub email: String,
    /// E.164.
    pub phone: String,
    /// Where the customer stands.
    pub status: CustomerStatus,
    /// The caller's own id; not unique.
    pub external_id: Option<String>,
    /// All or nothing.
    pub address: Option<Address>,
    /// Of the shape that fits `kind`.
    pub profile: Option<Profile>,
    /// IPv4, in clear.
    pub ip_address: String,
    /// The caller's own pairs.
    pub metadata: Option<Metadata>,
    /// What was asked for at creation.
    pub configuration: Configuration,
    /// When it was created.
    pub created_at: Timestamp,
    /// Strictly later after every change.
    pub updated_at: Timestamp,
    /// The last screening, where one ran.
    pub screening: Option<Arc<Screening>>,
    /// What the contract does not have.
    pub unknown_members: UnknownMembers,
}

impl Customer {
    /// What a list is sorted and searched by: the name without regard to case.
    pub fn name_key(&self) -> String {
        self.name.to_lowercase()
    }

    /// What must be unique in a world.
    pub fn email_key(&self) -> String {
        self.email.to_lowercase()
    }
}

/// A postal address in the United States.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Address {
    /// Street and number.
    pub address1: String,
    /// Flat or floor; the key is always there, `null` where empty, as in the vendor's samples.
    pub address2: Option<String>,
    /// Town.
    pub city: String,
    /// Two capital letters.
    pub state: String,
    /// Five digits, or nine.
    pub zip: String,
}

/// What the law asks about a customer, in clear. The keys of a shape are always sent, `null` or not.
#[derive(Clone, PartialEq, Eq)]
pub enum Profile {
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
    pub fn kind(&self) -> CustomerType {
        match self {
            Self::Individual { .. } => CustomerType::Individual,
            Self::Business { .. } => CustomerType::Business,
        }
    }
}

/// A person who speaks for a company.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Representative {
    /// Never blank.
    pub name: String,
    /// As given; the contract sets no form.
    pub email: Option<String>,
    /// As given; the contract sets no form.
    pub phone: Option<String>,
}

/// What was asked for at creation, echoed back (seen), the server's default included.
#[derive(Clone, Copy, Serialize)]
pub struct Configuration {
    /// When to screen.
    pub processing_method: ProcessingMethod,
    /// How the screening is to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_outcome: Option<Outcome>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { processing_method: ProcessingMethod::Inline, sandbox_outcome: None }
    }
}
