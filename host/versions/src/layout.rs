//! The store of versions, `versions.db`: what is installed, what serves, where versions come from, whom the operator trusts.

use connector_store::Layout;

/// Its layout. Migrations are never edited once released.
pub(crate) const LAYOUT: Layout =
    Layout { title: "store of versions", application_id: 0x636f_7672, migrations: &[FIRST, SECOND, THIRD] };

/// `serving.digest` and `serving.before` are NULL where the version that the program brings along is meant; a connector without
/// a row was never switched. `serving.change` counts switches, so that who holds a version open can see that it is not the one.
const FIRST: &str = "
CREATE TABLE versions (
    digest TEXT PRIMARY KEY,
    connector TEXT NOT NULL,
    version TEXT NOT NULL,
    world TEXT NOT NULL,
    source TEXT NOT NULL,
    signatures TEXT NOT NULL,
    installed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX versions_of_a_connector ON versions (connector);
CREATE TABLE serving (
    connector TEXT PRIMARY KEY,
    digest TEXT REFERENCES versions,
    before TEXT REFERENCES versions,
    has_before INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    change INTEGER NOT NULL
) STRICT;
CREATE TABLE sources (
    position INTEGER PRIMARY KEY,
    place TEXT NOT NULL UNIQUE,
    connector TEXT,
    plain_http INTEGER NOT NULL,
    ca_file TEXT,
    credentials TEXT
) STRICT;
CREATE TABLE trusted_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    pem TEXT NOT NULL
) STRICT;
CREATE TABLE policy (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
";

/// Versions that no automatic update takes, installed or not.
const SECOND: &str = "
CREATE TABLE refused (
    connector TEXT NOT NULL,
    digest TEXT NOT NULL,
    version TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (connector, digest)
) STRICT;
";

/// `sources.signatures`: what signatures must be of versions that come from there; NULL where the project's policy holds.
const THIRD: &str = "ALTER TABLE sources ADD COLUMN signatures TEXT;";
