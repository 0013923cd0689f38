//! One file that several processes use at once and that survives a crash at any moment: SQLite, with a layout that has a version
//! and is brought up to date when the file is opened.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

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
    /// It can only be read here, and something was to be changed.
    #[error("the {title} {} can only be read here: {reason}", .path.display())]
    ReadOnly {
        /// What the file is.
        title: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// An older program has written it, and it cannot be brought up to date because it can only be read here.
    #[error("the {title} {} has layout {found}, which this program brings up to {known} where it may write the file", .path.display())]
    Older {
        /// What the file is.
        title: &'static str,
        /// Where it is.
        path: PathBuf,
        /// The file's layout.
        found: usize,
        /// The layout that this program reads.
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

impl DatabaseError {
    /// Whether the file, or something in its place, is not as this program left it.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Open { source, .. } => source.kind() == io::ErrorKind::IsADirectory,
            Self::Sqlite { source, .. } => {
                matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
            }
            _ => false,
        }
    }
}

/// An open file. Changes are transactions: all of one or nothing, on the disk when the call returns.
#[derive(Debug)]
pub struct Database {
    access: Access,
    path: PathBuf,
    title: &'static str,
}

/// What may be done with the file.
#[derive(Debug)]
enum Access {
    Full(Mutex<Connection>),
    /// Reading, because the system refuses more for this reason.
    Reading(String),
}

impl Database {
    /// Opens a file, makes it if it is missing (for its owner only), and brings its layout up to date. A file that is there and
    /// that the system does not let change can be read.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn open(path: &Path, layout: &Layout) -> Result<Self, DatabaseError> {
        let (title, path) = (layout.title, path.to_owned());
        let access = match make(&path) {
            Ok(()) => None,
            Err(error) if is_forbidden(&error) && path.exists() => Some(error.to_string()),
            Err(source) => return Err(DatabaseError::Open { title, path, source }),
        };
        let sqlite = |source| match &source {
            rusqlite::Error::SqliteFailure(error, _) if error.code == rusqlite::ErrorCode::NotADatabase => {
                DatabaseError::Foreign { title, path: path.clone() }
            }
            _ => DatabaseError::Sqlite { title, path: path.clone(), source },
        };
        let known = layout.migrations.len();
        let (found, access) = match access {
            None => open(&path, layout).map(|(found, connection)| (found, Access::Full(Mutex::new(connection)))),
            Some(reason) => {
                open_to_read(&path).and_then(|c| found(&c, layout)).map(|found| (found, Access::Reading(reason)))
            }
        }
        .map_err(sqlite)?;
        match found {
            Found::Foreign => Err(DatabaseError::Foreign { title, path }),
            Found::Ours(found) if found > known => Err(DatabaseError::Newer { title, path, found, known }),
            Found::Ours(found) if found < known => Err(DatabaseError::Older { title, path, found, known }),
            Found::Ours(_) => Ok(Self { access, path, title }),
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
        match &self.access {
            Access::Full(connection) => read(&lock(connection)),
            Access::Reading(_) => open_to_read(&self.path).and_then(|connection| read(&connection)),
        }
        .map_err(|source| self.failed(source))
    }

