//! `[privacy]`: what it takes to see a customer in clear.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::word;

/// `[privacy]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    #[serde(deserialize_with = "word::one_of")]
    pub unmask_reason: UnmaskReason,
    pub max_unmask_per_operation: usize,
    pub max_unmask_per_minute: NonZeroU32,
}

/// Whether `unmaskCustomer` asks why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnmaskReason {
    Optional,
    Required,
}
