//! `cargo xtask dist`: what a release consists of, in `target/dist`, with its digests.
//!
//! | part | what comes of it |
//! |--|--|
//! | `component` | `bigcommerce-VERSION.wasm`; a folder of such files is a source for `connector versions` |
//! | `wit` | the contract as a WIT package in its binary form, which `wkg publish` takes |
//! | `host` | the program `connector` for this machine, without symbols |
//! | `node`, `python` | the packages of `host/node` (npm) and `host/python` (a wheel) |
//! | `sbom` | what component and program are made of, in CycloneDX |
//!
//! The component's bytes depend on sources and compiler alone: `--check-reproducible` builds it in another folder too and compares. Where
//! the sources are published is not in them: `--source URL` notes it in the component, in the section that tools look for it in.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use sha2::{Digest as _, Sha256};

use crate::components::{self, GUESTS, Guest};
use crate::wasm_std::Route;
use crate::{files, hosts, process, tools};

/// Where everything goes.
const FOLDER: &str = "target/dist";
/// The list of digests, as `sha256sum --check` reads it.
const SUMS: &str = "SHA256SUMS";
/// Making a package of another language, with downloads.
const PACKAGE_LIMIT: Duration = Duration::from_secs(900);
/// The crates whose parts lists belong to a release, and what the lists are called.
const LISTED: [(&str, &str); 2] = [("component/bigcommerce", "bigcommerce"), ("host/cli", "connector")];
/// What is not part of the sources.
const NOT_SOURCES: [&str; 4] = ["target", ".git", "node_modules", "dist"];
/// What every package for another language holds beside its own files.
const LICENSES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// What to make.
#[derive(Args)]
pub(crate) struct Options {
    /// Which parts; all when none is named.
    parts: Vec<Part>,
    /// Build the component in another folder too, and fail if its bytes differ.
    #[arg(long)]
    check_reproducible: bool,
    /// Where the sources are published, for the component to tell; it tells nothing without.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
}

/// A part of a release.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The BigCommerce component.
    Component,
    /// The WIT package.
    Wit,
    /// The program `connector`.
    Host,
    /// The package for Node.
    Node,
    /// The package for Python.
    Python,
    /// The lists of parts.
    Sbom,
}

/// Makes the release, or parts of it, and lists the digests of all that is in the folder then.
pub(crate) fn run(root: &Path, route: Route, options: &Options) -> Result<()> {
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let wanted = |part| options.parts.is_empty() || options.parts.contains(&part);
    let [bigcommerce, ..] = GUESTS;
    if wanted(Part::Component) {
        components::build(root, &[bigcommerce], route)?;
        let std = components::library(root, route)?;
        let component = components::make(root, bigcommerce, &std, options.source.as_deref())?;
        let name = format!("{}-{}.wasm", bigcommerce.name, env!("CARGO_PKG_VERSION"));
        files::write_if_changed(&folder.join(name), &component)?;
    }
    if options.check_reproducible {
        reproducible(root, bigcommerce, route)?;
    }
    if wanted(Part::Wit) {
        let (name, package) = wit_package(&root.join("wit"))?;
        files::write_if_changed(&folder.join(name), &package)?;
    }
    if wanted(Part::Host) {
        host(root, &folder)?;
    }
    if wanted(Part::Node) {
        node(root, &folder)?;
    }
    if wanted(Part::Python) {
        python(root, &folder)?;
    }
    if wanted(Part::Sbom) {
        parts_lists(root, &folder)?;
    }
    let sums = sums(&folder)?;
    print!("{sums}");
    files::write_if_changed(&folder.join(SUMS), sums.as_bytes())?;
    Ok(())
}

