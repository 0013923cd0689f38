//! Signatures as cosign makes them with a key pair: ECDSA on P-256 with SHA-256. Two forms: over the bytes of a file
//! (`cosign sign-blob`), and over a payload that names the manifest of an image in a registry (`cosign sign`).
//!
//! Signatures are kept beside the version and judged anew whenever it is used, so trust that is withdrawn is gone at once. A
//! signature names no key: it counts if one of the trusted keys has made it.
//!
//! Not supported: keyless signatures (certificates and transparency logs), bundles, keys of other kinds, encrypted private keys.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use p256::SecretKey;
use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Signatures of one version that are looked at.
pub(crate) const MAX_SIGNATURES: usize = 16;

/// What a payload of cosign's calls itself.
const PAYLOAD_TYPE: &str = "cosign container image signature";

/// What the operator demands of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// Only what a trusted key has signed is installed and serves.
    Require,
    /// Anything may serve; what no trusted key has signed is told.
    #[default]
    Warn,
    /// Signatures are not looked at.
    Off,
}

impl SignaturePolicy {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Warn => "warn",
            Self::Off => "off",
        }
    }
}

impl FromStr for SignaturePolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Require, Self::Warn, Self::Off]
            .into_iter()
            .find(|policy| policy.word() == text)
            .ok_or_else(|| format!("`{text}` is no policy for signatures: require, warn or off"))
    }
}

/// What the signatures of a version are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A trusted key has signed it: the key's name.
    Trusted(String),
    /// It has signatures, none of them by a trusted key for these bytes.
    Untrusted,
    /// It has none.
    Unsigned,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted(key) => write!(f, "signed by {key}"),
            Self::Untrusted => f.write_str("signed by no trusted key"),
            Self::Unsigned => f.write_str("unsigned"),
        }
    }
}

/// A signature that came with a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "over")]
pub enum Signed {
    /// Over the component's bytes.
    Bytes {
        /// Base64 of the DER form.
        signature: String,
    },
    /// Over a payload that names the manifest of an image, whose one layer is the component.
    Image {
        /// Base64 of the DER form.
        signature: String,
        /// The payload, as it was signed.
        payload: String,
        /// The manifest, as the registry holds it.
        manifest: String,
    },
}

/// The part of a payload that binds it to an image.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: PayloadImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct PayloadImage {
    // The specification's example begins with a capital, what cosign writes does not.
    #[serde(rename = "docker-manifest-digest", alias = "Docker-manifest-digest")]
    manifest: String,
}

/// The layers of a manifest.
#[derive(Deserialize)]
struct Layers {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: String,
}

impl Signed {
    /// Whether this key has signed this component.
    fn is_by(&self, key: &VerifyingKey, component: &Digest) -> bool {
        let (signature, signed) = match self {
            Self::Bytes { signature } => (signature, *component),
            Self::Image { signature, payload, manifest } => {
                if !binds(payload, manifest, component) {
                    return false;
                }
                (signature, Digest::of(payload.as_bytes()))
            }
        };
        made(key, signature, &signed)
    }
}

/// Whether this key made this signature (base64, with or without line breaks) over what has this digest.
fn made(key: &VerifyingKey, signature: &str, signed: &Digest) -> bool {
    let text: String = signature.split_ascii_whitespace().collect();
    let der = BASE64.decode(text).ok();
    let signature = der.and_then(|der| DerSignature::try_from(der.as_slice()).ok());
    signature.is_some_and(|signature| key.verify_prehash(signed.as_bytes(), &signature).is_ok())
}

/// Whether the payload speaks of this manifest, and the manifest of this component.
fn binds(payload: &str, manifest: &str, component: &Digest) -> bool {
    let (Ok(payload), Ok(layers)) =
        (serde_json::from_str::<Payload>(payload), serde_json::from_str::<Layers>(manifest))
    else {
        return false;
    };
    let named = payload.critical.kind == PAYLOAD_TYPE
        && payload.critical.image.manifest == Digest::of(manifest.as_bytes()).to_string();
    named && matches!(layers.layers.as_slice(), [layer] if layer.digest == component.to_string())
}

/// What cosign signs for an image.
pub(crate) fn payload(reference: &str, manifest: &Digest) -> String {
    serde_json::json!({
        "critical": {
            "identity": { "docker-reference": reference },
            "image": { "docker-manifest-digest": manifest.to_string() },
            "type": PAYLOAD_TYPE,
        },
        "optional": null,
    })
    .to_string()
}

/// A public key that the operator trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// What the operator calls it: the name of the file that it came from.
    pub name: String,
    /// SHA-256 of its DER form (SubjectPublicKeyInfo), which tells keys of one name apart.
    pub id: Digest,
    key: VerifyingKey,
}

