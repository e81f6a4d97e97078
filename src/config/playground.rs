//! `[playground]`: the page to try the gateway out.

use serde::Deserialize;

use super::Switch;

/// `[playground]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playground {
    pub enabled: Switch,
}
