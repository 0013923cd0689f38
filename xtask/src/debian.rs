//! Programs from Debian's packages, downloaded with apt and unpacked below `target/`.
//!
//! Works for any user: apt keeps its lists and cache in a folder of ours and installs nothing. apt checks the signatures. A program's
//! folder appears under its name only when it is complete, with a stamp that says what is in it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process;

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

/// Packages that are unpacked into one folder, and what is run from it.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The package that it is about.
    pub(crate) package: &'static str,
    /// Packages that are wanted besides.
    pub(crate) with: &'static [&'static str],
    /// How the names of those begin that are wanted besides, but whose names carry versions. Only what the package depends on is
    /// looked at.
    pub(crate) versioned: &'static [&'static str],
    /// The programs, as the packages place them (`usr/sbin/squid`). Each gets a launcher in the folder, by which it finds its
    /// libraries: those that neither the system nor the folder has are fetched too.
    pub(crate) programs: &'static [&'static str],
}

impl Bundle {
    /// Whether `folder` holds everything.
    pub(crate) fn is_complete(&self, folder: &Path) -> bool {
        let Ok(stamp) = std::fs::read_to_string(folder.join(STAMP)) else {
            return false;
        };
        let mut lines = stamp.lines();
        let same_layout = lines.next() == Some(LAYOUT);
        let packages: BTreeSet<&str> = lines.collect();
        same_layout
            && packages.contains(self.package)
            && self.with.iter().all(|package| packages.contains(package))
            && self.programs.iter().all(|program| folder.join(launcher(program)).is_file())
    }

    /// Downloads and unpacks everything into `folder`, replacing what is there. `check` has the last word, before the folder
    /// gets its name.
    pub(crate) fn fetch(&self, apt: &Apt, folder: &Path, check: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let root = folder.with_extension("partial");
        remove(&root)?;
        std::fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;

        let known = apt.dependencies(self.package)?;
        if known.is_empty() {
            bail!("this system's package sources have no {}", self.package);
        }
        let mut packages: Vec<String> = self.with.iter().map(ToString::to_string).collect();
        packages.push(self.package.to_owned());
        packages.extend(known.iter().filter(|name| self.names(name)).cloned());
        packages.sort();
        packages.dedup();
        apt.unpack(&packages, &root)?;
        self.fetch_missing_libraries(apt, &known, &mut packages, &root)?;
        for program in self.programs {
            write_launcher(&root, program)?;
        }
        check(&root)?;

        std::fs::write(root.join(STAMP), format!("{LAYOUT}\n{}\n", packages.join("\n")))?;
        remove(folder)?;
        std::fs::rename(&root, folder).with_context(|| format!("cannot create {}", folder.display()))
    }

    fn names(&self, package: &str) -> bool {
        self.versioned.iter().any(|start| package.starts_with(start))
    }

    /// Fetches the packages of those libraries that the programs need and neither the system nor the folder has.
    fn fetch_missing_libraries(
        &self,
        apt: &Apt,
        known: &BTreeSet<String>,
        packages: &mut Vec<String>,
        root: &Path,
    ) -> Result<()> {
        for _ in 0..LIBRARY_ROUNDS {
            let mut missing = BTreeSet::new();
            for program in self.programs {
                let program = root.join(program);
                if !program.is_file() {
                    bail!("the packages of {} hold no {}", self.package, program.display());
                }
                missing.extend(missing_libraries(&program, root)?);
            }
            if missing.is_empty() {
                return Ok(());
            }
            let mut more = Vec::new();
            for library in &missing {
                let package = package_of(library, known).with_context(|| {
                    format!("{} needs {library}, and no package of that name is known", self.package)
                })?;
                more.push(package.to_owned());
            }
            more.sort();
            more.dedup();
            apt.unpack(&more, root)?;
            packages.extend(more);
        }
        bail!("{} needs libraries that their packages do not hold", self.package)
    }
}

