//! Debian's Rust compiler and the sources of its library, downloaded with apt and unpacked below `target/`.
//!
//! Works for any user: apt keeps its lists and cache in a folder of ours and installs nothing. apt checks the signatures. The
//! folder appears under its name only when it is complete, with a stamp that says what is in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The compiler that Debian keeps recent for its browsers, and the sources that belong to it.
const PACKAGES: [&str; 3] = ["rustc-web", "libstd-rust-web-dev", "rust-web-src"];

/// Dependencies of those that the compiler cannot run without, and that no system has by chance: their names carry versions.
const VERSIONED: [&str; 2] = ["libstd-rust-web-", "libllvm"];

/// The file that is written last.
const STAMP: &str = "complete";

/// Raised when the layout of the folder changes: an older one is made anew.
const LAYOUT: &str = "layout 1";

/// Reading package lists, unpacking.
const STEP_LIMIT: Duration = Duration::from_secs(300);

/// 130 MB over a slow line.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(1200);

/// Rounds of looking for missing libraries: a library may need others in turn.
const LIBRARY_ROUNDS: usize = 4;

/// The compiler's wrapper in `folder`.
pub(crate) fn rustc(folder: &Path) -> PathBuf {
    folder.join("rustc")
}

/// Whether `folder` holds everything.
pub(crate) fn is_complete(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join(STAMP)).is_ok_and(|stamp| stamp.starts_with(LAYOUT)) && rustc(folder).is_file()
}

/// Whether this system can take the packages at all.
pub(crate) fn check_tools() -> Result<()> {
    match ["apt-get", "apt-cache", "dpkg-deb"].iter().find(|tool| process::find(tool).is_none()) {
        Some(tool) => bail!("there is no {tool} to fetch Debian's compiler with"),
        None => Ok(()),
    }
}

/// Downloads and unpacks everything into `folder`, replacing what is there.
pub(crate) fn fetch(folder: &Path) -> Result<()> {
    let partial = folder.with_extension("partial");
    remove(&partial)?;
    let apt = Apt::new(&partial.join("apt"))?;
    let root = partial.join("root");
    std::fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;

    apt.update()?;
    let known = apt.dependencies("rustc-web")?;
    if known.is_empty() {
        bail!("this system's package sources have no rustc-web");
    }
    let mut packages: Vec<String> = PACKAGES.map(String::from).to_vec();
    packages.extend(known.iter().filter(|name| needed(name)).cloned());
    packages.sort();
    packages.dedup();
    apt.unpack(&packages, &root)?;

    write_wrapper(&root)?;
    fetch_missing_libraries(&apt, &known, &mut packages, &root)?;
    check(&root)?;

    remove(&apt.folder)?;
    std::fs::write(root.join(STAMP), format!("{LAYOUT}\n{}\n", packages.join("\n")))?;
    remove(folder)?;
    std::fs::rename(&root, folder).with_context(|| format!("cannot create {}", folder.display()))?;
    remove(&partial)
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn needed(package: &str) -> bool {
    VERSIONED.iter().any(|start| package.starts_with(start))
}

/// apt with lists and cache of its own.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial", "debs"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg(format!("-oDir::State::lists={}", self.folder.join("lists").display()))
            .arg(format!("-oDir::Cache={}", self.folder.join("cache").display()))
            // Locks and the download user are for those who install.
            .args(["-oDebug::NoLocking=1", "-oAPT::Sandbox::User="])
            .args(["-oAcquire::Languages=none", "-oAcquire::Retries=2", "-oAcquire::http::Timeout=30"])
            .env("LC_ALL", "C")
            .current_dir(self.folder.join("debs"));
        command
    }

    fn update(&self) -> Result<()> {
        process::capture(self.command("apt-get").arg("update"), STEP_LIMIT).context("cannot read the package lists")?;
        Ok(())
    }

    /// The package, what it needs, what that needs, and so on. Empty if there is no such package.
    fn dependencies(&self, package: &str) -> Result<BTreeSet<String>> {
        let mut command = self.command("apt-cache");
        command.args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-enhances"]);
        command.args(["--no-conflicts", "--no-breaks", "--no-replaces", package]);
        // apt-cache fails when it does not know the name.
        Ok(process::capture(&mut command, STEP_LIMIT).map(|text| package_names(&text)).unwrap_or_default())
    }

    fn unpack(&self, packages: &[String], root: &Path) -> Result<()> {
        let debs = self.folder.join("debs");
        process::capture(self.command("apt-get").arg("download").args(packages), DOWNLOAD_LIMIT)
            .context("cannot download Debian's packages")?;
        for entry in std::fs::read_dir(&debs).with_context(|| format!("cannot read {}", debs.display()))? {
            let deb = entry?.path();
            if deb.extension().is_some_and(|extension| extension == "deb") {
                process::capture(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(root), STEP_LIMIT)?;
                std::fs::remove_file(&deb)?;
            }
        }
        Ok(())
    }
}

