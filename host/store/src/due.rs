//! The times at which operations are due, as far as somebody has seen to them. Several processes may want to: a time is claimed once, and
//! none before one that was claimed.

use rusqlite::{OptionalExtension as _, params};

use crate::error::StoreError;
use crate::store::Store;

/// The last time of an operation that somebody has seen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Seconds since 1970, UTC.
    pub due: i64,
    /// The last run that was started because it was due.
    pub run: Option<String>,
    /// The last time of which something has come, if that was no run, and why. A later one may be claimed already.
    pub not_run: Option<(i64, String)>,
}

impl Store {
    /// The last time of this operation that somebody has seen to.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn last_due(&self, operation: &str) -> Result<Option<Due>, StoreError> {
        let sql = "SELECT due, run, settled, note FROM due WHERE operation = ?1";
        let read = |row: &rusqlite::Row<'_>| {
            let not_run = row.get::<_, Option<i64>>(2)?.zip(row.get(3)?);
            Ok(Due { due: row.get(0)?, run: row.get(1)?, not_run })
        };
        Ok(self.database.read(|connection| connection.query_row(sql, [operation], read).optional())?)
    }

    /// Claims a time, in seconds since 1970. Of all processes that want it, one is answered `true`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn claim_due(&self, operation: &str, due: i64) -> Result<bool, StoreError> {
        let sql = "INSERT INTO due (operation, due) VALUES (?1, ?2)
            ON CONFLICT (operation) DO UPDATE SET due = excluded.due WHERE excluded.due > due.due";
        self.change(|transaction| Ok(transaction.execute(sql, params![operation, due])? == 1))
    }

    /// Keeps what came of a time, unless something has come of a later one: the run that was started, or why there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn note_due(&self, operation: &str, due: i64, came: Result<&str, &str>) -> Result<(), StoreError> {
        let sql = "UPDATE due SET settled = ?2, run = coalesce(?3, run), note = ?4
            WHERE operation = ?1 AND coalesce(settled, ?2) <= ?2";
        self.change(|transaction| {
            transaction.execute(sql, params![operation, due, came.ok(), came.err()])?;
            Ok(())
        })
    }
}
