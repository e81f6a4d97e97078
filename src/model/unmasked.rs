//! A customer in clear. It has no cache, no loader and no `id` field: nothing on its way may keep it.

use async_graphql::{ID, SimpleObject};

use super::{
    Address, CustomerConfig, CustomerStatus, CustomerType, DateTime, MetadataEntry, UnmaskedComplianceProfile,
};
use crate::privacy::Personal;
use crate::privacy::pii::{
    PersonalDataClass::{Contact, Network},
    pii,
};

/// A customer with its personal data in clear.
///
/// It has no `id` and is no `Node` on purpose: clients that normalise by id must not keep clear data in their stores.
#[derive(SimpleObject, Clone, Debug)]
pub struct UnmaskedCustomer {
    /// The id of the customer; look it up as `customer(id:)`.
    pub customer_id: ID,
    /// Full name of the person, or name of the company.
    #[graphql(directive = pii::apply(Contact))]
    pub name: Personal<String>,
    /// Person or company.
    #[graphql(name = "type")]
    pub kind: CustomerType,
    /// Where the customer stands.
    pub status: CustomerStatus,
    /// E-mail address; no two customers of an account share one.
    #[graphql(directive = pii::apply(Contact))]
    pub email: Personal<String>,
    /// Phone number in E.164, such as `+12025550123`.
    #[graphql(directive = pii::apply(Contact))]
    pub phone: Personal<String>,
    /// The customer's id in the caller's own system.
    #[graphql(directive = pii::apply(Contact))]
    pub external_id: Option<Personal<String>>,
    /// Postal address.
    pub address: Option<Address>,
    /// Date of birth and tax numbers, in clear.
    pub compliance_profile: Option<UnmaskedComplianceProfile>,
    /// The device at sign-up, its address in clear.
    pub device: Option<UnmaskedDevice>,
    /// The caller's own pairs, sorted by key.
    pub metadata: Option<Vec<MetadataEntry>>,
    /// How the screening was asked for.
    pub config: Option<CustomerConfig>,
    /// When the customer was created.
    pub created_at: DateTime,
    /// When the customer last changed.
    pub updated_at: DateTime,
}

/// The device that a customer signed up with, in clear.
#[derive(SimpleObject, Clone, Debug)]
pub struct UnmaskedDevice {
    /// The IPv4 address at sign-up; `0.0.0.0` stands for a sign-up offline.
    #[graphql(directive = pii::apply(Network))]
    pub ip_address: Personal<String>,
}
