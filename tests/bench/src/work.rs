//! The work W: all products of a store to a file, a record per line, by whole processes that are compared.
//!
//! What they wrote is compared too: slices and host must have written the same bytes, values the same records in the same order.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use traffic::{Emulator, TOKEN};

use crate::measure::{self, Cost};

/// Products of W.
pub(crate) const PRODUCTS: u32 = 20_000;
/// Records per request.
const PAGE_SIZE: u32 = 250;

/// The programs that do W, and where they do it.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) connector: PathBuf,
    pub(crate) native: PathBuf,
    /// Project, compiled components and outputs.
    pub(crate) folder: PathBuf,
}

/// What a native loop does with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Native {
    Values,
    Slices,
}

impl Bench {
    /// Folder of compiled components.
    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.join("compiled")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.connector);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONNECTOR_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.env("XDG_CONFIG_HOME", self.folder.join("user"));
        command.arg("--project").arg(self.folder.join("project")).arg("--cache-dir").arg(self.cache()).arg("--quiet");
        command
    }

    /// Saves a connection to a store. Compiles the component too, if that was not done before.
    pub(crate) fn connect(&self, name: &str, store: &Emulator, in_flight: u32) -> Result<()> {
        let project = self.folder.join("project");
        std::fs::create_dir_all(&project)?;
        let mut command = self.command();
        command.args(["connection", "add", name, "--replace", "--grant", store.url()]);
        for (key, value) in [
            ("store_hash", store.store_hash()),
            ("access_token", TOKEN),
            ("base_url", store.url()),
            ("page_size", &PAGE_SIZE.to_string()),
            ("requests_in_flight", &in_flight.to_string()),
        ] {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        measure::into_file(&mut command, &self.folder.join("connection.txt"))?;
        Ok(())
    }

    /// W by this host.
    pub(crate) fn host(&self, connection: &str) -> Result<Cost> {
        let mut command = self.command();
        measure::into_file(command.args(["query", connection, "products"]), &self.output("host"))
    }

    /// W by a native loop, four requests in flight.
    pub(crate) fn native(&self, how: Native, store: &Emulator) -> Result<Cost> {
        let word = name_of(how);
        let mut command = Command::new(&self.native);
        command.arg(word).args(["--url", &store.products(), "--token", TOKEN, "--in-flight", "4"]);
        command.args(["--pages", &PRODUCTS.div_ceil(PAGE_SIZE).to_string(), "--page-size", &PAGE_SIZE.to_string()]);
        measure::into_file(&mut command, &self.output(word))
    }

    fn output(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.ndjson"))
    }

    fn bytes(&self, of: &str) -> Result<Vec<u8>> {
        let path = self.output(of);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The host wrote what the slices loop wrote, and that is all of W.
    pub(crate) fn check_host(&self) -> Result<()> {
        let (ours, raw) = (self.bytes("host")?, self.bytes(name_of(Native::Slices))?);
        ensure!(lines(&raw).count() == PRODUCTS as usize, "the slices loop wrote {} lines", lines(&raw).count());
        if ours != raw {
            let at = lines(&ours).zip(lines(&raw)).position(|(a, b)| a != b);
            bail!(
                "host and slices loop wrote different bytes: {} and {} of them, {} and {} lines, different from line {:?}",
                ours.len(),
                raw.len(),
                lines(&ours).count(),
                lines(&raw).count(),
                at.map(|at| at + 1)
            );
        }
        Ok(())
    }

    /// The values loop wrote the records that the slices loop wrote.
    pub(crate) fn check_values(&self) -> Result<()> {
        let (values, raw) = (self.bytes(name_of(Native::Values))?, self.bytes(name_of(Native::Slices))?);
        ensure!(
            lines(&values).count() == lines(&raw).count(),
            "values and slices loop wrote different numbers of lines"
        );
        for (number, (a, b)) in lines(&values).zip(lines(&raw)).enumerate() {
            let (a, b): (Value, Value) = (serde_json::from_slice(a)?, serde_json::from_slice(b)?);
            ensure!(a == b, "values and slices loop wrote different records on line {}", number + 1);
        }
        Ok(())
    }

    /// Removes what the runs wrote.
    pub(crate) fn clean(&self) {
        for of in ["host", name_of(Native::Values), name_of(Native::Slices)] {
            let _ = std::fs::remove_file(self.output(of));
        }
    }
}

fn name_of(how: Native) -> &'static str {
    match how {
        Native::Values => "values",
        Native::Slices => "slices",
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

/// Fails early, and with what to do, if a program is missing.
pub(crate) fn exists(path: &Path) -> Result<()> {
    ensure!(path.is_file(), "{} is missing: run `cargo xtask bench`, which builds it", path.display());
    Ok(())
}
