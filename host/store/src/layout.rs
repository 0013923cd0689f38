//! The tables of a store, and how they came to be what they are.

use crate::database::Layout;

/// A store of connections and variables.
pub(crate) const LAYOUT: Layout =
    Layout { title: "store of connections", application_id: 0x636f_6e6e, migrations: &[FIRST] };

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