/// Builds a guest here and from a copy of the sources in another folder, and compares the two.
pub(crate) fn reproducible(root: &Path, guest: Guest, route: Route) -> Result<()> {
    components::build(root, &[guest], route)?;
    let std = components::library(root, route)?;
    let here = read(&guest.component(root))?;
    // A path of another length, so that one that got into the bytes cannot hide.
    let there = root.join("target/reproducible/sources-in-another-folder");
    if there.exists() {
        std::fs::remove_dir_all(&there).with_context(|| format!("cannot remove {}", there.display()))?;
    }
    copy_sources(root, &there)?;
    let made = components::make(&there, guest, &std, None)?;
    std::fs::remove_dir_all(&there).with_context(|| format!("cannot remove {}", there.display()))?;
    if here != made {
        let differing = here.iter().zip(&made).position(|(one, other)| one != other);
        let place = differing.map_or("one is longer".to_owned(), |place| format!("first at byte {place}"));
        bail!("{} comes out differently in another folder: {place}", guest.name);
    }
    println!("{} has the same bytes when it is built in another folder", guest.name);
    Ok(())
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if NOT_SOURCES.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_sources(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// The WIT package of a folder in its binary form, and the name of its file.
fn wit_package(folder: &Path) -> Result<(String, Vec<u8>)> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(folder)?;
    let bytes = wit_component::encode(&resolve, package)?;
    let name = &resolve.packages.get(package).context("the package is not in the set that it was read into")?.name;
    let version = name.version.as_ref().context("the package has no version")?;
    Ok((format!("{}-{}-{version}.wit.wasm", name.namespace, name.name), bytes))
}

fn host(root: &Path, folder: &Path) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.current_dir(root).args(["rustc", "--release", "--package", "connector-cli", "--bin", "connector", "--"]);
    process::show(cargo.arg("-Cstrip=symbols"))?;
    let program = root.join("target/release/connector");
    let name = format!("connector-{}-{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    std::fs::copy(&program, folder.join(name)).with_context(|| format!("cannot copy {}", program.display()))?;
    Ok(())
}

fn node(root: &Path, folder: &Path) -> Result<()> {
    let package = stage(root, "host/node", &root.join("target/packages/node"))?;
    let npm = |arguments: &[&str]| {
        let mut npm = Command::new("npm");
        npm.current_dir(&package).args(arguments);
        npm
    };
    // Not `npm ci`: it insists on optional packages for other systems, of which not every registry has all. It compiles, too.
    process::capture(&mut npm(&["install", "--no-save", "--no-fund", "--no-audit"]), PACKAGE_LIMIT)?;
    let mut pack = npm(&["pack", "--ignore-scripts", "--json", "--pack-destination"]);
    holds_licenses(&process::capture(pack.arg(folder), PACKAGE_LIMIT)?)
}

fn python(root: &Path, folder: &Path) -> Result<()> {
    let package = stage(root, "host/python", &root.join("target/packages/python"))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]).arg(folder).arg(package);
    process::capture(&mut pip, PACKAGE_LIMIT)?;
    let mut list = Command::new("python3");
    let wheel = format!("connector_host-{}-py3-none-any.whl", env!("CARGO_PKG_VERSION"));
    list.args(["-m", "zipfile", "--list"]).arg(folder.join(wheel));
    holds_licenses(&process::capture(&mut list, PACKAGE_LIMIT)?)
}

/// Copies the sources of a package to where it is made, which is not among them, with the texts of the licences.
fn stage(root: &Path, package: &str, to: &Path) -> Result<PathBuf> {
    // What is no longer among the sources must not get into the package.
    if to.exists() {
        std::fs::remove_dir_all(to).with_context(|| format!("cannot empty {}", to.display()))?;
    }
    copy_sources(&root.join(package), to)?;
    LICENSES.iter().try_for_each(|name| hosts::copy(&root.join(name), &to.join(name)))?;
    Ok(to.to_owned())
}

/// Checks a listing of what is in a package.
fn holds_licenses(listing: &str) -> Result<()> {
    match LICENSES.iter().find(|name| !listing.contains(**name)) {
        Some(name) => bail!("{name} did not get into the package:\n{listing}"),
        None => Ok(()),
    }
}

/// The program writes a list beside every manifest of the workspace. Two of them are kept, none stays there.
fn parts_lists(root: &Path, folder: &Path) -> Result<()> {
    const NAME: &str = "release-parts";
    let program = tools::CYCLONEDX.install(root)?;
    for (package, name) in LISTED {
        let target = if name == "connector" { None } else { Some(connector_package::TARGET) };
        let mut list = Command::new(&program);
        list.current_dir(root.join(package)).args(["cyclonedx", "--format", "json", "--no-build-deps"]);
        list.args(["--override-filename", NAME]).args(target.into_iter().flat_map(|target| ["--target", target]));
        let listed = process::capture(&mut list, PACKAGE_LIMIT);
        let mut written = Vec::new();
        find(root, &format!("{NAME}.json"), &mut written)?;
        let kept = root.join(package).join(format!("{NAME}.json"));
        let text = std::fs::read_to_string(&kept);
        written.iter().try_for_each(std::fs::remove_file).context("cannot tidy up")?;
        listed?;
        let text = text.with_context(|| format!("there is no {}", kept.display()))?;
        let file = folder.join(format!("{name}-{}.cdx.json", env!("CARGO_PKG_VERSION")));
        files::write_if_changed(&file, without_folder(&text, root).as_bytes())?;
    }
    Ok(())
}

