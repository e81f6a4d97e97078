//! The customer object: which field costs which call.
//!
//! A row of a list contains nine fields. One call through the request's loaders loads the other five when one of them
//! is selected. If the selection also contains the review, its call serves both.

use std::sync::Arc;

use async_graphql::{Context, ID, Lookahead, Object};

use super::error::{ResolverResult, to_public_error, unreadable_field};
use super::nullability::{Fallible, semantic_non_null};
use super::permissions::{require_permission, selects_review};
use super::review::CustomerReview;
use crate::auth::Permission;
use crate::customers::Session;
use crate::error::{ErrorCode, PublicError};
use crate::model::lenient::Readable;
use crate::model::{
    Address, ComplianceProfile, Customer as Record, CustomerConfig, CustomerDetail, CustomerId, CustomerStatus,
    CustomerSummary, CustomerType, DateTime, Device, MetadataEntry,
};
use crate::privacy::Personal;
use crate::privacy::pii::{PersonalDataClass::Contact, pii};

/// A customer of the schema, with the data that is loaded so far.
#[derive(Clone, Debug)]
pub struct CustomerObject {
    data: CustomerData,
    /// The selection also contains this customer's review, so its call loads the other fields.
    with_review: bool,
}

#[derive(Clone, Debug)]
enum CustomerData {
    /// A row of a list.
    Summary(Arc<CustomerSummary>),
    /// The whole customer.
    Full(Arc<Record>),
}

impl CustomerObject {
    /// A row of a list. `with_review` says whether the selection contains its review.
    pub fn from_summary(row: Arc<CustomerSummary>, with_review: bool) -> Self {
        Self { data: CustomerData::Summary(row), with_review }
    }

    /// A whole customer.
    pub fn from_customer(customer: Arc<Record>) -> Self {
        Self { data: CustomerData::Full(customer), with_review: false }
    }

    /// Loads the customer with this id, with its review if the selection contains it.
    pub async fn load(ctx: &Context<'_>, id: &str, selection: Lookahead<'_>) -> ResolverResult<Option<Self>> {
        // A text that is not a UUID is the id of no customer.
        let Ok(id) = id.parse() else { return Ok(None) };
        let session = session(ctx);
        let read = if selects_review(ctx, &selection) {
            session.customer_with_review(id).await
        } else {
            session.customer(id).await
        };
        read.map(|found| found.map(Self::from_customer)).map_err(|error| to_public_error(ctx, error))
    }

    fn summary(&self) -> &CustomerSummary {
        match &self.data {
            CustomerData::Summary(row) => row,
            CustomerData::Full(customer) => &customer.summary,
        }
    }

    fn customer_id(&self) -> ResolverResult<CustomerId> {
        self.summary().id.map_err(unreadable_field)
    }

    /// A field that a row of a list does not contain. `None` if it has no value, or the customer was deleted since it
    /// was listed.
    async fn detail<T>(
        &self,
        ctx: &Context<'_>,
        field: impl FnOnce(&CustomerDetail) -> Readable<Option<T>>,
    ) -> Option<ResolverResult<T>> {
        let customer = match &self.data {
            CustomerData::Full(customer) => Arc::clone(customer),
            CustomerData::Summary(_) => {
                let session = session(ctx);
                let id = match self.customer_id() {
                    Ok(id) => id,
                    Err(failure) => return Some(Err(failure)),
                };
                let read =
                    if self.with_review { session.customer_with_review(id).await } else { session.customer(id).await };
                match read {
                    Ok(found) => found?,
                    Err(error) => return Some(Err(to_public_error(ctx, error))),
                }
            }
        };
        field(&customer.detail).map_err(unreadable_field).transpose()
    }
}

/// The request's session, which the executor adds to every request.
pub fn session<'a>(ctx: &'a Context<'_>) -> &'a Session {
    ctx.data_unchecked::<Arc<Session>>()
}

/// A person or a company that pays or gets paid, with masked personal data.
#[Object(name = "Customer")]
impl CustomerObject {
    /// The customer's id: a UUID, the same as in the Customers API.
    pub async fn id(&self) -> Fallible<ID> {
        Fallible(self.customer_id().map(|id| ID(id.to_string())))
    }

    /// Full name of the person, or name of the company. Not masked.
    #[graphql(directive = pii::apply(Contact))]
    async fn name(&self) -> Fallible<&Personal<String>> {
        Fallible(self.summary().name.as_ref().map_err(|field| unreadable_field(*field)))
    }

