//! Files that are replaced as a whole: what is new is written beside the old file, synced and renamed, so that a killed process
//! leaves the old file or the new one.
//!
//! Whoever could read the old file can read the new one, and nobody else. What a killed process left beside it is removed by
//! the next one that replaces the same file: whoever is at work holds a lock on the temporary file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::error::Failure;

/// How the names of temporary files end.
const UNFINISHED: &str = ".unfinished";
/// A new temporary file has its lock by then.
const LOCKED_AFTER: Duration = Duration::from_secs(1);

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// As before; a new file as the process's umask says.
    Usual,
    /// The owner alone.
    Private,
}

/// Replaces a file by one with this content, at once or not at all.
pub(crate) fn replace(path: &Path, content: &[u8], access: Access) -> Result<(), Failure> {
    let mut file = beside(path, access)?;
    file.write_all(content).map_err(|e| not_written(path, &e))?;
    keep(file, path)
}

/// The failure to write a file.
pub(crate) fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write `{}`", path.display())).causes_of(error)
}

/// The folder in which a file is.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The path with this in front of the file's name and that behind it.
pub(crate) fn neighbour(path: &Path, before: &str, behind: &str) -> PathBuf {
    let mut name = OsString::from(before);
    name.push(path.file_name().unwrap_or_default());
    name.push(behind);
    path.with_file_name(name)
}

/// A temporary file in the folder of `path`, for those who may read `path`.
pub(crate) fn beside(path: &Path, access: Access) -> Result<NamedTempFile, Failure> {
    let folder = folder_of(path);
    let name = path.file_name().ok_or_else(|| Failure::new(format!("`{}` is no file name", path.display())))?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    remove_left_over(folder, &prefix);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(UNFINISHED);
    let failed =
        |e: &io::Error| Failure::new(format!("cannot write into the folder `{}`", folder.display())).causes_of(e);
    #[cfg(unix)]
    let file = {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;
        let old = std::fs::metadata(path).ok().map(|old| old.permissions().mode() & 0o777);
        let exact = if access == Access::Private { Some(0o600) } else { old };
        let file = builder
            .permissions(Permissions::from_mode(exact.unwrap_or(0o666)))
            .tempfile_in(folder)
            .map_err(|e| failed(&e))?;
        // The umask may have taken away what the old file had.
        if let Some(mode) = exact {
            file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(|e| failed(&e))?;
        }
        file
    };
    #[cfg(not(unix))]
    let file = {
        let _ = access;
        builder.tempfile_in(folder).map_err(|e| failed(&e))?
    };
    // Not every file system has locks; without them nothing is ever taken for left over.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Syncs a temporary file and gives it its name.
pub(crate) fn keep(file: NamedTempFile, path: &Path) -> Result<(), Failure> {
    file.as_file().sync_all().map_err(|e| not_written(path, &e))?;
    file.persist(path).map_err(|e| not_written(path, &e.error))?;
    // The rename itself is durable once the folder is synced; not every system can do that.
    if let Ok(folder) = File::open(folder_of(path)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Removes what processes that were killed left here: temporary files on which nobody holds a lock, and which are older than the
/// moment between making one and locking it. What cannot be removed does no harm.
fn remove_left_over(folder: &Path, prefix: &OsString) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let (name, prefix) = (name.as_encoded_bytes(), prefix.as_encoded_bytes());
        let random = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(UNFINISHED.as_bytes()));
        // A name with a dot in between belongs to another file: `.a.csv.X.unfinished` and `.a.X.unfinished`.
        if random.is_none_or(|random| random.is_empty() || random.contains(&b'.')) {
            continue;
        }
        let Ok(file) = File::options().write(true).open(entry.path()) else { continue };
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let old = modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > LOCKED_AFTER);
        if old && file.try_lock().is_ok() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Names of the files in a folder, sorted.
    pub(crate) fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_another_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        let mut other = beside(&path, Access::Usual).unwrap();
        let old = std::time::SystemTime::now() - Duration::from_secs(60);
        for name in [".out.ndjson.x1.unfinished", ".out.ndjson.b.x1.unfinished", "out.ndjson.x1.unfinished"] {
            File::create(folder.path().join(name)).unwrap().set_modified(old).unwrap();
        }
        other.as_file().set_modified(old).unwrap();
        let third = beside(&path, Access::Usual).unwrap();
        assert_eq!(names(folder.path()).len(), 4, "{:?}", names(folder.path()));
        drop(third);
        other.write_all(b"{}\n").unwrap();
        keep(other, &path).unwrap();
        assert_eq!(names(folder.path()), [".out.ndjson.b.x1.unfinished", "out.ndjson", "out.ndjson.x1.unfinished"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_replaced_is_for_the_same_readers_as_before() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connections.toml");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        for kept in [0o600, 0o640, 0o666] {
            std::fs::write(&path, "old").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(kept)).unwrap();
            replace(&path, b"new", Access::Usual).unwrap();
            assert_eq!(mode(), kept);
        }
        replace(&path, b"secret", Access::Private).unwrap();
        assert_eq!((mode(), std::fs::read_to_string(&path).unwrap().as_str()), (0o600, "secret"));
        assert_eq!(names(folder.path()), ["connections.toml"]);
    }
}
