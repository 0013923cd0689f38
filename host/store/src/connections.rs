//! The connections of a store. Names are unique among the connections of one connector.

use std::path::PathBuf;

use connector_host::{Origin, Secret, mentions};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde_json::{Map, Value};

use crate::activities;
use crate::database::Changed;
use crate::error::StoreError;
use crate::seal::Owner;
use crate::store::{Present, Store};
use crate::variables::{Stored, read_of_connection};

/// How the names of hidden variables begin that are made for secrets typed into settings. They go with their connection, and when
/// no setting mentions them any more.
pub const MADE_HERE: &str = "secret.";

/// Where a connection is kept, and in which revision it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub(crate) id: i64,
    revision: i64,
}

impl Kept {
    /// Counts the changes of the connection: whoever changes it says on which revision.
    pub fn revision(self) -> i64 {
        self.revision
    }
}

/// A connection's description.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Where it is kept; none until it is saved.
    pub kept: Option<Kept>,
    /// Name of the connector that serves it.
    pub connector: String,
    /// Its name: see [`check_name`].
    pub name: String,
    /// Origins that the operator grants beyond those that the connector asks for.
    pub grants: Vec<Origin>,
    /// Certificate authorities trusted besides the system's, a PEM file; relative to the store's folder.
    pub ca_file: Option<PathBuf>,
    /// The connector's settings.
    pub settings: Map<String, Value>,
}

impl Saved {
    /// A connection without settings.
    pub fn new(connector: impl Into<String>, name: impl Into<String>) -> Self {
        let (connector, name) = (connector.into(), name.into());
        Self { kept: None, connector, name, grants: Vec::new(), ca_file: None, settings: Map::new() }
    }

    /// Its name with that of the connector: means this one, whatever else there is.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.connector, self.name)
    }
}

/// What a caller calls a connection: `name`, or `connector:name` where several connectors have one of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The connector, if it is said.
    pub connector: Option<String>,
    /// The name.
    pub name: String,
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        match text.split_once(':') {
            Some((connector, name)) => Self { connector: Some(connector.to_owned()), name: name.to_owned() },
            None => Self { connector: None, name: text.to_owned() },
        }
    }
}

/// Something that is lost or stops working with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// What it is (`activity`, `hidden variable`).
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// Whether a connection can have this name: at most 128 characters, none of them `/`, `:`, a control character or invisible.
///
/// # Errors
/// The reason why it cannot.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        Err("the name is empty")
    } else if name.contains(['/', ':']) {
        Err("a name has no `/` and no `:`")
    } else if name.chars().any(char::is_control) {
        Err("a name has no control characters")
    } else if name.chars().any(is_invisible) {
        Err("a name has no invisible characters")
    } else if name.chars().count() > LONGEST_NAME {
        Err("a name has at most 128 characters")
    } else {
        Ok(())
    }
}

/// Longest name, in characters: names stand in tables, paths and the names of files.
const LONGEST_NAME: usize = 128;

/// Whether a character only steers how others are shown (Unicode's category Cf): two names that differ in it look the same.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

const COLUMNS: &str = "id, revision, connector, name, grants, ca_file, settings";

/// A row as it is in the file.
struct Raw {
    saved: Saved,
    grants: String,
    settings: String,
}

impl Raw {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut saved = Saved::new(row.get::<_, String>(2)?, row.get::<_, String>(3)?);
        saved.kept = Some(Kept { id: row.get(0)?, revision: row.get(1)? });
        saved.ca_file = row.get::<_, Option<String>>(5)?.map(PathBuf::from);
        Ok(Self { saved, grants: row.get(4)?, settings: row.get(6)? })
    }
}

