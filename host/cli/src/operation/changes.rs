//! Changes of operations: one at a time, across processes, so that whoever changes one changes what was looked at.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item};

use super::files::{Saved, load, names};
use super::model::{check_name, file_of};
use crate::error::{Failure, Result};
use crate::files::{Access, replace};
use crate::project::Project;
use crate::toml_file::from_json;

/// For another change to end: it takes milliseconds.
const WAIT: Duration = Duration::from_secs(10);
/// How often to look.
const LOOK: Duration = Duration::from_millis(5);

/// The operations of a project, which nobody else changes meanwhile. People who edit the files are not held up.
pub(crate) struct Changes<'a> {
    project: &'a Project,
    _lock: File,
}

impl<'a> Changes<'a> {
    /// Waits until nobody else is at it. Blocks.
    ///
    /// # Errors
    /// Somebody holds the lock for ten seconds; the folder cannot be made or written.
    pub(crate) fn begin(project: &'a Project) -> Result<Self, Failure> {
        let folder = project.resolve(Path::new("operations"));
        let failed = |e: &std::io::Error| {
            Failure::new(format!("cannot write into the folder `{}`", folder.display())).causes_of(e)
        };
        std::fs::create_dir_all(&folder).map_err(|e| failed(&e))?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join(".lock"));
        let lock = lock.map_err(|e| failed(&e))?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { project, _lock: lock }),
                Err(TryLockError::Error(e)) => return Err(failed(&e)),
                Err(TryLockError::WouldBlock) if began.elapsed() > WAIT => {
                    let failure = Failure::new("another process has been changing operations for ten seconds");
                    return Err(failure.hint("try it again").with("kind", "conflict"));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            }
        }
    }

    /// Makes an operation, or replaces the one that has this revision; under another name, if one is given.
    ///
    /// # Errors
    /// There is none, or it has another revision; the name is taken or none; the file cannot be written.
    pub(crate) fn put(
        &self,
        name: &str,
        revision: Option<&str>,
        new_name: &str,
        value: &Map<String, Value>,
    ) -> Result<Saved> {
        check_name(new_name)?;
        let is_there = names(self.project)?.iter().any(|one| one == name);
        if is_there || revision.is_some() {
            let before = load(self.project, name)?;
            if Some(before.revision.as_str()) != revision {
                let message = match revision {
                    Some(_) => format!("the operation `{name}` was changed meanwhile"),
                    None => format!("there is an operation `{name}` already"),
                };
                let failure = Failure::new(message).hint("look at it, and change it again with its `revision`");
                return Err(failure.with("kind", "conflict").into());
            }
        }
        if new_name != name {
            self.check_free(new_name)?;
        }
        if !is_there {
            return self.write(new_name, value);
        }
        // Changed first, and then renamed: at no moment there are two.
        let changed = self.write(name, value)?;
        if new_name == name {
            return Ok(changed);
        }
        let (from, to) = (self.project.resolve(&file_of(name)), self.project.resolve(&file_of(new_name)));
        let failed = |e: &std::io::Error| Failure::new(format!("cannot rename `{}`", from.display())).causes_of(e);
        std::fs::rename(&from, &to).map_err(|e| failed(&e))?;
        load(self.project, new_name)
    }

    /// Makes a second operation like this one.
    ///
    /// # Errors
    /// There is none; the new name is taken or none; the file cannot be written.
    pub(crate) fn duplicate(&self, name: &str, new_name: &str) -> Result<Saved> {
        check_name(new_name)?;
        let saved = load(self.project, name)?;
        self.check_free(new_name)?;
        self.write(new_name, saved.value.as_object().unwrap_or(&Map::new()))
    }

    /// Deletes the file of an operation.
    ///
    /// # Errors
    /// There is none, or it cannot be deleted.
    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        load(self.project, name)?;
        let path = self.project.resolve(&file_of(name));
        let failed = |e: &std::io::Error| Failure::new(format!("cannot delete `{}`", path.display())).causes_of(e);
        Ok(std::fs::remove_file(&path).map_err(|e| failed(&e))?)
    }

    fn check_free(&self, name: &str) -> Result<(), Failure> {
        if names(self.project)?.iter().any(|one| one == name) {
            let failure = Failure::new(format!("there is an operation `{name}` already")).hint("choose another name");
            return Err(failure.with("kind", "conflict").with("pointer", "/name"));
        }
        Ok(())
    }

    /// Writes an operation as a file. Comments of the one before are lost.
    fn write(&self, name: &str, value: &Map<String, Value>) -> Result<Saved> {
        let mut document = DocumentMut::new();
        for (key, value) in value {
            let Some(value) = from_json(value) else { continue };
            // Sections stand under a header of their own.
            let item = match value {
                toml_edit::Value::InlineTable(table) => Item::Table(table.into_table()),
                other => Item::Value(other),
            };
            document.insert(key, item);
        }
        replace(&self.project.resolve(&file_of(name)), document.to_string().as_bytes(), Access::Usual)?;
        load(self.project, name)
    }
}
