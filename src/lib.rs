//! A GraphQL gateway in front of the REST Customers API.
//!
//! A request passes these modules:
//!
//! ```text
//! client ──▶ http ──▶ auth ──▶ admission ──▶ operation ──▶ graphql ──▶ customers ──▶ cache ──▶ upstream ──▶ Customers REST API
//! ```
//!
//! `docs/architecture.md` has the task of each module and the reasons for the design. The sandbox, the Customers API in
//! memory, is a crate of its own (`sandbox/`).

pub mod app;
pub mod cli;
pub mod config;
pub mod server;

pub mod admission;
pub mod auth;
pub mod cache;
pub mod customers;
pub mod graphql;
pub mod http;
pub mod operation;
pub mod upstream;

pub mod error;
pub mod fair_limit;
pub mod model;
pub mod outbound;
pub mod privacy;
pub mod response_size;
pub mod setting;
pub mod telemetry;
