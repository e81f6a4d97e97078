//! A self-signed certificate for 127.0.0.1. It exists for one test.

use std::path::PathBuf;
use std::process::Command;

use crate::process::Directory;

/// A certificate and its key.
pub struct Certified {
    pub directory: Directory,
}

impl Certified {
    pub fn new() -> Self {
        let certified = Self { directory: Directory::new() };
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=gateway test", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-out")
            .arg(certified.certificate())
            .arg("-keyout")
            .arg(certified.key())
            .output()
            .expect("openssl makes the certificate of this test");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        certified
    }

    pub fn certificate(&self) -> PathBuf {
        self.directory.path("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.directory.path("key.pem")
    }
}
