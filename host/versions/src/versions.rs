//! The versions of a project: installed, in use, one before, pinned. Every change is one transaction, on the disk when the call
//! returns; several processes may change them at once.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use connector_store::{Changed, Database};
use rusqlite::{OptionalExtension as _, Row, Transaction, named_params};
use semver::Version;

use crate::admission::{Checked, Ready};
use crate::digest::Digest;
use crate::error::{Refusal, VersionsError};
use crate::files::Files;
use crate::layout::LAYOUT;
use crate::policy::Demands;
use crate::refused::{Reason, accept, refuse};
use crate::signature::{Signed, Verdict, judge, united};

/// The file in the project's folder.
const FILE: &str = "versions.db";

/// An installed version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The connector's name.
    pub connector: String,
    /// What it says its version is.
    pub version: Version,
    /// What it is.
    pub digest: Digest,
    /// The world that it is built for: `ipaas:connector/connector@0.1.0`.
    pub world: String,
    /// Where it came from.
    pub source: String,
    /// The signatures that came with it.
    pub signatures: Vec<Signed>,
    /// When it was installed.
    pub installed_at: SystemTime,
}

impl Installed {
    /// For messages: `fixed 1.2.0 (sha256:9afedec5ad0e)`.
    pub fn title(&self) -> String {
        format!("{} {} ({})", self.connector, self.version, self.digest.short())
    }
}

/// What serves a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// The version in use; none: the one that the program brings along.
    pub version: Option<Installed>,
    /// What served before, to which a rollback leads.
    pub before: Option<Before>,
    /// Whether it stays until it is unpinned.
    pub pinned: bool,
    /// Grows with every switch.
    pub change: u64,
}

/// What served before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// The version that the program brings along.
    Bundled,
    /// An installed one.
    Installed(Installed),
}

/// How a version is put in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switch {
    /// Keeps it in use until [`Versions::unpin`].
    pub pin: bool,
    /// Only if nobody else has switched since [`Serving::change`] was this.
    pub since: Option<u64>,
    /// Whether nobody has asked for it: [`crate::AutoUpdate`] holds.
    pub unasked: bool,
}

/// What a switch does besides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How<'a> {
    /// Keeps what is switched to in use.
    pub pin: bool,
    /// Refuses what is switched away from.
    pub back: bool,
    /// Only if nobody else has switched since [`Serving::change`] was this.
    pub since: Option<u64>,
    /// Asks once more whether this version may serve, and whether it may unasked.
    pub admit: Option<(&'a Ready, bool)>,
}

/// A project's versions. Cheap to open; nothing is read before it is asked for.
#[derive(Debug)]
pub struct Versions {
    pub(crate) database: Database,
    pub(crate) files: Files,
    pub(crate) project: PathBuf,
}

