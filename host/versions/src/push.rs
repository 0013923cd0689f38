//! Putting a version to a place, for others to fetch. What is there already is left alone unless it is to be replaced; signatures
//! by others stay, and none stays beside bytes that it is not for.

use std::io::{self, Write as _};
use std::path::Path;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::admission::Described;
use crate::artifact::{Artifact, Facts};
use crate::error::VersionsError;
use crate::files;
use crate::place::{Image, Place, signature_file};
use crate::registry::{Access, Registry};
use crate::signature::{SignKey, Signed};

/// What goes with a version that is pushed.
#[derive(Debug, Default)]
pub struct Push<'a> {
    /// Signs it.
    pub key: Option<&'a SignKey>,
    /// Who made it, for the artifact in a registry.
    pub author: Option<&'a str>,
    /// Takes the place of another component, or of a signature by another key, that is there.
    pub replace: bool,
}

/// A version that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Where it is now.
    pub place: String,
    /// How many of the signatures that it came with are not there: a file has room for one, and one that was made for an image in
    /// a registry holds for no other.
    pub left_behind: usize,
}

impl Described {
    /// Puts this version to a place: a folder gets `NAME-VERSION.wasm` and its signature, a repository an image under the tag of
    /// its version (or the one that the place names). What is there and is the same stays, and gets a signature.
    ///
    /// # Errors
    /// [`VersionsError::Taken`], [`VersionsError::Place`], [`VersionsError::Key`].
    pub async fn push(&self, place: &Place, access: &Access, with: &Push<'_>) -> Result<Pushed, VersionsError> {
        match place {
            Place::File(path) => self.push_file(path, with),
            Place::Folder(folder) => {
                let name = format!("{}-{}.wasm", self.version.connector, self.version.version);
                self.push_file(&folder.join(name), with)
            }
            Place::Registry(image) => self.push_image(image, access, with).await,
        }
    }

    fn push_file(&self, path: &Path, with: &Push<'_>) -> Result<Pushed, VersionsError> {
        let beside = signature_file(path);
        let failed = |path: &Path, source| VersionsError::Write { path: path.to_owned(), source };
        let mut own = self.version.signatures.iter().filter_map(|signed| match signed {
            Signed::Bytes { signature } => Some(signature.clone()),
            Signed::Image { .. } => None,
        });
        let signature = with.key.map(|key| key.sign(&self.version.digest)).transpose()?.or_else(|| own.next());
        let same = files::read(path).is_ok_and(|there| there == self.wasm);
        // Signing the same bytes with the same key anew makes another signature of the same worth: who asks for that says so.
        let taken = match &signature {
            _ if !same => path.exists().then_some(path),
            Some(ours) => {
                files::read_text(&beside).is_ok_and(|theirs| theirs.trim() != ours).then_some(beside.as_path())
            }
            None => None,
        };
        if let Some(taken) = taken.filter(|_| !with.replace) {
            return Err(VersionsError::Taken { place: taken.display().to_string() });
        }
        match &signature {
            // The signature first: under a policy that requires one, nobody finds the component without it.
            Some(signature) => write(&beside, signature.as_bytes()).map_err(|error| failed(&beside, error))?,
            // One that is for other bytes would only make these look forged.
            None if !same => match std::fs::remove_file(&beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&beside, error)),
                _ => {}
            },
            None => {}
        }
        write(path, &self.wasm).map_err(|error| failed(path, error))?;
        let carried = usize::from(with.key.is_none() && signature.is_some());
        let left_behind = self.version.signatures.len().saturating_sub(carried);
        Ok(Pushed { place: path.display().to_string(), left_behind })
    }

    async fn push_image(&self, image: &Image, access: &Access, with: &Push<'_>) -> Result<Pushed, VersionsError> {
        if image.digest.is_some() {
            return Err(VersionsError::place(image, "the digest follows from what is pushed and cannot be named"));
        }
        let version = &self.version;
        let tag = image.tag.clone().unwrap_or_else(|| Image::tag_of(&version.version));
        let image = Image { tag: Some(tag), ..image.clone() };
        let failed = |error: &dyn std::fmt::Display| VersionsError::place(&image, error);
        let now = OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).map_err(|error| failed(&error))?;
        let facts = Facts {
            connector: &version.connector,
            version: &version.version.to_string(),
            created: &now,
            author: with.author,
            exports: self.connector().exports(),
            imports: self.connector().imports(),
            world: &version.world,
        };
        let artifact = Artifact::of_component(self.wasm.clone(), &facts).map_err(|error| failed(&error))?;
        let registry = Registry::to_push(&image, access)?;
        let digest = registry.push(artifact, &version.digest, with.key, with.replace).await?;
        let place = Image { digest: Some(digest), ..image }.to_string();
        Ok(Pushed { place, left_behind: version.signatures.len() })
    }
}

/// Writes a file as a whole or not at all. Others are to read it, as far as the folder lets them.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    #[cfg(unix)]
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
