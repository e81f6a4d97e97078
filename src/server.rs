//! Listeners, and how they come to an end.
//!
//! On the way down: not ready first, and a delay in which the platform notices; then no new connections, then the requests
//! that run get to end, then the writes that were sent are waited for. All of it within the drain's time; what is still
//! under way then is given up, and recorded so. A request on a kept connection is answered as a whole, or the connection is
//! closed before it is read.

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

/// The addresses that a server listens on.
#[derive(Debug)]
pub struct Listeners {
    pub public: TcpListener,
    pub admin: TcpListener,
}

/// A listener that cannot be had; the text says which and what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} (setting {setting}): {reason}; set {variable} to another address, or stop what is there"
)]
pub struct ListenError {
    address: SocketAddr,
    setting: &'static str,
    variable: &'static str,
    reason: io::Error,
}

/// A listener on an address; `setting` and `variable` are where the address comes from.
///
/// # Errors
/// Where the address cannot be had.
pub fn listen(address: SocketAddr, setting: &'static str, variable: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).map_err(|reason| ListenError { address, setting, variable, reason })
}

/// Serves until `shutdown`, then drains: until all has ended, the drain's time is up, or the services are cut.
///
/// `connections` is how many connections each listener holds at once.
///
/// # Errors
/// Where a listener breaks.
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
            info!("going down: running requests get to end");
            app.begin_draining();
            let (writes, cut) = (&app.services.write_tasks, &app.services.force_stop);
            let _noticed = cut.run_until_cancelled(sleep(settings.drain_delay)).await;
            let until = Instant::now() + settings.drain_timeout;
            // It ends connections itself only where all of what follows takes longer than it may.
            public.graceful_shutdown(Some(settings.drain_timeout + 2 * AUDIT_FLUSH_TIMEOUT));
            // First the requests, since one that still runs can begin another write; the platform can look until then.
            while public.connection_count() > 0 && Instant::now() < until && !cut.is_cancelled() {
                sleep(Duration::from_millis(10)).await;
            }
            writes.close();
            let _ended = cut.run_until_cancelled(timeout_at(until, writes.wait())).await;
            if !writes.is_empty() {
                let why = if cut.is_cancelled() { "a second signal" } else { "the drain's time was up" };
                warn!(writes = writes.len(), why, "writes were still under way");
            }
            // What runs is given up, and writes are recorded as what they are: nobody knows whether they were carried out.
            cut.cancel();
            if timeout(AUDIT_FLUSH_TIMEOUT, writes.wait()).await.is_err() {
                error!(writes = writes.len(), "writes were given up, and are not recorded");
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
    // This time runs from the last answer to the end of the next head; `connections` ends idle ones and slow heads sooner.
    let next_head = settings.keep_alive + settings.header_timeout;
    // The limits on heads are `http`'s, which answers; what is over twice as much is refused before it is held.
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

/// How long the records of writes that are given up at the end may take.
const AUDIT_FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// What HTTP/2 counts for each header besides its name and value (RFC 9113, section 6.5.2).
const HEADER_OVERHEAD: usize = 32;

/// How many requests one HTTP/2 connection may have open at once.
const MAX_STREAMS: u32 = 100;
