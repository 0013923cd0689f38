//! Takes the WASI interfaces over from the crate that ships them; or checks that they are unchanged.
//!
//! Only the files that a world reaches are kept: the connector's in `wit/deps`; beside them what the service around it reaches. The
//! rest of each package names others (files, sockets) that neither has any business with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{files, process};

/// The crate that carries the WIT files of WASI 0.2.0.
const CRATE: &str = "wasi";

/// Its version; the part after `+` is WASI's own.
const VERSION: &str = "0.12.1+wasi-0.2.0";

/// One crate of 140 kB.
const FETCH_LIMIT: Duration = Duration::from_secs(120);

/// Copies in one folder.
struct Copies {
    folder: &'static str,
    /// What is kept: folder, package, files.
    kept: &'static [(&'static str, &'static str, &'static [&'static str])],
}

const COPIES: [Copies; 2] = [
    Copies {
        folder: "wit/deps",
        kept: &[
            ("clocks", "wasi:clocks@0.2.0", &["monotonic-clock.wit"]),
            ("http", "wasi:http@0.2.0", &["handler.wit", "types.wit"]),
            ("io", "wasi:io@0.2.0", &["error.wit", "poll.wit", "streams.wit"]),
        ],
    },
    Copies {
        folder: "component/service/wit/deps",
        kept: &[("cli", "wasi:cli@0.2.0", &["environment.wit", "stdio.wit"])],
    },
];

/// Outcome of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The copies are what the crate holds.
    Same,
    /// The crate could not be fetched.
    Offline,
}

/// Rewrites the copies.
pub(crate) fn vendor(root: &Path) -> Result<()> {
    let sources = fetch(root)?;
    for Copies { folder, kept } in COPIES {
        let wanted = wanted(&sources, kept)?;
        let deps = root.join(folder);
        for difference in differences(&wanted, &read(&deps)?) {
            println!("{folder}/{difference}");
        }
        for file in read(&deps)?.keys().filter(|file| !wanted.contains_key(*file)) {
            std::fs::remove_file(deps.join(file))?;
        }
        for (file, text) in &wanted {
            files::write_if_changed(&deps.join(file), text.as_bytes())?;
        }
        println!("{folder} holds {} files of {CRATE} {VERSION}", wanted.len());
    }
    Ok(())
}

/// Compares the copies with the crate; a difference is an error.
pub(crate) fn check(root: &Path) -> Result<Checked> {
    let Ok(sources) = fetch(root) else {
        return Ok(Checked::Offline);
    };
    for Copies { folder, kept } in COPIES {
        let differences = differences(&wanted(&sources, kept)?, &read(&root.join(folder))?);
        if !differences.is_empty() {
            let differences = differences.join(", ");
            bail!("{folder} is not what {CRATE} {VERSION} holds ({differences}): run `cargo xtask vendor-wit`");
        }
    }
    Ok(Checked::Same)
}

/// Has cargo fetch the crate, for a manifest of its own, and says where its WIT files are.
fn fetch(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/vendor-wit");
    let manifest = folder.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"vendor-wit\"\nedition = \"2024\"\n[workspace]\n[lib]\npath = \"lib.rs\"\n\
         [dependencies]\n{CRATE} = \"={}\"\n",
        VERSION.split('+').next().unwrap_or(VERSION)
    );
    files::write_if_changed(&manifest, text.as_bytes())?;
    files::write_if_changed(&folder.join("lib.rs"), b"")?;
    let ask = |offline: bool| {
        let mut cargo = process::cargo();
        cargo.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(&manifest);
        if offline {
            cargo.arg("--offline");
        }
        cargo.env("CARGO_NET_RETRY", "1").env("CARGO_HTTP_TIMEOUT", "20");
        process::capture(&mut cargo, FETCH_LIMIT)
    };
    // What cargo has fetched before needs no network.
    let metadata = ask(true).or_else(|_| ask(false)).with_context(|| format!("cannot fetch {CRATE} {VERSION}"))?;
    crate_folder(&metadata).map(|folder| folder.join("wit/deps"))
}

