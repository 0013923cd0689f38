//! Builds the guests and turns them into components: `target/components/NAME.wasm`.
//!
//! Guests have a target folder of their own (`target/guest`), because they have other compiler flags than the rest and must
//! not wait for its lock. The bytes depend on sources and compiler alone, not on the folder that holds them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use wasm_encoder::{ComponentSection as _, CustomSection};
use wasm_metadata::{AddMetadata, AddMetadataField};

use crate::hosts::Ran;
use crate::wasm_std::{self, Route, TARGET, WasmStd};
use crate::{files, process};

/// The profile of the root manifest that guests are built with.
const PROFILE: &str = "component";

/// Every runtime that knows components has SIMD, and slicing a page into records is two to three times faster with it.
const FEATURES: &str = "-Ctarget-feature=+simd128";

/// Where cargo builds guests.
const TARGET_FOLDER: &str = "target/guest";

/// Where a compiler with the library's sources goes, if one must be fetched.
const WASM_RUST: &str = "target/wasm-rust";

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
    let std = wasm_std::ensure(route, &root.join(WASM_RUST))?;
    for guest in guests {
        let component = componentize(&compile(root, guest.package, FEATURES, &std)?, *guest)?;
        let path = guest.component(root);
        let changed = files::write_if_changed(&path, &component)?;
        let note = if changed { "" } else { " (unchanged)" };
        println!("{:<12} {:>10}{note}", guest.name, size(component.len()));
    }
    Ok(())
}

/// The record slicer as core modules, for measurements: with SIMD and without it.
pub(crate) fn build_slicers(root: &Path, route: Route) -> Result<[PathBuf; 2]> {
    let std = wasm_std::ensure(route, &root.join(WASM_RUST))?;
    let build = |name: &str, features: &str| {
        let path = root.join("target/bench").join(name);
        files::write_if_changed(&path, &compile(root, "slice-guest", features, &std)?)?;
        anyhow::Ok(path)
    };
    Ok([build("slice-simd.wasm", FEATURES)?, build("slice-plain.wasm", "-Ctarget-feature=-simd128")?])
}

/// Runs cargo and reads the core module. One run per guest: what a guest is built from does not depend on the others.
fn compile(root: &Path, package: &str, features: &str, std: &WasmStd) -> Result<Vec<u8>> {
    let target = root.join(TARGET_FOLDER);
    let mut cargo = process::cargo();
    cargo.current_dir(root).args(["build", "--package", package, "--profile", PROFILE, "--target-dir"]).arg(&target);
    std.configure(&mut cargo, &flags(root, features));
    process::show(&mut cargo)?;
    let module = target.join(TARGET).join(PROFILE).join(format!("{}.wasm", package.replace('-', "_")));
    std::fs::read(&module).with_context(|| format!("cannot read {}", module.display()))
}

/// Lints what is compiled for wasm32 alone. clippy knows the library of its own toolchain only.
pub(crate) fn lint(root: &Path, route: Route) -> Result<Ran> {
    let std = wasm_std::ensure(route, &root.join(WASM_RUST))?;
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
    let remap = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push(to);
        flag
    };
    let mut flags = vec![OsString::from(features)];
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    if let Some(home) = home {
        flags.push(remap(&home, "=/cargo"));
    }
    flags.push(remap(root, "=/connector"));
    flags
}

/// Wraps a core module into a component, and notes its name and version.
fn componentize(module: &[u8], guest: Guest) -> Result<Vec<u8>> {
    let encode = || {
        let mut encoder = wit_component::ComponentEncoder::default();
        encoder.validate(true).module(module)?.encode()
    };
    let component = encode().with_context(|| format!("{} does not make a component", guest.package))?;
    if !exports_something(&component)? {
        bail!("{} exports nothing: is there an `export!` in it?", guest.package);
    }
    let mut metadata = AddMetadata::default();
    metadata.name = AddMetadataField::Set(guest.package.to_owned());
    let mut component = metadata.to_wasm(&component)?;
    // The section that tools read a component's version from.
    let version = CustomSection { name: "version".into(), data: env!("CARGO_PKG_VERSION").as_bytes().into() };
    version.append_to_component(&mut component);
    Ok(component)
}

fn exports_something(component: &[u8]) -> Result<bool> {
    let mut depth = 0_usize;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload? {
            wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth = depth.saturating_sub(1),
            wasmparser::Payload::ComponentExportSection(section) if depth == 0 && section.count() > 0 => {
                return Ok(true);
            }
            _ => {}
        }
    }
    Ok(false)
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

    #[test]
    fn a_module_without_exports_is_not_taken_for_a_component() {
        let empty = b"\0asm\x01\0\0\0";
        let error = format!("{:#}", componentize(empty, GUESTS[1]).unwrap_err());
        assert!(error.contains("connector-fixed"), "{error}");
    }
}
