//! HTTP clients for the Customers API and the keys of the identity provider.
//!
//! The clients do not follow redirects, because a redirect would send a credential to another host. They do not retry; their
//! callers do. The resolver of the system looks up names. The proxy of the settings is used, except for loopback addresses.

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
    /// The address of the proxy. It can contain a password.
    pub url: SecretString,
    /// Hosts that are called without the proxy, as in `NO_PROXY`.
    pub no_proxy: String,
}

/// A builder for a client that calls `to`.
///
/// # Errors
/// The address of the proxy is invalid.
pub fn client(to: &Url, proxy: Option<&Proxy>) -> Result<ClientBuilder, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("customers-gateway/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .dns_resolver(Arc::new(SystemResolver::default()))
        // reqwest must not read proxies from the environment.
        .no_proxy();
    Ok(match proxy.filter(|_| !is_loopback(to)) {
        None => builder,
        Some(proxy) => {
            let all = reqwest::Proxy::all(proxy.url.expose_secret())?;
            builder.proxy(all.no_proxy(NoProxy::from_string(&proxy.no_proxy)))
        }
    })
}

/// Whether the host of a URL is a loopback address.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