/// The folder of the crate's sources, in the output of `cargo metadata`.
fn crate_folder(metadata: &str) -> Result<PathBuf> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata did not write JSON")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("cargo metadata names no packages")?;
    let found = packages.iter().find(|package| {
        let is = |key: &str, value: &str| package.get(key).and_then(Value::as_str) == Some(value);
        is("name", CRATE) && is("version", VERSION)
    });
    let manifest = found.and_then(|package| package.get("manifest_path")).and_then(Value::as_str);
    let folder = manifest.and_then(|manifest| Path::new(manifest).parent());
    folder.map(Path::to_owned).with_context(|| format!("cargo metadata does not name {CRATE} {VERSION}"))
}

/// The files to keep, by path, as they are to be.
fn wanted(sources: &Path, kept: &[(&str, &str, &[&str])]) -> Result<BTreeMap<String, String>> {
    let mut wanted = BTreeMap::new();
    for (folder, package, names) in kept {
        let mut texts = BTreeMap::new();
        for name in *names {
            let path = sources.join(folder).join(name);
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            texts.insert(format!("{folder}/{name}"), text);
        }
        declare(package, &mut texts);
        wanted.append(&mut texts);
    }
    Ok(wanted)
}

/// Puts the package's declaration at the head of its last file, if no file that is kept has it.
fn declare(package: &str, texts: &mut BTreeMap<String, String>) {
    let declaration = format!("package {package};");
    if !texts.values().any(|text| text.contains(&declaration))
        && let Some(mut last) = texts.last_entry()
    {
        last.get_mut().insert_str(0, &format!("{declaration}\n\n"));
    }
}

/// All files below a folder, by path relative to it.
fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(folder) {
                let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                found.insert(name.to_string_lossy().replace('\\', "/"), text);
            }
        }
    }
    Ok(found)
}

/// The paths in which the two differ, each with how.
fn differences(wanted: &BTreeMap<String, String>, present: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in wanted {
        match present.get(file) {
            None => found.push(format!("{file} is missing")),
            Some(other) if other != text => found.push(format!("{file} differs")),
            Some(_) => {}
        }
    }
    found.extend(present.keys().filter(|file| !wanted.contains_key(*file)).map(|file| format!("{file} is not needed")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let wanted = texts(&[("io/a.wit", "a"), ("io/b.wit", "b"), ("io/c.wit", "c")]);
        let present = texts(&[("io/a.wit", "a"), ("io/b.wit", "B"), ("cli/d.wit", "d")]);
        assert_eq!(
            differences(&wanted, &present),
            ["io/b.wit differs", "io/c.wit is missing", "cli/d.wit is not needed"]
        );
        assert!(differences(&wanted, &wanted).is_empty());
    }

    #[test]
    fn a_package_is_declared_once() {
        let mut without = texts(&[("http/handler.wit", "interface a {}"), ("http/types.wit", "interface b {}")]);
        declare("wasi:http@0.2.0", &mut without);
        assert_eq!(without["http/types.wit"], "package wasi:http@0.2.0;\n\ninterface b {}");
        let once = without.clone();
        declare("wasi:http@0.2.0", &mut without);
        assert_eq!(without, once);
    }

    #[test]
    fn the_crate_is_found_by_name_and_version() {
        let metadata = format!(
            r#"{{"packages":[{{"name":"wasi","version":"0.11.0","manifest_path":"/old/Cargo.toml"}},
            {{"name":"wasi","version":"{VERSION}","manifest_path":"/new/Cargo.toml"}}]}}"#
        );
        assert_eq!(crate_folder(&metadata).unwrap(), Path::new("/new"));
        assert!(crate_folder(r#"{"packages":[]}"#).is_err());
    }
}