impl Versions {
    /// Opens the project's store of versions, and makes it if it is missing.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn open(project: &Path) -> Result<Self, VersionsError> {
        let database = Database::open(&project.join(FILE), &LAYOUT)?;
        Ok(Self { database, files: Files::new(project), project: project.to_owned() })
    }

    /// The same, if there is one: a project without has installed nothing and has the policies that are the default.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn existing(project: &Path) -> Result<Option<Self>, VersionsError> {
        if project.join(FILE).exists() { Self::open(project).map(Some) } else { Ok(None) }
    }

    /// All installed versions: by connector, the newest first.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn list(&self) -> Result<Vec<Installed>, VersionsError> {
        let mut all = self.database.read(|connection| {
            let mut query = connection.prepare(&format!("SELECT {COLUMNS} FROM versions"))?;
            query.query_map([], installed)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        all.sort_by(|a, b| {
            a.connector.cmp(&b.connector).then(b.version.cmp(&a.version)).then(b.installed_at.cmp(&a.installed_at))
        });
        Ok(all)
    }

    /// The installed version of a connector that a text means: its version, its digest, or the beginning of its digest.
    ///
    /// # Errors
    /// [`VersionsError::NotInstalled`], [`VersionsError::Ambiguous`], [`VersionsError::Database`].
    pub fn find(&self, connector: &str, wanted: &str) -> Result<Installed, VersionsError> {
        let all: Vec<Installed> = self.list()?.into_iter().filter(|one| one.connector == connector).collect();
        let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        let fits =
            |one: &&Installed| one.version.to_string() == wanted || hex.len() >= 6 && one.digest.hex().starts_with(hex);
        let mut fitting = all.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => Ok(one.clone()),
            (None, _) => Err(VersionsError::NotInstalled {
                connector: connector.to_owned(),
                wanted: wanted.to_owned(),
                there: all.iter().map(|one| format!("{} ({})", one.version, one.digest.short())).collect(),
            }),
            (Some(_), Some(_)) => Err(VersionsError::Ambiguous {
                wanted: wanted.to_owned(),
                fitting: all.iter().filter(fits).map(|one| one.digest.to_string()).collect(),
            }),
        }
    }

    /// What serves a connector.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn serving(&self, connector: &str) -> Result<Serving, VersionsError> {
        Ok(self.database.read(|connection| {
            let of = |digest: Option<String>| match digest {
                None => Ok(None),
                Some(digest) => connection
                    .query_row(&format!("SELECT {COLUMNS} FROM versions WHERE digest = ?1"), [digest], installed)
                    .map(Some),
            };
            let row = connection
                .query_row(
                    "SELECT digest, before, has_before, pinned, change FROM serving WHERE connector = ?1",
                    [connector],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, bool>(2)?, row.get(3)?, row.get::<_, i64>(4)?)),
                )
                .optional()?;
            let Some((digest, before, has_before, pinned, change)) = row else { return Ok(Serving::default()) };
            let before = match (has_before, of(before)?) {
                (false, _) => None,
                (true, None) => Some(Before::Bundled),
                (true, Some(version)) => Some(Before::Installed(version)),
            };
            Ok(Serving { version: of(digest)?, before, pinned, change: u64::try_from(change).unwrap_or_default() })
        })?)
    }

    /// Every connector for which something was installed or switched, sorted.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn connectors(&self) -> Result<Vec<String>, VersionsError> {
        Ok(self.database.read(|connection| {
            let mut query =
                connection.prepare("SELECT connector FROM versions UNION SELECT connector FROM serving ORDER BY 1")?;
            query.query_map([], |row| row.get(0))?.collect()
        })?)
    }

    /// The bytes of an installed version. They have its digest.
    ///
    /// # Errors
    /// [`Refusal::Digest`] if the file was changed, [`Refusal::Unreadable`] if it is gone.
    pub fn bytes(&self, version: &Installed) -> Result<Vec<u8>, Refusal> {
        self.files.read(&version.digest)
    }

    /// What the signatures of a version are worth now.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn verdict(&self, version: &Installed) -> Result<Verdict, VersionsError> {
        Ok(judge(&version.digest, &version.signatures, &self.trusted_keys()?))
    }

    /// Keeps a checked version. Switches nothing. One that is there already gets the signatures that came with it now besides its
    /// own: the same bytes without a signature take none away.
    ///
    /// # Errors
    /// [`VersionsError::Write`], [`VersionsError::Database`].
    pub fn install(&self, checked: &Checked) -> Result<Installed, VersionsError> {
        let version = checked.version();
        let trusted = self.trusted_keys()?;
        let seconds = version.installed_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.database.change(|transaction| {
            self.files.write(&version.digest, &checked.described.wasm).map_err(Changed::Refused)?;
            self.sweep(transaction, Some(version.digest))?;
            let query = format!("SELECT {COLUMNS} FROM versions WHERE digest = ?1");
            let known = transaction.query_row(&query, [version.digest.to_string()], installed).optional()?;
            let known = known.map(|known| known.signatures).unwrap_or_default();
            let signatures = united(&version.digest, &version.signatures, &known, &trusted);
            let signatures = serde_json::to_string(&signatures).unwrap_or_default();
            transaction.execute(
                "INSERT INTO versions (digest, connector, version, world, source, signatures, installed_at)
                 VALUES (:digest, :connector, :version, :world, :source, :signatures, :installed_at)
                 ON CONFLICT (digest) DO UPDATE SET source = :source, signatures = :signatures",
                named_params! {
                    ":digest": version.digest.to_string(),
                    ":connector": version.connector,
                    ":version": version.version.to_string(),
                    ":world": version.world,
                    ":source": version.source,
                    ":signatures": signatures,
                    ":installed_at": i64::try_from(seconds).unwrap_or(i64::MAX),
                },
            )?;
            Ok(transaction.query_row(&query, [version.digest.to_string()], installed)?)
        })
    }

    /// Switches new calls to a version that has been loaded and tried; if it was refused before, it is not any more. What the
    /// operator demands of versions holds as it is now, and not as it was when the version was loaded.
    ///
    /// # Errors
    /// [`VersionsError::Switched`], [`VersionsError::Refused`], [`VersionsError::Pinned`] if another one is pinned;
    /// [`VersionsError::NotInstalled`] if it was removed meanwhile.
    pub fn put_in_use(&self, ready: &Ready, how: Switch) -> Result<(), VersionsError> {
        let Switch { pin, since, unasked } = how;
        let how = How { pin, since, admit: Some((ready, unasked)), ..How::default() };
        self.switch(&ready.version.connector, Some(&ready.version.digest), how).map(drop)
    }

    /// Switches new calls to the version that the program brings along.
    ///
    /// # Errors
    /// [`VersionsError::Pinned`].
    pub fn put_bundled_in_use(&self, connector: &str) -> Result<(), VersionsError> {
        self.switch(connector, None, How::default()).map(drop)
    }

    /// Writes down that a process which serves went back from what was in use when [`Serving::change`] was `since`, and to what: an
    /// installed version, or, if `to` is none, the one that the program brings along. Answers the change that this makes.
    ///
    /// # Errors
    /// [`VersionsError::Switched`] if something else was put in use meanwhile, which then stays; [`VersionsError::Pinned`];
    /// [`VersionsError::NotInstalled`] if what it went back to was removed.
    pub fn went_back(&self, connector: &str, to: Option<&Digest>, since: u64) -> Result<u64, VersionsError> {
        self.switch(connector, to, How { back: true, since: Some(since), ..How::default() })
    }

    /// Answers the change that this makes.
    pub(crate) fn switch(&self, connector: &str, digest: Option<&Digest>, how: How<'_>) -> Result<u64, VersionsError> {
        let How { pin, back, since, admit } = how;
        self.database.change(|transaction| {
            let old = transaction
                .query_row("SELECT digest, pinned, change FROM serving WHERE connector = ?1", [connector], |row| {
                    Ok((row.get::<_, Option<String>>(0)?, row.get::<_, bool>(1)?, row.get::<_, i64>(2)?))
                })
                .optional()?;
            let (before, pinned, change) = old.unwrap_or_default();
            let change = u64::try_from(change).unwrap_or_default();
            if since.is_some_and(|since| since != change) {
                return Err(Changed::Refused(VersionsError::Switched(connector.to_owned())));
            }
            if let Some((Ready { version, .. }, unasked)) = admit {
                let demands = Demands::read(transaction, &self.project, &version.source)?.map_err(Changed::Refused)?;
                let asks = if unasked { Demands::admit_unasked } else { Demands::admit };
                let refused = |source| VersionsError::Refused { what: version.title(), source };
                asks(&demands, &version.digest, &version.signatures)
                    .map_err(|refusal| Changed::Refused(refused(refusal)))?;
            }
            let digest = digest.map(Digest::to_string);
            let same = before == digest;
            if pinned && !same {
                return Err(Changed::Refused(VersionsError::Pinned {
                    connector: connector.to_owned(),
                    version: title(transaction, before.as_deref())?,
                }));
            }
            if let Some(digest) = &digest {
                let there = "SELECT count(*) > 0 FROM versions WHERE digest = ?1";
                if !transaction.query_row(there, [digest], |row| row.get::<_, bool>(0))? {
                    return Err(Changed::Refused(VersionsError::NotInstalled {
                        connector: connector.to_owned(),
                        wanted: digest.clone(),
                        there: Vec::new(),
                    }));
                }
                accept(transaction, digest)?;
            }
            if let Some(left) = before.as_ref().filter(|_| back && !same) {
                refuse(transaction, left, Reason::RolledBack)?;
            }
            if same {
                transaction.execute(
                    "UPDATE serving SET pinned = ?2 WHERE connector = ?1 AND pinned < ?2",
                    rusqlite::params![connector, pin],
                )?;
                return Ok(change);
            }
            transaction.execute(
                "INSERT INTO serving (connector, digest, before, has_before, pinned, change)
                 VALUES (:connector, :digest, :before, TRUE, :pinned, 1)
                 ON CONFLICT (connector) DO UPDATE
                 SET digest = :digest, before = :before, has_before = TRUE, pinned = :pinned, change = change + 1",
                named_params! { ":connector": connector, ":digest": digest, ":before": before, ":pinned": pin },
            )?;
            Ok(change.saturating_add(1))
        })
    }

    /// Lets a connector be switched again.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn unpin(&self, connector: &str) -> Result<(), VersionsError> {
        self.database.change(|transaction| {
            transaction.execute("UPDATE serving SET pinned = FALSE WHERE connector = ?1", [connector])?;
            Ok(())
        })
    }

    /// Forgets a version and removes its file. No automatic update brings it back.
    ///
    /// # Errors
    /// [`VersionsError::InUse`] if it serves.
    pub fn remove(&self, version: &Installed) -> Result<(), VersionsError> {
        let digest = version.digest.to_string();
        self.database.change(|transaction| {
            let serves = "SELECT count(*) > 0 FROM serving WHERE digest = ?1";
            if transaction.query_row(serves, [&digest], |row| row.get::<_, bool>(0))? {
                return Err(Changed::Refused(VersionsError::InUse(version.title())));
            }
            transaction.execute("UPDATE serving SET before = NULL, has_before = FALSE WHERE before = ?1", [&digest])?;
            refuse(transaction, &digest, Reason::Removed)?;
            transaction.execute("DELETE FROM versions WHERE digest = ?1", [&digest])?;
            Ok(())
        })?;
        // Only now, and under the lock: a file without a version is room, a version without a file would be a loss.
        self.database.change(|transaction| Ok(self.sweep(transaction, None)?))
    }

    /// Removes files of no version.
    fn sweep(&self, transaction: &Transaction<'_>, also: Option<Digest>) -> rusqlite::Result<()> {
        let mut query = transaction.prepare("SELECT digest FROM versions")?;
        let mut known = query.query_map([], |row| digest_of(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        known.extend(also);
        self.files.sweep(&known);
        Ok(())
    }
}

/// For messages: a version by its digest.
fn title(transaction: &Transaction<'_>, digest: Option<&str>) -> rusqlite::Result<String> {
    match digest {
        None => Ok("the bundled version".to_owned()),
        Some(digest) => {
            let query = format!("SELECT {COLUMNS} FROM versions WHERE digest = ?1");
            transaction.query_row(&query, [digest], installed).map(|version| version.title())
        }
    }
}

/// What [`installed`] reads.
const COLUMNS: &str = "digest, connector, version, world, source, signatures, installed_at";

fn installed(row: &Row<'_>) -> rusqlite::Result<Installed> {
    let seconds = u64::try_from(row.get::<_, i64>(6)?).unwrap_or_default();
    Ok(Installed {
        digest: digest_of(row, 0)?,
        connector: row.get(1)?,
        version: row.get::<_, String>(2)?.parse().map_err(|error| unreadable(2, error))?,
        world: row.get(3)?,
        source: row.get(4)?,
        signatures: serde_json::from_str(&row.get::<_, String>(5)?).map_err(|error| unreadable(5, error))?,
        installed_at: UNIX_EPOCH + Duration::from_secs(seconds),
    })
}

fn digest_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get::<_, String>(column)?.parse().map_err(|error| unreadable(column, error))
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