/// Where the launcher of a program is, in its bundle's folder.
pub(crate) fn launcher(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Whether this system can take packages at all.
pub(crate) fn check_tools() -> Result<()> {
    match ["apt-get", "apt-cache", "dpkg-deb"].iter().find(|tool| process::find(tool).is_none()) {
        Some(tool) => bail!("there is no {tool} to fetch Debian's packages with"),
        None => Ok(()),
    }
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// apt with lists and cache of its own, which are removed with it.
#[derive(Debug)]
pub(crate) struct Apt {
    folder: PathBuf,
}

impl Drop for Apt {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Apt {
    /// Reads the package lists into `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        check_tools()?;
        // apt wants absolute names, and runs in another folder.
        let folder = std::path::absolute(folder)?;
        for part in ["lists/partial", "cache/archives/partial", "debs"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        }
        let apt = Self { folder };
        process::capture(apt.command("apt-get").arg("update"), STEP_LIMIT).context("cannot read the package lists")?;
        Ok(apt)
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

/// Library folders below `root`, relative to it: `usr/lib/x86_64-linux-gnu` and the like, and those in them in which a package keeps
/// libraries to itself (`pulseaudio`). Programs know the latter by names that do not lead below `root`.
fn library_folders(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for base in ["usr/lib", "lib"].map(Path::new) {
        for name in folders_in(&root.join(base)).filter(|name| name.to_string_lossy().contains("-linux-")) {
            let folder = base.join(name);
            let own = folders_in(&root.join(&folder)).map(|name| folder.join(name));
            found.extend(own.filter(|own| holds_libraries(&root.join(own))));
            found.push(folder);
        }
    }
    found.sort();
    found
}

/// The names of the folders in a folder.
fn folders_in(folder: &Path) -> impl Iterator<Item = OsString> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name())
}

fn holds_libraries(folder: &Path) -> bool {
    let library = |name: OsString| {
        let name = name.to_string_lossy();
        name.starts_with("lib") && name.contains(".so")
    };
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| library(entry.file_name()))
}

/// A script that runs a program with its libraries, wherever the folder is.
fn write_launcher(root: &Path, program: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let folders: Vec<String> =
        library_folders(root).iter().map(|folder| format!("${{0%/*}}/{}", folder.display())).collect();
    let libraries = match folders.is_empty() {
        true => String::new(),
        false => format!("export LD_LIBRARY_PATH=\"{}\"\n", folders.join(":")),
    };
    let path = root.join(launcher(program));
    std::fs::write(&path, format!("#!/bin/sh\n{libraries}exec \"${{0%/*}}/{program}\" \"$@\"\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Libraries that a program needs and neither the system nor the folder has.
fn missing_libraries(program: &Path, root: &Path) -> Result<BTreeSet<String>> {
    let folders: Vec<PathBuf> = library_folders(root).iter().map(|folder| root.join(folder)).collect();
    let path = std::env::join_paths(folders).context("a folder's name holds a colon")?;
    let mut ldd = Command::new("ldd");
    ldd.arg(program).env("LD_LIBRARY_PATH", path);
    // ldd fails for a program that needs none.
    Ok(process::capture(&mut ldd, STEP_LIMIT).map(|listed| not_found(&listed)).unwrap_or_default())
}

/// What `ldd` could not find.
fn not_found(ldd: &str) -> BTreeSet<String> {
    ldd.lines().filter_map(|line| Some(line.split_once("=> not found")?.0.trim().to_owned())).collect()
}

/// The package that holds a library: Debian names it after the library and its version (`libz3.so.4` is in `libz3-4`), with a letter
/// behind where the library changed without one (`libvorbis0a`).
fn package_of<'a>(library: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let (stem, version) = library.split_once(".so").unwrap_or((library, ""));
    let stem = stem.to_lowercase().replace('_', "-");
    let version = version.trim_start_matches('.');
    let dash = if stem.ends_with(|last: char| last.is_ascii_digit()) { "-" } else { "" };
    let full = format!("{stem}{dash}{version}");
    let major = format!("{stem}{dash}{}", version.split('.').next().unwrap_or_default());
    [format!("{full}t64"), full, format!("{major}t64"), format!("{major}a"), major, stem]
        .iter()
        .find_map(|name| known.get(name))
        .map(String::as_str)
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
    fn packages_whose_names_carry_versions_are_known_by_their_beginning() {
        let bundle = Bundle { package: "a", with: &[], versioned: &["libstd-rust-web-", "libllvm"], programs: &[] };
        let all = ["gcc", "libc6", "libllvm22", "libstd-rust-web-1.96", "libxml2"];
        let picked: Vec<_> = all.into_iter().filter(|name| bundle.names(name)).collect();
        assert_eq!(picked, ["libllvm22", "libstd-rust-web-1.96"]);
    }

    #[test]
    fn a_missing_library_is_found_in_its_package() {
        let known =
            known(&["libedit2", "libffi8", "libxml2", "libz3-4", "libllvm22", "libtinfo6", "libfoo1t64", "libogg0a"]);
        for (library, package) in [
            ("libedit.so.2", Some("libedit2")),
            ("libffi.so.8", Some("libffi8")),
            ("libxml2.so.2", Some("libxml2")),
            ("libz3.so.4", Some("libz3-4")),
            ("libLLVM.so.22.1", Some("libllvm22")),
            ("libfoo.so.1", Some("libfoo1t64")),
            ("libogg.so.0", Some("libogg0a")),
            ("libbar.so.1", None),
        ] {
            assert_eq!(package_of(library, &known), package, "{library}");
        }
    }

    #[test]
    fn libraries_that_the_loader_misses_are_listed() {
        let ldd = "\tlinux-vdso.so.1 (0x1)\n\tlibedit.so.2 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\tlibffi.so.8 => not found\n";
        assert_eq!(not_found(ldd), known(&["libedit.so.2", "libffi.so.8"]));
    }

    #[test]
    fn libraries_that_a_package_keeps_to_itself_are_found_too() {
        let root = tempfile::tempdir().unwrap();
        let libraries = root.path().join("usr/lib/x86_64-linux-gnu");
        for (folder, file) in [("sound", "libsoundcommon-16.1.so"), ("icons", "icon.png")] {
            std::fs::create_dir_all(libraries.join(folder)).unwrap();
            std::fs::write(libraries.join(folder).join(file), "").unwrap();
        }
        let found = ["usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/sound"];
        assert_eq!(library_folders(root.path()), found.map(PathBuf::from));
    }

    #[test]
    fn a_folder_without_its_stamp_is_not_complete() {
        let bundle = Bundle { package: "one", with: &["two"], versioned: &[], programs: &["usr/bin/program"] };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("program"), "").unwrap();
        for (stamp, complete, why) in [
            (None, false, "there is no stamp"),
            (Some("layout 0\none\ntwo\n".to_owned()), false, "an older layout is made anew"),
            (Some(format!("{LAYOUT}\none\n")), false, "a package was added since"),
            (Some(format!("{LAYOUT}\none\nthree\ntwo\n")), true, "everything is there"),
        ] {
            stamp.iter().for_each(|stamp| std::fs::write(folder.path().join(STAMP), stamp).unwrap());
            assert_eq!(bundle.is_complete(folder.path()), complete, "{why}");
        }
        std::fs::remove_file(folder.path().join("program")).unwrap();
        assert!(!bundle.is_complete(folder.path()), "a program is gone");
    }

    #[test]
    fn a_launcher_runs_its_program_wherever_the_folder_is() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a b");
        std::fs::create_dir_all(root.join("usr/lib/x86_64-linux-gnu")).unwrap();
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        let program = root.join("usr/bin/program");
        std::fs::write(&program, "#!/bin/sh\necho \"$LD_LIBRARY_PATH $1\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        write_launcher(&root, "usr/bin/program").unwrap();
        let said = process::capture(Command::new(root.join("program")).arg("x y"), STEP_LIMIT).unwrap();
        assert_eq!(said.trim(), format!("{}/usr/lib/x86_64-linux-gnu x y", root.display()));
    }
}
