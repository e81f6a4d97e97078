//! The types of customers, reviews, inputs and pages. Each type is written once, with serde for the wire and
//! async-graphql for the schema.
//!
//! Where the wire differs from the schema (masked profiles without a discriminator, timestamps without a zone, unknown
//! words of enums), [`lenient`] and `upstream` convert, so that all code above sees one form.

pub mod compliance;
pub mod customer;
pub mod filter;
pub mod input;
pub mod lenient;
pub mod page;
pub mod reputation;
pub mod review;
pub mod scalar;
pub mod unmasked;
pub mod user_error;

pub use async_graphql::MaybeUndefined;
pub use compliance::{
    BusinessComplianceProfile, ComplianceProfile, IndividualComplianceProfile, Representative,
    UnmaskedBusinessComplianceProfile, UnmaskedComplianceProfile, UnmaskedIndividualComplianceProfile,
};
pub use customer::{
    Address, Customer, CustomerConfig, CustomerDetail, CustomerId, CustomerStatus, CustomerSummary, CustomerType,
    Device, MetadataEntry, ProcessingMethod, SandboxOutcome,
};
pub use filter::{CustomerFilter, CustomerSort, CustomerSortField, SortOrder};
pub use input::{Mutation, MutationInput};
pub use page::{Page, PageMeta};
pub use reputation::{ReputationCheck, ReputationInsights};
pub use review::{
    Correlation, IdentityBreakdown, IdentityCheck, IdentityCheckKind, IdentityDecision, IdentityReview, KycCheck,
    KycValidations, NetworkAlertsCheck, ReasonMessage, Review, ReviewCheck, ReviewDecision, ReviewReason,
    WatchlistCheck, WatchlistMatch,
};
pub use scalar::{Date, DateTime};
pub use unmasked::{UnmaskedCustomer, UnmaskedDevice};
pub use user_error::{UserError, UserErrorCode};
