//! The command `schema`.

use super::output::print;
use crate::graphql;

/// Prints the schema, or the schema of the subgraph.
pub fn run(federation: bool) -> anyhow::Result<()> {
    let sdl = if federation { graphql::subgraph_sdl() } else { graphql::sdl() };
    print(sdl.trim_end())
}
