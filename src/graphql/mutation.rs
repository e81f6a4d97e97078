//! The mutation root.

use async_graphql::{Context, Object};

use super::access::require;
use super::customer::session;
use super::error::{Answer, explain};
use super::payload::{
    CreateCustomerPayload, DecideCustomerReviewPayload, DeleteCustomerPayload, RefreshCustomerReviewPayload,
    UnmaskCustomerPayload, UpdateCustomerPayload,
};
use crate::auth::Permission;
use crate::model::input::{
    CreateCustomerInput, DecideCustomerReviewInput, DeleteCustomerInput, RefreshCustomerReviewInput,
    UnmaskCustomerInput, UpdateCustomerInput,
};

/// The mutation root.
#[derive(Clone, Copy, Debug)]
pub struct Mutation;

/// Everything that changes something, or that has to be recorded. What the caller can mend comes back in `userErrors`;
/// what it cannot is an error with `extensions.code`. Several mutations in one operation run one after the other.
#[Object]
impl Mutation {
    /// Creates a customer and starts its screening. It costs one call. Needs CUSTOMERS_WRITE.
    async fn create_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new customer.")] input: CreateCustomerInput,
    ) -> Answer<CreateCustomerPayload> {
        require(ctx, Permission::CustomersWrite)?;
        session(ctx).create(input).await.map(Into::into).map_err(|error| explain(ctx, error))
    }

    /// Changes a customer: only what is given changes, null clears, what is left out stays. It costs two calls, a look
    /// at the record and its replacement; changes of one customer wait for each other. Needs
    /// CUSTOMERS_WRITE.
    async fn update_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change, and of whom.")] input: UpdateCustomerInput,
    ) -> Answer<UpdateCustomerPayload> {
        require(ctx, Permission::CustomersWrite)?;
        session(ctx).update(input).await.map(Into::into).map_err(|error| explain(ctx, error))
    }

    /// Erases a customer for good, as for a legal or privacy request. It cannot be undone. It costs one call. Needs
    /// CUSTOMERS_DELETE.
    async fn delete_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to erase, and why.")] input: DeleteCustomerInput,
    ) -> Answer<DeleteCustomerPayload> {
        require(ctx, Permission::CustomersDelete)?;
        session(ctx).delete(input).await.map(Into::into).map_err(|error| explain(ctx, error))
    }

    /// Shows a customer's personal data in clear. It is a mutation since a look at clear data is an act to be recorded;
    /// the answer is never kept. It costs one call. Needs CUSTOMERS_UNMASK.
    async fn unmask_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to show, and why.")] input: UnmaskCustomerInput,
    ) -> Answer<UnmaskCustomerPayload> {
        require(ctx, Permission::CustomersUnmask)?;
        session(ctx).unmask(input).await.map(Into::into).map_err(|error| explain(ctx, error))
    }

    /// Settles a customer that waits in `REVIEW`. It costs one call, and one more where the payload's `review` is asked
    /// for. Needs REVIEWS_DECIDE.
    async fn decide_customer_review(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is decided, about whom, and why.")] input: DecideCustomerReviewInput,
    ) -> Answer<DecideCustomerReviewPayload> {
        require(ctx, Permission::ReviewsDecide)?;
        session(ctx).decide(input).await.map(Into::into).map_err(|error| explain(ctx, error))
    }

    /// Runs a customer's identity screening again. The new result comes later. It costs one call. Needs
    /// REVIEWS_DECIDE.
    async fn refresh_customer_review(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose screening to run again.")] input: RefreshCustomerReviewInput,
    ) -> Answer<RefreshCustomerReviewPayload> {
        require(ctx, Permission::ReviewsDecide)?;
        session(ctx).refresh(input).await.map(Into::into).map_err(|error| explain(ctx, error))
    }
}
