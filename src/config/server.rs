//! `[server]`: listeners, their limits, and the shutdown.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::Error;
use crate::setting;

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    #[serde(deserialize_with = "setting::positive_duration")]
    pub deadline: Duration,
    #[serde(deserialize_with = "setting::positive")]
    pub max_operations: usize,
    #[serde(deserialize_with = "setting::duration")]
    pub drain_delay: Duration,
    #[serde(deserialize_with = "setting::duration")]
    pub drain_timeout: Duration,
    #[serde(deserialize_with = "setting::positive_duration")]
    pub header_timeout: Duration,
    #[serde(deserialize_with = "setting::positive_duration")]
    pub keep_alive: Duration,
    #[serde(deserialize_with = "setting::positive_duration")]
    pub write_timeout: Duration,
    #[serde(deserialize_with = "setting::within::<_, _, 8192, 1_048_576>")]
    pub max_header_bytes: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_body_bytes: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_buffered_body_bytes: usize,
    #[serde(deserialize_with = "setting::positive")]
    pub max_connections: usize,
    tls_certificate: String,
    tls_key: String,
    #[serde(deserialize_with = "setting::duration")]
    pub watch_interval: Duration,
}

impl Server {
    /// The files of the certificate and its key. `None` without TLS.
    ///
    /// # Errors
    /// Only one of the two files is set.
    pub fn tls(&self) -> Result<Option<(&Path, &Path)>, Error> {
        match (self.tls_certificate.trim(), self.tls_key.trim()) {
            ("", "") => Ok(None),
            ("", _) => {
                Err(Error::invalid("server.tls_certificate", "set it to the certificate that belongs to the key"))
            }
            (_, "") => Err(Error::invalid("server.tls_key", "set it to the key that belongs to the certificate")),
            (certificate, key) => Ok(Some((Path::new(certificate), Path::new(key)))),
        }
    }
}