    /// Changes, all or nothing; waits for other processes to finish their changes first, so what it reads is still so when it
    /// writes. An error of the closure keeps nothing.
    ///
    /// # Errors
    /// Those of the closure, [`DatabaseError::Sqlite`], and [`DatabaseError::ReadOnly`].
    pub fn change<T, E: From<DatabaseError>>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Changed<E>>,
    ) -> Result<T, E> {
        let failed = |source| E::from(self.failed(source));
        let mut connection = lock(self.full()?);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let done = match change(&transaction) {
            Ok(done) => done,
            Err(Changed::Sqlite(source)) => return Err(failed(source)),
            Err(Changed::Refused(error)) => return Err(error),
        };
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    /// Leaves nothing of what was overwritten in the file that SQLite keeps beside this one for its last changes. Somebody who is
    /// reading may need it still: then it stays until the next change.
    ///
    /// # Errors
    /// [`DatabaseError::Sqlite`], [`DatabaseError::ReadOnly`].
    pub fn settle(&self) -> Result<(), DatabaseError> {
        let connection = lock(self.full()?);
        let settled = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        settled.map_err(|source| self.failed(source))
    }

    fn full(&self) -> Result<&Mutex<Connection>, DatabaseError> {
        match &self.access {
            Access::Full(connection) => Ok(connection),
            Access::Reading(reason) => {
                Err(DatabaseError::ReadOnly { title: self.title, path: self.path.clone(), reason: reason.clone() })
            }
        }
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

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Opens a file to change it. One of another program is looked at and left as it is, to the last byte.
fn open(path: &Path, layout: &Layout) -> rusqlite::Result<(Found, Connection)> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    // Else closing it would carry over what another program has left beside it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if let Found::Foreign = found(&connection, layout)? {
        return Ok((Found::Foreign, connection));
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    prepare(&connection)?;
    let found = migrate(&mut connection, layout)?;
    Ok((found, connection))
}

/// Opens a file to read it once. What others do meanwhile to a file that cannot be locked here is not seen by SQLite, so a
/// connection of this kind lives no longer than one look.
fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name
    };
    // SQLite reads a file of this kind together with its last changes, which lie beside it. Where there are none, it would make
    // the files for them, and cannot here.
    let changes = Path::new(&beside("-wal")).exists();
    let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let name = if changes {
        path.as_os_str().to_owned()
    } else {
        flags |= OpenFlags::SQLITE_OPEN_URI;
        immutable(path)
    };
    let connection = Connection::open_with_flags(Path::new(&name), flags)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// The address by which SQLite takes a file for one that nobody changes.
fn immutable(path: &Path) -> OsString {
    let mut address = OsString::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                address.push(char::from(*byte).to_string());
            }
            other => address.push(format!("%{other:02x}")),
        }
    }
    address.push("?immutable=1");
    address
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
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

/// What a file is. An empty one is ours, with layout 0.
fn found(connection: &Connection, layout: &Layout) -> rusqlite::Result<Found> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // In this order: another process makes the tables and gives the number in one transaction, perhaps between these two.
    let empty = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get::<_, bool>(0))?;
    let ours = number("application_id")? == i64::from(layout.application_id);
    if !ours && !empty {
        return Ok(Found::Foreign);
    }
    number("user_version").map(|at| Found::Ours(usize::try_from(at).unwrap_or(usize::MAX)))
}

fn migrate(connection: &mut Connection, layout: &Layout) -> rusqlite::Result<Found> {
    let known = layout.migrations.len();
    if let Found::Ours(before) = found(connection, layout)?
        && before >= known
    {
        return Ok(Found::Ours(before));
    }
    // Looked at again within the transaction: another process may have been faster.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Found::Ours(before) = found(&transaction, layout)? else { return Ok(Found::Foreign) };
    for migration in layout.migrations.iter().skip(before) {
        transaction.execute_batch(migration)?;
    }
    let now = before.max(known);
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
        for setting in ["", "PRAGMA journal_mode = wal;", "PRAGMA application_id = 7;"] {
            let foreign = Connection::open(&other).unwrap();
            foreign.execute_batch(&format!("{setting} CREATE TABLE t (x); INSERT INTO t VALUES (1)")).unwrap();
            // Closed as a program that is killed closes it: its last changes lie beside it.
            foreign.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
            drop(foreign);
            let before = std::fs::read(&other).unwrap();
            let refused = Database::open(&other, &FIRST);
            assert!(matches!(refused, Err(DatabaseError::Foreign { .. })), "{setting}: {refused:?}");
            assert_eq!(std::fs::read(&other).unwrap(), before, "{setting}");
            std::fs::remove_file(&other).unwrap();
            for ending in ["other.db-wal", "other.db-shm"] {
                let _ = std::fs::remove_file(folder.path().join(ending));
            }
        }
        drop(Database::open(&other, &Layout { application_id: 1, ..FIRST }).unwrap());
        assert!(matches!(Database::open(&other, &FIRST), Err(DatabaseError::Foreign { .. })));
    }

    #[test]
    fn what_cannot_be_changed_here_is_read_as_it_is_now_and_nothing_is_laid_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b?.db");
        insert(&Database::open(&path, &FIRST).unwrap(), 1).unwrap();
        let reading = Database { access: Access::Reading("no".to_owned()), path: path.clone(), title: FIRST.title };
        assert_eq!(count(&reading), 1);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = insert(&reading, 2).unwrap_err();
        assert!(matches!(error, DatabaseError::ReadOnly { .. }), "{error}");
        let elsewhere = Database::open(&path, &FIRST).unwrap();
        insert(&elsewhere, 3).unwrap();
        assert_eq!(count(&reading), 2, "what others have not yet carried over counts too");
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
