//! Programs that cargo can install: each at one version, below `target/tools`, and only there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::process;

/// Runs the fuzz targets.
pub(crate) const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };
/// Judges licences, sources and known defects of the dependencies.
pub(crate) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// Finds dependencies that nothing uses.
pub(crate) const MACHETE: Tool = Tool { name: "cargo-machete", version: "0.9.2" };

/// Lists what a crate is made of.
pub(crate) const CYCLONEDX: Tool = Tool { name: "cargo-cyclonedx", version: "0.5.9" };

/// A program, named as its package is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

impl Tool {
    /// A folder per version, so that an older program is never taken for this one.
    fn folder(self, root: &Path) -> PathBuf {
        root.join("target/tools").join(format!("{}-{}", self.name, self.version))
    }

    /// The program, if it is installed.
    pub(crate) fn installed(self, root: &Path) -> Option<PathBuf> {
        Some(self.folder(root).join("bin").join(self.name)).filter(|program| program.is_file())
    }

    /// The program, which is compiled and installed if it is not there yet.
    pub(crate) fn install(self, root: &Path) -> Result<PathBuf> {
        if let Some(program) = self.installed(root) {
            return Ok(program);
        }
        let folder = self.folder(root);
        let mut cargo = process::cargo();
        cargo.current_dir(root).args(["install", self.name, "--locked", "--version", self.version, "--root"]);
        cargo.arg(&folder).arg("--target-dir").arg(folder.join("build"));
        process::show(&mut cargo)?;
        // What it was compiled from is many times its size.
        let _ = std::fs::remove_dir_all(folder.join("build"));
        self.installed(root).with_context(|| format!("{} did not install a program of its name", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_taken_for_this_one() {
        let root = tempfile::tempdir().unwrap();
        let old = Tool { version: "0.0.1", ..MACHETE };
        let program = old.folder(root.path()).join("bin/cargo-machete");
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::fs::write(&program, "").unwrap();
        assert_eq!(old.installed(root.path()), Some(program));
        assert_eq!(MACHETE.installed(root.path()), None);
    }
}
