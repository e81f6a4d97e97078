//! Builds the schema, and exports it.

use async_graphql::{EmptySubscription, SDLExportOptions, ValidationMode};

use super::mutation::Mutation;
use super::payload::MutationPayload;
use super::query::Query;

/// The schema with its roots.
pub type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// The engine's own bound on levels. It has to be above ours (`max_depth`), which is checked before, in linear time.
pub const ENGINE_DEPTH: usize = 64;

/// The schema, ready to run, once for each way to validate. What a request needs comes with the request; a schema itself
/// holds nothing.
#[derive(Clone)]
pub struct Schemas {
    /// Validates by every rule.
    pub strict: Schema,
    /// The same, and suggests nothing.
    pub silent: Schema,
    /// Takes what passed [`Schemas::strict`] before, and does not validate it again. Its own bounds stay.
    pub passed: Schema,
}

impl Schemas {
    /// `suggestions` says whether a message about a name that is not there names those that are close to it: with
    /// introspection off they would give the schema away name by name.
    pub fn build(suggestions: bool) -> Self {
        let silent = build(ValidationMode::Strict, false);
        let strict = if suggestions { build(ValidationMode::Strict, true) } else { silent.clone() };
        Self { strict, silent, passed: build(ValidationMode::Fast, false) }
    }
}

fn build(validation: ValidationMode, suggestions: bool) -> Schema {
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        // No field returns this interface: it is there for clients that treat all payloads alike.
        .register_output_type::<MutationPayload>()
        .limit_recursive_depth(ENGINE_DEPTH)
        .validation_mode(validation);
    let schema = if suggestions { schema } else { schema.disable_suggestions() };
    schema.finish()
}

/// The schema as text, as it stands in `schema.graphql`.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().include_specified_by().prefer_single_line_descriptions().use_space_ident();
    let sdl = build(ValidationMode::Strict, true).sdl_with_options(options.indent_width(2));
    let lines: Vec<&str> = sdl.trim().lines().map(str::trim_end).collect();
    format!("# Exported by `customers-gateway schema`; do not edit.\n\n{}\n", lines.join("\n"))
}
