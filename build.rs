//! Tells the program which compiler made it; what a running instance was built from is in `gateway_build_info`.

use std::process::Command;

fn main() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    // `rustc 1.95.0 (…)`
    println!("cargo::rustc-env=GATEWAY_RUSTC={}", said.split_whitespace().nth(1).unwrap_or("unknown"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=GATEWAY_COMMIT");
}
