//! The sandbox as its own program: `customers-sandbox --listen 127.0.0.1:4010`.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use clap::Parser;
use customers_sandbox::{Settings, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The Customers REST API in memory, with made-up people and fault injection.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The address to listen on; port 0 selects a free port.
    #[arg(long, env = "SANDBOX_LISTEN", default_value = "127.0.0.1:4010")]
    listen: SocketAddr,
    /// The bearer token that control calls without a token act for.
    #[arg(long, env = "SANDBOX_DEFAULT_KEY", default_value = "sandbox", hide_env_values = true)]
    default_key: String,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let Arguments { listen, default_key } = Arguments::parse();
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|cause| io::Error::new(cause.kind(), format!("--listen {listen} (SANDBOX_LISTEN): {cause}")))?;
    let address = listener.local_addr()?;
    writeln!(
        io::stdout(),
        "Sandbox of the Customers API\n  \
           API      http://{address}/v1/customers (any bearer token is accepted and has its own data)\n  \
           control  http://{address}/_sandbox/calls, writes, faults, latency, customers, webhook, reset\n  \
           All people in it are made up, and changes are lost when it stops."
    )?;
    let shutdown = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
            shutdown.cancel();
        }
    });
    serve(listener, Settings { default_key }, shutdown).await
}
