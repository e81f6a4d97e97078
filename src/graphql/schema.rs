//! Builds the schema, and exports it.

use async_graphql::{EmptySubscription, MergedObject, ObjectType, Request, Response, SDLExportOptions, ValidationMode};

use super::federation::Federation;
use super::mutation::Mutation;
use super::payload::MutationPayload;
use super::query::Query;

// The docstrings of the roots are their descriptions in the schema, and there they are one and the same type.

/// Everything that can be read. Reading changes nothing and can be repeated freely.
#[derive(MergedObject, Clone, Debug)]
#[graphql(name = "Query")]
pub struct Root(Query);

/// Everything that can be read. Reading changes nothing and can be repeated freely.
#[derive(MergedObject, Clone, Debug)]
#[graphql(name = "Query")]
pub struct SubgraphRoot(Query, Federation);

type WithRoot<Q> = async_graphql::Schema<Q, Mutation, EmptySubscription>;

/// The schema with its roots, ready to run. What a request needs comes with the request; the schema itself holds nothing.
#[derive(Clone)]
pub enum Schema {
    /// For frontends.
    Alone(WithRoot<Root>),
    /// For a supergraph's router: the same and what a router asks of any subgraph.
    Subgraph(WithRoot<SubgraphRoot>),
}

/// The engine's own bound on levels. It has to be above ours (`max_depth`), which is checked before, in linear time.
pub const ENGINE_DEPTH: usize = 64;

impl Schema {
    /// Runs a request.
    pub async fn execute(&self, request: Request) -> Response {
        match self {
            Self::Alone(schema) => schema.execute(request).await,
            Self::Subgraph(schema) => schema.execute(request).await,
        }
    }

    /// The schema as the engine prints it.
    pub fn sdl(&self) -> String {
        match self {
            Self::Alone(schema) => schema.sdl(),
            Self::Subgraph(schema) => schema.sdl(),
        }
    }
}

/// The schema once for each way to validate.
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
    /// The schema for frontends.
    ///
    /// `suggestions` says whether a message about a name that is not there names those that are close to it: with
    /// introspection off they would give the schema away name by name.
    pub fn alone(suggestions: bool) -> Self {
        Self::with(suggestions, |validation, suggestions| {
            Schema::Alone(with_root(Root(Query), validation, suggestions))
        })
    }

    /// The schema of a subgraph; `suggestions` as for [`Schemas::alone`].
    pub fn subgraph(suggestions: bool) -> Self {
        let federation = Federation::new(subgraph_sdl());
        Self::with(suggestions, |validation, suggestions| {
            Schema::Subgraph(with_root(SubgraphRoot(Query, federation.clone()), validation, suggestions))
        })
    }

    fn with(suggestions: bool, build: impl Fn(ValidationMode, bool) -> Schema) -> Self {
        let silent = build(ValidationMode::Strict, false);
        let strict = if suggestions { build(ValidationMode::Strict, true) } else { silent.clone() };
        Self { strict, silent, passed: build(ValidationMode::Fast, false) }
    }
}

fn with_root<Q: ObjectType + 'static>(query: Q, validation: ValidationMode, suggestions: bool) -> WithRoot<Q> {
    let schema = WithRoot::build(query, Mutation, EmptySubscription)
        // No field returns this interface: it is there for clients that treat all payloads alike.
        .register_output_type::<MutationPayload>()
        .limit_recursive_depth(ENGINE_DEPTH)
        .validation_mode(validation);
    let schema = if suggestions { schema } else { schema.disable_suggestions() };
    schema.finish()
}

/// The schema as text, as it stands in `schema.graphql`.
pub fn sdl() -> String {
    exported("schema", SDLExportOptions::new())
}

/// The schema that a supergraph is composed with.
///
/// The engine writes what composition asks for, but for the key: a key that it knows of would have it answer
/// `_entities` itself (see [`super::federation`]).
pub fn subgraph_sdl() -> String {
    let sdl = exported("schema --federation", SDLExportOptions::new().federation().compose_directive());
    format!("{sdl}\nextend type Customer @key(fields: \"id\")\n")
}

fn exported(command: &str, options: SDLExportOptions) -> String {
    let options = options.include_specified_by().prefer_single_line_descriptions().use_space_ident().indent_width(2);
    let sdl = with_root(Root(Query), ValidationMode::Strict, true).sdl_with_options(options);
    let lines: Vec<&str> = sdl.trim().lines().map(str::trim_end).collect();
    format!("# Exported by `customers-gateway {command}`; do not edit.\n\n{}\n", lines.join("\n"))
}
