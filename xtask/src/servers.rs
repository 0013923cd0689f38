//! Real servers that tests run against, from Debian's packages, below `target/servers`: proxies, registries, a coordinator, a keyring.
//!
//! Tests that need one are ignored unless asked for: they say so with `#[ignore = "needs `cargo xtask servers`"]`, and have
//! `real_servers` in their path, by which this step finds them.

use std::path::Path;

use anyhow::{Result, bail};

use crate::debian::{Apt, Bundle};
use crate::hosts::Ran;
use crate::test::names_a_test;
use crate::{fuzz, process};

/// Each is unpacked into the folder of its package's name, where the launchers of its programs lie.
const SERVERS: [Bundle; 6] = [
    Bundle {
        package: "squid",
        with: &["squid-common", "squid-langpack"],
        versioned: &[],
        programs: &["usr/sbin/squid", "usr/lib/squid/basic_ncsa_auth"],
    },
    Bundle { package: "microsocks", with: &[], versioned: &[], programs: &["usr/bin/microsocks"] },
    Bundle { package: "etcd-server", with: &[], versioned: &[], programs: &["usr/bin/etcd"] },
    Bundle { package: "docker-registry", with: &[], versioned: &[], programs: &["usr/bin/docker-registry"] },
    Bundle { package: "dbus-daemon", with: &[], versioned: &[], programs: &["usr/bin/dbus-daemon"] },
    Bundle { package: "gnome-keyring", with: &[], versioned: &[], programs: &["usr/bin/gnome-keyring-daemon"] },
];

/// Fetches the servers that are not there yet. The error says why one cannot be had.
pub(crate) fn fetch(root: &Path) -> Result<()> {
    let folder = root.join("target/servers");
    let missing: Vec<&Bundle> =
        SERVERS.iter().filter(|server| !server.is_complete(&folder.join(server.package))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let apt = Apt::new(&folder.join("apt"))?;
    for server in missing {
        eprintln!("fetching {} into {}", server.package, folder.display());
        server.fetch(&apt, &folder.join(server.package), |_| Ok(()))?;
    }
    Ok(())
}

/// Runs the tests against them.
pub(crate) fn test(root: &Path) -> Result<Ran> {
    if let Err(error) = fetch(root) {
        return Ok(Ran::Skipped(format!("{error:#}").lines().next().unwrap_or_default().to_owned()));
    }
    let tests = |last: &[&str]| {
        let mut cargo = process::cargo();
        cargo.current_dir(root).args(["test", "--workspace", "--tests", "--no-fail-fast", "real_servers", "--"]);
        cargo.arg("--ignored").args(last);
        cargo
    };
    let list = process::capture(&mut tests(&["--list", "--format", "terse"]), fuzz::MOST_BUILD)?;
    if !names_a_test(&list) {
        bail!("no test has `real_servers` in its path: nothing would be tested");
    }
    process::show(&mut tests(&[]))?;
    Ok(Ran::Yes)
}

#[cfg(test)]
mod real_servers {
    use super::*;
    use crate::debian::launcher;
    use std::process::{Command, Stdio};

    #[test]
    #[ignore = "needs `cargo xtask servers`"]
    fn every_program_finds_its_libraries() {
        for server in &SERVERS {
            for program in server.programs {
                let path = crate::workspace().join("target/servers").join(server.package).join(launcher(program));
                // None of them serves anything, or stays, when it is asked for this, be it that it does not know it.
                let said = Command::new(&path).arg("--version").stdin(Stdio::null()).output().unwrap();
                let said = String::from_utf8_lossy(&said.stderr);
                assert!(!said.contains("shared libraries"), "{}: {said}", path.display());
            }
        }
    }
}
