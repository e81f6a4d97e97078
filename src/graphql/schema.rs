//! Builds the schema, and exports it.

use async_graphql::{EmptySubscription, MergedObject, ObjectType, Request, Response, SDLExportOptions, ValidationMode};

use super::federation::Federation;
use super::mutation::MutationRoot;
use super::payload::MutationPayload;
use super::query::QueryFields;

// The docstrings of the roots are their descriptions in the schema, and there they are one and the same type.

/// Everything that can be read. Reading changes nothing and can be repeated freely.
#[derive(MergedObject, Clone, Debug)]
#[graphql(name = "Query")]
pub struct QueryRoot(QueryFields);

/// Everything that can be read. Reading changes nothing and can be repeated freely.
#[derive(MergedObject, Clone, Debug)]
#[graphql(name = "Query")]
pub struct SubgraphQueryRoot(QueryFields, Federation);

type SchemaOf<Q> = async_graphql::Schema<Q, MutationRoot, EmptySubscription>;

/// The schema with its roots, ready to run. What a request needs comes with the request; the schema itself holds nothing.
#[derive(Clone)]
pub enum Schema {
    /// For frontends.
    Standalone(SchemaOf<QueryRoot>),
    /// For a supergraph's router: the same and what a router asks of any subgraph.
    Subgraph(SchemaOf<SubgraphQueryRoot>),
}

/// The engine's own bound on levels. It has to be above ours (`max_depth`), which is checked before, in linear time.
pub const ENGINE_MAX_DEPTH: usize = 64;

impl Schema {
    /// The schema for frontends.
    pub fn standalone() -> Self {
        Self::Standalone(with_root(QueryRoot(QueryFields)))
    }

    /// The schema of a subgraph.
    pub fn subgraph() -> Self {
        Self::Subgraph(with_root(SubgraphQueryRoot(QueryFields, Federation::new(subgraph_sdl()))))
    }

    /// Runs a request.
    pub async fn execute(&self, request: Request) -> Response {
        match self {
            Self::Standalone(schema) => schema.execute(request).await,
            Self::Subgraph(schema) => schema.execute(request).await,
        }
    }

    /// The schema as the engine prints it.
    pub fn sdl(&self) -> String {
        match self {
            Self::Standalone(schema) => schema.sdl(),
            Self::Subgraph(schema) => schema.sdl(),
        }
    }
}

fn with_root<Q: ObjectType + 'static>(query: Q) -> SchemaOf<Q> {
    SchemaOf::build(query, MutationRoot, EmptySubscription)
        // No field returns this interface: it is there for clients that treat all payloads alike.
        .register_output_type::<MutationPayload>()
        .limit_recursive_depth(ENGINE_MAX_DEPTH)
        // `operation` validates documents before the engine gets them.
        .validation_mode(ValidationMode::Fast)
        .finish()
}

/// The schema as text, as it stands in `schema.graphql`.
pub fn sdl() -> String {
    export("schema", SDLExportOptions::new())
}

/// The schema that a supergraph is composed with.
///
/// The engine writes what composition asks for, but for the key: a key that it knows of would have it answer
/// `_entities` itself (see [`super::federation`]).
pub fn subgraph_sdl() -> String {
    let sdl = export("schema --federation", SDLExportOptions::new().federation().compose_directive());
    format!("{sdl}\nextend type Customer @key(fields: \"id\")\n")
}

fn export(command: &str, options: SDLExportOptions) -> String {
    let options = options.include_specified_by().prefer_single_line_descriptions().use_space_ident().indent_width(2);
    let sdl = with_root(QueryRoot(QueryFields)).sdl_with_options(options);
    let lines: Vec<&str> = sdl.trim().lines().map(str::trim_end).collect();
    format!("# Exported by `customers-gateway {command}`; do not edit.\n\n{}\n", lines.join("\n"))
}
