//! Against servers that are not ours, from Debian's packages. Ignored unless asked for: `cargo xtask servers` fetches and runs them.

mod etcd;
mod keyring;

use std::path::{Path, PathBuf};

/// A program of one of Debian's packages.
fn program(package: &str, name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers").join(package).join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask servers`", path.display());
    path
}