/// Package names in the output of `apt-cache depends --recurse`: those that start a line.
fn package_names(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_alphanumeric()))
        .map(|line| line.trim().to_owned())
        .collect()
}

/// Library folders below `root`, relative to it: `usr/lib/x86_64-linux-gnu` and the like.
fn library_folders(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for base in ["usr/lib", "lib"] {
        for entry in std::fs::read_dir(root.join(base)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().contains("-linux-") && entry.path().is_dir() {
                found.push(Path::new(base).join(name));
            }
        }
    }
    found.sort();
    found
}

/// The compiler finds its libraries beside itself, wherever the folder is.
fn write_wrapper(root: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let folders: Vec<String> =
        library_folders(root).iter().map(|folder| format!("${{0%/*}}/{}", folder.display())).collect();
    let script = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH=\"{}\"\nexec \"${{0%/*}}/usr/bin/rustc\" \"$@\"\n",
        folders.join(":")
    );
    let path = rustc(root);
    std::fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Fetches the packages of those libraries that the compiler needs and neither the system nor the folder has.
fn fetch_missing_libraries(apt: &Apt, known: &BTreeSet<String>, packages: &mut Vec<String>, root: &Path) -> Result<()> {
    for _ in 0..LIBRARY_ROUNDS {
        let folders: Vec<PathBuf> = library_folders(root).iter().map(|folder| root.join(folder)).collect();
        let path = std::env::join_paths(folders).context("a folder's name holds a colon")?;
        let mut ldd = Command::new("ldd");
        ldd.arg(root.join("usr/bin/rustc")).env("LD_LIBRARY_PATH", path);
        let missing = missing_libraries(&process::capture(&mut ldd, STEP_LIMIT)?);
        if missing.is_empty() {
            return write_wrapper(root);
        }
        let mut more = Vec::new();
        for library in &missing {
            let package = package_of(library, known)
                .with_context(|| format!("Debian's compiler needs {library}, and no package of that name is known"))?;
            more.push(package.to_owned());
        }
        more.sort();
        more.dedup();
        apt.unpack(&more, root)?;
        packages.extend(more);
    }
    bail!("Debian's compiler needs libraries that their packages do not hold")
}

/// What `ldd` could not find.
fn missing_libraries(ldd: &str) -> BTreeSet<String> {
    ldd.lines().filter_map(|line| Some(line.split_once("=> not found")?.0.trim().to_owned())).collect()
}

/// The package that holds a library: Debian names it after the library and its version (`libz3.so.4` is in `libz3-4`).
fn package_of<'a>(library: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let (stem, version) = library.split_once(".so").unwrap_or((library, ""));
    let stem = stem.to_lowercase().replace('_', "-");
    let version = version.trim_start_matches('.');
    let dash = if stem.ends_with(|last: char| last.is_ascii_digit()) { "-" } else { "" };
    let full = format!("{stem}{dash}{version}");
    let major = format!("{stem}{dash}{}", version.split('.').next().unwrap_or_default());
    [format!("{full}t64"), full, format!("{major}t64"), major, stem]
        .iter()
        .find_map(|name| known.get(name))
        .map(String::as_str)
}

