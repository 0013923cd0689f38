//! What the operator decided for a project: what signatures must be, whom to trust, whether tests may update connectors.

use std::path::Path;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension as _};

use crate::digest::Digest;
use crate::error::{Refusal, VersionsError};
use crate::signature::{SignaturePolicy, Signed, TrustedKey, Verdict, judge};
use crate::sources::sources;
use crate::versions::Versions;

const SIGNATURES: &str = "signatures";
const AUTO_UPDATE: &str = "auto-update";

/// Which newer versions a test may put in use by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoUpdate {
    /// Those that a trusted key has signed; where signatures are not looked at, all.
    #[default]
    On,
    /// Those that the policy for signatures lets pass.
    Unsigned,
    /// None.
    Off,
}

impl AutoUpdate {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Unsigned => "unsigned",
            Self::Off => "off",
        }
    }
}

impl FromStr for AutoUpdate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::On, Self::Unsigned, Self::Off]
            .into_iter()
            .find(|policy| policy.word() == text)
            .ok_or_else(|| format!("`{text}` is no policy for updates: on, unsigned or off"))
    }
}

/// What is demanded of a version, as it was at one moment.
pub(crate) struct Demands {
    signatures: SignaturePolicy,
    auto_update: AutoUpdate,
    trusted: Vec<TrustedKey>,
}

impl Demands {
    /// What is demanded of versions that came from there. A source with a policy of its own has the last word on what it gives.
    pub(crate) fn read(
        connection: &Connection,
        project: &Path,
        from: &str,
    ) -> rusqlite::Result<Result<Self, VersionsError>> {
        let of_source = sources(connection)?.into_iter().find(|source| source.gave(project, from));
        let signatures = match of_source.and_then(|source| source.signatures) {
            Some(policy) => policy,
            None => signatures(connection)?,
        };
        let auto_update = auto_update(connection)?;
        let trusted = trusted_rows(connection)?;
        Ok(trusted_keys(&trusted).map(|trusted| Self { signatures, auto_update, trusted }))
    }

    /// Whether a version with these signatures may serve, and what they are worth.
    pub(crate) fn admit(&self, digest: &Digest, signatures: &[Signed]) -> Result<Verdict, Refusal> {
        let verdict = judge(digest, signatures, &self.trusted);
        match (self.signatures, &verdict) {
            (SignaturePolicy::Require, Verdict::Untrusted | Verdict::Unsigned) => Err(Refusal::Signature(verdict)),
            _ => Ok(verdict),
        }
    }

    /// The same, and nobody has asked for this version.
    pub(crate) fn admit_unasked(&self, digest: &Digest, signatures: &[Signed]) -> Result<Verdict, Refusal> {
        let verdict = self.admit(digest, signatures)?;
        let trusted = matches!(verdict, Verdict::Trusted(_)) || self.signatures == SignaturePolicy::Off;
        match self.auto_update {
            AutoUpdate::On if !trusted => Err(Refusal::Unasked(verdict)),
            AutoUpdate::Off => Err(Refusal::NoUpdates),
            AutoUpdate::On | AutoUpdate::Unsigned => Ok(verdict),
        }
    }
}

fn signatures(connection: &Connection) -> rusqlite::Result<SignaturePolicy> {
    // Only what is understood relaxes the rule.
    let policy = policy(connection, SIGNATURES)?;
    Ok(policy.map_or(SignaturePolicy::default(), |text| text.parse().unwrap_or(SignaturePolicy::Require)))
}

fn auto_update(connection: &Connection) -> rusqlite::Result<AutoUpdate> {
    let policy = policy(connection, AUTO_UPDATE)?;
    Ok(policy.map_or(AutoUpdate::default(), |text| text.parse().unwrap_or(AutoUpdate::Off)))
}

fn trusted_rows(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut query = connection.prepare("SELECT name, pem FROM trusted_keys ORDER BY name, id")?;
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn trusted_keys(rows: &[(String, String)]) -> Result<Vec<TrustedKey>, VersionsError> {
    rows.iter().map(|(name, pem)| Ok(TrustedKey::from_pem(name, pem)?)).collect()
}

fn policy(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM policy WHERE name = ?1", [name], |row| row.get(0)).optional()
}

impl Versions {
    /// What signatures must be. Default: [`SignaturePolicy::Warn`].
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn signature_policy(&self) -> Result<SignaturePolicy, VersionsError> {
        Ok(self.database.read(signatures)?)
    }

    /// Changes what signatures must be. Holds at once, for installed versions too.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn set_signature_policy(&self, policy: SignaturePolicy) -> Result<(), VersionsError> {
        self.set_policy(SIGNATURES, policy.word())
    }

    /// Which newer versions a test may put in use. Default: [`AutoUpdate::On`].
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn auto_update(&self) -> Result<AutoUpdate, VersionsError> {
        Ok(self.database.read(auto_update)?)
    }

    /// Allows or forbids updates by tests.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn set_auto_update(&self, policy: AutoUpdate) -> Result<(), VersionsError> {
        self.set_policy(AUTO_UPDATE, policy.word())
    }

    /// The keys that the operator trusts, by name.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn trusted_keys(&self) -> Result<Vec<TrustedKey>, VersionsError> {
        trusted_keys(&self.database.read(trusted_rows)?)
    }

    pub(crate) fn demands(&self, from: &str) -> Result<Demands, VersionsError> {
        self.database.read(|connection| Demands::read(connection, &self.project, from))?
    }

    /// What signatures must be of a version that came from there: as its source says, or else the project.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn signature_policy_of(&self, from: &str) -> Result<SignaturePolicy, VersionsError> {
        Ok(self.demands(from)?.signatures)
    }

    /// Trusts a key.
    ///
    /// # Errors
    /// [`VersionsError::Key`] if it is none; [`VersionsError::Database`].
    pub fn trust(&self, name: &str, pem: &str) -> Result<TrustedKey, VersionsError> {
        let key = TrustedKey::from_pem(name, pem)?;
        self.database.change(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO trusted_keys (id, name, pem) VALUES (?1, ?2, ?3)",
                [&key.id.to_string(), name, pem],
            )?;
            Ok::<_, connector_store::Changed<VersionsError>>(())
        })?;
        Ok(key)
    }

    /// Trusts a key no longer. Answers whether it was trusted.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn distrust(&self, id: &Digest) -> Result<bool, VersionsError> {
        self.database.change(|transaction| {
            Ok(transaction.execute("DELETE FROM trusted_keys WHERE id = ?1", [id.to_string()])? > 0)
        })
    }

    fn set_policy(&self, name: &str, value: &str) -> Result<(), VersionsError> {
        self.database.change(|transaction| {
            transaction.execute("INSERT OR REPLACE INTO policy (name, value) VALUES (?1, ?2)", [name, value])?;
            Ok(())
        })
    }
}
