//! The activities of connections: what they are is the program's business, here they have names and go with their connection.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};

use crate::connections::{Kept, Saved, check_name};
use crate::database::Changed;
use crate::error::StoreError;
use crate::store::Store;

/// An activity as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedActivity {
    /// Its name, unique among those of its connection: as [`check_name`] has it.
    pub name: String,
    /// Counts its changes: whoever changes it says on which revision.
    pub revision: i64,
    /// What it does.
    pub settings: Map<String, Value>,
}

/// A row as it is in the file.
struct Raw {
    name: String,
    revision: i64,
    settings: String,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw { name: row.get(0)?, revision: row.get(1)?, settings: row.get(2)? })
}

impl Store {
    /// The activities of a connection, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn activities(&self, of: &Saved) -> Result<Vec<SavedActivity>, StoreError> {
        let rows = self.database.read(|connection| {
            let sql = "SELECT name, revision, settings FROM activity WHERE connection = ?1 ORDER BY name";
            connection.prepare(sql)?.query_map([id(of)], read)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        rows.into_iter().map(|raw| self.parse_activity(of, raw)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`StoreError::NoActivity`].
    pub fn activity(&self, of: &Saved, name: &str) -> Result<SavedActivity, StoreError> {
        let sql = "SELECT name, revision, settings FROM activity WHERE connection = ?1 AND name = ?2";
        let row = self.database.read(|connection| connection.query_row(sql, params![id(of), name], read).optional())?;
        row.map_or_else(|| Err(missing(of, name)), |raw| self.parse_activity(of, raw))
    }

    fn parse_activity(&self, of: &Saved, raw: Raw) -> Result<SavedActivity, StoreError> {
        let settings = serde_json::from_str(&raw.settings)
            .map_err(|error| self.damaged(format!("the activity `{}` of `{}`", raw.name, of.name), error))?;
        Ok(SavedActivity { name: raw.name, revision: raw.revision, settings })
    }

    /// Keeps a new activity.
    ///
    /// # Errors
    /// [`StoreError::ActivityExists`], [`StoreError::ActivityName`], [`StoreError::NoConnection`].
    pub fn add_activity(&self, of: &Saved, name: &str, settings: &Map<String, Value>) -> Result<(), StoreError> {
        named(name)?;
        let settings = Value::Object(settings.clone()).to_string();
        self.change(|transaction| {
            taken(transaction, of, name)?;
            let there = "SELECT 1 FROM connection WHERE id = ?1";
            if transaction.query_row(there, [id(of)], |_| Ok(())).optional()?.is_none() {
                return Err(StoreError::NoConnection(of.name.clone()).into());
            }
            let sql = "INSERT INTO activity (connection, name, settings) VALUES (?1, ?2, ?3)";
            transaction.execute(sql, params![id(of), name, settings])?;
            Ok(())
        })
    }

    /// Puts this in the place of an activity as it was read, perhaps under another name.
    ///
    /// # Errors
    /// [`StoreError::ActivityChanged`] if somebody else has changed or removed it since then, and those of
    /// [`Store::add_activity`].
    pub fn change_activity(
        &self,
        of: &Saved,
        before: &SavedActivity,
        name: &str,
        settings: &Map<String, Value>,
    ) -> Result<(), StoreError> {
        named(name)?;
        let settings = Value::Object(settings.clone()).to_string();
        self.change(|transaction| {
            if name != before.name {
                taken(transaction, of, name)?;
            }
            let sql = "UPDATE activity SET name = ?1, settings = ?2, revision = revision + 1
                       WHERE connection = ?3 AND name = ?4 AND revision = ?5";
            match transaction.execute(sql, params![name, settings, id(of), before.name, before.revision])? {
                0 => Err(StoreError::ActivityChanged(before.name.clone()).into()),
                _ => Ok(()),
            }
        })
    }

    /// Forgets an activity.
    ///
    /// # Errors
    /// [`StoreError::NoActivity`].
    pub fn delete_activity(&self, of: &Saved, name: &str) -> Result<(), StoreError> {
        self.change(|transaction| {
            let sql = "DELETE FROM activity WHERE connection = ?1 AND name = ?2";
            match transaction.execute(sql, params![id(of), name])? {
                0 => Err(missing(of, name).into()),
                _ => Ok(()),
            }
        })
    }
}

fn id(of: &Saved) -> Option<i64> {
    of.kept.map(|Kept { id, .. }| id)
}

fn named(name: &str) -> Result<(), StoreError> {
    check_name(name).map_err(|reason| StoreError::ActivityName { name: name.to_owned(), reason })
}

fn missing(of: &Saved, name: &str) -> StoreError {
    StoreError::NoActivity { connection: of.name.clone(), name: name.to_owned() }
}

fn taken(connection: &Connection, of: &Saved, name: &str) -> Result<(), Changed<StoreError>> {
    let sql = "SELECT 1 FROM activity WHERE connection = ?1 AND name = ?2";
    match connection.query_row(sql, params![id(of), name], |_| Ok(())).optional()? {
        Some(()) => Err(StoreError::ActivityExists { connection: of.name.clone(), name: name.to_owned() }.into()),
        None => Ok(()),
    }
}

/// Their names, for [`Store::dependents`].
pub(crate) fn names(connection: &Connection, of: Option<i64>) -> rusqlite::Result<Vec<String>> {
    let mut select = connection.prepare("SELECT name FROM activity WHERE connection = ?1 ORDER BY name")?;
    select.query_map([of], |row| row.get(0))?.collect()
}

/// Gives a connection copies of the activities of another one.
pub(crate) fn copy(connection: &Connection, from: Option<i64>, to: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO activity (connection, name, settings) SELECT ?2, name, settings FROM activity WHERE connection = ?1";
    connection.execute(sql, params![from, to]).map(drop)
}
