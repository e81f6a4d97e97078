//! `[privacy]`: what it takes to see a customer in clear, and where a reason is mandatory.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::enum_word;

/// `[privacy]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub unmask_reason: ReasonRequirement,
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub decide_reason: ReasonRequirement,
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub delete_reason: ReasonRequirement,
    pub max_unmask_per_operation: usize,
    pub max_unmask_per_minute: NonZeroU32,
}

/// Whether a mutation needs a reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonRequirement {
    Optional,
    Required,
}

impl ReasonRequirement {
    /// Whether a mutation without one is refused.
    pub fn is_required(self) -> bool {
        self == Self::Required
    }
}
