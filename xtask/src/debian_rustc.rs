//! Debian's Rust compiler and the sources of its library: the way to a library for wasm32 where rustup's server is out of reach.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::debian::{Apt, Bundle};
use crate::process;

/// The compiler that Debian keeps recent for its browsers, and the sources that belong to it.
const COMPILER: Bundle = Bundle {
    package: "rustc-web",
    with: &["libstd-rust-web-dev", "rust-web-src"],
    versioned: &["libstd-rust-web-", "libllvm"],
    programs: &["usr/bin/rustc"],
};

/// Asking the compiler for its version.
const ASK_LIMIT: Duration = Duration::from_secs(300);

/// The compiler's launcher in `folder`.
pub(crate) fn rustc(folder: &Path) -> PathBuf {
    folder.join("rustc")
}

/// Whether `folder` holds everything.
pub(crate) fn is_complete(folder: &Path) -> bool {
    COMPILER.is_complete(folder)
}

/// Downloads and unpacks everything into `folder`, replacing what is there.
pub(crate) fn fetch(folder: &Path) -> Result<()> {
    let apt = Apt::new(&folder.with_extension("apt"))?;
    COMPILER.fetch(&apt, folder, check)
}

/// Whether the compiler runs, is recent enough, and has the sources.
fn check(root: &Path) -> Result<()> {
    let version = process::capture(Command::new(rustc(root)).arg("--version"), ASK_LIMIT)?;
    let needed = env!("CARGO_PKG_RUST_VERSION");
    if !recent_enough(&version, needed) {
        bail!("Debian's compiler is too old: {}, and {needed} is needed", version.trim());
    }
    let sources = root.join("usr/lib/rustlib/src/rust/library/Cargo.lock");
    if !sources.is_file() {
        bail!("Debian's packages hold no {}", sources.display());
    }
    Ok(())
}

fn recent_enough(version: &str, needed: &str) -> bool {
    let numbers =
        |text: &str| -> Vec<u32> { text.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect() };
    let found = version.split_whitespace().nth(1).map(numbers).unwrap_or_default();
    !found.is_empty() && found >= numbers(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_compiler_is_refused() {
        assert!(recent_enough("rustc 1.96.0 (hash 2026-05-01)", "1.95"));
        assert!(recent_enough("rustc 1.95.0", "1.95"));
        assert!(recent_enough("rustc 1.100.1-beta", "1.95"));
        assert!(!recent_enough("rustc 1.85.0 (hash) (built from a source tarball)", "1.95"));
        assert!(!recent_enough("", "1.95"));
    }
}
