//! Plays the scenarios of `tests/scenarios` on the Rust host, and on the others that `cargo xtask hosts` could install.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::hosts::Ran;
use crate::process;

/// A host in another language, and a file that its installation has left.
const INSTALLED: [(&str, &str); 3] = [
    ("node", "target/node/dist/src/index.js"),
    ("node-current", "target/node-current/installed"),
    ("python", "target/python/installed"),
];

/// Plays them. With a Markdown file, the hosts are measured and the table there is renewed.
pub(crate) fn run(root: &Path, markdown: Option<&Path>) -> Result<Ran> {
    // Of the whole workspace, so that the dependencies are those that are built already.
    let build = ["build", "--workspace", "--bin", "scenarios", "--bin", "rust-runner"];
    process::show(process::cargo().current_dir(root).args(build))?;
    let (hosts, missing) = hosts(|file| root.join(file).is_file());
    if markdown.is_some() && !missing.is_empty() {
        bail!("the table is of all hosts, and {} could not be installed", missing.join(" and "));
    }
    let mut scenarios = Command::new(root.join("target/debug/scenarios"));
    scenarios.current_dir(root).args(["--hosts", &hosts.join(",")]);
    if let Some(file) = markdown {
        scenarios.arg("--markdown").arg(file);
    }
    process::show(&mut scenarios)?;
    Ok(match missing.is_empty() {
        true => Ran::Yes,
        false => Ran::Skipped(format!("on {}, which could not be installed", missing.join(" and "))),
    })
}

/// The hosts that are there, and those that are not.
fn hosts(there: impl Fn(&str) -> bool) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut hosts, mut missing) = (vec!["rust"], Vec::new());
    for (host, file) in INSTALLED {
        if there(file) { hosts.push(host) } else { missing.push(host) }
    }
    (hosts, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_not_installed_is_told() {
        assert_eq!(hosts(|_| true), (vec!["rust", "node", "node-current", "python"], vec![]));
        assert_eq!(hosts(|file| !file.contains("python")), (vec!["rust", "node", "node-current"], vec!["python"]));
    }
}
