//! Permissions of callers.

use async_graphql::Enum;
use strum::{IntoStaticStr, VariantArray};

/// A permission of a caller.
#[derive(Enum, IntoStaticStr, VariantArray, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Permission {
    /// Read masked customers.
    CustomersRead,
    /// Create and update customers. Change their status only between VERIFIED and INACTIVE.
    CustomersWrite,
    /// Delete customers.
    CustomersDelete,
    /// Read unmasked customers.
    CustomersUnmask,
    /// Read the results of identity screenings.
    ReviewsRead,
    /// Decide reviews of customers, and repeat their screening. Together with CUSTOMERS_WRITE: set any status.
    ReviewsDecide,
}

impl Permission {
    /// All permissions, in the order of the schema.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its name in the schema.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The permission that a word in a token grants: its name in the schema, in any case. Identity providers also
    /// write such words as `customers:read` or `customers.read`.
    pub fn from_word(word: &str) -> Option<Self> {
        let name = word.replace([':', '.'], "_");
        Self::ALL.iter().copied().find(|permission| permission.name().eq_ignore_ascii_case(&name))
    }
}
