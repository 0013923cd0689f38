//! The key for hidden values: 32 random bytes, in base64 where they are written down. A store notes the fingerprint of the key of
//! each value, so where a key lies is only a question of looking: the first place that has the one with this fingerprint serves.
//!
//! 1. the environment (`CONNECTOR_KEY`): keys apart by blanks or commas;
//! 2. the key file that was named (`CONNECTOR_KEY_FILE`);
//! 3. the store's own key file in the user's configuration folder, made with the first hidden value;
//! 4. the system's keyring.
//!
//! What was named and holds no key is an error, whatever the other places have: nobody names a place to have it passed over. A named
//! file that is not there yet is made when a new key is needed.
//!
//! The last key of a place is its newest one. Older ones stay: values, or copies of a store, may still need them.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::Generate as _;
use connector_host::Secret;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

mod file;
mod keyring;

/// Bytes of a key.
const LENGTH: usize = 32;

/// What the environment's variable is called in messages.
const ENVIRONMENT: &str = "CONNECTOR_KEY";

/// A key. Wiped from memory when it is dropped, and never printed.
#[derive(Clone)]
pub(crate) struct Key {
    bytes: Zeroizing<[u8; LENGTH]>,
    fingerprint: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.fingerprint)
    }
}

impl Key {
    fn new(bytes: Zeroizing<[u8; LENGTH]>) -> Self {
        let digest = Sha256::new().chain_update("connector key").chain_update(*bytes).finalize();
        let fingerprint = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { bytes, fingerprint }
    }

    /// A new one.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let bytes = <[u8; LENGTH]>::try_generate().map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self::new(Zeroizing::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8; LENGTH] {
        &self.bytes
    }

    /// What it is called: says nothing about the key itself.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
        Some(Self::new(Zeroizing::new(<[u8; LENGTH]>::try_from(bytes.as_slice()).ok()?)))
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.bytes.as_slice()))
    }
}

/// Where keys may lie.
#[derive(Clone, Debug, Default)]
pub struct KeySources {
    /// Keys from the environment.
    pub environment: Option<Secret>,
    /// A key file that was named. Made if it is missing when the first key is needed.
    pub file: Option<PathBuf>,
    /// The folder for the key files of stores for which none was named. Made when it is needed.
    pub folder: Option<PathBuf>,
    /// Whether to look into the system's keyring.
    pub keyring: bool,
}

/// A place where a key was looked for, and what was there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The place.
    pub place: String,
    /// What was found.
    pub found: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key that a value needs is nowhere.
    #[error("the key {fingerprint}, with which hidden values are encrypted, was not found ({})", .looked.iter().map(|l| format!("{}: {}", l.place, l.found)).collect::<Vec<_>>().join("; "))]
    Missing {
        /// The key.
        fingerprint: String,
        /// Where it was looked for.
        looked: Vec<Looked>,
    },
    /// There is no place for a new key.
    #[error("there is no place for a key: the user has no configuration folder, and no key file was named")]
    NoPlace,
    /// A place holds something that is no key.
    #[error("{place} holds something that is no key: a key is 32 bytes in base64")]
    NoKey {
        /// The place.
        place: String,
    },
    /// The environment has only the key that is to be replaced.
    #[error("{ENVIRONMENT} has no key behind the present one, {0}")]
    OnlyThePresentOne(String),
    /// A key file cannot be read or written.
    #[error("cannot use the key file {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The system's keyring cannot be used.
    #[error("cannot use the system's keyring: {0}")]
    Keyring(String),
    /// The system has no random numbers.
    #[error("the system has no random numbers: {0}")]
    Random(String),
    /// A value is too long to be encrypted.
    #[error("the value is too long")]
    TooLong,
}

