//! What the workspace depends on: nothing unused, nothing under a licence or from a source that `deny.toml` does not allow, nothing
//! with a known defect.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::hosts::Ran;
use crate::{process, tools};

/// Fetching the database of known defects: some megabytes by git.
const FETCH_LIMIT: Duration = Duration::from_secs(120);

/// Where cargo-machete looks: everywhere but in the fuzz targets, which take in sources of the command line with what those need.
const FOLDERS: [&str; 9] = [
    "component",
    "host",
    "tests/bench",
    "tests/crash-points",
    "tests/emulator",
    "tests/end-to-end",
    "tests/guests",
    "tests/traffic",
    "xtask",
];

/// Dependencies that nothing uses. Needs a small program, which is installed.
pub(crate) fn unused(root: &Path) -> Result<Ran> {
    let Ok(program) = tools::MACHETE.install(root) else {
        return Ok(Ran::Skipped("cargo-machete cannot be installed".into()));
    };
    process::show(Command::new(program).current_dir(root).args(FOLDERS))?;
    Ok(Ran::Yes)
}

/// Licences, bans and sources, if cargo-deny is there already: it takes longer to compile than a test may.
pub(crate) fn deny_if_installed(root: &Path) -> Result<Ran> {
    match tools::DENY.installed(root) {
        Some(program) => {
            process::show(check(&program, root).args(OFFLINE))?;
            Ok(Ran::Yes)
        }
        None => Ok(Ran::Skipped("cargo-deny is not installed, `cargo xtask deny` does it".into())),
    }
}

/// Everything that cargo-deny looks at, which is installed for it.
pub(crate) fn deny(root: &Path) -> Result<()> {
    let program = tools::DENY.install(root)?;
    process::show(check(&program, root).args(OFFLINE))?;
    let mut fetch = Command::new(&program);
    fetch.current_dir(root).args(["fetch", "db"]);
    match process::capture(&mut fetch, FETCH_LIMIT) {
        Ok(_) => process::show(check(&program, root).args(["--disable-fetch", "advisories"])),
        Err(_) => {
            eprintln!("advisories: skipped: their database cannot be fetched from github.com");
            Ok(())
        }
    }
}

/// What needs no network beyond that of cargo.
const OFFLINE: [&str; 3] = ["licenses", "bans", "sources"];

fn check(program: &Path, root: &Path) -> Command {
    let mut deny = Command::new(program);
    deny.current_dir(root).arg("check");
    deny
}
