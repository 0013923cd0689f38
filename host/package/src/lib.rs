//! The way from a connector's crate to its component, without the compiler's part of it: what cargo says about the crate, flags that
//! make its bytes independent of the folder, and the wrapping of the core module.
//!
//! Runs nothing and reads no file. The command line and `cargo xtask` make components by it, so that there is one way only.

#![deny(missing_docs)]

mod component;
mod manifest;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use component::{ComponentError, componentize};
pub use manifest::{Crate, CrateError};

/// The target that connectors are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Compiler flags that put names in the place of this machine's folders, so that equal sources make equal bytes. `root` is the folder
/// of the workspace.
pub fn path_flags(root: &Path) -> Vec<OsString> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let remap = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push(to);
        flag
    };
    cargo.map(|folder| remap(&folder, "=/cargo")).into_iter().chain([remap(root, "=/connector")]).collect()
}