impl KeyError {
    fn is_missing_file(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// What is wrong, for a reader who knows where.
    fn without_place(self) -> String {
        match self {
            Self::File { source, .. } => source.to_string(),
            Self::Keyring(reason) => reason,
            Self::NoKey { .. } => "something that is no key".to_owned(),
            other => other.to_string(),
        }
    }
}

impl KeySources {
    /// The key with this fingerprint.
    pub(crate) fn find(&self, store: &str, fingerprint: &str) -> Result<Key, KeyError> {
        let mut looked = Vec::new();
        let mut among = |place: String, keys: Result<Vec<Key>, String>| match keys {
            Ok(keys) => {
                let names: Vec<String> = keys.iter().map(|key| key.fingerprint.clone()).collect();
                let found = keys.into_iter().find(|key| key.fingerprint == fingerprint);
                let names = if names.is_empty() { "no key".to_owned() } else { names.join(", ") };
                looked.push(Looked { place, found: names });
                found
            }
            Err(found) => {
                looked.push(Looked { place, found });
                None
            }
        };
        let environment = self.of_environment()?.ok_or_else(|| "not set".to_owned());
        if let Some(key) = among(ENVIRONMENT.to_owned(), environment) {
            return Ok(key);
        }
        for path in self.files(store) {
            let named = self.file.as_ref() == Some(&path);
            let keys = match file::read(&path) {
                Err(error) if named && !error.is_missing_file() => return Err(error),
                keys => keys.map_err(KeyError::without_place),
            };
            if named && let Err(why) = &keys {
                tracing::warn!("the key file {} is not used: {why}", path.display());
            }
            if let Some(key) = among(path.display().to_string(), keys) {
                return Ok(key);
            }
        }
        if self.keyring
            && let Some(key) = among(keyring::PLACE.to_owned(), keyring::read(store).map_err(KeyError::without_place))
        {
            return Ok(key);
        }
        Err(KeyError::Missing { fingerprint: fingerprint.to_owned(), looked })
    }

    /// The key for a store that has none yet: the newest of the first place that there is, or a new one in a file.
    pub(crate) fn first(&self, store: &str) -> Result<Key, KeyError> {
        if let Some(key) = self.newest_of_environment()? {
            return Ok(key);
        }
        let path = self.files(store).into_iter().next().ok_or(KeyError::NoPlace)?;
        match file::append(&path, true) {
            // Nobody is about to write a file that is only to be read: what it holds has been there.
            Err(KeyError::File { source, .. }) if is_read_only(&source) && path.exists() => {
                file::read(&path)?.pop().ok_or(KeyError::File { path, source })
            }
            appended => appended,
        }
    }

    /// A new key in the system's keyring, and what that place is called. May wait for a person.
    pub(crate) fn next_in_keyring(&self, store: &str) -> Result<(Key, String), KeyError> {
        Ok((keyring::append(store)?, keyring::PLACE.to_owned()))
    }

    /// A key to take the place of the present one, and where it lies now. It is safe there when this returns.
    pub(crate) fn next(&self, store: &str, present: Option<&str>) -> Result<(Key, String), KeyError> {
        if let Some(key) = self.newest_of_environment()? {
            return match present {
                Some(present) if key.fingerprint == present => Err(KeyError::OnlyThePresentOne(present.to_owned())),
                _ => Ok((key, ENVIRONMENT.to_owned())),
            };
        }
        let path = self.files(store).into_iter().next().ok_or(KeyError::NoPlace)?;
        Ok((file::append(&path, false)?, path.display().to_string()))
    }

    fn newest_of_environment(&self) -> Result<Option<Key>, KeyError> {
        let Some(mut keys) = self.of_environment()? else { return Ok(None) };
        keys.pop().map(Some).ok_or_else(|| KeyError::NoKey { place: ENVIRONMENT.to_owned() })
    }

    /// The keys of the environment; none if it says nothing of keys.
    fn of_environment(&self) -> Result<Option<Vec<Key>>, KeyError> {
        let no_key = || KeyError::NoKey { place: ENVIRONMENT.to_owned() };
        self.environment.as_ref().map(|text| list(text.reveal()).ok_or_else(no_key)).transpose()
    }

    /// The key files that count, the first for new keys.
    fn files(&self, store: &str) -> Vec<PathBuf> {
        let own = self.folder.as_ref().map(|folder| folder.join(format!("{store}.key")));
        self.file.iter().cloned().chain(own).collect()
    }
}

fn is_read_only(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem)
}

/// Keys apart by blanks or commas; none if one of them is none.
fn list(text: &str) -> Option<Vec<Key>> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(Key::parse).collect()
}
