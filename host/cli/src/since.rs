//! The state file of `query --since`: where the last complete read ended, and how far one that was interrupted had come.
//!
//! It is replaced as a whole, and only after the records that it speaks of are out: a crash in between delivers them again
//! rather than never. It holds no secret.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::output;

/// A state file.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    saved: Saved,
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
    /// Reads the file; one that does not exist stands for the time before the first read.
    ///
    /// # Errors
    /// It cannot be read, or belongs to another connection or object.
    pub(crate) fn open(path: &Path, connection: &str, object: &str) -> Result<Self, Failure> {
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
        Ok(Self { path: path.to_owned(), saved })
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

    /// Notes that a read is out completely.
    pub(crate) fn complete(&mut self, state: String) -> Result<(), Failure> {
        self.saved.state = state;
        self.saved.cursor = None;
        self.write()
    }

    fn write(&self) -> Result<(), Failure> {
        let text = serde_json::to_vec(&self.saved)
            .map_err(|e| Failure::defect("the state cannot be written as JSON").causes_of(&e))?;
        output::replace(&self.path, &[text.as_slice(), b"\n"].concat())
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
        let mut file = StateFile::open(&path, "store", "orders").unwrap();
        assert_eq!((file.state(), file.cursor()), ("", Some("1.a")));
        file.complete("1.s".into()).unwrap();
        let file = StateFile::open(&path, "store", "orders").unwrap();
        assert_eq!((file.state(), file.cursor()), ("1.s", None));
        assert!(StateFile::open(&path, "store", "products").unwrap_err().message.contains("belongs to `orders`"));
        assert!(StateFile::open(&path, "other", "orders").is_err());
        std::fs::write(&path, "{").unwrap();
        assert!(StateFile::open(&path, "store", "orders").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
