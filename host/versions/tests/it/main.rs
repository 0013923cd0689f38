//! The promises of versions: nothing serves that was not checked, and whatever fails, the old version goes on.
//!
//! Needs `target/components/fixed.wasm` (`cargo xtask components`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad;
mod catalogue;
mod http;
mod real_servers;
mod registry;
mod signatures;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use connector_fixed::variant::Variant;
use connector_host::{Host, HostConfig};
use connector_versions::{Expected, Fetched, Installed, Loaded, Signed, Switch, Versions, VersionsError};

/// A host for all tests, with a compile cache that outlives them.
fn host() -> Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    let made = || {
        let cache_dir = Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled").into());
        Host::new(HostConfig { cache_dir, activities: 16, pooling: false, ..HostConfig::default() }).unwrap()
    };
    HOST.get_or_init(made).clone()
}

/// The connector of fixed data as this variant.
fn wasm(variant: Variant<'_>) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/components/fixed.wasm");
    let fixed = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}; run `cargo xtask components`"));
    variant.of(&fixed).unwrap()
}

fn fetched(wasm: Vec<u8>) -> Fetched {
    Fetched { wasm, source: "a test".to_owned(), signatures: Vec::new() }
}

/// A project's folder.
struct Project {
    folder: tempfile::TempDir,
    versions: Versions,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::open(folder.path()).unwrap();
        Self { folder, versions }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file of a version.
    fn file(&self, version: &Installed) -> PathBuf {
        self.path().join("connectors").join(format!("sha256-{}.wasm", version.digest.hex()))
    }

    async fn try_install(&self, wasm: Vec<u8>, signatures: Vec<Signed>) -> Result<Installed, VersionsError> {
        let fetched = Fetched { signatures, ..fetched(wasm) };
        let expected = Expected { connector: Some("fixed".to_owned()), version: None };
        self.versions.install(&self.versions.check(&host(), fetched, &expected).await?)
    }

    async fn install(&self, version: &str) -> Installed {
        self.try_install(wasm(Variant::version(version)), Vec::new()).await.unwrap()
    }

    async fn switch(&self, version: &Installed) {
        let ready = self.versions.ready(&host(), version).await.unwrap();
        self.versions.put_in_use(&ready, Switch::default()).unwrap();
    }

    async fn load(&self) -> Result<Option<Loaded>, VersionsError> {
        self.versions.load(&host(), "fixed", None).await
    }

    /// The version that serves.
    async fn serves(&self) -> String {
        self.load().await.unwrap().unwrap().connector.info().version.clone()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join("connectors")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
