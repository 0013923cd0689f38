//! `new`: writes the project of a connector that compiles and runs, with the contract and tests, for its author to change.
//!
//! The template is `component/template`, and its parts are built into the program: nothing is fetched.

use std::path::Path;

use serde_json::json;

use super::{print, print_json};
use crate::error::{Failure, Result};
use crate::files::not_written;
use crate::session::Session;

/// What the template calls the connector.
const PLACEHOLDER: &str = "my-connector";

/// Letters of the longest name.
const LONGEST: usize = 64;

macro_rules! template {
    ($($path:literal),* $(,)?) => { [$(($path, include_str!(concat!("../../../../component/template/", $path)))),*] };
}
macro_rules! contract {
    ($($path:literal),* $(,)?) => { [$(($path, include_str!(concat!("../../../../wit/", $path)))),*] };
}

/// The files of a project, in which the placeholder stands for the name.
const TEMPLATE: [(&str, &str); 7] =
    template!["Cargo.toml", "README.md", "gitignore", "src/guest.rs", "src/lib.rs", "src/notes.rs", "src/settings.rs",];

/// The contract, which goes into the folder `wit` as it is.
const CONTRACT: [(&str, &str); 10] = contract![
    "connector.wit",
    "host.wit",
    "types.wit",
    "world.wit",
    "deps/clocks/monotonic-clock.wit",
    "deps/http/handler.wit",
    "deps/http/types.wit",
    "deps/io/error.wit",
    "deps/io/poll.wit",
    "deps/io/streams.wit",
];

/// Writes the project into a new folder of the connector's name.
pub(super) fn run(session: &Session, name: &str) -> Result<()> {
    check(name)?;
    let folder = Path::new(name);
    // Made here and not before: a folder that is there already belongs to somebody.
    std::fs::create_dir(folder).map_err(|error| {
        let failure = Failure::new(format!("cannot make the folder `{name}`")).causes_of(&error);
        failure.hint("choose another name, or go to a folder that you may write")
    })?;
    for (path, text) in TEMPLATE {
        let path = if path == "gitignore" { ".gitignore" } else { path };
        write(&folder.join(path), &text.replace(PLACEHOLDER, name))?;
    }
    for (path, text) in CONTRACT {
        write(&folder.join("wit").join(path), text)?;
    }
    if session.global.json {
        return print_json(&json!({ "connector": name, "folder": name }));
    }
    print(&format!("The connector `{name}` is in the folder {name}. `cargo test` and `connector build` work there.\n"))
}

fn check(name: &str) -> Result<(), Failure> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(fits)
        && !name.ends_with('-')
        && name.len() <= LONGEST;
    if good {
        return Ok(());
    }
    let failure = Failure::new(format!("`{name}` cannot be the name of a connector"));
    Err(failure.hint(format!("it begins with a letter and has lower-case letters, digits and `-`, {LONGEST} at most")))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| std::fs::write(path, text)).map_err(|error| not_written(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files below a folder, with the paths that lead from it to them.
    fn files(folder: &Path, skipped: &[&str]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if !skipped.contains(&name.as_str()) {
                    found.push((name, std::fs::read_to_string(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_project_has_every_file_of_the_template_and_of_the_contract() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let own = |list: &[(&str, &str)]| {
            let mut list: Vec<_> = list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
            list.sort();
            list
        };
        assert_eq!(own(&TEMPLATE), files(&root.join("component/template"), &[]));
        assert_eq!(own(&CONTRACT), files(&root.join("wit"), &[]));
    }

    #[test]
    fn the_template_uses_the_bindings_that_this_program_can_encode() {
        let pinned = |manifest: &str| {
            let line = manifest.lines().find(|line| line.starts_with("wit-bindgen = ")).unwrap().to_owned();
            line.split('"').nth(1).unwrap().to_owned()
        };
        let workspace = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")).unwrap();
        let (_, manifest) = TEMPLATE.into_iter().find(|(path, _)| *path == "Cargo.toml").unwrap();
        assert_eq!(pinned(manifest), pinned(&workspace));
    }

    #[test]
    fn a_name_is_one_that_cargo_and_versions_take() {
        for good in ["acme", "acme-2", "a"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "Acme", "2acme", "acme-", "a/b", "../acme", "a b", "a_b", &"a".repeat(65)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
