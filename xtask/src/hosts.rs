//! Runs the connector in two other languages' runtimes: a short Node script and a short Python script load the `fixed` component.
//!
//! They show that the contract asks nothing of a host that only Rust could give. What they need is installed below `target/`; a
//! system without Node or Python skips them and says so.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::{files, process};

/// Downloads of up to 30 MB.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Asking a program for its version.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// Written last: what is installed.
const STAMP: &str = "installed";

/// How a host's run went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It ran and held its promises.
    Yes,
    /// It did not run, for this reason.
    Skipped(String),
}

/// Installs the packages of `tests/hosts/node` into `target/node`, and runs the script there.
pub(crate) fn node(root: &Path) -> Result<Ran> {
    if let Some(reason) = missing(&[&["node", "--version"], &["npm", "--version"]]) {
        return Ok(Ran::Skipped(reason));
    }
    let (sources, folder) = (root.join("tests/hosts/node"), root.join("target/node"));
    // A module finds its packages beside itself, so the script moves to the packages.
    for name in ["package.json", "package-lock.json", ".npmrc", "fixed.mjs"] {
        copy(&sources.join(name), &folder.join(name))?;
    }
    install(&folder, &folder.join("package-lock.json"), || {
        let mut npm = Command::new("npm");
        // Not `npm ci`: it insists on optional packages for other systems, of which not every registry has all.
        npm.args(["install", "--no-save", "--no-fund", "--no-audit"]).current_dir(&folder);
        npm
    })?;
    run(Command::new("node").arg(folder.join("fixed.mjs")), root)
}

/// Installs the packages of `tests/hosts/python` into `target/python`, and runs the script.
pub(crate) fn python(root: &Path) -> Result<Ran> {
    if let Some(reason) = missing(&[&["python3", "--version"], &["python3", "-m", "pip", "--version"]]) {
        return Ok(Ran::Skipped(reason));
    }
    let (sources, folder) = (root.join("tests/hosts/python"), root.join("target/python"));
    let requirements = sources.join("requirements.txt");
    install(&folder, &requirements, || {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"])
            .arg(&folder)
            .arg("-r")
            .arg(&requirements);
        pip
    })?;
    // The compiled form of the script would land in the sources.
    run(Command::new("python3").arg("-B").arg(sources.join("fixed.py")).env("PYTHONPATH", &folder), root)
}

/// Why the host cannot run here: the first of these commands that does not work.
fn missing(commands: &[&[&str]]) -> Option<String> {
    commands.iter().find_map(|words| {
        let (program, arguments) = words.split_first()?;
        if process::capture(Command::new(program).args(arguments), ASK_LIMIT).is_ok() {
            return None;
        }
        let what: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
        Some(format!("no {}", what.join(" with ")))
    })
}

/// Runs an installer, unless `list` is what was installed last.
fn install(folder: &Path, list: &Path, installer: impl FnOnce() -> Command) -> Result<()> {
    let wanted = std::fs::read(list).with_context(|| format!("cannot read {}", list.display()))?;
    let stamp = folder.join(STAMP);
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    process::capture(&mut installer(), INSTALL_LIMIT)?;
    files::write_if_changed(&stamp, &wanted)?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    files::write_if_changed(to, &bytes)?;
    Ok(())
}

fn run(script: &mut Command, root: &Path) -> Result<Ran> {
    let component = root.join("target/components/fixed.wasm");
    if !component.is_file() {
        bail!("there is no {}: run `cargo xtask components fixed`", component.display());
    }
    process::show(script.arg(&component))?;
    Ok(Ran::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_the_reason_to_skip() {
        assert_eq!(missing(&[&["sh", "-c", "true"]]), None);
        assert_eq!(
            missing(&[&["sh", "-c", "true"], &["no-such-program", "--version"]]),
            Some("no no-such-program".into())
        );
        assert_eq!(missing(&[&["false", "-m", "pip", "--version"]]), Some("no false with pip".into()));
    }

    #[test]
    fn packages_are_installed_once_per_list() {
        let folder = tempfile::tempdir().unwrap();
        let (target, list) = (folder.path().join("packages"), folder.path().join("list"));
        let touch = || {
            let mut touch = Command::new("sh");
            touch.args(["-c", "echo x >> runs"]).current_dir(folder.path());
            touch
        };
        let runs = || std::fs::read_to_string(folder.path().join("runs")).unwrap().lines().count();
        std::fs::write(&list, "one").unwrap();
        install(&target, &list, touch).unwrap();
        install(&target, &list, touch).unwrap();
        assert_eq!(runs(), 1);
        std::fs::write(&list, "two").unwrap();
        install(&target, &list, touch).unwrap();
        assert_eq!(runs(), 2);
        std::fs::write(&list, "three").unwrap();
        assert!(install(&target, &list, || Command::new("false")).is_err());
        install(&target, &list, touch).unwrap();
        assert_eq!(runs(), 3, "a failed installation is tried again");
    }
}
