//! `[privacy]`: what it takes to see a customer in clear, and where a reason is mandatory.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::word;

/// `[privacy]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    #[serde(deserialize_with = "word::one_of")]
    pub unmask_reason: Reason,
    #[serde(deserialize_with = "word::one_of")]
    pub decide_reason: Reason,
    #[serde(deserialize_with = "word::one_of")]
    pub delete_reason: Reason,
    pub max_unmask_per_operation: usize,
    pub max_unmask_per_minute: NonZeroU32,
}

/// Whether a mutation needs a reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Optional,
    Required,
}

impl Reason {
    /// Whether a mutation without one is refused.
    pub fn is_required(self) -> bool {
        self == Self::Required
    }
}
