//! The review object, and what the gateway adds to a screening.

use std::sync::Arc;

use async_graphql::{ComplexObject, Object};

use super::customer::CustomerObject;
use super::error::{ResolverResult, unreadable_field};
use crate::customers::read::screening;
use crate::model::{IdentityReview, Review, ReviewCheck, ReviewReason};

/// A customer's review, as the upstream gave it.
#[derive(Clone, Debug)]
pub struct CustomerReview {
    review: Arc<Review>,
}

impl CustomerReview {
    /// The object for a review.
    pub fn new(review: Arc<Review>) -> Self {
        Self { review }
    }
}

/// A customer together with the results of its identity screening.
#[Object]
impl CustomerReview {
    /// The customer; it comes with the review and costs nothing more.
    async fn customer(&self) -> CustomerObject {
        CustomerObject::from_customer(Arc::clone(&self.review.customer))
    }

    /// The results of the screening; null where none has run.
    async fn identity(&self) -> Option<ResolverResult<&IdentityReview>> {
        match &self.review.identity {
            Ok(identity) => identity.as_deref().map(Ok),
            Err(field) => Some(Err(unreadable_field(*field))),
        }
    }
}

#[ComplexObject]
impl IdentityReview {
    /// Why this review is not a plain accept: every check whose decision is not `ACCEPT`, worst first, its codes joined
    /// with their texts. Made by the gateway: `decision` alone does not say which of the twelve checks it comes from.
    async fn reasons(&self) -> Vec<ReviewReason> {
        screening::reasons(self)
    }

    /// Every check that ran, in one form and always in the same order, its codes joined with their texts; `reasons` are
    /// those of them that do not accept. What only one check has, such as `watchlist.matches`, stands in its own field.
    /// Made by the gateway.
    async fn checks(&self) -> Vec<ReviewCheck> {
        screening::checks(self)
    }
}
