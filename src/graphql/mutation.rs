//! The mutation root.

use std::collections::BTreeSet;

use async_graphql::{Context, Lookahead, Object, SelectionField};

use super::customer::session;
use super::error::{ResolverResult, to_public_error};
use super::payload::{
    CreateCustomerPayload, DecideCustomerReviewPayload, DeleteCustomerPayload, RefreshCustomerReviewPayload,
    UnmaskCustomerPayload, UpdateCustomerPayload,
};
use super::permissions::{has_permission, require};
use super::root_field::RootField;
use crate::auth::Permission;
use crate::customers::AuditEvent;
use crate::model::input::{
    CreateCustomerInput, DecideCustomerReviewInput, DeleteCustomerInput, RefreshCustomerReviewInput,
    UnmaskCustomerInput, UpdateCustomerInput,
};

/// The mutation root.
#[derive(Clone, Copy, Debug)]
pub struct MutationRoot;

/// Everything that changes something, or that has to be recorded. What the caller can mend comes back in `userErrors`;
/// what it cannot is an error with `extensions.code`. Several mutations in one operation run one after the other.
#[Object(name = "Mutation")]
impl MutationRoot {
    /// Creates a customer and starts its screening. It costs one call. Needs CUSTOMERS_WRITE.
    async fn create_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new customer.")] input: CreateCustomerInput,
    ) -> ResolverResult<CreateCustomerPayload> {
        require_audited(ctx, AuditEvent::new(&input)).await?;
        session(ctx).create(input).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Changes a customer: only what is given changes, null clears, what is left out stays. It costs two calls, a look
    /// at the record and its replacement; changes of one customer wait for each other. Where the customer has all that is
    /// asked for already, nothing is sent and the update is done. Needs CUSTOMERS_WRITE; a change of
    /// `status` other than between `VERIFIED` and `INACTIVE` needs REVIEWS_DECIDE as well.
    async fn update_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change, and of whom.")] input: UpdateCustomerInput,
    ) -> ResolverResult<UpdateCustomerPayload> {
        require_audited(ctx, AuditEvent::of_update(&input)).await?;
        let may_decide = has_permission(ctx, Permission::ReviewsDecide);
        session(ctx).update(input, may_decide).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Erases a customer for good, as for a legal or privacy request. It cannot be undone. It costs one call. Needs
    /// CUSTOMERS_DELETE.
    async fn delete_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to erase, and why.")] input: DeleteCustomerInput,
    ) -> ResolverResult<DeleteCustomerPayload> {
        require_audited(ctx, AuditEvent::new(&input)).await?;
        session(ctx).delete(input).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Shows a customer's personal data in clear. It is a mutation since a look at clear data is an act: it is recorded
    /// who sees which fields of whom, and why, before it is answered, and the answer is never kept. It costs one call.
    /// Needs CUSTOMERS_UNMASK.
    async fn unmask_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to show, and why.")] input: UnmaskCustomerInput,
    ) -> ResolverResult<UnmaskCustomerPayload> {
        let fields = leaf_fields(&ctx.look_ahead().field("unmaskedCustomer"));
        require_audited(ctx, AuditEvent::new(&input).with_fields(fields.clone())).await?;
        session(ctx).unmask(input, fields).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Settles a customer that waits in `REVIEW`. It costs one call, and one more where the payload's `review` is asked
    /// for. Needs REVIEWS_DECIDE.
    async fn decide_customer_review(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is decided, about whom, and why.")] input: DecideCustomerReviewInput,
    ) -> ResolverResult<DecideCustomerReviewPayload> {
        require_audited(ctx, AuditEvent::new(&input)).await?;
        session(ctx).decide(input).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Runs a customer's identity screening again. The new result comes later. It costs one call. Needs
    /// REVIEWS_DECIDE.
    async fn refresh_customer_review(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose screening to run again.")] input: RefreshCustomerReviewInput,
    ) -> ResolverResult<RefreshCustomerReviewPayload> {
        require_audited(ctx, AuditEvent::new(&input)).await?;
        session(ctx).refresh(input).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }
}

/// Goes on only for a caller that has the permission; that one has not is recorded.
async fn require_audited(ctx: &Context<'_>, act: AuditEvent) -> ResolverResult<()> {
    let allowed = require(ctx, RootField::Mutation(act.mutation));
    if allowed.is_err() {
        session(ctx).record_denied(&act).await;
    }
    allowed
}

/// The fields without fields of their own that a selection asks for, by their names in the schema and where they stand,
/// as in `device.ipAddress`; each once, whatever the aliases. How many there can be was bounded before.
fn leaf_fields(selection: &Lookahead<'_>) -> Vec<String> {
    fn collect_leaf_fields(field: &SelectionField<'_>, place: &str, leaves: &mut BTreeSet<String>) {
        let mut is_leaf = true;
        for inside in field.selection_set() {
            is_leaf = false;
            let place = if place.is_empty() { inside.name().to_owned() } else { format!("{place}.{}", inside.name()) };
            collect_leaf_fields(&inside, &place, leaves);
        }
        if is_leaf && !place.is_empty() && !place.ends_with("__typename") {
            leaves.insert(place.to_owned());
        }
    }
    let mut leaves = BTreeSet::new();
    for field in selection.selection_fields() {
        collect_leaf_fields(&field, "", &mut leaves);
    }
    leaves.into_iter().collect()
}
