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

/// Operations that change data or must be recorded. Errors that the caller can fix are in `userErrors`; all others are
/// errors with `extensions.code`. Several mutations in one operation run one after the other.
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

    /// Updates a customer. A given value replaces the old one, null clears it, and omitted fields stay as they are. It
    /// costs two calls: one reads the record and one replaces it. Updates of one customer wait for each other. If the
    /// customer already has all the given values, the update succeeds and nothing is sent. Needs CUSTOMERS_WRITE. A
    /// change of `status` other than between `VERIFIED` and `INACTIVE` also needs REVIEWS_DECIDE.
    async fn update_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer, and its new values.")] input: UpdateCustomerInput,
    ) -> ResolverResult<UpdateCustomerPayload> {
        require_audited(ctx, AuditEvent::of_update(&input)).await?;
        let may_decide = has_permission(ctx, Permission::ReviewsDecide);
        session(ctx).update(input, may_decide).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Deletes a customer permanently, such as for a legal or privacy request. It cannot be undone. It costs one call.
    /// Needs CUSTOMERS_DELETE.
    async fn delete_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer to delete, and the reason.")] input: DeleteCustomerInput,
    ) -> ResolverResult<DeleteCustomerPayload> {
        require_audited(ctx, AuditEvent::new(&input)).await?;
        session(ctx).delete(input).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Returns a customer's unmasked personal data. It is a mutation because each use must be recorded: the audit
    /// record says who sees which fields of which customer, and why. It is written before the response is sent. The
    /// response is never cached. It costs one call. Needs CUSTOMERS_UNMASK.
    async fn unmask_customer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer to unmask, and the reason.")] input: UnmaskCustomerInput,
    ) -> ResolverResult<UnmaskCustomerPayload> {
        let fields = leaf_fields(&ctx.look_ahead().field("unmaskedCustomer"));
        require_audited(ctx, AuditEvent::new(&input).with_fields(fields.clone())).await?;
        session(ctx).unmask(input, fields).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Decides about a customer in status `REVIEW`. It costs one call, and one more if the selection contains the
    /// payload's `review`. Needs REVIEWS_DECIDE.
    async fn decide_customer_review(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer, the decision, and the reason.")] input: DecideCustomerReviewInput,
    ) -> ResolverResult<DecideCustomerReviewPayload> {
        require_audited(ctx, AuditEvent::new(&input)).await?;
        session(ctx).decide(input).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }

    /// Repeats a customer's identity screening. The new result comes later. It costs one call. Needs REVIEWS_DECIDE.
    async fn refresh_customer_review(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The customer to screen again.")] input: RefreshCustomerReviewInput,
    ) -> ResolverResult<RefreshCustomerReviewPayload> {
        require_audited(ctx, AuditEvent::new(&input)).await?;
        session(ctx).refresh(input).await.map(Into::into).map_err(|error| to_public_error(ctx, error))
    }
}

/// Requires a permission. A missing permission is recorded in the audit.
async fn require_audited(ctx: &Context<'_>, act: AuditEvent) -> ResolverResult<()> {
    let allowed = require(ctx, RootField::Mutation(act.mutation));
    if allowed.is_err() {
        session(ctx).record_denied(&act).await;
    }
    allowed
}

/// The leaf fields of a selection by their paths in the schema, such as `device.ipAddress`, without duplicates and
/// aliases. Their number was limited before.
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
