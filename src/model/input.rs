//! The mutations and their inputs. The names are the schema's; `upstream` knows how the wire spells them.

use async_graphql::{ID, InputObject, MaybeUndefined, OneofObject};
use serde::Serialize;

use super::{CustomerStatus, CustomerType, DateTime, ProcessingMethod, ReviewDecision, SandboxOutcome};
use crate::privacy::Personal;
use crate::privacy::pii::{
    PersonalDataClass::{Contact, Identity, Network},
    pii,
};

/// The mutations of the schema.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutation {
    Create,
    Update,
    Delete,
    Unmask,
    Decide,
    Refresh,
}

/// The facts of a mutation.
#[derive(Clone, Copy, Debug)]
pub struct MutationInfo {
    /// The name of its root field.
    pub field_name: &'static str,
    /// Its name in audit records. The names are part of the format of the audit file: never rename one.
    pub audit_name: &'static str,
    /// The name of the input field with the customer's id.
    pub id_field: &'static str,
    /// The number of upstream calls that it makes, without those for fields of its payload.
    pub planned_calls: usize,
}

impl Mutation {
    /// All mutations.
    pub const ALL: [Self; 6] = [Self::Create, Self::Update, Self::Delete, Self::Unmask, Self::Decide, Self::Refresh];

    pub fn info(self) -> MutationInfo {
        let (field_name, audit_name, id_field, planned_calls) = match self {
            Self::Create => ("createCustomer", "create", "id", 1),
            Self::Update => ("updateCustomer", "update", "id", 2),
            Self::Delete => ("deleteCustomer", "delete", "id", 1),
            Self::Unmask => ("unmaskCustomer", "unmask", "id", 1),
            Self::Decide => ("decideCustomerReview", "decide", "customerId", 1),
            Self::Refresh => ("refreshCustomerReview", "refresh", "customerId", 1),
        };
        MutationInfo { field_name, audit_name, id_field, planned_calls }
    }
}

/// The fields that the inputs of several mutations have. A method returns `None` where the input has no such field.
pub trait MutationInput {
    const MUTATION: Mutation;

    /// The customer's id as the caller wrote it.
    fn id(&self) -> Option<&str> {
        None
    }

    fn reason(&self) -> Option<&Personal<String>> {
        None
    }

    fn idempotency_key(&self) -> Option<&Personal<String>> {
        None
    }

    fn decision(&self) -> Option<ReviewDecision> {
        None
    }
}

/// Implements [`MutationInput`] for the input of a mutation, from the names of the fields that it has.
macro_rules! mutation_input {
    ($mutation:ident, $input:ty $(, id: $id:ident)? $(, reason: $reason:ident)? $(, key: $key:ident)? $(, decision: $decision:ident)?) => {
        impl MutationInput for $input {
            const MUTATION: Mutation = Mutation::$mutation;
            $(fn id(&self) -> Option<&str> { Some(&self.$id) })?
            $(fn reason(&self) -> Option<&Personal<String>> { self.$reason.as_ref() })?
            $(fn idempotency_key(&self) -> Option<&Personal<String>> { self.$key.as_ref() })?
            $(fn decision(&self) -> Option<ReviewDecision> { Some(self.$decision) })?
        }
    };
}

mutation_input!(Create, CreateCustomerInput, key: idempotency_key);
mutation_input!(Update, UpdateCustomerInput, id: id, reason: reason, key: idempotency_key);
mutation_input!(Delete, DeleteCustomerInput, id: id, reason: reason, key: idempotency_key);
mutation_input!(Unmask, UnmaskCustomerInput, id: id, reason: reason);
mutation_input!(Decide, DecideCustomerReviewInput, id: customer_id, reason: reason, key: idempotency_key, decision: decision);
mutation_input!(Refresh, RefreshCustomerReviewInput, id: customer_id, key: idempotency_key);

/// A postal address in the United States; all of it or none.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct AddressInput {
    /// Street and number, at most 100 characters.
    #[graphql(directive = pii::apply(Contact))]
    pub address1: Personal<String>,
    /// Apartment, suite or the like, at most 100 characters.
    #[graphql(directive = pii::apply(Contact))]
    pub address2: Option<Personal<String>>,
    /// City, at most 100 characters.
    #[graphql(directive = pii::apply(Contact))]
    pub city: Personal<String>,
    /// State as two capital letters, such as `NV`.
    #[graphql(directive = pii::apply(Contact))]
    pub state: Personal<String>,
    /// ZIP code, `89501` or `89501-1234`.
    #[graphql(directive = pii::apply(Contact))]
    pub zip: Personal<String>,
}

