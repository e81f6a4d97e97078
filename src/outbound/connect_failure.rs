//! Causes of failed connections. The texts are the gateway's own, because the texts of the libraries contain addresses.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::CertificateError;

/// The causes that need different actions of an operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConnectFailure {
    #[error("its name cannot be looked up")]
    NameLookup,
    #[error("the connection was refused")]
    ConnectionRefused,
    #[error("there is no route to it")]
    NoRoute,
    #[error("no connection was made in time")]
    TimedOut,
    #[error("it does not speak TLS")]
    NotTls,
    #[error("its certificate has expired")]
    CertificateExpired,
    #[error("its certificate is for another name")]
    CertificateName,
    #[error("its certificate is from an authority that this machine does not trust")]
    CertificateAuthority,
    #[error("its certificate is not accepted")]
    Certificate,
    #[error("the TLS handshake failed")]
    Handshake,
    #[error("the proxy does not let the connection through")]
    Proxy,
    #[error("the connection was lost while it was made")]
    ConnectionLost,
    #[error("no connection could be made")]
    Other,
}

impl ConnectFailure {
    /// The cause of a connection error.
    pub fn from_reqwest(error: &reqwest::Error) -> Self {
        if error.is_dns() {
            return Self::NameLookup;
        }
        let mut found = if error.is_timeout() { Self::TimedOut } else { Self::Other };
        let mut next = error.source();
        while let Some(cause) = next {
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                return Self::from_rustls(tls);
            }
            // The error type of the proxy client is private.
            if cause.to_string().starts_with("tunnel error") {
                return Self::Proxy;
            }
            let io = cause.downcast_ref::<io::Error>();
            if let Some(kind) = io.map(io::Error::kind) {
                found = Self::from_io(kind).unwrap_or(found);
            }
            // `io::Error::source` skips the wrapped error.
            next = match io.and_then(io::Error::get_ref) {
                Some(wrapped) => Some(wrapped),
                None => cause.source(),
            };
        }
        found
    }

    fn from_io(kind: ErrorKind) -> Option<Self> {
        Some(match kind {
            ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => Self::NoRoute,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::ConnectionLost,
            _ => return None,
        })
    }

    fn from_rustls(error: &rustls::Error) -> Self {
        use rustls::Error as Tls;
        match error {
            Tls::InvalidMessage(_) => Self::NotTls,
            Tls::InvalidCertificate(problem) => match problem {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::CertificateExpired,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Self::CertificateName
                }
                CertificateError::UnknownIssuer => Self::CertificateAuthority,
                _ => Self::Certificate,
            },
            _ => Self::Handshake,
        }
    }
}
