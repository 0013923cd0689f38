//! What cargo says about a connector's crate, from the answer of `cargo metadata --no-deps --format-version 1`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A connector's crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crate {
    /// Its name, which becomes the component's.
    pub name: String,
    /// Its version, which becomes the component's.
    pub version: String,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// An SPDX expression (`Apache-2.0 OR MIT`).
    pub license: Option<String>,
    /// Who wrote it, separated by commas.
    pub authors: Option<String>,
    /// Address of its sources.
    pub repository: Option<String>,
    /// Address of its page.
    pub homepage: Option<String>,
    /// Folder of the workspace.
    pub root: PathBuf,
    /// Folder that cargo builds into.
    pub target_folder: PathBuf,
    /// Name of the library.
    library: String,
}

/// Why there is no connector's crate.
#[derive(Debug, thiserror::Error)]
pub enum CrateError {
    /// The answer is not cargo's.
    #[error("cargo's answer about the crate cannot be read: {0}")]
    Answer(#[from] serde_json::Error),
    /// There is none of this name, or which one is meant cannot be told.
    #[error("{wanted} is not among the crates of the workspace: {known}")]
    Unknown {
        /// What was looked for.
        wanted: String,
        /// What there is, separated by commas.
        known: String,
    },
    /// A component is made from a dynamic library.
    #[error(
        "the crate {0} is no dynamic library: its Cargo.toml needs `crate-type = [\"cdylib\", \"rlib\"]` in `[lib]`"
    )]
    NoLibrary(String),
}

#[derive(Deserialize)]
struct Answer {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    description: Option<String>,
    license: Option<String>,
    authors: Vec<String>,
    repository: Option<String>,
    homepage: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Crate {
    /// The crate of this name.
    ///
    /// # Errors
    /// [`CrateError`].
    pub fn named(answer: &str, name: &str) -> Result<Self, CrateError> {
        Self::find(answer, name, |package| package.name == name)
    }

    /// The crate whose manifest lies in this folder. Both paths must be absolute and free of links.
    ///
    /// # Errors
    /// [`CrateError`].
    pub fn in_folder(answer: &str, folder: &Path) -> Result<Self, CrateError> {
        let manifest = folder.join("Cargo.toml");
        Self::find(answer, &manifest.display().to_string(), |package| package.manifest_path == manifest)
    }

    /// Where `cargo build` with this profile (`release`) puts the core module.
    pub fn module(&self, profile: &str) -> PathBuf {
        let file = format!("{}.wasm", self.library.replace('-', "_"));
        self.target_folder.join(crate::TARGET).join(profile).join(file)
    }

    fn find(answer: &str, wanted: &str, is_it: impl Fn(&Package) -> bool) -> Result<Self, CrateError> {
        let Answer { packages, target_directory, workspace_root } = serde_json::from_str(answer)?;
        let known = packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ");
        let package = packages.into_iter().find(is_it);
        let package = package.ok_or_else(|| CrateError::Unknown { wanted: wanted.to_owned(), known })?;
        let is_library = |target: &&Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        let library = package.targets.iter().find(is_library).map(|target| target.name.clone());
        Ok(Self {
            library: library.ok_or_else(|| CrateError::NoLibrary(package.name.clone()))?,
            authors: Some(package.authors.join(", ")).filter(|authors| !authors.is_empty()),
            name: package.name,
            version: package.version,
            description: package.description,
            license: package.license,
            repository: package.repository,
            homepage: package.homepage,
            root: workspace_root,
            target_folder: target_directory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"packages": [
        {"name": "acme-connector", "version": "1.2.3", "manifest_path": "/w/acme/Cargo.toml", "description": "Acme", "license": "MIT",
         "authors": ["A", "B"], "repository": null, "homepage": null, "more": 1,
         "targets": [{"name": "acme-connector", "crate_types": ["cdylib", "rlib"]}]},
        {"name": "helper", "version": "0.1.0", "manifest_path": "/w/helper/Cargo.toml", "description": null, "license": null,
         "authors": [], "repository": null, "homepage": null, "targets": [{"name": "helper", "crate_types": ["lib"]}]}
    ], "target_directory": "/w/target", "workspace_root": "/w", "more": 1}"#;

    #[test]
    fn a_crate_is_found_by_its_name_and_by_its_folder() {
        let found = Crate::named(ANSWER, "acme-connector").unwrap();
        assert_eq!(found, Crate::in_folder(ANSWER, Path::new("/w/acme")).unwrap());
        assert_eq!((found.version.as_str(), found.authors.as_deref()), ("1.2.3", Some("A, B")));
        let module = Path::new("/w/target/wasm32-unknown-unknown/release/acme_connector.wasm");
        assert_eq!(found.module("release"), module);
    }

    #[test]
    fn what_is_no_connectors_crate_is_told() {
        let told = |error: CrateError| error.to_string();
        assert!(told(Crate::named(ANSWER, "acne").unwrap_err()).contains("acme-connector, helper"));
        assert!(told(Crate::named(ANSWER, "helper").unwrap_err()).contains("cdylib"));
        assert!(matches!(Crate::named("{}", "helper"), Err(CrateError::Answer(_))));
    }
}
