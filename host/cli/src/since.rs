//! The state file of `query --since`: where the last complete read ended, and how far one that was interrupted had come.
//!
//! It is replaced as a whole, and only after the records that it speaks of are out: a crash in between delivers them again
//! rather than never. It holds no secret. Two queries with one state would take each other's changes away, so whoever reads it
//! holds the lock on `.NAME.lock` beside it; to make that file also proves that the state can be written in the end.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::files::{Access, neighbour, replace};

/// A state file.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    saved: Saved,
    /// None for a look at the file that changes nothing.
    _lock: Option<Lock>,
}

/// The right to change a state file, as long as this lives.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

/// Its content.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    connection: String,
    object: String,
    /// What the connector gave at the end of the last complete read; empty before the first.
    state: String,
    /// Where the read under way goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

impl StateFile {
    /// Reads the file, and keeps others from it; one that does not exist stands for the time before the first read.
    ///
    /// # Errors
    /// It cannot be read, will not be writable, is in use, or belongs to another connection or object.
    pub(crate) fn open(path: &Path, connection: &str, object: &str) -> Result<Self, Failure> {
        let lock = Lock::take(path)?;
        Ok(Self { _lock: Some(lock), ..Self::look(path, connection, object)? })
    }

    /// Reads the file, without any intention to change it.
    ///
    /// # Errors
    /// It cannot be read, or belongs to another connection or object.
    pub(crate) fn look(path: &Path, connection: &str, object: &str) -> Result<Self, Failure> {
        let what = || format!("cannot use the state file `{}`", path.display());
        let saved = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
                Failure::new(what())
                    .causes_of(&e)
                    .hint("without the file, everything is read anew and a new one is made")
            })?,
            Err(e) if e.kind() == ErrorKind::NotFound => Saved {
                connection: connection.to_owned(),
                object: object.to_owned(),
                state: String::new(),
                cursor: None,
            },
            Err(e) => return Err(Failure::new(what()).causes_of(&e)),
        };
        if saved.connection != connection || saved.object != object {
            let failure =
                Failure::new(format!("{}: it belongs to `{}` of `{}`", what(), saved.object, saved.connection));
            return Err(failure.hint("keep one state file per connection, object and filter"));
        }
        Ok(Self { path: path.to_owned(), saved, _lock: None })
    }

    /// The state to read from; empty before the first read.
    pub(crate) fn state(&self) -> &str {
        &self.saved.state
    }

    /// Where an interrupted read goes on.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.saved.cursor.as_deref()
    }

    /// Notes that everything before this cursor is out.
    pub(crate) fn reached(&mut self, cursor: &str) -> Result<(), Failure> {
        self.saved.cursor = Some(cursor.to_owned());
        self.write()
    }

    /// Forgets where an interrupted read goes on: the next one begins where the last complete one ended.
    pub(crate) fn forget_cursor(&mut self) {
        self.saved.cursor = None;
    }

    /// Notes that a read is out completely.
    pub(crate) fn complete(&mut self, state: String) -> Result<(), Failure> {
        self.saved.state = state;
        self.saved.cursor = None;
        self.write()
    }

    fn write(&self) -> Result<(), Failure> {
        let text = serde_json::to_vec(&self.saved)
            .map_err(|e| Failure::defect("the state cannot be written as JSON").causes_of(&e))?;
        replace(&self.path, &[text.as_slice(), b"\n"].concat(), Access::Usual)
    }
}

impl Lock {
    fn take(path: &Path) -> Result<Self, Failure> {
        let failed = |e: &io::Error| {
            Failure::new(format!("cannot use the state file `{}`: its folder is not writable", path.display()))
                .causes_of(e)
        };
        let name = neighbour(path, ".", ".lock");
        loop {
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&name)
                .map_err(|e| failed(&e))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.take(100).read_to_string(&mut holder);
                    let failure =
                        Failure::new(format!("the state file `{}` is in use by another query", path.display()));
                    return Err(match holder.trim() {
                        "" => failure,
                        holder => failure.cause(format!("process {holder} holds it")),
                    }
                    .hint("wait until it has ended, or keep a state file per query"));
                }
                // Not every file system has locks; there the state is as safe as it can be.
                Err(TryLockError::Error(_)) | Ok(()) => {}
            }
            // Its last holder may have removed it between our two steps: then others make a new one.
            if !is_still_there(&file, &name) {
                continue;
            }
            file.rewind().and_then(|()| file.set_len(0)).map_err(|e| failed(&e))?;
            writeln!(file, "{}", std::process::id()).map_err(|e| failed(&e))?;
            return Ok(Self { path: name, _file: file });
        }
    }
}

impl Drop for Lock {
    /// First the name, then the lock.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether the file that was opened is the one of this name.
fn is_still_there(file: &File, name: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        match (file.metadata(), std::fs::metadata(name)) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        name.exists()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_state_file_keeps_what_it_was_told_and_knows_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let mut file = StateFile::open(&path, "store", "orders").unwrap();
        assert_eq!((file.state(), file.cursor()), ("", None));
        assert!(!path.exists());
        file.reached("1.a").unwrap();
        drop(file);
        let mut file = StateFile::open(&path, "store", "orders").unwrap();
        assert_eq!((file.state(), file.cursor()), ("", Some("1.a")));
        file.complete("1.s".into()).unwrap();
        drop(file);
        let file = StateFile::open(&path, "store", "orders").unwrap();
        assert_eq!((file.state(), file.cursor()), ("1.s", None));
        drop(file);
        assert!(StateFile::open(&path, "store", "products").unwrap_err().message.contains("belongs to `orders`"));
        assert!(StateFile::open(&path, "other", "orders").is_err());
        std::fs::write(&path, "{").unwrap();
        assert!(StateFile::open(&path, "store", "orders").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn one_query_at_a_time_and_a_folder_that_cannot_be_written_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let first = StateFile::open(&path, "store", "orders").unwrap();
        let second = StateFile::open(&path, "store", "orders").unwrap_err();
        assert!(second.message.contains("in use"), "{second:?}");
        assert_eq!(second.causes, [format!("process {} holds it", std::process::id())]);
        assert!(StateFile::look(&path, "store", "orders").is_ok(), "a look takes no lock");
        drop(first);
        // What a killed process left is nobody's.
        std::fs::write(folder.path().join(".state.json.lock"), "99999999\n").unwrap();
        StateFile::open(&path, "store", "orders").unwrap();
        let nowhere = folder.path().join("missing/state.json");
        assert!(StateFile::open(&nowhere, "store", "orders").unwrap_err().message.contains("not writable"));
    }
}
