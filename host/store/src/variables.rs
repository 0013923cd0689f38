//! The variables of a store: of the project or of one connection, for all environments or for one. The values of hidden ones are
//! encrypted.

use connector_host::Secret;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::connections::Kept;
use crate::database::Changed;
use crate::error::StoreError;
use crate::seal::Owner;
use crate::store::{Present, Store};

/// A variable to keep.
#[derive(Clone, Debug)]
pub struct NewVariable<'a> {
    /// Its name.
    pub name: &'a str,
    /// The connection that it belongs to; none for the project's.
    pub connection: Option<Kept>,
    /// The environment in which it has this value; none for all that have no value of their own.
    pub environment: Option<&'a str>,
    /// Whether the value must not be shown. One that is hidden already stays so.
    pub hidden: bool,
    /// What it is for; none leaves what is there.
    pub description: Option<&'a str>,
    /// The value.
    pub value: Secret,
}

/// A variable as it is kept.
#[derive(Clone, Debug)]
pub struct Stored {
    pub(crate) id: i64,
    /// Its name.
    pub name: String,
    pub(crate) connection: Option<i64>,
    /// The name of the connection that it belongs to, with its connector's; none for the project's.
    pub owner: Option<String>,
    environment: String,
    /// What it is for.
    pub description: Option<String>,
    value: Option<String>,
    pub(crate) sealed: Option<(Vec<u8>, String)>,
}

impl Stored {
    /// Whether the value must not be shown.
    pub fn hidden(&self) -> bool {
        self.sealed.is_some()
    }

    /// The environment in which it has this value; none for all.
    pub fn environment(&self) -> Option<&str> {
        Some(self.environment.as_str()).filter(|name| !name.is_empty())
    }

    /// The value, if it may be seen.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Whether it belongs to one connection.
    pub fn is_of_a_connection(&self) -> bool {
        self.connection.is_some()
    }
}

const SELECT: &str = "SELECT variable.id, variable.name, connection, environment, description, value, sealed, key,
    connection.connector || ':' || connection.name AS owner
    FROM variable LEFT JOIN connection ON connection.id = variable.connection";

fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let sealed = row.get::<_, Option<Vec<u8>>>(6)?.zip(row.get::<_, Option<String>>(7)?);
    Ok(Stored {
        id: row.get(0)?,
        name: row.get(1)?,
        connection: row.get(2)?,
        environment: row.get(3)?,
        description: row.get(4)?,
        value: row.get(5)?,
        sealed,
        owner: row.get(8)?,
    })
}

pub(crate) fn read_of_connection(connection: &Connection, id: Option<i64>) -> rusqlite::Result<Vec<Stored>> {
    let mut select = connection.prepare(&format!("{SELECT} WHERE connection = ?1 ORDER BY variable.name"))?;
    select.query_map([id], read)?.collect()
}

pub(crate) fn read_all(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    let mut select = connection.prepare(&format!("{SELECT} ORDER BY variable.name, owner, environment"))?;
    select.query_map([], read)?.collect()
}

/// Those of the project, and of this connection.
fn read_of_name(connection: &Connection, name: &str, of: Option<i64>) -> rusqlite::Result<Vec<Stored>> {
    let sql = format!("{SELECT} WHERE variable.name = ?1 AND ifnull(connection, 0) IN (0, ?2)");
    let mut select = connection.prepare(&sql)?;
    select.query_map(params![name, of], read)?.collect()
}

impl Store {
    /// Keeps a variable, in the place of the one that is there. One that is hidden from now on is hidden in all environments: what
    /// stood there as it is, is encrypted too, and overwritten.
    ///
    /// # Errors
    /// [`StoreError::Key`] if it is hidden and there is no key.
    pub fn set(&self, new: &NewVariable<'_>) -> Result<(), StoreError> {
        let (connection, environment) = (new.connection.map(|kept| kept.id), new.environment.unwrap_or_default());
        let of = |all: rusqlite::Result<Vec<Stored>>| {
            all.map(|all| all.into_iter().filter(|one| one.connection == connection).collect::<Vec<_>>())
        };
        let there = self.database.read(|c| of(read_of_name(c, new.name, connection)))?;
        let hidden = new.hidden || there.iter().any(Stored::hidden);
        let exposed = self.change_hidden(hidden, |transaction, present| {
            let there = of(read_of_name(transaction, new.name, connection))?;
            // Hidden in one environment, hidden in all: the same secret under another roof.
            let hidden = new.hidden || there.iter().any(Stored::hidden);
            let mut exposed = false;
            for mut one in there.into_iter().filter(|one| hidden && !one.hidden()) {
                let value = Secret::new(one.value.take().unwrap_or_default());
                one.sealed = Some(Default::default());
                self.put(transaction, present, &one, &value)?;
                exposed = true;
            }
            let variable = Stored {
                id: 0,
                name: new.name.to_owned(),
                connection,
                owner: None,
                environment: environment.to_owned(),
                description: new.description.map(str::to_owned),
                value: None,
                sealed: hidden.then(Default::default),
            };
            self.put(transaction, present, &variable, &new.value)?;
            Ok(exposed)
        })?;
        if exposed { Ok(self.database.settle()?) } else { Ok(()) }
    }

    /// Writes a row with this value, encrypted anew if the variable is hidden.
    pub(crate) fn put(
        &self,
        transaction: &Transaction<'_>,
        present: &Present,
        variable: &Stored,
        value: &Secret,
    ) -> Result<(), Changed<StoreError>> {
        let Stored { name, connection, environment, description, .. } = variable;
        let (plain, sealed, key) = if variable.hidden() {
            let owner = Owner { store: &self.id, connection: *connection, environment, name };
            let (sealed, key) = self.seal(transaction, present, owner, value)?;
            (None, Some(sealed), Some(key))
        } else {
            (Some(value.reveal()), None, None)
        };
        transaction.execute(
            "INSERT INTO variable (name, connection, environment, description, value, sealed, key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (name, ifnull(connection, 0), environment) DO UPDATE
             SET description = ifnull(?4, description), value = ?5, sealed = ?6, key = ?7",
            params![name, connection, environment, description, plain, sealed, key],
        )?;
        Ok(())
    }

    /// Forgets a variable's value for one environment, or that for all. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn unset(&self, name: &str, connection: Option<Kept>, environment: Option<&str>) -> Result<bool, StoreError> {
        self.change(|transaction| {
            let sql =
                "DELETE FROM variable WHERE name = ?1 AND ifnull(connection, 0) = ifnull(?2, 0) AND environment = ?3";
            let of = connection.map(|kept| kept.id);
            Ok(transaction.execute(sql, params![name, of, environment.unwrap_or_default()])? > 0)
        })
    }

    /// What is kept under a name: the project's values, and those of a connection if one is named. At most one per environment
    /// and owner.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn stored(&self, name: &str, connection: Option<Kept>) -> Result<Vec<Stored>, StoreError> {
        let of = connection.map(|kept| kept.id);
        Ok(self.database.read(|connection| read_of_name(connection, name, of))?)
    }

    /// Every variable, of the project and of all connections.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn variables(&self) -> Result<Vec<Stored>, StoreError> {
        Ok(self.database.read(read_all)?)
    }

    /// Whether some variable has a value for this environment.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn has_environment(&self, name: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM variable WHERE environment = ?1 LIMIT 1";
        Ok(self.database.read(|connection| Ok(connection.query_row(sql, [name], |_| Ok(())).optional()?.is_some()))?)
    }
}