    /// Person or company.
    #[graphql(name = "type")]
    async fn kind(&self) -> Fallible<CustomerType> {
        Fallible(self.summary().kind.map_err(unreadable_field))
    }

    /// The customer's status. It decides whether the customer may transact.
    async fn status(&self) -> Fallible<CustomerStatus> {
        Fallible(self.summary().status.map_err(unreadable_field))
    }

    /// E-mail address. It is unique among the customers of an account. Not masked.
    #[graphql(directive = pii::apply(Contact))]
    async fn email(&self) -> Fallible<&Personal<String>> {
        Fallible(self.summary().email.as_ref().map_err(|field| unreadable_field(*field)))
    }

    /// Phone number in E.164, such as `+12025550123`. Not masked.
    #[graphql(directive = pii::apply(Contact))]
    async fn phone(&self) -> Fallible<&Personal<String>> {
        Fallible(self.summary().phone.as_ref().map_err(|field| unreadable_field(*field)))
    }

    /// The customer's id in your own system.
    #[graphql(directive = pii::apply(Contact))]
    async fn external_id(&self) -> Option<ResolverResult<&Personal<String>>> {
        match &self.summary().external_id {
            Ok(id) => id.as_ref().map(Ok),
            Err(field) => Some(Err(unreadable_field(*field))),
        }
    }

    /// When the customer was created.
    async fn created_at(&self) -> Fallible<DateTime> {
        Fallible(self.summary().created_at.map_err(unreadable_field))
    }

    /// When the customer last changed. Send it as `expectedUpdatedAt` of an update.
    async fn updated_at(&self) -> Fallible<DateTime> {
        Fallible(self.summary().updated_at.map_err(unreadable_field))
    }

    /// Postal address. For a customer in a list it costs one call, shared with the four fields below.
    async fn address(&self, ctx: &Context<'_>) -> Option<ResolverResult<Address>> {
        self.detail(ctx, |detail| detail.address.clone()).await
    }

    /// Date of birth and tax numbers, masked. For a customer in a list it costs one call, shared with `address` and
    /// the fields below.
    async fn compliance_profile(&self, ctx: &Context<'_>) -> Option<ResolverResult<ComplianceProfile>> {
        self.detail(ctx, |detail| detail.compliance_profile.clone()).await
    }

    /// The device at sign-up, with a masked address. For a customer in a list it costs one call, shared with its
    /// neighbours.
    async fn device(&self, ctx: &Context<'_>) -> Option<ResolverResult<Device>> {
        self.detail(ctx, |detail| detail.device.clone()).await
    }

    /// Your own key-value pairs, sorted by key. For a customer in a list they cost one call, shared with the
    /// neighbours.
    async fn metadata(&self, ctx: &Context<'_>) -> Option<ResolverResult<Vec<MetadataEntry>>> {
        self.detail(ctx, |detail| detail.metadata.clone()).await
    }

    /// How the screening was requested. For a customer in a list it costs one call, shared with its neighbours.
    async fn config(&self, ctx: &Context<'_>) -> Option<ResolverResult<CustomerConfig>> {
        self.detail(ctx, |detail| detail.config.clone()).await
    }

    /// The identity screening. It costs one call per customer, which also loads all other fields. If it fails, this
    /// field is null with an error, and the customer's own fields are still returned. Needs REVIEWS_READ.
    #[graphql(directive = semantic_non_null::apply(vec![0]))]
    async fn review(&self, ctx: &Context<'_>) -> Option<ResolverResult<CustomerReview>> {
        if let Err(refused) = require_permission(ctx, Permission::ReviewsRead) {
            return Some(Err(refused));
        }
        let id = match self.customer_id() {
            Ok(id) => id,
            Err(failure) => return Some(Err(failure)),
        };
        match session(ctx).review(id).await {
            Ok(Some(review)) => Some(Ok(CustomerReview::new(review))),
            // The customer was deleted in the meantime. null alone would mean that it was never screened.
            Ok(None) => {
                let message =
                    "The Customers API has no review of this customer: it may have been deleted. Read it again.";
                Some(Err(PublicError::new(ErrorCode::UpstreamInvalidResponse, message)))
            }
            Err(error) => Some(Err(to_public_error(ctx, error))),
        }
    }
}
