//! The command `health`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use super::output::print;
use super::runtime;
use crate::config::Settings;

/// Checks the gateway at `address`, or else at `server.admin_listen`. Other settings are not read.
pub fn run(address: Option<SocketAddr>, file: Option<&Path>) -> anyhow::Result<()> {
    let address = address.map_or_else(|| Settings::admin_listen(file), Ok)?;
    runtime()?.block_on(health(address))
}

/// Calls `/livez` of the admin listener of a gateway on this machine.
async fn health(listen: SocketAddr) -> anyhow::Result<()> {
    let host = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    let url = format!("http://{}/livez", SocketAddr::new(host, listen.port()));
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let response = client.get(&url).send().await.with_context(|| format!("no response from {url}"))?;
    if !response.status().is_success() {
        bail!("{url} returned {}", response.status());
    }
    print("ok")
}
