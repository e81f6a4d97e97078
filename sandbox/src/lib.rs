//! The sandbox upstream: the Customers REST API in memory, over real HTTP.
//!
//! It is what a new user and every test meet first, so it is true to what was seen of the real service, its
//! oddities included; where the wire is not known it takes the stricter reading, and a comment says so.
//! `docs/upstream.md` has the wire contract and the open points, which comments name by their number. The sandbox
//! shares nothing with the gateway and is reached over HTTP only. All people in it are made up. It refuses to
//! be a production service: it forgets everything when it stops, and any bearer token is a key.

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

/// What the sandbox is started with.
pub struct Settings {
    /// The bearer key on whose world control calls without a token act.
    pub default_key: String,
}

/// Serves until `shutdown` is cancelled; open connections then get at most a second.
///
/// # Errors
/// When the client that sends webhooks cannot be built.
pub async fn serve(listener: TcpListener, settings: Settings, shutdown: CancellationToken) -> io::Result<()> {
    // A token of its own, so that a sandbox that fails does not stop what it was started by.
    let shutdown = shutdown.child_token();
    let _ended = shutdown.clone().drop_guard();
    let webhooks = WebhookSender::start(shutdown.clone())?;
    let sandbox = Sandbox::new(tenant::digest(&settings.default_key), webhooks, shutdown.clone());
    server::run(listener, router::router(Arc::new(sandbox)), shutdown).await
}
