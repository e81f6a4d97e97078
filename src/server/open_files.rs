//! The process's limit on open files: raised as far as it goes, and shared out, so that callers' connections leave some for
//! the upstream and for the people on call.

use std::io;

use rlimit::Resource;

/// Files of the process itself: standard streams, listeners, the runtime's own, the audit file, settings that are read
/// again, look-ups of names, the identity provider's keys, spans; and a connection that is closed as soon as it is accepted.
const OWN: u64 = 48;
/// Connections of the admin server for which files are kept back.
const ADMIN: u64 = 32;
/// Fewer connections of callers than this are no service.
const LEAST_CONNECTIONS: u64 = 16;

/// How many connections each listener may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connections {
    pub public: usize,
    pub admin: usize,
}

/// The limit is too low to serve anybody.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the process may open {limit} files, and needs {needed} at least: raise the limit (`ulimit -n`, or `LimitNOFILE` of \
     systemd), or lower upstream.max_in_flight"
)]
pub struct TooFewFiles {
    limit: u64,
    needed: u64,
}

/// Raises the limit, and shares it out: `max_connections` on each listener, where there are files enough, beside
/// `upstream` connections. Says in the log where there are not.
///
/// # Errors
/// Where too few are left for callers.
pub fn share_out(max_connections: usize, upstream: usize) -> Result<Connections, TooFewFiles> {
    let wanted = wanted(max_connections, upstream);
    let limit = raised(wanted).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit on open files is not known");
        u64::MAX
    });
    let connections = shared(limit, max_connections, upstream)?;
    if connections.public < max_connections {
        tracing::warn!(
            limit,
            wanted,
            connections = connections.public,
            "the limit on open files is too low for `server.max_connections`: fewer are held; raise it (`ulimit -n`, or \
             `LimitNOFILE` of systemd)"
        );
    }
    Ok(connections)
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The files for everything at once.
fn wanted(max_connections: usize, upstream: usize) -> u64 {
    number(max_connections).saturating_mul(2).saturating_add(number(upstream)).saturating_add(OWN)
}

/// The limit after it was raised to what is wanted, or as far as it goes.
fn raised(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = Resource::NOFILE.get()?;
    if soft >= wanted {
        return Ok(soft);
    }
    let more = wanted.min(hard);
    // Where that is not allowed, the limit is what it was.
    Ok(if Resource::NOFILE.set(more, hard).is_ok() { more } else { soft })
}

fn shared(limit: u64, max_connections: usize, upstream: usize) -> Result<Connections, TooFewFiles> {
    if limit >= wanted(max_connections, upstream) {
        return Ok(Connections { public: max_connections, admin: max_connections });
    }
    let most = |files: u64| usize::try_from(files).unwrap_or(usize::MAX).min(max_connections);
    let kept_back = number(upstream).saturating_add(OWN + ADMIN);
    let public = limit.saturating_sub(kept_back);
    if public < LEAST_CONNECTIONS.min(number(max_connections)) {
        return Err(TooFewFiles { limit, needed: kept_back.saturating_add(LEAST_CONNECTIONS) });
    }
    Ok(Connections { public: most(public), admin: most(ADMIN) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn with_files_enough_nothing_is_held_back() {
        assert_eq!(shared(10_000, 4_096, 64), Ok(Connections { public: 4_096, admin: 4_096 }));
        assert_eq!(shared(u64::MAX, usize::MAX, 64), Ok(Connections { public: usize::MAX, admin: usize::MAX }));
    }

    #[test]
    fn too_few_files_are_told_with_how_many_it_takes() {
        let refused = shared(100, 4_096, 64).expect_err("too few");
        assert!(refused.to_string().contains("160 at least"), "{refused}");
        assert!(shared(160, 4_096, 64).is_ok());
    }

    proptest! {
        #[test]
        fn all_together_stay_within_the_limit(
            limit in 0..20_000_u64,
            max_connections in 1..10_000_usize,
            upstream in 1..2_000_usize,
        ) {
            if let Ok(Connections { public, admin }) = shared(limit, max_connections, upstream) {
                prop_assert!((public + admin + upstream) as u64 + OWN <= limit);
                prop_assert!(public > 0 && admin > 0 && public <= max_connections && admin <= max_connections);
            }
        }
    }
}
