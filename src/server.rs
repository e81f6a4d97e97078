//! Listeners and graceful shutdown.
//!
//! Shutdown has these steps: `/readyz` returns 503; the drain delay, in which the platform routes requests elsewhere; no new
//! connections; running requests end; writes that were sent end. The last two steps have the drain timeout. Then writes that
//! still run are abandoned, with an audit record. A request on an open connection gets its whole response, or the connection
//! is closed before the request is read.

pub mod connection_limit;
pub mod open_files;
mod rejected_heads;
mod timeout_body;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use connection_limit::{ConnectionLimit, Timeouts};
use open_files::ConnectionLimits;
use rejected_heads::CountRejectedHeads;

use crate::app::App;
use crate::config::Server;
use crate::http;
use crate::http::head_limits::MAX_HEADERS;

/// The listeners of the gateway.
#[derive(Debug)]
pub struct Listeners {
    pub public: TcpListener,
    pub admin: TcpListener,
}

/// An address cannot be used. The text names the setting and says what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} (setting {setting}): {reason}; set {variable} to another address, or stop the process that uses it"
)]
pub struct ListenError {
    address: SocketAddr,
    setting: &'static str,
    variable: &'static str,
    reason: io::Error,
}

/// A listener on an address. `setting` and `variable` are the names of the setting with the address.
///
/// # Errors
/// The address cannot be used.
pub fn listen(address: SocketAddr, setting: &'static str, variable: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|reason| ListenError { address, setting, variable, reason })
}

/// Serves until `shutdown`, then drains. The drain ends when all requests and writes have ended, after the drain timeout, or
/// when the services are stopped by force.
///
/// `connections` is how many connections each listener holds at once.
///
/// # Errors
/// A listener failed.
pub async fn serve(
    app: Arc<App>,
    listeners: Listeners,
    settings: Server,
    connections: ConnectionLimits,
    tls: Option<RustlsConfig>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let (public, admin) = (Handle::new(), Handle::new());
    let draining = {
        let settings = &settings;
        let (app, public, admin) = (Arc::clone(&app), public.clone(), admin.clone());
        async move {
            shutdown.cancelled().await;
            info!("shutting down: waiting for running requests");
            app.begin_draining();
            let (writes, cut) = (&app.services.write_tasks, &app.services.force_stop);
            let _noticed = cut.run_until_cancelled(sleep(settings.drain_delay)).await;
            let until = Instant::now() + settings.drain_timeout;
            // axum-server closes connections by itself only if the following steps exceed their time limits.
            public.graceful_shutdown(Some(settings.drain_timeout + 2 * AUDIT_FLUSH_TIMEOUT));
            // Requests first, because a running request can start a write. The admin server stays up until then.
            while public.connection_count() > 0 && Instant::now() < until && !cut.is_cancelled() {
                sleep(Duration::from_millis(10)).await;
            }
            writes.close();
            let _ended = cut.run_until_cancelled(timeout_at(until, writes.wait())).await;
            if !writes.is_empty() {
                let reason = if cut.is_cancelled() { "a second signal" } else { "the drain timeout" };
                warn!(pending_writes = writes.len(), reason, "writes were still running at shutdown");
            }
            // Running writes are abandoned. Their audit records say that their outcome is unknown.
            cut.cancel();
            if timeout(AUDIT_FLUSH_TIMEOUT, writes.wait()).await.is_err() {
                error!(pending_writes = writes.len(), "writes were abandoned at shutdown without an audit record");
            }
            public.shutdown();
            admin.graceful_shutdown(Some(Duration::ZERO));
            Ok(())
        }
    };
    tokio::try_join!(
        run("public", listeners.public, http::public(Arc::clone(&app)), public, &settings, connections.public, tls),
        run("admin", listeners.admin, http::admin(app), admin, &settings, connections.admin, None),
        draining,
    )?;
    Ok(())
}

async fn run(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    handle: Handle<SocketAddr>,
    settings: &Server,
    max_connections: usize,
    tls: Option<RustlsConfig>,
) -> io::Result<()> {
    let server = axum_server::from_tcp(listener)?.handle(handle).first_request_timeout(settings.header_timeout);
    let mut server = server.accept_error_handler(connection_limit::accept_failed());
    // From the last response to the end of the next head. `connection_limit` ends idle connections and slow heads earlier.
    let next_head = settings.keep_alive + settings.header_timeout;
    // `http` enforces the limits on heads, with a response. hyper rejects heads of more than twice the limit.
    let max_head = 2 * settings.max_header_bytes;
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(next_head)
        .max_buf_size(max_head)
        .max_headers(4 * MAX_HEADERS);
    let max_header_list = u32::try_from(max_head + 4 * MAX_HEADERS * HEADER_OVERHEAD).unwrap_or(u32::MAX);
    server
        .http_builder()
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(settings.header_timeout)
        .keep_alive_timeout(settings.header_timeout)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(max_header_list);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let timeouts =
        Timeouts { keep_alive: settings.keep_alive, header: settings.header_timeout, write: settings.write_timeout };
    let bounded = ConnectionLimit::new(max_connections, timeouts, name);
    match tls {
        None => server.acceptor(CountRejectedHeads(bounded)).serve(service).await,
        Some(config) => {
            let acceptor = RustlsAcceptor::new(config).handshake_timeout(settings.header_timeout).acceptor(bounded);
            server.acceptor(CountRejectedHeads(acceptor)).serve(service).await
        }
    }
}

/// The time limit for the audit records of abandoned writes.
const AUDIT_FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The size that HTTP/2 adds for each header to its name and value, in bytes (RFC 9113, section 6.5.2).
const HEADER_OVERHEAD: usize = 32;

/// The maximum number of open requests on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
