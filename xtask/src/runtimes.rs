//! Stock runtimes, which know nothing of connectors: a composed connector runs in each as it is. They come from PyPI and npm as
//! binaries and scripts, below `target/runtimes`.
//!
//! The tests that need them are ignored unless asked for; each has the name of its runtime, by which this step finds it.

use std::path::Path;

use anyhow::Result;

use crate::hosts::{self, Installed, Ran};
use crate::process;

/// Runtimes that are one binary in a wheel, by the lists of what is installed, and the binary: a wasmtime older and one newer than the
/// library that the host links, and wasmCloud.
const WHEELS: [(&str, &str); 3] = [
    ("wasmtime-36", "wasmtime_cli/wasmtime"),
    ("wasmtime-49", "wasmtime_cli/wasmtime"),
    ("wasmcloud", "wash_cli/wash"),
];

/// Installs the runtimes that can be had here, and runs the tests in them.
pub(crate) fn test(root: &Path) -> Result<Ran> {
    let mut tests = process::cargo();
    tests.current_dir(root).args(["test", "--workspace", "--test", "promises", "--", "--ignored", "--nocapture"]);
    let mut skipped = Vec::new();
    for (name, binary) in WHEELS {
        match wheel(root, name, binary)? {
            Ran::Yes => drop(tests.arg(format!("stock::{}", name.replace('-', "_")))),
            Ran::Skipped(why) => skipped.push(format!("{name}: {why}")),
        }
    }
    match hosts::jco(root)? {
        Ran::Yes => drop(tests.arg("stock::jco")),
        Ran::Skipped(why) => skipped.push(format!("jco: {why}")),
    }
    if skipped.len() <= WHEELS.len() {
        process::show(&mut tests)?;
    }
    Ok(if skipped.is_empty() { Ran::Yes } else { Ran::Skipped(skipped.join("; ")) })
}

/// The wheel's digest is part of the list.
fn wheel(root: &Path, name: &str, binary: &str) -> Result<Ran> {
    if let Some(reason) = hosts::missing(&[&["python3", "--version"], &["python3", "-m", "pip", "--version"]]) {
        return Ok(Ran::Skipped(reason));
    }
    let folder = root.join("target/runtimes").join(name);
    let list = root.join("tests/stock").join(format!("{name}.txt"));
    if let Installed::No(why) = hosts::install_from_pypi(&folder, &list)? {
        return Ok(Ran::Skipped(format!("pip cannot install it: {why}")));
    }
    // pip takes no notice of what the wheel says about who may run it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder.join(binary), std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(Ran::Yes)
}
