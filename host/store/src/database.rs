//! One file that several processes use at once and that survives a crash at any moment: SQLite, with a layout that has a version
//! and is brought up to date when the file is opened.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// How long a change waits for another process to finish its own.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a file holds, and how it came to that.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// What such a file is called in messages (`store of connections`).
    pub title: &'static str,
    /// Marks files of this kind, so that another program's file is never changed by mistake.
    pub application_id: i32,
    /// SQL that leads from each version to the next; the first one begins with an empty file. Never edit one that was released.
    pub migrations: &'static [&'static str],
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The file cannot be made or opened.
    #[error("cannot open the {title} {}", .path.display())]
    Open {
        /// What the file is.
        title: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no file of this kind.
    #[error("{} is not a {title}", .path.display())]
    Foreign {
        /// What the file should be.
        title: &'static str,
        /// Where it is.
        path: PathBuf,
    },
    /// A newer program has written it.
    #[error("the {title} {} has layout {found}, this program knows layouts up to {known}: use a newer program", .path.display())]
    Newer {
        /// What the file is.
        title: &'static str,
        /// Where it is.
        path: PathBuf,
        /// The file's layout.
        found: usize,
        /// The newest layout that this program knows.
        known: usize,
    },
    /// Reading or writing failed; nothing of the change was kept.
    #[error("the {title} {}: {source}", .path.display())]
    Sqlite {
        /// What the file is.
        title: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// An open file. Changes are transactions: all of one or nothing, on the disk when the call returns.
#[derive(Debug)]
pub struct Database {
    connection: Mutex<Connection>,
    path: PathBuf,
    title: &'static str,
}

impl Database {
    /// Opens a file, makes it if it is missing (for its owner only), and brings its layout up to date.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn open(path: &Path, layout: &Layout) -> Result<Self, DatabaseError> {
        let (title, path) = (layout.title, path.to_owned());
        let open = |source| DatabaseError::Open { title, path: path.clone(), source };
        make(&path).map_err(open)?;
        let sqlite = |source| match &source {
            rusqlite::Error::SqliteFailure(error, _) if error.code == rusqlite::ErrorCode::NotADatabase => {
                DatabaseError::Foreign { title, path: path.clone() }
            }
            _ => DatabaseError::Sqlite { title, path: path.clone(), source },
        };
        let mut connection = Connection::open(&path).map_err(sqlite)?;
        prepare(&connection).map_err(sqlite)?;
        let known = layout.migrations.len();
        match migrate(&mut connection, layout).map_err(sqlite)? {
            Found::Ours(found) if found > known => Err(DatabaseError::Newer { title, path, found, known }),
            Found::Ours(_) => Ok(Self { connection: Mutex::new(connection), path, title }),
            Found::Foreign => Err(DatabaseError::Foreign { title, path }),
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads.
    ///
    /// # Errors
    /// [`DatabaseError::Sqlite`].
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, DatabaseError> {
        read(&self.lock()).map_err(|source| self.failed(source))
    }

    /// Changes, all or nothing; waits for other processes to finish their changes first, so what it reads is still so when it
    /// writes. An error of the closure keeps nothing.
    ///
    /// # Errors
    /// Those of the closure, and [`DatabaseError::Sqlite`].
    pub fn change<T, E: From<DatabaseError>>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Changed<E>>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let failed = |source| E::from(self.failed(source));
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let done = match change(&transaction) {
            Ok(done) => done,
            Err(Changed::Sqlite(source)) => return Err(failed(source)),
            Err(Changed::Refused(error)) => return Err(error),
        };
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: rusqlite::Error) -> DatabaseError {
        DatabaseError::Sqlite { title: self.title, path: self.path.clone(), source }
    }
}

/// Why a change did not happen.
#[derive(Debug)]
pub enum Changed<E> {
    /// The file.
    Sqlite(rusqlite::Error),
    /// The caller decided against it.
    Refused(E),
}

impl<E> From<rusqlite::Error> for Changed<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Makes the file if it is missing. SQLite gives the files that it lays beside it the same rights.
fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    // Readers and one writer side by side; what is committed is on the disk.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten, and not only marked as free.
    connection.pragma_update(None, "secure_delete", true)
}

enum Found {
    Ours(usize),
    Foreign,
}

fn migrate(connection: &mut Connection, layout: &Layout) -> rusqlite::Result<Found> {
    let number =
        |connection: &Connection, name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let at = |connection: &Connection| {
        number(connection, "user_version").map(|at| usize::try_from(at).unwrap_or(usize::MAX))
    };
    let own =
        |connection: &Connection| number(connection, "application_id").map(|id| id == i64::from(layout.application_id));
    if own(connection)? && at(connection)? >= layout.migrations.len() {
        return at(connection).map(Found::Ours);
    }
    // Looked at again within the transaction: another process may have been faster.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let empty = transaction.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get::<_, bool>(0))?;
    if !own(&transaction)? && !empty {
        return Ok(Found::Foreign);
    }
    let before = at(&transaction)?;
    for migration in layout.migrations.iter().skip(before) {
        transaction.execute_batch(migration)?;
    }
    let now = before.max(layout.migrations.len());
    transaction.pragma_update(None, "application_id", layout.application_id)?;
    transaction.pragma_update(None, "user_version", i64::try_from(now).unwrap_or(i64::MAX))?;
    transaction.commit()?;
    Ok(Found::Ours(now))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FIRST: Layout = Layout {
        title: "store of numbers",
        application_id: 0x1234,
        migrations: &["CREATE TABLE numbers (value INTEGER NOT NULL)"],
    };
    const SECOND: Layout = Layout {
        migrations: &[FIRST.migrations[0], "ALTER TABLE numbers ADD COLUMN name TEXT NOT NULL DEFAULT 'none'"],
        ..FIRST
    };

    fn insert(database: &Database, number: i64) -> Result<(), DatabaseError> {
        database.change(|transaction| {
            transaction.execute("INSERT INTO numbers (value) VALUES (?1)", [number])?;
            if number < 0 { Err(Changed::Sqlite(rusqlite::Error::InvalidQuery)) } else { Ok(()) }
        })
    }

    fn count(database: &Database) -> i64 {
        database.read(|connection| connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0))).unwrap()
    }

    #[test]
    fn a_change_is_kept_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("a.db"), &FIRST).unwrap();
        insert(&database, 1).unwrap();
        insert(&database, -1).unwrap_err();
        assert_eq!(count(&database), 1);
    }

    #[test]
    fn an_older_layout_is_brought_up_to_date_with_what_it_holds_and_a_newer_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        insert(&Database::open(&path, &FIRST).unwrap(), 1).unwrap();
        let second = Database::open(&path, &SECOND).unwrap();
        assert_eq!(count(&second), 1);
        let error = Database::open(&path, &FIRST).unwrap_err();
        assert!(matches!(error, DatabaseError::Newer { found: 2, known: 1, .. }), "{error}");
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, "some text that is longer than the header of a database. ".repeat(20)).unwrap();
        let before = std::fs::read(&text).unwrap();
        assert!(matches!(Database::open(&text, &FIRST), Err(DatabaseError::Foreign { .. })));
        assert_eq!(std::fs::read(&text).unwrap(), before);
        let other = folder.path().join("other.db");
        drop(Database::open(&other, &Layout { application_id: 1, ..FIRST }).unwrap());
        assert!(matches!(Database::open(&other, &FIRST), Err(DatabaseError::Foreign { .. })));
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let database = Database::open(path, &SECOND).unwrap();
                    (0..10).for_each(|number| insert(&database, thread * 10 + number).unwrap());
                });
            }
        });
        assert_eq!(count(&Database::open(&path, &SECOND).unwrap()), 80);
    }
}
