//! Builds the guests and turns them into components: `target/components/NAME.wasm`.
//!
//! Guests have a target folder of their own (`target/guest`), because they have other compiler flags than the rest and must
//! not wait for its lock. The bytes depend on sources and compiler alone, not on the folder that holds them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use connector_package::{Crate, componentize, path_flags};

use crate::hosts::Ran;
use crate::wasm_std::{self, Route, WasmStd};
use crate::{files, process};

/// The profile of the root manifest that guests are built with.
const PROFILE: &str = "component";

/// Every runtime that knows components has SIMD, and slicing a page into records is two to three times faster with it.
const FEATURES: &str = "-Ctarget-feature=+simd128";

/// Where cargo builds guests.
const TARGET_FOLDER: &str = "target/guest";

/// Where a compiler with the library's sources goes, if one must be fetched.
const WASM_RUST: &str = "target/wasm-rust";

/// Asking cargo about the workspace.
const ASK_LIMIT: Duration = Duration::from_secs(60);

/// A guest of the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Name of the component and of its file.
    pub(crate) name: &'static str,
    /// Crate that it is built from.
    package: &'static str,
}

/// Every guest.
pub(crate) const GUESTS: [Guest; 5] = [
    Guest { name: "bigcommerce", package: "connector-bigcommerce" },
    Guest { name: "fixed", package: "connector-fixed" },
    Guest { name: "hostile", package: "connector-hostile" },
    Guest { name: "adapter", package: "connector-adapter" },
    Guest { name: "service", package: "connector-service" },
];

impl Guest {
    /// The component.
    pub(crate) fn component(self, root: &Path) -> PathBuf {
        root.join("target/components").join(format!("{}.wasm", self.name))
    }
}

/// The guests of these names; all when there are none.
pub(crate) fn select(names: &[String]) -> Result<Vec<Guest>> {
    if names.is_empty() {
        return Ok(GUESTS.to_vec());
    }
    names
        .iter()
        .map(|name| {
            GUESTS.into_iter().find(|guest| guest.name == name).with_context(|| {
                format!("there is no component `{name}`, only {}", GUESTS.map(|guest| guest.name).join(", "))
            })
        })
        .collect()
}

/// Builds `guests` and prints a line about each.
pub(crate) fn build(root: &Path, guests: &[Guest], route: Route) -> Result<()> {
    let std = library(root, route)?;
    for guest in guests {
        let component = make(root, *guest, &std, None)?;
        let changed = files::write_if_changed(&guest.component(root), &component)?;
        let note = if changed { "" } else { " (unchanged)" };
        println!("{:<12} {:>10}{note}", guest.name, size(component.len()));
    }
    Ok(())
}

/// The component of a guest, of the sources below `root`. `source` is the address where they are published, which it then tells.
pub(crate) fn make(root: &Path, guest: Guest, std: &WasmStd, source: Option<&str>) -> Result<Vec<u8>> {
    let (module, mut of) = compile(root, guest.package, FEATURES, std)?;
    of.repository = source.map(str::to_owned).or(of.repository);
    Ok(componentize(&module, &of)?)
}

/// The library that guests are linked with.
pub(crate) fn library(root: &Path, route: Route) -> Result<WasmStd> {
    wasm_std::ensure(route, &root.join(WASM_RUST))
}

/// The record slicer as core modules, for measurements: with SIMD and without it.
pub(crate) fn build_slicers(root: &Path, route: Route) -> Result<[PathBuf; 2]> {
    let std = library(root, route)?;
    let build = |name: &str, features: &str| {
        let path = root.join("target/bench").join(name);
        files::write_if_changed(&path, &compile(root, "slice-guest", features, &std)?.0)?;
        anyhow::Ok(path)
    };
    Ok([build("slice-simd.wasm", FEATURES)?, build("slice-plain.wasm", "-Ctarget-feature=-simd128")?])
}

/// Runs cargo and reads the core module. One run per guest: what a guest is built from does not depend on the others.
fn compile(root: &Path, package: &str, features: &str, std: &WasmStd) -> Result<(Vec<u8>, Crate)> {
    let target = root.join(TARGET_FOLDER);
    let mut cargo = process::cargo();
    cargo.current_dir(root).args(["build", "--package", package, "--profile", PROFILE, "--target-dir"]).arg(&target);
    std.configure(&mut cargo, &flags(root, features));
    process::show(&mut cargo)?;
    let mut ask = process::cargo();
    ask.current_dir(root).args(["metadata", "--no-deps", "--format-version", "1"]).env("CARGO_TARGET_DIR", target);
    let of = Crate::named(&process::capture(&mut ask, ASK_LIMIT)?, package)?;
    let module = of.module(PROFILE);
    let bytes = std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    Ok((bytes, of))
}

/// Lints what is compiled for wasm32 alone. clippy knows the library of its own toolchain only.
pub(crate) fn lint(root: &Path, route: Route) -> Result<Ran> {
    let std = library(root, route)?;
    if !matches!(std, WasmStd::Installed) {
        return Ok(Ran::Skipped("the toolchain of clippy has no wasm32 library".into()));
    }
    let mut cargo = process::cargo();
    cargo.current_dir(root).args(["clippy", "--profile", PROFILE, "--target-dir"]).arg(root.join(TARGET_FOLDER));
    for guest in GUESTS {
        cargo.args(["--package", guest.package]);
    }
    std.configure(&mut cargo, &flags(root, FEATURES));
    process::show(cargo.args(["--", "-D", "warnings"]))?;
    Ok(Ran::Yes)
}

/// Compiler flags: features of the target, and names instead of the folders of this machine.
fn flags(root: &Path, features: &str) -> Vec<OsString> {
    std::iter::once(features.into()).chain(path_flags(root)).collect()
}

/// A size for people: `408.3 KiB`.
pub(crate) fn size(bytes: usize) -> String {
    let tenths = bytes.saturating_mul(10) / 1024;
    format!("{}.{} KiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_selected_by_name() {
        assert_eq!(select(&[]).unwrap(), GUESTS);
        let one = select(&["fixed".to_owned()]).unwrap();
        assert_eq!(one.iter().map(|guest| guest.package).collect::<Vec<_>>(), ["connector-fixed"]);
        let error = select(&["fixd".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("fixd") && error.contains("bigcommerce, fixed, hostile, adapter, service"), "{error}");
    }

    #[test]
    fn sizes_are_rounded_down_to_a_tenth() {
        assert_eq!(size(0), "0.0 KiB");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size(1075), "1.0 KiB");
        assert_eq!(size(1_048_576), "1024.0 KiB");
    }
}
