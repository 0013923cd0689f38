//! Where paths lead: through all links, also to what is not there yet. And the files that a project lives on, which nothing that is
//! exported may replace.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::Failure;
use crate::folders;
use crate::session::Session;

/// Links that lead to one file at most.
const MOST_LINKS: usize = 40;

/// The databases of a project. SQLite lays files beside them.
const DATABASES: [&str; 2] = ["connector.db", "versions.db"];
const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];
/// Its other files, and its folders.
const OTHERS: [&str; 5] = ["variables.toml", "agents.toml", "connectors", "operations", "runs"];

/// Where a path leads.
///
/// # Errors
/// Links that go round, or no current folder.
pub(crate) fn real(path: &Path) -> io::Result<PathBuf> {
    let parts = |path: &Path| -> Vec<OsString> {
        path.components().rev().map(|part| Component::as_os_str(part).to_owned()).collect()
    };
    let (mut real, mut links) = (PathBuf::new(), 0);
    let mut rest = parts(&std::path::absolute(path)?);
    while let Some(part) = rest.pop() {
        if part == ".." {
            real.pop();
        } else if part != "." {
            // What is absolute takes the place of what was before.
            let next = real.join(&part);
            match std::fs::read_link(&next) {
                Ok(to) if links < MOST_LINKS => {
                    links += 1;
                    rest.extend(parts(&to));
                }
                Ok(_) => return Err(io::Error::other("too many links lead on from there")),
                Err(_) => real = next,
            }
        }
    }
    Ok(real)
}

/// Whether two paths lead to one file. Where upper and lower case are the same to the system, it is asked.
pub(crate) fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let known = || Some(std::fs::canonicalize(one).ok()? == std::fs::canonicalize(other).ok()?);
    Ok(real(one)? == real(other)? || known() == Some(true))
}

/// The files that a project lives on: its databases, what people wrote for it, its versions, operations and runs, and its keys.
#[derive(Clone, Debug)]
pub(crate) struct OwnFiles(Vec<PathBuf>);

impl OwnFiles {
    pub(crate) fn of(session: &Session) -> Self {
        let databases = DATABASES.iter().flat_map(|name| BESIDE.iter().map(move |behind| format!("{name}{behind}")));
        let names = databases.chain(OTHERS.map(str::to_owned));
        let mut files: Vec<PathBuf> = names.map(|name| session.project.resolve(Path::new(&name))).collect();
        files.push(session.variables_file());
        files.extend(session.global.key_file.clone());
        files.extend(session.global.connector.clone());
        files.extend(folders::configuration().map(|folder| folder.join("keys")));
        Self(files)
    }

    /// With another one.
    pub(crate) fn with(mut self, file: Option<&Path>) -> Self {
        self.0.extend(file.map(Path::to_owned));
        self
    }

    /// Refuses a path that leads to one of them, or into a folder of them.
    pub(crate) fn refuse(&self, path: &Path) -> Result<(), Failure> {
        let failed = |e: &io::Error| Failure::new(format!("cannot follow `{}`", path.display())).causes_of(e);
        let place = folded(&real(path).map_err(|e| failed(&e))?);
        for own in &self.0 {
            if place.starts_with(folded(&real(own).map_err(|e| failed(&e))?)) {
                let failure = Failure::new(format!("`{}` is one of the project's own files", path.display()));
                return Err(failure.with("kind", "invalid-request"));
            }
        }
        Ok(())
    }
}

/// A path as this kind of system compares it.
fn folded(path: &Path) -> PathBuf {
    if cfg!(any(windows, target_os = "macos")) {
        PathBuf::from(OsStr::new(&path.to_string_lossy().to_lowercase()))
    } else {
        path.to_owned()
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_leads_through_all_links_also_to_what_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("a/b", root.join("short")).unwrap();
        symlink(root.join("short/../new.csv"), root.join("a/b/link")).unwrap();
        for (path, end) in [
            ("short/x.csv", "a/b/x.csv"),
            ("short/../x.csv", "a/x.csv"),
            ("a/./b/link", "a/new.csv"),
            ("none/../a/x", "a/x"),
            ("none/x", "none/x"),
        ] {
            assert_eq!(real(&root.join(path)).unwrap(), root.join(end), "{path}");
        }
        symlink("round", root.join("round")).unwrap();
        real(&root.join("round")).unwrap_err();
        assert!(same(&root.join("short/link"), &root.join("a/new.csv")).unwrap());
        assert!(!same(&root.join("short/link"), &root.join("new.csv")).unwrap());
    }
}
