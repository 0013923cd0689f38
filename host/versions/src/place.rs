//! Places that versions come from and go to: a file, a folder of `NAME-VERSION.wasm`, a repository of an OCI registry. What is
//! found there is an offer; only its bytes, once they are checked, say what it is.

use std::fmt;
use std::path::{Path, PathBuf};

use semver::Version;

use crate::admission::Fetched;
use crate::digest::Digest;
use crate::error::{Refusal, VersionsError};
use crate::files;
use crate::registry::{Access, Registry};
use crate::signature::Signed;

/// How the address of a place in a registry begins.
const OCI: &str = "oci://";
/// Longest text of a signature's file, in bytes; one of this scheme has about a hundred.
const MAX_SIGNATURE: u64 = 4096;

/// Where versions come from or go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One component.
    File(PathBuf),
    /// Components named `NAME-VERSION.wasm`; other files in it are left alone.
    Folder(PathBuf),
    /// A repository of an OCI registry, whose tags are versions, or one image in it.
    Registry(Image),
}

/// An image in a registry, or a repository of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Host and port: `registry.example.com:5000`.
    pub registry: String,
    /// The repository: `team/bigcommerce`.
    pub repository: String,
    /// The tag, if one is named.
    pub tag: Option<String>,
    /// The digest of its manifest, if it is named.
    pub digest: Option<Digest>,
}

/// A version that a place has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The connector that it should be.
    pub connector: String,
    /// The version that it should be.
    pub version: Version,
    /// The very file or image.
    pub place: Place,
}

impl Place {
    /// Reads a place: `oci://HOST/REPOSITORY[:TAG][@sha256:…]`, or a path.
    ///
    /// # Errors
    /// [`VersionsError::Place`] if it begins with `oci://` and goes on wrongly, or is an address of another kind. Neither is
    /// repeated where it may hold a password.
    pub fn parse(text: &str) -> Result<Self, VersionsError> {
        if let Some(rest) = text.strip_prefix(OCI) {
            let shown = if rest.split('/').next().is_some_and(|host| host.contains('@')) { "oci://…" } else { text };
            let image = Image::parse(rest).ok_or_else(|| {
                VersionsError::place(shown, "an image is written oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]")
            })?;
            return Ok(Self::Registry(image));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let scheme = if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) { scheme } else { "" };
            let reason = "a place is a file, a folder, or an image, oci://HOST[:PORT]/REPOSITORY";
            return Err(VersionsError::place(format!("{scheme}://…"), reason));
        }
        let path = PathBuf::from(text);
        Ok(if path.is_dir() { Self::Folder(path) } else { Self::File(path) })
    }

    /// The versions that this place has, of `connector` or of all. A file offers nothing: it is what it is.
    ///
    /// # Errors
    /// [`VersionsError::Place`] if it cannot be looked at.
    pub async fn offers(&self, connector: Option<&str>, access: &Access) -> Result<Vec<Offer>, VersionsError> {
        let mut offers = match self {
            Self::File(_) => Vec::new(),
            Self::Folder(folder) => {
                let entries = std::fs::read_dir(folder).map_err(|error| VersionsError::place(self, error))?;
                entries.flatten().filter_map(|entry| offer_of_file(&entry.path())).collect()
            }
            Self::Registry(image) => {
                let tags = Registry::new(image, access)?.tags().await?;
                tags.iter().filter_map(|tag| image.offer(tag)).collect()
            }
        };
        offers.retain(|offer| connector.is_none_or(|connector| offer.connector == connector));
        offers.sort_by(|a, b| a.connector.cmp(&b.connector).then(b.version.cmp(&a.version)));
        Ok(offers)
    }

    /// Reads or downloads a component with its signatures. Of a folder or a repository, that is [`newest`].
    ///
    /// # Errors
    /// [`VersionsError::Place`], [`VersionsError::Refused`].
    pub async fn fetch(&self, access: &Access) -> Result<Fetched, VersionsError> {
        match self {
            Self::File(path) => fetch_file(path),
            Self::Registry(image) if image.tag.is_some() || image.digest.is_some() => {
                Registry::new(image, access)?.pull().await
            }
            Self::Folder(_) | Self::Registry(_) => {
                let offers = self.offers(None, access).await?;
                let mut connectors: Vec<&str> = offers.iter().map(|offer| offer.connector.as_str()).collect();
                connectors.dedup();
                if let [first, second, ..] = connectors.as_slice() {
                    let reason = format!("it has versions of several connectors ({first}, {second}): name the file");
                    return Err(VersionsError::place(self, reason));
                }
                let newest = newest(&offers).ok_or_else(|| VersionsError::place(self, "it has no versions"))?;
                Box::pin(newest.place.fetch(access)).await
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Folder(path) => path.display().fmt(f),
            Self::Registry(image) => image.fmt(f),
        }
    }
}

/// The newest of these offers: the highest version that is no pre-release, or the highest at all if every one is.
pub fn newest(offers: &[Offer]) -> Option<&Offer> {
    offers.iter().max_by(|a, b| {
        let rank = |offer: &Offer| offer.version.pre.is_empty();
        rank(a).cmp(&rank(b)).then_with(|| a.version.cmp(&b.version))
    })
}

