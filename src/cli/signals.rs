//! The signals that stop the process.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Two tokens. The first SIGTERM or SIGINT cancels the first token, and the second signal cancels the second.
pub fn shutdown_signals() -> anyhow::Result<(CancellationToken, CancellationToken)> {
    let (stop, stop_now) = (CancellationToken::new(), CancellationToken::new());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let tokens = [stop.clone(), stop_now.clone()];
    tokio::spawn(async move {
        for token in tokens {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
        }
    });
    Ok((stop, stop_now))
}
