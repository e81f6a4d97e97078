//! The customer object: which field costs which call.
//!
//! A listed customer carries nine fields; the other five are looked up when one of them is asked for, once, through
//! the request's loaders. Where the selection also wants the review, that one call serves both.

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

/// A customer of the schema, as far as it is known.
#[derive(Clone, Debug)]
pub struct CustomerObject {
    data: CustomerData,
    /// The selection wants the review of this customer too, so that its call is the one to make.
    with_review: bool,
}

#[derive(Clone, Debug)]
enum CustomerData {
    /// A row of a list.
    Summary(Arc<CustomerSummary>),
    /// All of it.
    Full(Arc<Record>),
}

impl CustomerObject {
    /// A row of a list; `with_review` says whether the selection wants its review.
    pub fn from_summary(row: Arc<CustomerSummary>, with_review: bool) -> Self {
        Self { data: CustomerData::Summary(row), with_review }
    }

    /// A whole customer.
    pub fn from_customer(customer: Arc<Record>) -> Self {
        Self { data: CustomerData::Full(customer), with_review: false }
    }

    /// The customer with this id, read as the selection wants it: with its review where that is asked for.
    pub async fn load(ctx: &Context<'_>, id: &str, selection: Lookahead<'_>) -> ResolverResult<Option<Self>> {
        // What is not a UUID cannot be a customer's id.
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

    /// A field that a list does not carry; `None` where it has no value, or the customer is gone since it was listed.
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

/// The request's session, which the executor puts into every request.
pub fn session<'a>(ctx: &'a Context<'_>) -> &'a Session {
    ctx.data_unchecked::<Arc<Session>>()
}

/// A person or a company that pays or gets paid, with personal data masked.
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

    /// Where the customer stands: this says whether it may transact.
    async fn status(&self) -> Fallible<CustomerStatus> {
        Fallible(self.summary().status.map_err(unreadable_field))
    }

    /// E-mail address; no two customers of an account share one. Not masked.
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

    /// When the customer last changed; give it as `expectedUpdatedAt` to an update.
    async fn updated_at(&self) -> Fallible<DateTime> {
        Fallible(self.summary().updated_at.map_err(unreadable_field))
    }

    /// Postal address. Of a listed customer it costs one look-up, shared with the four fields below.
    async fn address(&self, ctx: &Context<'_>) -> Option<ResolverResult<Address>> {
        self.detail(ctx, |detail| detail.address.clone()).await
    }

    /// Date of birth and tax numbers, masked. Of a listed customer it costs one look-up, shared with its neighbours.
    async fn compliance_profile(&self, ctx: &Context<'_>) -> Option<ResolverResult<ComplianceProfile>> {
        self.detail(ctx, |detail| detail.compliance_profile.clone()).await
    }

    /// The device at sign-up, its address masked. Of a listed customer it costs one look-up, shared with its neighbours.
    async fn device(&self, ctx: &Context<'_>) -> Option<ResolverResult<Device>> {
        self.detail(ctx, |detail| detail.device.clone()).await
    }

    /// Your own pairs, sorted by key. Of a listed customer it costs one look-up, shared with its neighbours.
    async fn metadata(&self, ctx: &Context<'_>) -> Option<ResolverResult<Vec<MetadataEntry>>> {
        self.detail(ctx, |detail| detail.metadata.clone()).await
    }

    /// How the screening was asked for. Of a listed customer it costs one look-up, shared with its neighbours.
    async fn config(&self, ctx: &Context<'_>) -> Option<ResolverResult<CustomerConfig>> {
        self.detail(ctx, |detail| detail.config.clone()).await
    }

    /// The identity screening. It costs one call per customer, and that call serves all other fields too. Where it
    /// fails, this field is null with an error, and the customer's own fields are there all the same. Needs
    /// REVIEWS_READ.
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
            // The customer was there a moment ago. Null alone would say that it was never screened.
            Ok(None) => {
                let message =
                    "The Customers API has no review of this customer: it may have been erased since. Read it again.";
                Some(Err(PublicError::new(ErrorCode::UpstreamInvalidResponse, message)))
            }
            Err(error) => Some(Err(to_public_error(ctx, error))),
        }
    }
}
