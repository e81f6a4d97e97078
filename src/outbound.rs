//! HTTP clients for what the gateway asks of others: the Customers API and the identity provider's keys.
//!
//! Redirects are not followed: one would carry a credential to another host. Nothing is sent again: whoever asks decides
//! that. Names are looked up by the system's resolver. A proxy is used where the settings name one, and never for a
//! loopback address.

mod connect_failure;
mod resolver;

use std::net::IpAddr;
use std::sync::Arc;

use reqwest::{ClientBuilder, NoProxy, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

pub use connect_failure::ConnectFailure;

use resolver::SystemResolver;

/// An egress proxy; `upstream.proxy` in the settings.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its address; it may hold a password.
    pub url: SecretString,
    /// Hosts that are asked without it, as in `NO_PROXY`.
    pub no_proxy: String,
}

/// A builder for a client that asks `to`.
///
/// # Errors
/// Where the proxy's address cannot be used.
pub fn client(to: &Url, proxy: Option<&Proxy>) -> Result<ClientBuilder, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("customers-gateway/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .dns_resolver(Arc::new(SystemResolver::default()))
        // The environment's proxies are not looked for.
        .no_proxy();
    Ok(match proxy.filter(|_| !is_loopback(to)) {
        None => builder,
        Some(proxy) => {
            let all = reqwest::Proxy::all(proxy.url.expose_secret())?;
            builder.proxy(all.no_proxy(NoProxy::from_string(&proxy.no_proxy)))
        }
    })
}

/// Whether an address is on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
