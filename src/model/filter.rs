//! What a list of customers can be narrowed by and put in order of.

use async_graphql::{Enum, InputObject};

use super::{CustomerStatus, CustomerType, DateTime};
use crate::privacy::Personal;
use crate::privacy::pii::{PersonalDataClass::Contact, pii};

/// Narrows a list of customers. All that is given must hold; a list of values means any of them.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// Part of the name; at most 500 bytes, as each text here.
    #[graphql(directive = pii::apply(Contact))]
    pub name: Option<Personal<String>>,
    /// The e-mail address.
    #[graphql(directive = pii::apply(Contact))]
    pub email: Option<Personal<String>>,
    /// The customer's id in your own system.
    #[graphql(directive = pii::apply(Contact))]
    pub external_id: Option<Personal<String>>,
    /// Free text; the upstream does not say which fields it looks in.
    #[graphql(directive = pii::apply(Contact))]
    pub search: Option<Personal<String>>,
    /// Any of these statuses, at most 100. An empty list is as if it were not given. `UNRECOGNIZED` is refused.
    pub statuses: Option<Vec<CustomerStatus>>,
    /// Any of these types, at most 100. An empty list is as if it were not given. `UNRECOGNIZED` is refused.
    pub types: Option<Vec<CustomerType>>,
    /// Created at this time or later.
    pub created_from: Option<DateTime>,
    /// Created at this time or earlier.
    pub created_to: Option<DateTime>,
}

/// Order of a list of customers. Left out: by name, A to Z.
#[derive(InputObject, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CustomerSort {
    /// What to sort by.
    #[graphql(default_with = "CustomerSortField::Name")]
    pub by: CustomerSortField,
    /// Which way.
    #[graphql(default_with = "SortOrder::Asc")]
    pub order: SortOrder,
}

impl Default for CustomerSort {
    fn default() -> Self {
        Self { by: CustomerSortField::Name, order: SortOrder::Asc }
    }
}

/// What customers can be sorted by.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum CustomerSortField {
    /// The name.
    Name,
    /// When the customer was created: oldest first is the usual order of a review queue.
    CreatedAt,
}

/// Which way a list is sorted.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SortOrder {
    /// Smallest, first or oldest at the top.
    Asc,
    /// Largest, last or newest at the top.
    Desc,
}
