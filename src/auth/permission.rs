//! What a caller may do.

use async_graphql::Enum;
use strum::{IntoStaticStr, VariantArray};

/// Something that a caller may or may not do.
#[derive(Enum, IntoStaticStr, VariantArray, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
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
    /// All permissions, in the order of the schema.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its name in the schema.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The permission that a word of a token means: its name in the schema in any case, also as identity providers
    /// spell such words: `customers:read`, `customers.read`.
    pub fn from_word(word: &str) -> Option<Self> {
        let name = word.replace([':', '.'], "_");
        Self::ALL.iter().copied().find(|permission| permission.name().eq_ignore_ascii_case(&name))
    }
}
