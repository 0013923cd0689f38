//! Files that are replaced as a whole: what is new is written beside the old file, synced and renamed, so that a killed process
//! leaves the old file or the new one. A link stays a link, to the new file; what is no file (a device, a pipe) is refused.
//!
//! Whoever could read the old file can read the new one, and nobody else. What a killed process left beside it is removed by
//! the next one that replaces the same file: whoever is at work holds a lock on the temporary file.
//!
//! And files that are read as a whole: never more of them than they may have.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::error::Failure;

/// How the names of temporary files end.
const UNFINISHED: &str = ".unfinished";
/// A new temporary file has its lock by then.
const LOCKED_AFTER: Duration = Duration::from_secs(1);

/// Largest file that people write (settings, variables, programs, certificates), in bytes.
pub(crate) const LARGEST_TEXT: u64 = 16 << 20;

/// Reads a file of at most so many bytes.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let reason = format!("it has more than {} MiB", most >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

/// Reads a text of at most [`LARGEST_TEXT`].
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path, LARGEST_TEXT)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

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
    Failure::new(format!("cannot write `{}`", path.display())).causes_of(error).with("kind", "storage")
}

/// Where a file is replaced that has this path: behind its links.
///
/// # Errors
/// Something is there that is no file: a rename would put one in its place.
pub(crate) fn behind_links(path: &Path) -> Result<PathBuf, Failure> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => std::fs::canonicalize(path).map_err(|e| not_written(path, &e)),
        Ok(metadata) if metadata.is_dir() => {
            Err(Failure::new(format!("cannot write `{}`", path.display())).cause("it is a folder"))
        }
        Ok(_) => Err(Failure::new(format!("cannot write `{}`", path.display()))
            .cause("it is no file, and would be replaced by one")
            .hint("what goes to stdout can be led there: `> PATH`")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // A link may lead to a file that is not there yet. Links that go round are another error.
            let mut end = path.to_owned();
            while let Ok(next) = std::fs::read_link(&end) {
                end = folder_of(&end).join(next);
            }
            Ok(end)
        }
        Err(e) => Err(not_written(path, &e)),
    }
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
    let path = &behind_links(path)?;
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
    let path = &behind_links(path)?;
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_to_the_file_that_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("kept")).unwrap();
        let (link, file) = (folder.path().join("link"), folder.path().join("kept/out.ndjson"));
        std::os::unix::fs::symlink("second", &link).unwrap();
        std::os::unix::fs::symlink("kept/out.ndjson", folder.path().join("second")).unwrap();
        for content in ["made", "replaced"] {
            replace(&link, content.as_bytes(), Access::Usual).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), content);
            assert!(link.is_symlink());
        }
        assert_eq!((names(folder.path()).len(), names(&folder.path().join("kept")).len()), (3, 1));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_left_as_it_is() {
        use std::os::unix::fs::FileTypeExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink("pipe", &link).unwrap();
        for path in [pipe.as_path(), &link, folder.path()] {
            let failure = replace(path, b"new", Access::Usual).unwrap_err();
            assert!(failure.message.contains("cannot write"), "{failure:?}");
        }
        assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo() && link.is_symlink());
        assert_eq!(names(folder.path()), ["link", "pipe"]);
    }

    #[test]
    fn no_more_of_a_file_is_read_than_it_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        // Without a byte on the disk.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read_text(&path).unwrap_err().to_string(), "it has more than 16 MiB");
        File::create(&path).unwrap().set_len(LARGEST_TEXT).unwrap();
        assert_eq!(read_text(&path).unwrap().len() as u64, LARGEST_TEXT);
    }
}