/// Whether the compiler runs, is recent enough, and has the sources.
fn check(root: &Path) -> Result<()> {
    let version = process::capture(Command::new(rustc(root)).arg("--version"), STEP_LIMIT)?;
    let needed = env!("CARGO_PKG_RUST_VERSION");
    if !recent_enough(&version, needed) {
        bail!("Debian's compiler is too old: {}, and {needed} is needed", version.trim());
    }
    let sources = root.join("usr/lib/rustlib/src/rust/library/Cargo.lock");
    if !sources.is_file() {
        bail!("Debian's packages hold no {}", sources.display());
    }
    Ok(())
}

fn recent_enough(version: &str, needed: &str) -> bool {
    let numbers =
        |text: &str| -> Vec<u32> { text.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect() };
    let found = version.split_whitespace().nth(1).map(numbers).unwrap_or_default();
    !found.is_empty() && found >= numbers(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn package_names_are_told_from_what_they_depend_on() {
        let text = "rustc-web\n  Depends: libc6\n  Depends: libstd-rust-web-dev\n    libstd-rust-web-dev\n<libc-dev>\nlibllvm22\n";
        assert_eq!(package_names(text), known(&["libllvm22", "rustc-web"]));
    }

    #[test]
    fn the_compiler_and_its_versioned_libraries_are_fetched_and_nothing_else() {
        let all = ["gcc", "libc6", "libllvm22", "libstd-rust-web-1.96", "libstd-rust-web-dev", "libxml2"];
        let picked: Vec<_> = all.into_iter().filter(|name| needed(name)).collect();
        assert_eq!(picked, ["libllvm22", "libstd-rust-web-1.96", "libstd-rust-web-dev"]);
    }

    #[test]
    fn a_missing_library_is_found_in_its_package() {
        let known = known(&["libedit2", "libffi8", "libxml2", "libz3-4", "libllvm22", "libtinfo6", "libfoo1t64"]);
        for (library, package) in [
            ("libedit.so.2", Some("libedit2")),
            ("libffi.so.8", Some("libffi8")),
            ("libxml2.so.2", Some("libxml2")),
            ("libz3.so.4", Some("libz3-4")),
            ("libLLVM.so.22.1", Some("libllvm22")),
            ("libfoo.so.1", Some("libfoo1t64")),
            ("libbar.so.1", None),
        ] {
            assert_eq!(package_of(library, &known), package, "{library}");
        }
    }

    #[test]
    fn libraries_that_the_loader_misses_are_listed() {
        let ldd = "\tlinux-vdso.so.1 (0x1)\n\tlibedit.so.2 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\tlibffi.so.8 => not found\n";
        assert_eq!(missing_libraries(ldd), known(&["libedit.so.2", "libffi.so.8"]));
    }

    #[test]
    fn an_old_compiler_is_refused() {
        assert!(recent_enough("rustc 1.96.0 (hash 2026-05-01)", "1.95"));
        assert!(recent_enough("rustc 1.95.0", "1.95"));
        assert!(recent_enough("rustc 1.100.1-beta", "1.95"));
        assert!(!recent_enough("rustc 1.85.0 (hash) (built from a source tarball)", "1.95"));
        assert!(!recent_enough("", "1.95"));
    }

    #[test]
    fn a_folder_without_its_stamp_is_not_complete() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(rustc(folder.path()), "").unwrap();
        assert!(!is_complete(folder.path()));
        std::fs::write(folder.path().join(STAMP), "layout 0\n").unwrap();
        assert!(!is_complete(folder.path()), "an older layout is made anew");
        std::fs::write(folder.path().join(STAMP), format!("{LAYOUT}\nrustc-web\n")).unwrap();
        assert!(is_complete(folder.path()));
    }
}
