//! Changes of operations: one at a time, across processes, so that whoever changes one changes what was looked at.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use toml_edit::{DocumentMut, Item, TableLike};

use super::files::{Saved, load, names};
use super::model::{check_name, file_of};
use crate::dependents::OPERATION;
use crate::error::{Failure, Result};
use crate::files::{Access, replace};
use crate::project::Project;
use crate::toml_file::{from_json, to_json};

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
            Failure::new(format!("cannot write into the folder `{}`", folder.display()))
                .causes_of(e)
                .with("kind", "storage")
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
    /// There is none, or it has another revision; the name is taken or none, or others run it after them under the one before; the file
    /// cannot be written.
    pub(crate) fn put(
        &self,
        name: &str,
        revision: Option<&str>,
        new_name: &str,
        value: &Map<String, Value>,
    ) -> Result<Saved> {
        check_name(new_name)?;
        let is_there = names(self.project)?.iter().any(|one| one == name);
        let before = if is_there || revision.is_some() { Some(load(self.project, name)?) } else { None };
        if let Some(before) = &before
            && Some(before.revision.as_str()) != revision
        {
            let message = match revision {
                Some(_) => format!("the operation `{name}` was changed meanwhile"),
                None => format!("there is an operation `{name}` already"),
            };
            let failure = Failure::new(message).hint("look at it, and change it again with its `revision`");
            return Err(failure.with("kind", "conflict").into());
        }
        if new_name != name {
            self.check_free(new_name)?;
        }
        if !is_there {
            return self.write(new_name, value, None);
        }
        if new_name != name {
            self.check_unnamed(name)?;
        }
        // Changed first, and then renamed: at no moment there are two.
        let changed = self.write(name, value, before.as_ref())?;
        if new_name == name {
            return Ok(changed);
        }
        let (from, to) = (self.project.resolve(&file_of(name)), self.project.resolve(&file_of(new_name)));
        let failed = |e: &std::io::Error| {
            Failure::new(format!("cannot rename `{}`", from.display())).causes_of(e).with("kind", "storage")
        };
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
        self.write(new_name, saved.value.as_object().unwrap_or(&Map::new()), Some(&saved))
    }

    /// Deletes the file of an operation.
    ///
    /// # Errors
    /// There is none, others run it after them, or it cannot be deleted.
    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        load(self.project, name)?;
        self.check_unnamed(name)?;
        let path = self.project.resolve(&file_of(name));
        let failed = |e: &std::io::Error| {
            Failure::new(format!("cannot delete `{}`", path.display())).causes_of(e).with("kind", "storage")
        };
        Ok(std::fs::remove_file(&path).map_err(|e| failed(&e))?)
    }

    /// Refuses to take an operation away from those that run it after them: they could not run any more.
    fn check_unnamed(&self, name: &str) -> Result<(), Failure> {
        let mut all = Vec::new();
        for other in names(self.project)?.into_iter().filter(|other| other != name) {
            // What cannot be read does not run as it is.
            let Ok(operation) = load(self.project, &other).and_then(|saved| saved.operation()) else { continue };
            if operation.next().any(|(_, next)| next == name) {
                all.push(other);
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        let message = format!("other operations run `{name}` after them: {}", all.join(", "));
        let failure = Failure::new(message).hint("take it out of their `after` first").with("kind", "conflict");
        let dependents: Vec<Value> = all.into_iter().map(|name| json!({ "kind": OPERATION, "name": name })).collect();
        Err(failure.with("dependents", dependents))
    }

    fn check_free(&self, name: &str) -> Result<(), Failure> {
        if names(self.project)?.iter().any(|one| one == name) {
            let failure = Failure::new(format!("there is an operation `{name}` already")).hint("choose another name");
            return Err(failure.with("kind", "conflict").with("pointer", "/name"));
        }
        Ok(())
    }

    /// Writes an operation as a file. What it says as the one before does stands as it stood there, comments included.
    fn write(&self, name: &str, value: &Map<String, Value>, before: Option<&Saved>) -> Result<Saved> {
        // What was read before is TOML.
        let mut document: DocumentMut = before.and_then(|saved| saved.text.parse().ok()).unwrap_or_default();
        merge(document.as_table_mut(), value, true);
        replace(&self.project.resolve(&file_of(name)), document.to_string().as_bytes(), Access::Usual)?;
        load(self.project, name)
    }
}

/// Makes a table say this, and touches nothing that says it already.
fn merge(table: &mut dyn TableLike, wanted: &Map<String, Value>, is_root: bool) {
    let gone: Vec<String> =
        table.iter().map(|(key, _)| key.to_owned()).filter(|key| !wanted.contains_key(key)).collect();
    for key in gone {
        table.remove(&key);
    }
    for (key, value) in wanted {
        let Some(new) = from_json(value) else {
            table.remove(key);
            continue;
        };
        match (table.get_mut(key), value) {
            (Some(Item::Value(old)), _) if to_json(old) == *value => {}
            (Some(old), Value::Object(members)) if old.is_table_like() => {
                if let Some(old) = old.as_table_like_mut() {
                    merge(old, members, false);
                }
            }
            (Some(Item::Value(old)), _) => {
                let decor = old.decor().clone();
                *old = new;
                *old.decor_mut() = decor;
            }
            _ => {
                // Sections stand under a header of their own.
                let item = match new {
                    toml_edit::Value::InlineTable(section) if is_root => Item::Table(section.into_table()),
                    other => Item::Value(other),
                };
                table.insert(key, item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::toml_file::TomlFile;

    fn merged(text: &str, wanted: &Value) -> String {
        let mut document: DocumentMut = text.parse().unwrap();
        merge(document.as_table_mut(), wanted.as_object().unwrap(), true);
        document.to_string()
    }

    const TEXT: &str = r#"# Who asked for it: sales.
description = "Prices" # weekly

[target] # the store
verb = 'update'
connection = "my-store" # the small one
object = "products"

# Small, since the store is slow.
[run]
batch_size = 10   # was 100
continue_on_error = true
"#;

    #[test]
    fn what_is_saved_again_keeps_its_comments_order_and_spelling() {
        let before = json!({
            "description": "Prices",
            "target": { "connection": "my-store", "object": "products", "verb": "update" },
            "run": { "batch_size": 10, "continue_on_error": true },
        });
        assert_eq!(merged(TEXT, &before), TEXT);
        let mut wanted = before;
        wanted["run"] = json!({ "batch_size": 20 });
        wanted["target"]["mode"] = json!("upsert");
        wanted["source"] = json!({ "file": "a.csv" });
        let after = merged(TEXT, &wanted);
        for kept in [
            "# Who asked for it: sales.\ndescription = \"Prices\" # weekly\n",
            "[target] # the store\nverb = 'update'\nconnection = \"my-store\" # the small one\n",
            "# Small, since the store is slow.\n[run]\nbatch_size = 20   # was 100\n",
            "[source]\nfile = \"a.csv\"\n",
        ] {
            assert!(after.contains(kept), "{kept:?} is missing:\n{after}");
        }
        assert!(!after.contains("continue_on_error"), "{after}");
        let file = TomlFile::parse(Path::new("a.toml"), after).unwrap();
        assert_eq!(Value::Object(file.json(file.root(), "", &mut BTreeMap::new())), wanted);
    }
}