impl TrustedKey {
    /// Reads a public key: PEM, as `cosign generate-key-pair` and `openssl ec -pubout` write it.
    ///
    /// # Errors
    /// [`KeyError::Public`].
    pub fn from_pem(name: &str, pem: &str) -> Result<Self, KeyError> {
        let bad = |reason: String| KeyError::Public { name: name.to_owned(), reason };
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|error| bad(error.to_string()))?;
        let der = key.to_public_key_der().map_err(|error| bad(error.to_string()))?;
        Ok(Self { name: name.to_owned(), id: Digest::of(der.as_bytes()), key })
    }
}

/// What these signatures are worth to those who trust these keys.
pub fn judge(component: &Digest, signatures: &[Signed], trusted: &[TrustedKey]) -> Verdict {
    if signatures.is_empty() {
        return Verdict::Unsigned;
    }
    let by = |key: &&TrustedKey| signatures.iter().take(MAX_SIGNATURES).any(|one| one.is_by(&key.key, component));
    trusted.iter().find(by).map_or(Verdict::Untrusted, |key| Verdict::Trusted(key.name.clone()))
}

/// Signatures of one component from two places, each once, at most [`MAX_SIGNATURES`]. Those by trusted keys come first, so that
/// others cannot push them out.
pub(crate) fn united(component: &Digest, new: &[Signed], known: &[Signed], trusted: &[TrustedKey]) -> Vec<Signed> {
    let counts = |one: &Signed| trusted.iter().any(|key| one.is_by(&key.key, component));
    let (mut united, mut others) = (Vec::new(), Vec::new());
    for one in new.iter().chain(known) {
        if !united.contains(one) && !others.contains(one) {
            if counts(one) { united.push(one.clone()) } else { others.push(one.clone()) }
        }
    }
    united.append(&mut others);
    united.truncate(MAX_SIGNATURES);
    united
}

/// A private key to sign with.
pub struct SignKey(SigningKey);

impl fmt::Debug for SignKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignKey(****)")
    }
}

impl SignKey {
    /// Reads a private key: PEM, PKCS#8 or SEC1, not encrypted.
    ///
    /// # Errors
    /// [`KeyError::Encrypted`], [`KeyError::EncryptedByCosign`], [`KeyError::Private`]; none repeats anything of the key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if ["SIGSTORE", "COSIGN"].iter().any(|tool| pem.contains(&format!("ENCRYPTED {tool} PRIVATE KEY"))) {
            return Err(KeyError::EncryptedByCosign);
        }
        if pem.contains("ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let key = SecretKey::from_pkcs8_pem(pem.trim()).ok().or_else(|| SecretKey::from_sec1_pem(pem.trim()).ok());
        key.map(|key| Self(SigningKey::from(key))).ok_or(KeyError::Private)
    }

    /// The base64 of the DER form of a signature over what has this digest.
    ///
    /// # Errors
    /// [`KeyError::Signing`], which no valid key causes.
    pub fn sign(&self, digest: &Digest) -> Result<String, KeyError> {
        let signature: DerSignature = self.0.sign_prehash(digest.as_bytes()).map_err(|_| KeyError::Signing)?;
        Ok(BASE64.encode(signature.as_bytes()))
    }
}

/// A key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a public key of this kind.
    #[error("{name} is no ECDSA P-256 public key in PEM: {reason}")]
    Public {
        /// Where it came from.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A private key that is encrypted, in a form that other tools read.
    #[error(
        "the private key is encrypted, which is not supported: `openssl pkcs8 -topk8 -nocrypt -in KEY` writes one that is not"
    )]
    Encrypted,
    /// A private key that only cosign itself can decrypt, which it does for nobody else.
    #[error(
        "the private key is encrypted as only cosign reads it: sign with cosign, or with a key of OpenSSL's that \
         `cosign import-key-pair` takes too (`openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt`)"
    )]
    EncryptedByCosign,
    /// Not a private key of this kind.
    #[error("this is no ECDSA P-256 private key in PEM (PKCS#8 or SEC1)")]
    Private,
    /// Signing failed.
    #[error("the private key cannot sign")]
    Signing,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A key pair that OpenSSL made; only its public half is needed.
    const OPENSSL_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf4v83wLtVZmvVto9jVpXam7eMntm
+geNvCBINfHi/3BXk5rfwg0uEgOHKdTwluuvSKkGJSNXn63lzsrpaPb08w==
-----END PUBLIC KEY-----";
    /// `openssl dgst -sha256 -sign key.pem blob | base64`, where `blob` is [`BLOB`].
    const OPENSSL_SIGNATURE: &str =
        "MEUCIQDr1gvnKY8hSN7qcACZ54y3cNSr3eFQMB5kfsrJWPGJrwIgOee6w00RSLa5SLqcKCr8nocQRR9ufwzbOHshlqnsVWM=";
    const BLOB: &[u8] = b"a component";

    /// Made by cosign; sigstore's own libraries are tested with them.
    const COSIGN_KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cu
OSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==
-----END PUBLIC KEY-----";
    const COSIGN_SIGNATURE: &str =
        "MEUCIQD6q/COgzOyW0YH1Dk+CCYSt4uAhm3FDHUwvPI55zwnlwIgE0ZK58ZOWpZw8YVmBapJhBqCfdPekIknimuO0xH8Jh8=";
    const COSIGN_IMAGE: &str = "registry-testing.svc.lan/busybox";
    const COSIGN_MANIFEST: &str = "sha256:f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b";

    fn key(pem: &str) -> TrustedKey {
        TrustedKey::from_pem("a", pem).unwrap()
    }

    #[test]
    fn what_cosign_signed_is_what_is_signed_here() {
        let payload = payload(COSIGN_IMAGE, &COSIGN_MANIFEST.parse().unwrap());
        let digest = Digest::of(payload.as_bytes());
        assert!(made(&key(COSIGN_KEY).key, COSIGN_SIGNATURE, &digest));
        let (first, rest) = COSIGN_SIGNATURE.split_at(44);
        assert!(made(&key(COSIGN_KEY).key, &format!("{first}\n{rest}\n"), &digest), "line breaks do no harm");
        assert!(!made(&key(OPENSSL_KEY).key, COSIGN_SIGNATURE, &digest));
        assert!(!made(&key(COSIGN_KEY).key, COSIGN_SIGNATURE, &Digest::of(b"another")));
    }

    #[test]
    fn what_openssl_signed_is_trusted_for_these_bytes_and_this_key_alone() {
        let signed = |signature: &str| [Signed::Bytes { signature: signature.to_owned() }];
        let (good, digest) = (signed(OPENSSL_SIGNATURE), Digest::of(BLOB));
        let trusted = [key(COSIGN_KEY), TrustedKey::from_pem("openssl.pub", OPENSSL_KEY).unwrap()];
        assert_eq!(judge(&digest, &good, &trusted), Verdict::Trusted("openssl.pub".to_owned()));
        assert_eq!(judge(&digest, &good, &trusted[..1]), Verdict::Untrusted);
        assert_eq!(judge(&digest, &good, &[]), Verdict::Untrusted);
        assert_eq!(judge(&digest, &[], &trusted), Verdict::Unsigned);
        assert_eq!(judge(&Digest::of(b"another"), &good, &trusted), Verdict::Untrusted);
        for damaged in ["", "not base64!", "AAAA", &OPENSSL_SIGNATURE[4..], &OPENSSL_SIGNATURE.replace('5', "6")] {
            assert_eq!(judge(&digest, &signed(damaged), &trusted), Verdict::Untrusted, "{damaged}");
        }
    }

    #[test]
    fn a_payload_binds_one_manifest_and_that_one_component() {
        let component = Digest::of(BLOB);
        let manifest = |layers: &[Digest]| {
            let layers: Vec<_> =
                layers.iter().map(|layer| serde_json::json!({ "digest": layer.to_string() })).collect();
            serde_json::json!({ "layers": layers }).to_string()
        };
        let one = manifest(&[component]);
        let of = |manifest: &str| payload("host/a", &Digest::of(manifest.as_bytes()));
        assert!(binds(&of(&one), &one, &component));
        let capital = of(&one).replace("docker-manifest", "Docker-manifest");
        assert!(binds(&capital, &one, &component), "as the specification spells it");
        let two = manifest(&[component, component]);
        for (payload, manifest, component) in [
            (of(&one), one.as_str(), Digest::of(b"another")),
            (of(&two), one.as_str(), component),
            (of(&two), two.as_str(), component),
            (of(&manifest(&[])), "{\"layers\":[]}", component),
            (of(&one).replace("cosign", "another"), one.as_str(), component),
            ("{}".to_owned(), one.as_str(), component),
        ] {
            assert!(!binds(&payload, manifest, &component), "{payload} {manifest}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_is_told_without_the_key() {
        for (pem, told) in [
            (
                "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ns3cret\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----",
                KeyError::EncryptedByCosign,
            ),
            (
                "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\ns3cret\n-----END ENCRYPTED COSIGN PRIVATE KEY-----",
                KeyError::EncryptedByCosign,
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nczNjcmV0\n-----END ENCRYPTED PRIVATE KEY-----",
                KeyError::Encrypted,
            ),
            ("-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PRIVATE KEY-----", KeyError::Private),
            ("s3cret", KeyError::Private),
        ] {
            let error = SignKey::from_pem(pem).unwrap_err();
            assert_eq!(error, told);
            assert!(!error.to_string().contains("s3cret") && !error.to_string().contains("czNjcmV0"));
        }
        assert!(matches!(TrustedKey::from_pem("a.pub", "nothing"), Err(KeyError::Public { .. })));
    }
}
