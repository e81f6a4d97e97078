//! The command `check-config`.

use std::path::Path;

use super::output::print;
use super::{preflight, runtime};
use crate::config::Settings;

/// Prints every setting in force and its source, in the form of a settings file, then a summary.
pub fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let settings = runtime()?.block_on(preflight::looking(file))?;
    let in_force = Settings::effective(file)?;
    let lines: Vec<(String, &str)> =
        in_force.iter().map(|setting| (format!("{} = {}", setting.name, setting.value), &*setting.origin)).collect();
    // The sources stand in one column, except beside long lines.
    let widest = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width < 60).max().unwrap_or(0);
    for (line, origin) in &lines {
        print(&format!("{line:widest$}  # {origin}"))?;
    }
    let upstream = settings.upstream.base_url()?;
    let upstream = upstream.map_or_else(|| "the embedded sandbox".to_owned(), |url| url.to_string());
    print(&format!(
        "\nThe settings can be used.\n  \
           GraphQL   {}\n  admin     {}\n  callers   {}\n  upstream  {upstream}",
        settings.server.listen, settings.server.admin_listen, settings.auth.mode,
    ))
}
