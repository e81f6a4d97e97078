//! A GraphQL gateway over the REST Customers API, made for personal data.
//!
//! The modules stand in the order in which a request passes them; each uses only what stands below it.
//!
//! ```text
//! client ──▶ http ──▶ operation ──▶ graphql ──▶ customers ──▶ cache ──▶ upstream ──▶ Customers REST API
//!            speak    may it run?   what it     what is to    do we     ask, with
//!            HTTP                   means       be done       know it?  patience
//! ```
//!
//! - [`cli`], [`config`], [`app`], [`server`]: how the process starts, what it is built of, how it ends
//! - [`http`]: the edge; [`auth`]: who asks; [`operation`]: may it run; [`graphql`]: what it means
//! - [`customers`]: what is to be done; [`cache`]: do we know it; [`upstream`]: ask
//! - [`model`]: what a customer is, every type written once; [`error`]: the one table of errors
//! - [`response_size`]: what bounds an answer while it is made
//! - [`privacy`]: types that never print, marks in the schema, who saw or changed whom; [`fair_limit`]: limits that are
//!   fair per caller; [`outbound`]: HTTP clients: names, proxy, causes; [`telemetry`]: what is seen: log, metrics, traces
//!
//! The sandbox, the Customers API in memory, is a crate of its own (`sandbox/`) and shares nothing with this one.
//!
//! `docs/architecture.md` tells the reasons.

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
