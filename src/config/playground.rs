//! `[playground]`: the page to try the gateway out.

use serde::Deserialize;

use super::{Switch, enum_word};

/// `[playground]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playground {
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub enabled: Switch,
}