impl Store {
    /// All connections, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn connections(&self) -> Result<Vec<Saved>, StoreError> {
        let rows = self.database.read(|connection| {
            let mut select =
                connection.prepare(&format!("SELECT {COLUMNS} FROM connection ORDER BY name, connector"))?;
            select.query_map([], Raw::read)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        rows.into_iter().map(|raw| self.parse(raw)).collect()
    }

    /// The names of all connections, without their connectors.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.database.read(|connection| {
            let mut select = connection.prepare("SELECT DISTINCT name FROM connection ORDER BY name")?;
            select.query_map([], |row| row.get(0))?.collect()
        })?)
    }

    /// One connection.
    ///
    /// # Errors
    /// [`StoreError::NoConnection`], [`StoreError::Ambiguous`].
    pub fn connection(&self, name: &Name) -> Result<Saved, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM connection WHERE name = ?1 AND connector = ifnull(?2, connector)");
        let mut rows = self.database.read(|connection| {
            let mut select = connection.prepare(&sql)?;
            select.query_map(params![name.name, name.connector], Raw::read)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        match (rows.pop(), rows.is_empty()) {
            (Some(raw), true) => self.parse(raw),
            (Some(last), false) => {
                let connectors = rows.into_iter().chain([last]).map(|raw| raw.saved.connector).collect();
                Err(StoreError::Ambiguous { name: name.name.clone(), connectors })
            }
            (None, _) => Err(StoreError::NoConnection(name.name.clone())),
        }
    }

    fn parse(&self, Raw { mut saved, grants, settings }: Raw) -> Result<Saved, StoreError> {
        let damaged = |what: &str, error: &dyn ToString| {
            self.damaged(format!("the connection `{}`", saved.name), format!("{what}: {}", error.to_string()))
        };
        let list: Vec<String> = serde_json::from_str(&grants).map_err(|e| damaged("its grants", &e))?;
        let grants = list.iter().map(|origin| origin.parse().map_err(|e| damaged("its grants", &e)));
        let grants = grants.collect::<Result<_, StoreError>>()?;
        let settings = serde_json::from_str(&settings).map_err(|e| damaged("its settings", &e))?;
        (saved.grants, saved.settings) = (grants, settings);
        Ok(saved)
    }

    /// Saves connections, each with the values of its own hidden variables that are new, all of them or none. What has no
    /// [`Saved::kept`] is new; the others are replaced, their names too.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::ChangedMeanwhile`], [`StoreError::Name`], [`StoreError::Key`].
    pub fn save(&self, all: &[(Saved, Vec<(String, Secret)>)]) -> Result<(), StoreError> {
        for (saved, _) in all {
            named(&saved.name)?;
        }
        let hidden = all.iter().any(|(_, secrets)| !secrets.is_empty());
        self.change_hidden(hidden, |transaction, present| {
            for (saved, secrets) in all {
                let id = write(transaction, saved)?;
                for (name, value) in secrets {
                    self.put_own(transaction, present, id, name, value)?;
                }
                drop_unmentioned(transaction, id, saved)?;
            }
            Ok(())
        })
    }

    /// Keeps the value of a connection's own hidden variable.
    fn put_own(
        &self,
        transaction: &Transaction<'_>,
        present: &Present,
        connection: i64,
        name: &str,
        value: &Secret,
    ) -> Result<(), Changed<StoreError>> {
        let owner = Owner { store: &self.id, connection: Some(connection), environment: "", name };
        let (sealed, key) = self.seal(transaction, present, owner, value)?;
        transaction.execute(
            "INSERT INTO variable (name, connection, environment, sealed, key) VALUES (?1, ?2, '', ?3, ?4)
             ON CONFLICT (name, ifnull(connection, 0), environment) DO UPDATE SET value = NULL, sealed = ?3, key = ?4",
            params![name, connection, sealed, key],
        )?;
        Ok(())
    }

    /// Gives a connection another name. Its own variables stay with it.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::NoConnection`], [`StoreError::Name`].
    pub fn rename(&self, saved: &Saved, name: &str) -> Result<(), StoreError> {
        named(name)?;
        self.change(|transaction| {
            taken(transaction, &saved.connector, name, None)?;
            let sql = "UPDATE connection SET name = ?1, revision = revision + 1 WHERE id = ?2";
            there(transaction.execute(sql, params![name, saved.kept.map(|kept| kept.id)])?, saved)
        })
    }

    /// Makes a second connection like this one, with copies of its own variables and its activities.
    ///
    /// # Errors
    /// As [`Store::rename`]; [`StoreError::Key`] if it has hidden variables and the key is not there.
    pub fn copy(&self, saved: &Saved, name: &str) -> Result<(), StoreError> {
        named(name)?;
        let from = saved.kept.map(|kept| kept.id);
        let hidden = self.database.read(|connection| read_of_connection(connection, from))?.iter().any(Stored::hidden);
        self.change_hidden(hidden, |transaction, present| {
            taken(transaction, &saved.connector, name, None)?;
            let sql = "INSERT INTO connection (connector, name, grants, ca_file, settings)
                       SELECT connector, ?1, grants, ca_file, settings FROM connection WHERE id = ?2";
            there(transaction.execute(sql, params![name, from])?, saved)?;
            let id = transaction.last_insert_rowid();
            for mut variable in read_of_connection(transaction, from)? {
                let value = self.reveal(&variable)?;
                variable.connection = Some(id);
                self.put(transaction, present, &variable, &value)?;
            }
            Ok(activities::copy(transaction, from, id)?)
        })
    }

    /// Forgets a connection, its own variables and its activities.
    ///
    /// # Errors
    /// [`StoreError::NoConnection`].
    pub fn delete(&self, saved: &Saved) -> Result<(), StoreError> {
        self.change(|transaction| {
            let sql = "DELETE FROM connection WHERE id = ?1";
            there(transaction.execute(sql, [saved.kept.map(|kept| kept.id)])?, saved)
        })
    }

    /// What is lost or stops working when a connection is deleted. Whatever else comes to belong to connections is asked here.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn dependents(&self, saved: &Saved) -> Result<Vec<Dependent>, StoreError> {
        let id = saved.kept.map(|kept| kept.id);
        let own = self.database.read(|connection| read_of_connection(connection, id))?;
        let activities = self.database.read(|connection| activities::names(connection, id))?;
        let dependent = |variable: &crate::variables::Stored| Dependent {
            kind: if variable.hidden() { "hidden variable" } else { "variable" },
            name: variable.name.clone(),
        };
        let activities = activities.into_iter().map(|name| Dependent { kind: "activity", name });
        Ok(activities.chain(own.iter().map(dependent)).collect())
    }
}

