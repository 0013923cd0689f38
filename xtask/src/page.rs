//! The page that `connector serve` offers: its types are checked, and its tests run in a real Chromium.
//!
//! The browser comes from Debian's packages, below `target/chromium`; what the tests need of npm is installed in `target/page`, where
//! they leave a picture of each screen in `screens/`. Where one of them cannot be had, the step is skipped, with the reason.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::debian::{Apt, Bundle, launcher};
use crate::hosts::{self, Ran};
use crate::process;

const PROGRAM: &str = "usr/lib/chromium/chromium-headless-shell";

/// The browser, and the one font that it draws with: pictures look alike wherever they are taken.
const CHROMIUM: Bundle = Bundle {
    package: "chromium-headless-shell",
    with: &["chromium-common", "fonts-dejavu-core"],
    versioned: &[],
    programs: &[PROGRAM],
};

/// Checks the page and its tests, and runs them.
pub(crate) fn test(root: &Path) -> Result<Ran> {
    let (sources, folder) = (root.join("tests/page"), root.join("target/page"));
    if let skipped @ Ran::Skipped(_) = hosts::install_from_npm(&sources, &folder)? {
        return Ok(skipped);
    }
    copy_tests(&sources, &folder)?;
    for project in ["tsconfig.page.json", "tsconfig.json"] {
        process::show(
            Command::new("node").args(["node_modules/typescript/bin/tsc", "-p", project]).current_dir(&folder),
        )?;
    }
    let chromium = root.join("target/chromium");
    if let Err(error) = fetch(&chromium) {
        return Ok(Ran::Skipped(format!("{error:#}").lines().next().unwrap_or_default().to_owned()));
    }
    hosts::ingredients(root)?;
    // Of the whole workspace, so that its dependencies are those that are built already.
    process::show(process::cargo().current_dir(root).args(["build", "--workspace", "--bin", "connector"]))?;
    let mut tests = Command::new("node");
    // One after another: each has a browser and two servers of its own.
    tests.args(["--test", "--test-concurrency=1"]).args(test_files(&folder.join("test"))?).current_dir(&folder);
    tests.env("CHROMIUM", chromium.join(launcher(PROGRAM)));
    tests.env("CHROMIUM_FONTS", chromium.join("usr/share/fonts"));
    tests.env("CONNECTOR_BINARIES", root.join("target/debug"));
    tests.env("CONNECTOR_CACHE_DIR", root.join("target/compile-cache"));
    process::show(&mut tests)?;
    Ok(Ran::Yes)
}

/// Fetches the browser, if it is not there yet.
fn fetch(folder: &Path) -> Result<()> {
    if CHROMIUM.is_complete(folder) {
        return Ok(());
    }
    eprintln!("fetching {} into {}", CHROMIUM.package, folder.display());
    CHROMIUM.fetch(&Apt::new(&folder.with_extension("apt"))?, folder, |_| Ok(()))
}

/// The files that hold tests, in order.
fn test_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.to_string_lossy().ends_with(".test.js"));
    files.sort();
    Ok(files)
}

/// Copies the tests to where their packages are. What lies there besides is an older version's.
fn copy_tests(sources: &Path, folder: &Path) -> Result<()> {
    let tests = folder.join("test");
    match std::fs::remove_dir_all(&tests) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", tests.display()));
        }
        _ => {}
    }
    hosts::copy_folder(&sources.join("test"), &tests)?;
    for name in ["tsconfig.json", "tsconfig.page.json"] {
        hosts::copy(&sources.join(name), &folder.join(name))?;
    }
    Ok(())
}