fn offer_of_file(path: &Path) -> Option<Offer> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".wasm")?;
    // A version may hold hyphens, and so may a name: the version begins at the first place from which on the rest is one.
    let split = stem.match_indices('-').find_map(|(at, _)| {
        let (name, version) = (stem.get(..at)?, stem.get(at + 1..)?);
        Some((name, version.parse::<Version>().ok()?)).filter(|(name, _)| !name.is_empty())
    });
    let (connector, version) = split?;
    Some(Offer { connector: connector.to_owned(), version, place: Place::File(path.to_owned()) })
}

fn fetch_file(path: &Path) -> Result<Fetched, VersionsError> {
    let source = path.display().to_string();
    let refused = |reason: Refusal| VersionsError::Refused { what: source.clone(), source: reason };
    let wasm = files::read(path).map_err(refused)?;
    let signatures = signature_beside(path).map_err(refused)?;
    Ok(Fetched { wasm, source, signatures })
}

/// The file beside a component that holds its signature.
pub(crate) fn signature_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

fn signature_beside(path: &Path) -> Result<Vec<Signed>, Refusal> {
    use std::io::Read as _;
    let path = signature_file(path);
    let mut signature = String::new();
    match std::fs::File::open(&path).and_then(|file| file.take(MAX_SIGNATURE).read_to_string(&mut signature)) {
        Ok(_) => Ok(vec![Signed::Bytes { signature: signature.trim().to_owned() }]),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Refusal::Unreadable { path, source }),
    }
}

impl Image {
    /// `HOST[:PORT]/REPOSITORY[:TAG][@sha256:…]`.
    fn parse(text: &str) -> Option<Self> {
        let (registry, rest) = text.split_once('/')?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().ok()?)),
            None => (rest, None),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let host = !registry.is_empty()
            && registry.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'))
        };
        let tag_fits = |tag: &str| {
            tag.len() <= 128
                && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        };
        (host && repository.split('/').all(part) && tag.is_none_or(tag_fits)).then(|| Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// The connector whose versions a repository holds: the last part of its name.
    fn connector(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// A tag as an offer, if it is a version.
    fn offer(&self, tag: &str) -> Option<Offer> {
        let version = tag.replace('_', "+").parse().ok()?;
        let place = Place::Registry(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() });
        Some(Offer { connector: self.connector().to_owned(), version, place })
    }

    /// The tag of a version. Tags have no `+`.
    pub(crate) fn tag_of(version: &Version) -> String {
        version.to_string().replace('+', "_")
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OCI}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_image_is_read_as_it_is_written_and_what_is_none_is_refused() {
        let digest = Digest::of(b"x").to_string();
        for good in [
            "localhost:5000/fixed",
            "ghcr.io/acme/big-commerce:1.2.0-rc.1",
            &format!("127.0.0.1:5000/a/b@{digest}"),
            &format!("[::1]:5000/a:1.0.0_build@{digest}"),
        ] {
            let place = Place::parse(&format!("oci://{good}")).unwrap();
            assert_eq!(place.to_string(), format!("oci://{good}"));
        }
        for bad in [
            "",
            "host",
            "host/",
            "/a",
            "host/A",
            "host/a:",
            "host/a:b c",
            "host/a@sha256:12",
            "user:p@host/a",
            "host/a//b",
            "host/../b",
        ] {
            assert!(Place::parse(&format!("oci://{bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_of_another_kind_is_no_path_and_nothing_secret_of_it_is_repeated() {
        for text in ["https://user:s3cret@host/x", "user:s3cret@host://x", "file:///tmp/x", "oci://user:s3cret@host/x"]
        {
            let told = Place::parse(text).unwrap_err().to_string();
            assert!(told.contains("oci://HOST") && !told.contains("s3cret"), "{told}");
        }
        assert!(matches!(Place::parse("a:b/c.wasm").unwrap(), Place::File(_)));
    }

    #[test]
    fn a_version_is_told_from_a_name_with_hyphens() {
        let of = |name: &str| offer_of_file(Path::new(name)).map(|offer| (offer.connector, offer.version.to_string()));
        assert_eq!(of("fixed-1.2.3.wasm"), Some(("fixed".into(), "1.2.3".into())));
        assert_eq!(of("my-shop-1.2.3-rc.1+b-7.wasm"), Some(("my-shop".into(), "1.2.3-rc.1+b-7".into())));
        for no in ["fixed.wasm", "fixed-1.2.wasm", "-1.2.3.wasm", "fixed-1.2.3.cwasm", "fixed-1.2.3"] {
            assert_eq!(of(no), None, "{no}");
        }
    }

    #[test]
    fn the_newest_is_no_pre_release_unless_there_is_nothing_else() {
        let offers = |versions: &[&str]| -> Vec<Offer> {
            let offer = |version: &&str| offer_of_file(Path::new(&format!("a-{version}.wasm"))).unwrap();
            versions.iter().map(offer).collect()
        };
        let of = |versions: &[&str]| newest(&offers(versions)).map(|offer| offer.version.to_string());
        assert_eq!(of(&["1.9.0", "1.10.0", "2.0.0-rc.1"]).as_deref(), Some("1.10.0"));
        assert_eq!(of(&["1.0.0-a", "1.0.0-b"]).as_deref(), Some("1.0.0-b"));
        assert_eq!(of(&[]), None);
    }
}
