//! The sandbox: the Customers REST API in memory, over real HTTP.
//!
//! It reproduces the observed behaviour of the real service, its oddities included. Where the wire is not documented,
//! it takes the stricter reading, and a comment says so. `docs/upstream.md` has the wire contract and its numbered open
//! points. In comments, "seen" marks behaviour that was observed on the real service, and "assumed" marks a guess.
//!
//! The sandbox shares no code with the gateway, and the gateway calls it over HTTP only. All people in it are made up.
//! It is not a production service: it keeps no data when it stops, and it accepts any bearer token as a key.

mod router;
mod server;

mod call;
mod fault;
mod fault_injection;
mod idempotency;
mod tenant;

mod listing;
mod operation;
mod parse_body;
mod response;
mod validation;
mod view;

mod customer;
mod enums;
mod random;
mod screening;
pub mod seed;
mod state;
mod store;
mod timestamp;
mod unknown_members;

mod control;
mod webhook;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use state::Sandbox;
use webhook::WebhookSender;

/// The settings of a sandbox.
pub struct Settings {
    /// The bearer token that control calls without a token act for.
    pub default_key: String,
}

/// Serves until `shutdown` is cancelled. Open connections then get one second to finish.
///
/// # Errors
/// When the HTTP client for webhooks cannot be built.
pub async fn serve(listener: TcpListener, settings: Settings, shutdown: CancellationToken) -> io::Result<()> {
    // A child token: a sandbox that fails must not cancel its caller's token.
    let shutdown = shutdown.child_token();
    let _cancel_on_drop = shutdown.clone().drop_guard();
    let webhooks = WebhookSender::start(shutdown.clone())?;
    let sandbox = Sandbox::new(tenant::digest(&settings.default_key), webhooks, shutdown.clone());
    server::run(listener, router::router(Arc::new(sandbox)), shutdown).await
}