/// A list names the workspace's crates by the folder of whoever made it, which is nobody else's business: by their place in it here.
fn without_folder(text: &str, root: &Path) -> String {
    text.replace(&format!("{}/", root.display()), "")
}

/// Files of this name among the sources.
fn find(folder: &Path, name: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if !NOT_SOURCES.iter().any(|name| entry.file_name() == *name) {
                find(&entry.path(), name, found)?;
            }
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// A line per file of the folder, in the order of their names.
fn sums(folder: &Path) -> Result<String> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == SUMS {
            continue;
        }
        for byte in Sha256::digest(read(&path)?) {
            let _ = write!(text, "{byte:02x}");
        }
        let _ = writeln!(text, "  {name}");
    }
    Ok(text)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_form_of_the_contract_is_read_back_as_its_package() {
        let (name, bytes) = wit_package(&crate::workspace().join("wit")).unwrap();
        assert_eq!(name, "ipaas-connector-0.1.0.wit.wasm");
        let wit_component::DecodedWasm::WitPackage(resolve, package) = wit_component::decode(&bytes).unwrap() else {
            panic!("it holds no WIT package");
        };
        assert_eq!(resolve.packages[package].name.to_string(), "ipaas:connector@0.1.0");
        assert!(resolve.packages[package].worlds.contains_key("connector"));
        assert_eq!(bytes, wit_package(&crate::workspace().join("wit")).unwrap().1, "the same each time");
    }

    #[test]
    fn a_list_of_parts_does_not_tell_where_it_was_made() {
        let text = r#"{"bom-ref": "path+file:///home/grace/connector/host/cli#connector-cli@0.1.0"}"#;
        let told = without_folder(text, Path::new("/home/grace/connector"));
        assert_eq!(told, r#"{"bom-ref": "path+file://host/cli#connector-cli@0.1.0"}"#);
    }

    #[test]
    fn digests_are_those_that_sha256sum_checks() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b"), "abc").unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        std::fs::write(folder.path().join(SUMS), "old").unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n";
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n";
        assert_eq!(sums(folder.path()).unwrap(), format!("{empty}{abc}"));
    }

    #[test]
    fn packages_are_made_of_their_sources_and_the_texts_of_the_licences() {
        let (root, folder) = (crate::workspace(), tempfile::tempdir().unwrap());
        for (package, manifest) in [("host/node", "package.json"), ("host/python", "pyproject.toml")] {
            let to = folder.path().join(package);
            std::fs::create_dir_all(to.join("src")).unwrap();
            std::fs::write(to.join("src/stale"), "").unwrap();
            stage(&root, package, &to).unwrap();
            for name in LICENSES {
                assert_eq!(read(&to.join(name)).unwrap(), read(&root.join(name)).unwrap(), "{package}");
            }
            assert_eq!(read(&to.join(manifest)).unwrap(), read(&root.join(package).join(manifest)).unwrap());
            assert!(!to.join("src/stale").exists() && !to.join("node_modules").exists(), "{package}");
        }
        // npm takes nothing else along; what Python's builder takes is its default.
        let manifest = read(&root.join("host/node/package.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["files"], serde_json::json!(["dist/src", "LICENSE-*"]));
    }

    #[test]
    fn a_package_without_the_text_of_a_licence_is_refused() {
        holds_licenses("a/LICENSE-MIT 1 KB\na/LICENSE-APACHE 9 KB").unwrap();
        let refused = holds_licenses("a/LICENSE-MIT 1 KB\na/index.js 1 KB").unwrap_err();
        assert!(refused.to_string().starts_with("LICENSE-APACHE did not get into the package"), "{refused}");
    }

    #[test]
    fn what_was_built_is_not_copied_with_the_sources() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["src/deep/lib.rs", "target/debug/x", "host/node/node_modules/x", "Cargo.toml"] {
            let path = from.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        copy_sources(from.path(), to.path()).unwrap();
        assert_eq!(std::fs::read_to_string(to.path().join("src/deep/lib.rs")).unwrap(), "src/deep/lib.rs");
        assert!(to.path().join("Cargo.toml").exists() && !to.path().join("target").exists());
        assert!(!to.path().join("host/node/node_modules").exists());
    }
}
