//! What a caller may do.

use async_graphql::Enum;

/// Something that a caller may or may not do.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Permission {
    /// Read customers, masked.
    CustomersRead,
    /// Create and change customers; of their status only between VERIFIED and INACTIVE.
    CustomersWrite,
    /// Erase customers.
    CustomersDelete,
    /// See customers in clear.
    CustomersUnmask,
    /// Read the results of identity screenings.
    ReviewsRead,
    /// Decide about customers in review, and screen them again; with CUSTOMERS_WRITE, set any status.
    ReviewsDecide,
}

impl Permission {
    /// All there are, in the schema's order.
    pub const ALL: [Self; 6] = [
        Self::CustomersRead,
        Self::CustomersWrite,
        Self::CustomersDelete,
        Self::CustomersUnmask,
        Self::ReviewsRead,
        Self::ReviewsDecide,
    ];

    /// Its name in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::CustomersRead => "CUSTOMERS_READ",
            Self::CustomersWrite => "CUSTOMERS_WRITE",
            Self::CustomersDelete => "CUSTOMERS_DELETE",
            Self::CustomersUnmask => "CUSTOMERS_UNMASK",
            Self::ReviewsRead => "REVIEWS_READ",
            Self::ReviewsDecide => "REVIEWS_DECIDE",
        }
    }

    /// The permission that a word of a token means: its name in the schema in any case, also as identity providers
    /// spell such words: `customers:read`, `customers.read`.
    pub fn from_word(word: &str) -> Option<Self> {
        let name = word.replace([':', '.'], "_");
        Self::ALL.into_iter().find(|permission| permission.name().eq_ignore_ascii_case(&name))
    }
}