/// The device that the customer signed up with.
#[derive(InputObject, Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeviceInput {
    /// IPv4 address at sign-up; `0.0.0.0` for a sign-up offline.
    #[graphql(directive = pii::apply(Network))]
    pub ip_address: Personal<String>,
}

/// A pair of your own data.
#[derive(InputObject, Clone, Debug)]
pub struct MetadataEntryInput {
    /// The key, 1 to 40 characters, once per customer.
    #[graphql(directive = pii::apply(Contact))]
    pub key: Personal<String>,
    /// The value, at most 40 characters.
    #[graphql(directive = pii::apply(Contact))]
    pub value: Personal<String>,
}

/// What the screening needs to know: of a person or of a company, as the customer's type says.
#[derive(OneofObject, Clone, Debug)]
pub enum ComplianceProfileInput {
    /// For customers of type `INDIVIDUAL`.
    Individual(IndividualComplianceProfileInput),
    /// For customers of type `BUSINESS`.
    Business(BusinessComplianceProfileInput),
}

/// A person's compliance data. In an update, what is left out stays and null clears.
#[derive(InputObject, Clone, Debug)]
pub struct IndividualComplianceProfileInput {
    /// Date of birth as `YYYY-MM-DD`; a real date, not in the future.
    #[graphql(directive = pii::apply(Identity))]
    pub dob: MaybeUndefined<Personal<String>>,
    /// Social security number as `123-45-6789`.
    #[graphql(directive = pii::apply(Identity))]
    pub ssn: MaybeUndefined<Personal<String>>,
}

/// A company's compliance data. In an update, what is left out stays and null clears.
#[derive(InputObject, Clone, Debug)]
pub struct BusinessComplianceProfileInput {
    /// Employer identification number as `12-3456789`.
    #[graphql(directive = pii::apply(Identity))]
    pub ein: MaybeUndefined<Personal<String>>,
    /// The name that the company is registered under.
    #[graphql(directive = pii::apply(Identity))]
    pub legal_business_name: MaybeUndefined<Personal<String>>,
    /// The people who act for the company, at most 100; in an update they replace those known.
    pub representatives: MaybeUndefined<Vec<RepresentativeInput>>,
    /// The company's web site, with `https://` or `http://`.
    #[graphql(directive = pii::apply(Contact))]
    pub website: MaybeUndefined<Personal<String>>,
}

/// A person who acts for a company.
#[derive(InputObject, Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RepresentativeInput {
    /// Full name.
    #[graphql(directive = pii::apply(Contact))]
    pub name: Personal<String>,
    /// E-mail address.
    #[graphql(directive = pii::apply(Contact))]
    pub email: Option<Personal<String>>,
    /// Phone number in E.164, such as `+12025550123`.
    #[graphql(directive = pii::apply(Contact))]
    pub phone: Option<Personal<String>>,
}

/// How the screening of a new customer runs.
#[derive(InputObject, Clone, Debug)]
pub struct CustomerConfigInput {
    /// When the screening runs; left out: `INLINE`.
    pub processing_method: Option<ProcessingMethod>,
    /// Forces the outcome; the upstream's sandbox alone knows it.
    pub sandbox_outcome: Option<SandboxOutcome>,
}

/// A new customer.
#[derive(InputObject, Clone, Debug)]
pub struct CreateCustomerInput {
    /// Full name of the person, or name of the company.
    #[graphql(directive = pii::apply(Contact))]
    pub name: Personal<String>,
    /// Person or company.
    #[graphql(name = "type")]
    pub kind: CustomerType,
    /// E-mail address; no two customers of an account share one.
    #[graphql(directive = pii::apply(Contact))]
    pub email: Personal<String>,
    /// Phone number in E.164, such as `+12025550123`.
    #[graphql(directive = pii::apply(Contact))]
    pub phone: Personal<String>,
    /// The device that the customer signed up with.
    pub device: DeviceInput,
    /// Postal address.
    pub address: Option<AddressInput>,
    /// What the screening needs to know; of the customer's type.
    pub compliance_profile: Option<ComplianceProfileInput>,
    /// The customer's id in your own system.
    #[graphql(directive = pii::apply(Contact))]
    pub external_id: Option<Personal<String>>,
    /// Your own data: at most 20 entries, keys and values of at most 40 characters.
    pub metadata: Option<Vec<MetadataEntryInput>>,
    /// How the screening runs.
    pub config: Option<CustomerConfigInput>,
    /// 10 to 40 characters, new for each customer. With the same key the same request can be sent again and creates
    /// nothing twice. Left out, the gateway makes one for this request alone, so sending it again is not safe.
    pub idempotency_key: Option<Personal<String>>,
}

