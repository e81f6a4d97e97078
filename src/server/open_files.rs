//! The open file limit of the process. The gateway raises it as far as possible, and divides it so that connections of callers
//! leave files for the upstream and for the admin server.

use std::io;

use rlimit::Resource;

/// Files of the process itself: standard streams, listeners, the runtime, the audit file, files that a reload reads, name
/// look-ups, keys of the identity provider, spans, and a connection that is closed as soon as it is accepted.
const OWN_FILES: u64 = 48;
/// Connections of the admin server for which files are reserved.
const ADMIN_FILES: u64 = 32;
/// The minimum number of connections for callers.
const MIN_CONNECTIONS: u64 = 16;

/// The maximum number of connections of each listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionLimits {
    pub public: usize,
    pub admin: usize,
}

/// The open file limit is too low to start.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the process may open {limit} files, and needs {needed} at least: raise the limit (`ulimit -n`, or `LimitNOFILE` of \
     systemd), or lower upstream.max_in_flight"
)]
pub struct TooFewOpenFiles {
    limit: u64,
    needed: u64,
}

/// Raises the open file limit and divides it: `upstream` connections, and up to `max_connections` for each listener. Logs if
/// the listeners get fewer.
///
/// # Errors
/// Too few connections are left for callers.
pub fn allocate(max_connections: usize, upstream: usize) -> Result<ConnectionLimits, TooFewOpenFiles> {
    let wanted = needed(max_connections, upstream);
    let limit = raise_limit(wanted).unwrap_or_else(|error| {
        tracing::warn!(%error, "the open file limit cannot be read");
        u64::MAX
    });
    let connections = divide(limit, max_connections, upstream)?;
    if connections.public < max_connections {
        tracing::warn!(
            limit,
            needed = wanted,
            connections = connections.public,
            "the open file limit is too low for server.max_connections: the gateway accepts fewer connections. Raise the \
             limit (`ulimit -n`, or `LimitNOFILE` of systemd)"
        );
    }
    Ok(connections)
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The files for all connections.
fn needed(max_connections: usize, upstream: usize) -> u64 {
    to_u64(max_connections).saturating_mul(2).saturating_add(to_u64(upstream)).saturating_add(OWN_FILES)
}

/// Raises the limit to `wanted`, or as far as possible. Returns the limit.
fn raise_limit(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = Resource::NOFILE.get()?;
    if soft >= wanted {
        return Ok(soft);
    }
    let more = wanted.min(hard);
    // If the process may not raise it, the limit is unchanged.
    Ok(if Resource::NOFILE.set(more, hard).is_ok() { more } else { soft })
}

fn divide(limit: u64, max_connections: usize, upstream: usize) -> Result<ConnectionLimits, TooFewOpenFiles> {
    if limit >= needed(max_connections, upstream) {
        return Ok(ConnectionLimits { public: max_connections, admin: max_connections });
    }
    let most = |files: u64| usize::try_from(files).unwrap_or(usize::MAX).min(max_connections);
    let kept_back = to_u64(upstream).saturating_add(OWN_FILES + ADMIN_FILES);
    let public = limit.saturating_sub(kept_back);
    if public < MIN_CONNECTIONS.min(to_u64(max_connections)) {
        return Err(TooFewOpenFiles { limit, needed: kept_back.saturating_add(MIN_CONNECTIONS) });
    }
    Ok(ConnectionLimits { public: most(public), admin: most(ADMIN_FILES) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn enough_files_serve_all_connections() {
        assert_eq!(divide(10_000, 4_096, 64), Ok(ConnectionLimits { public: 4_096, admin: 4_096 }));
        assert_eq!(divide(u64::MAX, usize::MAX, 64), Ok(ConnectionLimits { public: usize::MAX, admin: usize::MAX }));
    }

    #[test]
    fn too_few_files_are_reported_with_the_number_needed() {
        let refused = divide(100, 4_096, 64).expect_err("too few");
        assert!(refused.to_string().contains("160 at least"), "{refused}");
        assert!(divide(160, 4_096, 64).is_ok());
    }

    proptest! {
        #[test]
        fn all_together_stay_within_the_limit(
            limit in 0..20_000_u64,
            max_connections in 1..10_000_usize,
            upstream in 1..2_000_usize,
        ) {
            if let Ok(ConnectionLimits { public, admin }) = divide(limit, max_connections, upstream) {
                prop_assert!((public + admin + upstream) as u64 + OWN_FILES <= limit);
                prop_assert!(public > 0 && admin > 0 && public <= max_connections && admin <= max_connections);
            }
        }
    }
}
