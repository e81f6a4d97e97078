//! `[playground]`: the page to try the gateway out.

use serde::Deserialize;

use super::{Switch, word};

/// `[playground]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playground {
    #[serde(deserialize_with = "word::one_of")]
    pub enabled: Switch,
}
