//! Name look-ups with the resolver of the system, `getaddrinfo`. It follows the configuration files of the machine, reads them
//! again when they change, and uses no other nameservers.
//!
//! `getaddrinfo` blocks, for many seconds if a nameserver does not respond. So at most one thread looks up each name, and all
//! callers wait for its result.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The result of a look-up. `io::Error` cannot be cloned. Its text contains no host.
type LookupResult = Result<Arc<[SocketAddr]>, Arc<str>>;

/// A look-up that is running or has ended.
type SharedLookup = Shared<BoxFuture<'static, LookupResult>>;

/// Looks up names, one look-up per name at a time. The settings contain few names, so the map stays small.
pub struct SystemResolver {
    in_flight: Mutex<HashMap<String, SharedLookup>>,
    resolve_blocking: fn(&str) -> io::Result<Vec<SocketAddr>>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { in_flight: Mutex::default(), resolve_blocking: |name| Ok((name, 0).to_socket_addrs()?.collect()) }
    }
}

impl SystemResolver {
    /// The running look-up of a name, or a new one.
    fn lookup(&self, name: &str) -> SharedLookup {
        let mut running = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look_up) = running.get(name).filter(|look_up| look_up.peek().is_none()) {
            return look_up.clone();
        }
        let (look_up, blocking) = (self.resolve_blocking, name.to_owned());
        let thread = tokio::task::spawn_blocking(move || look_up(&blocking));
        let found = async move {
            match thread.await {
                Ok(Ok(addresses)) => Ok(addresses.into()),
                Ok(Err(error)) => Err(error.to_string().into()),
                Err(_panic) => Err("the look-up panicked".into()),
            }
        };
        let look_up = found.boxed().shared();
        running.insert(name.to_owned(), look_up.clone());
        look_up
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let look_up = self.lookup(name.as_str());
        Box::pin(async move {
            let addresses = look_up.await.map_err(|problem| io::Error::other(problem.to_string()))?;
            let addresses: Vec<SocketAddr> = addresses.iter().copied().collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, OnceLock};

    use super::*;

    /// The number of look-ups that have begun, and whether they may end.
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    static GATE: OnceLock<(Mutex<bool>, Condvar)> = OnceLock::new();

    fn slow(name: &str) -> io::Result<Vec<SocketAddr>> {
        BEGUN.fetch_add(1, Ordering::SeqCst);
        let (open, opened) = GATE.get_or_init(Default::default);
        let _open = opened.wait_while(open.lock().expect("no panic"), |open| !*open).expect("no panic");
        if name == "nowhere.test" {
            Err(io::Error::other("no such name"))
        } else {
            Ok(vec![([192, 0, 2, 1], 0).into()])
        }
    }

    async fn resolve(resolver: &SystemResolver, name: &str) -> Result<Vec<SocketAddr>, String> {
        let found = resolver.resolve(name.parse().expect("a name")).await;
        found.map(Iterator::collect).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn one_thread_looks_up_a_name_for_all_callers() {
        let resolver = SystemResolver { resolve_blocking: slow, ..SystemResolver::default() };
        for _ in 0..100 {
            // The look-up begins, and its caller drops it, as after a timeout.
            assert!(resolve(&resolver, "api.test").now_or_never().is_none());
        }
        let (api, nowhere) = (resolve(&resolver, "api.test"), resolve(&resolver, "nowhere.test"));
        let opens = async {
            while BEGUN.load(Ordering::SeqCst) < 2 {
                tokio::task::yield_now().await;
            }
            let (open, opened) = GATE.get_or_init(Default::default);
            *open.lock().expect("no panic") = true;
            opened.notify_all();
        };
        let (api, nowhere, ()) = futures_util::join!(api, nowhere, opens);
        assert_eq!(api, Ok(vec![([192, 0, 2, 1], 0).into()]));
        assert_eq!(nowhere, Err("no such name".to_owned()));
        assert_eq!(BEGUN.load(Ordering::SeqCst), 2, "one for each name");
        // Results are not cached: the next caller starts a new look-up.
        assert!(resolve(&resolver, "api.test").await.is_ok());
        assert_eq!(BEGUN.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn localhost_resolves_to_loopback_addresses() {
        let found = resolve(&SystemResolver::default(), "localhost").await.expect("localhost");
        assert!(found.iter().all(|address| address.ip().is_loopback()) && !found.is_empty(), "{found:?}");
    }
}
