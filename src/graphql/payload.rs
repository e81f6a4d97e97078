//! The payloads of mutations: the result, or all errors that the caller can fix.

use std::sync::Arc;

use async_graphql::{ID, Interface, SimpleObject};

use super::customer::CustomerObject;
use crate::customers::write::writer::WriteResult;
use crate::model::{Customer as Record, CustomerId, UnmaskedCustomer, UserError};

/// The fields that all payloads have.
#[derive(Interface, Clone, Debug)]
#[graphql(field(
    name = "user_errors",
    ty = "&Vec<UserError>",
    desc = "All errors that the caller can fix. Empty if the mutation succeeded."
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
            /// All errors that the caller can fix. Empty if the mutation succeeded.
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
    "The new customer, or why it was not created.",
    "The new customer, masked. null if there are `userErrors`. If it was screened inline, its status is the result."
);
customer_payload!(
    UpdateCustomerPayload,
    "The updated customer, or why it was not updated.",
    "The customer after the update, masked. null if there are `userErrors`."
);
customer_payload!(
    DecideCustomerReviewPayload,
    "The customer after the decision, or why the decision was not made.",
    "The customer after the decision. null if there are `userErrors`. Its `review` is read again."
);
customer_payload!(
    RefreshCustomerReviewPayload,
    "The customer whose screening is repeated, or why it is not.",
    "The customer at the start of the screening. null if there are `userErrors`. The new result comes later: read `review`."
);

/// The id of a deleted customer, or why it was not deleted.
#[derive(SimpleObject, Clone, Debug)]
pub struct DeleteCustomerPayload {
    /// The id of the deleted customer. null if there are `userErrors`.
    pub deleted_customer_id: Option<ID>,
    /// All errors that the caller can fix. Empty if the mutation succeeded.
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

/// An unmasked customer, or why it is not returned.
#[derive(SimpleObject, Clone, Debug)]
pub struct UnmaskCustomerPayload {
    /// The unmasked customer. null if there are `userErrors`. Show it, but do not store it.
    pub unmasked_customer: Option<Box<UnmaskedCustomer>>,
    /// All errors that the caller can fix. Empty if the mutation succeeded.
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
