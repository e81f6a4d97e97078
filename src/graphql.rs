//! What it means: the roots, the objects and the payloads of the schema.
//!
//! Resolvers read arguments, ask the request's `Session`, and shape what comes back; what is done is decided below, in
//! `customers`. Two rules of the engine are kept everywhere (docs/architecture.md): a nullable field that can fail is
//! an `Option<Result<…>>`, since `Result<Option<…>>` would take its parent along, and no extension is used.

pub mod connection;
pub mod cursor;
pub mod customer;
pub mod error;
pub mod federation;
pub mod mutation;
pub mod node;
pub mod nullability;
pub mod page;
pub mod payload;
pub mod permissions;
pub mod query;
pub mod review;
pub mod root_field;
pub mod schema;
pub mod viewer;

pub use schema::{Schema, sdl, subgraph_sdl};
