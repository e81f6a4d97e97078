//! Builds and exports the schema.

use async_graphql::{EmptySubscription, MergedObject, ObjectType, Request, Response, SDLExportOptions, ValidationMode};

use super::federation::Federation;
use super::mutation::MutationRoot;
use super::payload::MutationPayload;
use super::query::QueryFields;

// The doc comments of the roots are their descriptions in the schema, where both are the same type.

/// Fields that read data. They change nothing, so a query can be repeated.
#[derive(MergedObject, Clone, Debug)]
#[graphql(name = "Query")]
pub struct QueryRoot(QueryFields);

/// Fields that read data. They change nothing, so a query can be repeated.
#[derive(MergedObject, Clone, Debug)]
#[graphql(name = "Query")]
pub struct SubgraphQueryRoot(QueryFields, Federation);

type SchemaOf<Q> = async_graphql::Schema<Q, MutationRoot, EmptySubscription>;

/// The schema with its roots, ready to run. It contains no data of a request.
#[derive(Clone)]
pub enum Schema {
    /// For frontends.
    Standalone(SchemaOf<QueryRoot>),
    /// For the router of a supergraph: the same, with the fields that a router needs from a subgraph.
    Subgraph(SchemaOf<SubgraphQueryRoot>),
}

/// The engine's limit on nesting. It must exceed the gateway's limit (`max_depth`), which is checked before, in linear
/// time.
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
        // No field returns this interface. It is for clients that handle all payloads alike.
        .register_output_type::<MutationPayload>()
        .limit_recursive_depth(ENGINE_MAX_DEPTH)
        // `operation` validates documents before the engine gets them.
        .validation_mode(ValidationMode::Fast)
        .finish()
}

/// The schema as text, as in `schema.graphql`.
pub fn sdl() -> String {
    export("schema", SDLExportOptions::new())
}

/// The schema for the composition of a supergraph.
///
/// The engine prints all that composition needs, except for the key. If the engine knew the key, it would resolve
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