fn named(name: &str) -> Result<(), StoreError> {
    check_name(name).map_err(|reason| StoreError::Name { name: name.to_owned(), reason })
}

/// Refuses a name that another connection than `own` has.
fn taken(connection: &Connection, connector: &str, name: &str, own: Option<Kept>) -> Result<(), Changed<StoreError>> {
    let sql = "SELECT 1 FROM connection WHERE name = ?1 AND connector = ?2 AND id IS NOT ?3";
    match connection.query_row(sql, params![name, connector, own.map(|kept| kept.id)], |_| Ok(())).optional()? {
        Some(()) => Err(StoreError::Exists { connector: connector.to_owned(), name: name.to_owned() }.into()),
        None => Ok(()),
    }
}

fn there(rows: usize, saved: &Saved) -> Result<(), Changed<StoreError>> {
    if rows == 0 { Err(StoreError::NoConnection(saved.name.clone()).into()) } else { Ok(()) }
}

/// Writes a connection's row; returns its id.
fn write(transaction: &Transaction<'_>, saved: &Saved) -> Result<i64, Changed<StoreError>> {
    let grants: Vec<String> = saved.grants.iter().map(ToString::to_string).collect();
    let grants = Value::from(grants).to_string();
    let ca_file = saved.ca_file.as_ref().map(|path| path.to_string_lossy());
    let settings = Value::Object(saved.settings.clone()).to_string();
    taken(transaction, &saved.connector, &saved.name, saved.kept)?;
    let Some(kept) = saved.kept else {
        transaction.execute(
            "INSERT INTO connection (connector, name, grants, ca_file, settings) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![saved.connector, saved.name, grants, ca_file, settings],
        )?;
        return Ok(transaction.last_insert_rowid());
    };
    let rows = transaction.execute(
        "UPDATE connection SET name = ?1, grants = ?2, ca_file = ?3, settings = ?4, revision = revision + 1
         WHERE id = ?5 AND revision = ?6",
        params![saved.name, grants, ca_file, settings, kept.id, kept.revision],
    )?;
    if rows == 0 { Err(StoreError::ChangedMeanwhile(saved.name.clone()).into()) } else { Ok(kept.id) }
}

/// Forgets those variables made for typed secrets that the settings do not mention any more.
fn drop_unmentioned(transaction: &Transaction<'_>, id: i64, saved: &Saved) -> Result<(), Changed<StoreError>> {
    let mentioned = mentions(&Value::Object(saved.settings.clone()));
    for variable in read_of_connection(transaction, Some(id))? {
        if variable.name.starts_with(MADE_HERE) && mentioned.iter().all(|mention| mention.name != variable.name) {
            transaction.execute("DELETE FROM variable WHERE id = ?1", [variable.id])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_each_of_its_characters_is_seen() {
        for good in ["Laden Nord", "größe-ß", "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}", &"x".repeat(LONGEST_NAME)]
        {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in
            ["", " ", "a/b", "a:b", "a\nb", "a\u{200b}b", "a\u{202e}b", "\u{feff}a", &"x".repeat(LONGEST_NAME + 1)]
        {
            assert!(check_name(bad).is_err(), "{}", bad.escape_unicode());
        }
    }
}
