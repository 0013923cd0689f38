//! The bytes of installed versions: `connectors/sha256-….wasm` in the project's folder, named by their digest, which is looked at
//! whenever they are read. A file appears under its name whole and synced.
//!
//! Whoever writes or sweeps here holds the lock of the store of versions, so a file that is neither finished nor known to the
//! store was left by a process that was killed.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::error::{Refusal, VersionsError};

/// Largest component that is read, in bytes: more than any connector needs, little enough to hold in memory.
pub const MAX_SIZE: u64 = 64 << 20;

/// Largest file of certificates or credentials, in bytes.
const LARGEST_TEXT: u64 = 16 << 20;

/// How the names of temporary files end.
const UNFINISHED: &str = ".unfinished";

/// The folder.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(crate) fn new(project: &Path) -> Self {
        Self { folder: project.join("connectors") }
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("sha256-{}.wasm", digest.hex()))
    }

    /// The bytes with this digest, and no others.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Vec<u8>, Refusal> {
        let wasm = read(&self.path(digest))?;
        let found = Digest::of(&wasm);
        if found == *digest { Ok(wasm) } else { Err(Refusal::Digest { expected: *digest, found }) }
    }

    /// Keeps these bytes: on the disk when it returns.
    pub(crate) fn write(&self, digest: &Digest, wasm: &[u8]) -> Result<(), VersionsError> {
        let path = self.path(digest);
        self.try_write(&path, wasm).map_err(|source| VersionsError::Write { path, source })
    }

    fn try_write(&self, path: &Path, wasm: &[u8]) -> io::Result<()> {
        if !self.folder.is_dir() {
            fs::create_dir_all(&self.folder)?;
            let above = self.folder.parent().filter(|above| !above.as_os_str().is_empty());
            sync_folder(above.unwrap_or(Path::new(".")))?;
        }
        let mut file = tempfile::Builder::new().prefix(".sha256-").suffix(UNFINISHED).tempfile_in(&self.folder)?;
        file.write_all(wasm)?;
        file.as_file().sync_all()?;
        // What removes the temporary file when it is dropped finds none.
        fs::rename(file.path(), path)?;
        sync_folder(&self.folder)
    }

    /// Removes what is unfinished, and what is not known.
    pub(crate) fn sweep(&self, known: &[Digest]) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let digest = name.strip_prefix("sha256-").and_then(|rest| rest.strip_suffix(".wasm"));
            let unknown = digest
                .and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok())
                .is_some_and(|digest| !known.contains(&digest));
            if unknown || name.starts_with(".sha256-") && name.ends_with(UNFINISHED) {
                // What cannot be removed costs room, nothing else.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Reads a component, up to the size that one may have.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    let mut wasm = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut wasm));
    read.map_err(|source| Refusal::Unreadable { path: path.to_owned(), source })?;
    if wasm.len() as u64 > MAX_SIZE { Err(Refusal::Size) } else { Ok(wasm) }
}

/// Reads a text that people write, an operator's file of settings: up to [`LARGEST_TEXT`].
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST_TEXT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_TEXT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
    }
    Ok(text)
}

/// Makes what was made in a folder durable. Elsewhere than on Unix, folders cannot be opened for that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