/// Changes to a customer: only what is given changes, null clears, what is left out stays.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateCustomerInput {
    /// Whom to change.
    pub id: ID,
    /// Full name of the person, or name of the company. Cannot be cleared.
    #[graphql(directive = pii::apply(Contact))]
    pub name: MaybeUndefined<Personal<String>>,
    /// E-mail address; no two customers of an account share one. Cannot be cleared.
    #[graphql(directive = pii::apply(Contact))]
    pub email: MaybeUndefined<Personal<String>>,
    /// Phone number in E.164, such as `+12025550123`. Cannot be cleared.
    #[graphql(directive = pii::apply(Contact))]
    pub phone: MaybeUndefined<Personal<String>>,
    /// New status. A change between `VERIFIED` and `INACTIVE` needs CUSTOMERS_WRITE alone. Any other change decides about
    /// the customer: it needs REVIEWS_DECIDE as well, and is recorded as a decision. Which changes are allowed is the
    /// upstream's rule. Cannot be cleared.
    pub status: MaybeUndefined<CustomerStatus>,
    /// The device that the customer signed up with. Cannot be cleared.
    pub device: MaybeUndefined<DeviceInput>,
    /// Postal address; replaces the one known as a whole.
    pub address: MaybeUndefined<AddressInput>,
    /// What the screening needs to know; of the customer's type. What is left out in it stays.
    pub compliance_profile: MaybeUndefined<ComplianceProfileInput>,
    /// The customer's id in your own system.
    #[graphql(directive = pii::apply(Contact))]
    pub external_id: MaybeUndefined<Personal<String>>,
    /// Your own data: replaces all of it. At most 20 entries, keys and values of at most 40 characters.
    pub metadata: MaybeUndefined<Vec<MetadataEntryInput>>,
    /// Why; for the audit record. The gateway's operator can make it mandatory for changes of the status that decide.
    #[graphql(directive = pii::apply(Contact))]
    pub reason: Option<Personal<String>>,
    /// The customer's `updatedAt` as you know it: where it has changed since, the update is refused with `CONFLICT`, unless
    /// the customer has all that is asked for already.
    pub expected_updated_at: Option<DateTime>,
    /// 10 to 40 characters. With the same key the same update can be sent again. Left out, the gateway makes one.
    pub idempotency_key: Option<Personal<String>>,
}

/// Whom to erase, and why.
#[derive(InputObject, Clone, Debug)]
pub struct DeleteCustomerInput {
    /// Whom to erase. It cannot be undone.
    pub id: ID,
    /// Why; for the audit record.
    #[graphql(directive = pii::apply(Contact))]
    pub reason: Option<Personal<String>>,
    /// 10 to 40 characters. Left out, the gateway makes one.
    pub idempotency_key: Option<Personal<String>>,
}

/// Whose personal data to show in clear, and why.
#[derive(InputObject, Clone, Debug)]
pub struct UnmaskCustomerInput {
    /// Whom to show.
    pub id: ID,
    /// Why; for the audit record.
    #[graphql(directive = pii::apply(Contact))]
    pub reason: Option<Personal<String>>,
}

/// A person's decision about a customer that waits in `REVIEW`.
#[derive(InputObject, Clone, Debug)]
pub struct DecideCustomerReviewInput {
    /// Whom it is about.
    pub customer_id: ID,
    /// What is decided.
    pub decision: ReviewDecision,
    /// Why; for the audit record: the upstream keeps no reason.
    #[graphql(directive = pii::apply(Contact))]
    pub reason: Option<Personal<String>>,
    /// 10 to 40 characters. Left out, the gateway makes one.
    pub idempotency_key: Option<Personal<String>>,
}

/// Whose identity screening to run again.
#[derive(InputObject, Clone, Debug)]
pub struct RefreshCustomerReviewInput {
    /// Whom to screen again.
    pub customer_id: ID,
    /// 10 to 40 characters. Left out, the gateway makes one.
    pub idempotency_key: Option<Personal<String>>,
}
