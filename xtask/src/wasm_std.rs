//! Finds or fetches the standard library for `wasm32-unknown-unknown`, without root.
//!
//! Three ways, tried in this order: the toolchain has it; rustup can add it; Debian's packages hold a compiler and the library's
//! sources, which are unpacked below `target/` and compiled along with the guest (not every network that reaches package
//! registries reaches rustup's server). Nothing outside of `target/` and rustup's own folder is touched.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use connector_package::TARGET;

use crate::{debian, debian_rustc, process};

/// rustup fetches about 20 MB. Where its server is out of reach, waiting longer than this is a waste.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

/// Asking the compiler about itself.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// Ways to the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Route {
    /// The first that works.
    Auto,
    /// What the toolchain has; nothing is fetched.
    Installed,
    /// `rustup target add`.
    Rustup,
    /// Debian's packages, unpacked below `target/`.
    Debian,
}

/// A library that is ready for use.
#[derive(Debug)]
pub(crate) enum WasmStd {
    /// The toolchain's own.
    Installed,
    /// Sources that are compiled along, by the compiler that they belong to.
    FromSource {
        /// Wrapper around that compiler.
        rustc: PathBuf,
        /// Linker for wasm.
        linker: PathBuf,
        /// Folder of compiler and sources.
        folder: PathBuf,
    },
}

impl WasmStd {
    /// Sets up a `cargo build` for the target; `flags` are the compiler flags that the caller wants.
    pub(crate) fn configure(&self, cargo: &mut Command, flags: &[OsString]) {
        let mut flags = flags.to_vec();
        cargo.args(["--target", TARGET]);
        if let Self::FromSource { rustc, linker, folder } = self {
            let mut remap = OsString::from("--remap-path-prefix=");
            remap.push(folder);
            remap.push("=/rust");
            let mut link = OsString::from("-Clinker=");
            link.push(linker);
            flags.extend([remap, link, "-Clinker-flavor=wasm-ld".into()]);
            cargo.arg("-Zbuild-std=std,panic_abort");
            // The sources belong to a stable compiler, which builds its own library only when told that this is meant.
            cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
        }
        // The encoded form, because a folder's name may hold blanks.
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join(std::ffi::OsStr::new("\x1f"))).env_remove("RUSTFLAGS");
    }
}

/// Makes the library available by `route`, and says in one line on stderr how. `folder` is where Debian's packages go.
pub(crate) fn ensure(route: Route, folder: &Path) -> Result<WasmStd> {
    // One run at a time; a second one waits here and finds the work done.
    let lock_path = folder.with_extension("lock");
    if let Some(parent) = lock_path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    let lock = std::fs::File::create(&lock_path).with_context(|| format!("cannot write {}", lock_path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;

    let wants = |wanted| route == Route::Auto || route == wanted;
    if route != Route::Debian && installed() {
        eprintln!("wasm32 library: the toolchain has it");
        return Ok(WasmStd::Installed);
    }
    if wants(Route::Debian) && debian_rustc::is_complete(folder) {
        eprintln!("wasm32 library: compiled from {}", folder.display());
        return from_source(folder);
    }
    let mut tried = vec![format!("the toolchain has no {TARGET}")];
    if wants(Route::Rustup) {
        match add_with_rustup() {
            Ok(()) => {
                eprintln!("wasm32 library: added to the toolchain by `rustup target add {TARGET}`");
                return Ok(WasmStd::Installed);
            }
            Err(error) => tried.push(format!("{error}")),
        }
    }
    if wants(Route::Debian) {
        match debian::check_tools() {
            Ok(()) => {
                eprintln!("wasm32 library: fetching Debian's compiler and library sources into {}", folder.display());
                match debian_rustc::fetch(folder) {
                    Ok(()) => return from_source(folder),
                    Err(error) => tried.push(format!("{error:#}")),
                }
            }
            Err(error) => tried.push(format!("{error}")),
        }
    }
    bail!(
        "there is no standard library for {TARGET}: run `rustup target add {TARGET}` where rustup can download ({})",
        tried.join("; ")
    )
}

/// Whether the toolchain has the target's library: both crates, since rustup may have been stopped half-way.
fn installed() -> bool {
    let asked = process::capture(process::rustc().args(["--print", "target-libdir", "--target", TARGET]), ASK_LIMIT);
    asked.is_ok_and(|folder| {
        let names: Vec<String> = std::fs::read_dir(folder.trim())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        has_library(&names)
    })
}

fn has_library(names: &[String]) -> bool {
    ["libcore-", "libstd-"]
        .iter()
        .all(|part| names.iter().any(|name| name.starts_with(part) && name.ends_with(".rlib")))
}

fn add_with_rustup() -> Result<()> {
    if process::find("rustup").is_none() {
        bail!("there is no rustup");
    }
    let mut rustup = Command::new("rustup");
    // One retry: the default keeps a closed network waiting.
    rustup.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1");
    if process::capture(&mut rustup, RUSTUP_LIMIT).is_err() || !installed() {
        bail!("rustup could not add it");
    }
    Ok(())
}

fn from_source(folder: &Path) -> Result<WasmStd> {
    Ok(WasmStd::FromSource { rustc: debian_rustc::rustc(folder), linker: linker()?, folder: folder.to_owned() })
}

/// A linker for wasm: the one that comes with the toolchain, or LLVM's.
fn linker() -> Result<PathBuf> {
    let sysroot = process::capture(process::rustc().args(["--print", "sysroot"]), ASK_LIMIT)?;
    let version = process::capture(process::rustc().arg("-vV"), ASK_LIMIT)?;
    let host = host_triple(&version).context("`rustc -vV` names no host")?;
    let bundled = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/rust-lld");
    if bundled.is_file() {
        return Ok(bundled);
    }
    process::find("wasm-ld").with_context(|| format!("no linker for wasm: neither {} nor wasm-ld", bundled.display()))
}

fn host_triple(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("host: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_half_installed_library_does_not_count() {
        assert!(has_library(&names(&["libcore-1a.rlib", "libstd-2b.rlib", "liballoc-3c.rlib"])));
        assert!(!has_library(&names(&["libcore-1a.rlib", "libcore-1a.rmeta"])));
        assert!(!has_library(&names(&["libcore-1a.rlib", "libstd-2b.rmeta"])));
        assert!(!has_library(&[]));
    }

    #[test]
    fn the_host_triple_is_read_from_the_compiler() {
        assert_eq!(
            host_triple("rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n"),
            Some("x86_64-unknown-linux-gnu")
        );
        assert_eq!(host_triple("rustc 1.95.0"), None);
    }

    #[test]
    fn flags_survive_blanks_in_folder_names() {
        let std = WasmStd::FromSource { rustc: "/a b/rustc".into(), linker: "/a b/lld".into(), folder: "/a b".into() };
        let mut cargo = Command::new("cargo");
        std.configure(&mut cargo, &["-Ctarget-feature=+simd128".into()]);
        let flags =
            cargo.get_envs().find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS").and_then(|(_, value)| value).unwrap();
        let flags: Vec<&str> = flags.to_str().unwrap().split('\x1f').collect();
        assert_eq!(flags.first(), Some(&"-Ctarget-feature=+simd128"));
        assert!(flags.contains(&"-Clinker=/a b/lld"));
        assert!(process::line(&cargo).contains("-Zbuild-std"));
    }
}
