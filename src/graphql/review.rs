//! The review object, and the fields that the gateway adds to a screening.

use std::sync::Arc;

use async_graphql::{ComplexObject, Object};

use super::customer::CustomerObject;
use super::error::{ResolverResult, unreadable_field};
use crate::customers::read::screening;
use crate::model::{IdentityReview, Review, ReviewCheck, ReviewReason};

/// A customer's review, as the upstream returned it.
#[derive(Clone, Debug)]
pub struct CustomerReview {
    review: Arc<Review>,
}

impl CustomerReview {
    /// Creates the object for a review.
    pub fn new(review: Arc<Review>) -> Self {
        Self { review }
    }
}

/// A customer together with the results of its identity screening.
#[Object]
impl CustomerReview {
    /// The customer. It is part of the review, so it costs no further call.
    async fn customer(&self) -> CustomerObject {
        CustomerObject::from_customer(Arc::clone(&self.review.customer))
    }

    /// The results of the screening. null if none has run.
    async fn identity(&self) -> Option<ResolverResult<&IdentityReview>> {
        match &self.review.identity {
            Ok(identity) => identity.as_deref().map(Ok),
            Err(field) => Some(Err(unreadable_field(*field))),
        }
    }
}

#[ComplexObject]
impl IdentityReview {
    /// The reasons why this review is not a plain accept: every check whose decision is not `ACCEPT`, worst first, its
    /// codes joined with their texts. The gateway adds this field, because `decision` does not say which of the twelve
    /// checks it comes from.
    async fn reasons(&self) -> Vec<ReviewReason> {
        screening::reasons(self)
    }

    /// Every check that ran, in one form and always in the same order, its codes joined with their texts. `reasons`
    /// are those checks that do not accept. Data that only one check has, such as `watchlist.matches`, is in the
    /// check's own field. The gateway adds this field.
    async fn checks(&self) -> Vec<ReviewCheck> {
        screening::checks(self)
    }
}
