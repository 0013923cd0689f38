//! The tables of a store, and how they came to be what they are.

use crate::database::Layout;

/// A store of connections and variables.
pub(crate) const LAYOUT: Layout =
    Layout { title: "store of connections", application_id: 0x636f_6e6e, migrations: &[FIRST, ACTIVITIES, DUE] };

// Ids are never used again (AUTOINCREMENT): a hidden value is bound to that of its connection, and must not fit a later one.
// A variable without a connection is the project's; one without an environment holds in all of them.
const FIRST: &str = "
CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    key TEXT
) STRICT;
INSERT INTO store (one, id) VALUES (1, lower(hex(randomblob(16))));

CREATE TABLE connection (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connector TEXT NOT NULL,
    name TEXT NOT NULL,
    grants TEXT NOT NULL,
    ca_file TEXT,
    settings TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    UNIQUE (name, connector)
) STRICT;

CREATE TABLE variable (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    connection INTEGER REFERENCES connection (id) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    description TEXT,
    value TEXT,
    sealed BLOB,
    key TEXT,
    CHECK ((value IS NULL) <> (sealed IS NULL)),
    CHECK ((key IS NULL) = (sealed IS NULL))
) STRICT;
CREATE UNIQUE INDEX variable_by_name ON variable (name, ifnull(connection, 0), environment);
CREATE INDEX variable_by_connection ON variable (connection);
";

// What an activity does is JSON: it has the members of its verb, and a new one needs no new column.
const ACTIVITIES: &str = "
CREATE TABLE activity (
    id INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    settings TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    UNIQUE (connection, name)
) STRICT;
";

// The last time at which an operation was due that somebody has seen to, in seconds since 1970: a later one is claimed by whoever
// puts it here. What came of it stands beside it, with the time that it came of: a later one may be claimed and not settled yet.
const DUE: &str = "
CREATE TABLE due (
    operation TEXT PRIMARY KEY,
    due INTEGER NOT NULL,
    settled INTEGER,
    run TEXT,
    note TEXT
) STRICT;
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{KeySources, Name, Store};

    #[test]
    fn a_store_of_the_first_layout_keeps_its_connections_and_gets_activities() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("connector.db");
        let first = Layout { migrations: &[FIRST], ..LAYOUT };
        let old = crate::Database::open(&path, &first).unwrap();
        old.change::<_, crate::DatabaseError>(|transaction| {
            let sql =
                "INSERT INTO connection (connector, name, grants, settings) VALUES ('fixed', 'a', '[]', '{\"n\":1}')";
            Ok(transaction.execute(sql, [])?)
        })
        .unwrap();
        drop(old);
        let store = Store::open(&path, KeySources::default()).unwrap();
        let saved = store.connection(&Name::from("a")).unwrap();
        assert_eq!(saved.settings["n"], 1);
        store.add_activity(&saved, "all", &serde_json::Map::new()).unwrap();
        assert_eq!(store.activities(&saved).unwrap().len(), 1);
    }
}
