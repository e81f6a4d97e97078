//! What mutations answer: the result, or all that the caller can mend.

use std::sync::Arc;

use async_graphql::{ID, Interface, SimpleObject};

use super::customer::CustomerObject;
use crate::customers::write::writer::WriteResult;
use crate::model::{Customer as Record, CustomerId, UnmaskedCustomer, UserError};

/// What all payloads have.
#[derive(Interface, Clone, Debug)]
#[graphql(field(
    name = "user_errors",
    ty = "&Vec<UserError>",
    desc = "What the caller can mend, all of it at once; empty where the mutation was carried out."
))]
pub enum MutationPayload {
    Create(CreateCustomerPayload),
    Update(UpdateCustomerPayload),
    Delete(DeleteCustomerPayload),
    Unmask(UnmaskCustomerPayload),
    Decide(DecideCustomerReviewPayload),
    Refresh(RefreshCustomerReviewPayload),
}

/// A payload whose result is the customer after the mutation.
macro_rules! customer_payload {
    ($name:ident, $about:literal, $customer:literal) => {
        #[doc = $about]
        #[derive(SimpleObject, Clone, Debug)]
        pub struct $name {
            #[doc = $customer]
            pub customer: Option<CustomerObject>,
            /// What the caller can mend, all of it at once; empty where the mutation was carried out.
            pub user_errors: Vec<UserError>,
        }

        impl From<WriteResult<Arc<Record>>> for $name {
            fn from(written: WriteResult<Arc<Record>>) -> Self {
                match written {
                    Ok(customer) => {
                        Self { customer: Some(CustomerObject::from_customer(customer)), user_errors: Vec::new() }
                    }
                    Err(user_errors) => Self { customer: None, user_errors },
                }
            }
        }
    };
}

customer_payload!(
    CreateCustomerPayload,
    "A new customer, or why there is none.",
    "The new customer, masked; null where there are `userErrors`. Its status is settled where it was screened inline."
);
customer_payload!(
    UpdateCustomerPayload,
    "The changed customer, or why it was not changed.",
    "The customer after the change, masked; null where there are `userErrors`."
);
customer_payload!(
    DecideCustomerReviewPayload,
    "The decided customer, or why it was not decided.",
    "The customer after the decision; null where there are `userErrors`. Its `review` is read afresh."
);
customer_payload!(
    RefreshCustomerReviewPayload,
    "The customer whose screening runs again, or why it does not.",
    "The customer as the screening begins; null where there are `userErrors`. The new result comes later: read `review`."
);

/// The id of an erased customer, or why it was not erased.
#[derive(SimpleObject, Clone, Debug)]
pub struct DeleteCustomerPayload {
    /// The id of the customer that is gone; null where there are `userErrors`.
    pub deleted_customer_id: Option<ID>,
    /// What the caller can mend, all of it at once; empty where the mutation was carried out.
    pub user_errors: Vec<UserError>,
}

impl From<WriteResult<CustomerId>> for DeleteCustomerPayload {
    fn from(written: WriteResult<CustomerId>) -> Self {
        match written {
            Ok(id) => Self { deleted_customer_id: Some(ID(id.to_string())), user_errors: Vec::new() },
            Err(user_errors) => Self { deleted_customer_id: None, user_errors },
        }
    }
}

/// A customer in clear, or why it is not shown.
#[derive(SimpleObject, Clone, Debug)]
pub struct UnmaskCustomerPayload {
    /// The customer in clear; null where there are `userErrors`. Show it, do not keep it.
    pub unmasked_customer: Option<Box<UnmaskedCustomer>>,
    /// What the caller can mend, all of it at once; empty where the mutation was carried out.
    pub user_errors: Vec<UserError>,
}

impl From<WriteResult<UnmaskedCustomer>> for UnmaskCustomerPayload {
    fn from(written: WriteResult<UnmaskedCustomer>) -> Self {
        match written {
            Ok(customer) => Self { unmasked_customer: Some(Box::new(customer)), user_errors: Vec::new() },
            Err(user_errors) => Self { unmasked_customer: None, user_errors },
        }
    }
}
