//! What the operator decided for a project: what signatures must be, whom to trust, whether tests may update connectors.

use crate::digest::Digest;
use crate::error::VersionsError;
use crate::signature::{SignaturePolicy, TrustedKey};
use crate::versions::Versions;

const SIGNATURES: &str = "signatures";
const AUTO_UPDATE: &str = "auto-update";

impl Versions {
    /// What signatures must be. Default: [`SignaturePolicy::Warn`].
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn signature_policy(&self) -> Result<SignaturePolicy, VersionsError> {
        // Only what is understood relaxes the rule.
        let policy = self.policy(SIGNATURES)?;
        Ok(policy.map_or(SignaturePolicy::default(), |text| text.parse().unwrap_or(SignaturePolicy::Require)))
    }

    /// Changes what signatures must be. Holds at once, for installed versions too.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn set_signature_policy(&self, policy: SignaturePolicy) -> Result<(), VersionsError> {
        self.set_policy(SIGNATURES, policy.word())
    }

    /// Whether a test may look for newer versions and put them in use. Default: yes.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn auto_update(&self) -> Result<bool, VersionsError> {
        Ok(self.policy(AUTO_UPDATE)?.is_none_or(|value| value == "on"))
    }

    /// Allows or forbids updates by tests.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn set_auto_update(&self, on: bool) -> Result<(), VersionsError> {
        self.set_policy(AUTO_UPDATE, if on { "on" } else { "off" })
    }

    /// The keys that the operator trusts, by name.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn trusted_keys(&self) -> Result<Vec<TrustedKey>, VersionsError> {
        let rows: Vec<(String, String)> = self.database.read(|connection| {
            let mut query = connection.prepare("SELECT name, pem FROM trusted_keys ORDER BY name, id")?;
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })?;
        rows.iter().map(|(name, pem)| Ok(TrustedKey::from_pem(name, pem)?)).collect()
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

    fn policy(&self, name: &str) -> Result<Option<String>, VersionsError> {
        Ok(self.database.read(|connection| {
            let mut query = connection.prepare("SELECT value FROM policy WHERE name = ?1")?;
            let mut rows = query.query([name])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        })?)
    }

    fn set_policy(&self, name: &str, value: &str) -> Result<(), VersionsError> {
        self.database.change(|transaction| {
            transaction.execute("INSERT OR REPLACE INTO policy (name, value) VALUES (?1, ?2)", [name, value])?;
            Ok(())
        })
    }
}
