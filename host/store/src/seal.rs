//! Hidden values at rest: XChaCha20-Poly1305 with a random nonce in front. What a value belongs to is authenticated with it, so
//! that one in another place, or of an earlier connection, does not open.

use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::key::{Key, KeyError};

/// Bytes of the nonce.
const NONCE: usize = 24;

/// What a value belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    /// The store's id.
    pub store: &'a str,
    /// The connection's id; none if it is the project's.
    pub connection: Option<i64>,
    /// The environment; empty for all.
    pub environment: &'a str,
    /// The variable.
    pub name: &'a str,
}

impl Owner<'_> {
    /// Each part with its length in front: no two owners have the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let connection = self.connection.map(|id| id.to_string()).unwrap_or_default();
        let mut bytes = Vec::new();
        for part in ["connector variable 1", self.store, &connection, self.environment, self.name] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

/// Encrypts a value.
pub(crate) fn seal(key: &Key, owner: Owner<'_>, value: &str) -> Result<Vec<u8>, KeyError> {
    let nonce = XNonce::try_generate().map_err(|error| KeyError::Random(error.to_string()))?;
    let aad = owner.bytes();
    let payload = Payload { msg: value.as_bytes(), aad: &aad };
    let text = cipher(key).encrypt(&nonce, payload).map_err(|_| KeyError::TooLong)?;
    Ok([nonce.as_slice(), &text].concat())
}

/// Decrypts a value; none if it was not sealed with this key for this owner.
pub(crate) fn open(key: &Key, owner: Owner<'_>, sealed: &[u8]) -> Option<Zeroizing<String>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
    let aad = owner.bytes();
    let value = cipher(key).decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: &aad }).ok()?;
    String::from_utf8(value).ok().map(Zeroizing::new)
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OWNER: Owner<'_> = Owner { store: "s", connection: Some(1), environment: "live", name: "token" };

    #[test]
    fn a_value_opens_only_with_its_key_and_only_for_its_owner() {
        let key = Key::generate().unwrap();
        let sealed = seal(&key, OWNER, "value").unwrap();
        assert_eq!(open(&key, OWNER, &sealed).unwrap().as_str(), "value");
        for other in [
            Owner { store: "t", ..OWNER },
            Owner { connection: Some(2), ..OWNER },
            Owner { connection: None, ..OWNER },
            Owner { environment: "", ..OWNER },
            Owner { name: "token2", ..OWNER },
            Owner { environment: "livet", name: "oken", ..OWNER },
        ] {
            assert!(open(&key, other, &sealed).is_none(), "{other:?}");
        }
        assert!(open(&Key::generate().unwrap(), OWNER, &sealed).is_none());
        for at in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[at] ^= 1;
            assert!(open(&key, OWNER, &broken).is_none(), "byte {at}");
        }
        assert!(open(&key, OWNER, &sealed[..10]).is_none());
    }

    #[test]
    fn the_same_value_is_never_sealed_the_same_way_twice() {
        let key = Key::generate().unwrap();
        assert_ne!(seal(&key, OWNER, "value").unwrap(), seal(&key, OWNER, "value").unwrap());
    }
}
