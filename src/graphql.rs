//! The schema: its roots, objects and payloads.
//!
//! Resolvers read arguments, call the request's `Session`, and shape the result. `customers` contains the logic. Two
//! rules of the engine hold everywhere (docs/architecture.md): a nullable field that can fail is an
//! `Option<Result<…>>`, because `Result<Option<…>>` would null its parent; and no extension of the engine is used.

pub mod connection;
pub mod cursor;
mod customer;
pub mod error;
mod federation;
mod mutation;
mod node;
pub mod nullability;
mod page;
pub mod payload;
mod permissions;
mod query;
mod review;
pub mod root_field;
pub mod schema;
mod viewer;

pub use schema::{Schema, sdl, subgraph_sdl};
