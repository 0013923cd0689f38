//! Compiled connectors on disk. A compiled file is machine code that runs with the rights of this process, so only a whole and
//! undamaged file is loaded, and only if it and its folder belong to this user (or root) and nobody else may write there: its
//! digest finds damage, the owner keeps out attackers, who could forge any digest. Owner and mode are looked at on Unix; elsewhere
//! the operator answers for the folder.
//!
//! What a compiled file is the compiled form *of*, the component's digest and the engine that compiled it, stands in it and makes
//! its name: a file that got another one's name is not loaded. Files appear by rename, so any number of processes may share a
//! folder; a folder that cannot be used costs time, never a failure. `sweep` bounds its size.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::sweep::{sweep, touch};

const MAGIC: &[u8; 8] = b"cwasm\0\0\x03";
/// The magic, what this is the compiled form of, and the digest of what follows.
const HEADER: usize = MAGIC.len() + 2 * DIGEST;
/// Bytes of a digest.
const DIGEST: usize = 32;

/// The compile cache.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
    most_bytes: u64,
}

impl Cache {
    pub(crate) fn new(folder: Option<PathBuf>, most_bytes: u64) -> Self {
        Self { folder, most_bytes }
    }

    /// The component's compiled form, if it is there and undamaged.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let of = compiled_of(engine, digest);
        let path = self.path(&of)?;
        let file = match read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(target: "connector_host::cache", path = %path.display(), %error, "cannot read a compiled connector");
                return None;
            }
        };
        let Some(compiled) = undamaged(&of, &file) else {
            tracing::warn!(target: "connector_host::cache", path = %path.display(), "a compiled connector is damaged, or another one's, and is made anew");
            return None;
        };
        // SAFETY: the bytes are what `store` wrote for this component and this engine (their digest holds, and the header names
        // both), into a file and a folder that only this user may write into: `read` looked.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize(engine, compiled) };
        component
            .map_err(
                |error| tracing::warn!(target: "connector_host::cache", %error, "a compiled connector does not fit"),
            )
            .ok()
    }

    /// Keeps a compiled form.
    pub(crate) fn store(&self, engine: &Engine, digest: &str, component: &Component) {
        let of = compiled_of(engine, digest);
        let Some(path) = self.path(&of) else { return };
        let written = component.serialize().map_err(io::Error::other).and_then(|compiled| write(&path, &of, &compiled));
        match (written, &self.folder) {
            (Ok(()), Some(folder)) => sweep(folder, self.most_bytes, &path),
            (Err(error), _) => {
                tracing::warn!(target: "connector_host::cache", path = %path.display(), %error, "cannot keep a compiled connector");
            }
            (Ok(()), None) => {}
        }
    }

    fn path(&self, of: &[u8; DIGEST]) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{}.cwasm", hex(of))))
    }
}

/// What tells this compiled form from every other.
fn compiled_of(engine: &Engine, digest: &str) -> [u8; DIGEST] {
    let mut hasher = Sha256Hasher(Sha256::new());
    // Files of another layout are other files: they are neither read nor called damaged.
    MAGIC.hash(&mut hasher);
    digest.hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

fn header(of: &[u8; DIGEST], compiled: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let fields = MAGIC.iter().copied().chain(of.iter().copied()).chain(Sha256::digest(compiled));
    header.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
    header
}

fn undamaged<'a>(of: &[u8; DIGEST], file: &'a [u8]) -> Option<&'a [u8]> {
    let (found, compiled) = file.split_at_checked(HEADER)?;
    (found == header(of, compiled)).then_some(compiled)
}

/// Refuses a file or folder that somebody else may have written.
#[cfg(unix)]
fn only_ours(metadata: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let us = rustix::process::geteuid().as_raw();
    match is_only_ours(metadata.uid(), metadata.mode(), us) {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else owns it or may write into it")),
    }
}

#[cfg(not(unix))]
fn only_ours(_: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_only_ours(owner: u32, mode: u32, us: u32) -> bool {
    const OTHERS_MAY_WRITE: u32 = 0o022;
    (owner == us || owner == 0) && mode & OTHERS_MAY_WRITE == 0
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if let Some(folder) = path.parent() {
        only_ours(&fs::metadata(folder)?)?;
    }
    let mut file = fs::File::open(path)?;
    // The file that is open, whatever its name stands for by now.
    only_ours(&file.metadata()?)?;
    touch(&file);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: &Path, of: &[u8; DIGEST], compiled: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if let Some(folder) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        only_ours(&fs::metadata(folder)?)?;
    }
    let unique = format!("{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let temporary = path.with_extension(unique);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    // Whatever the umask lets the group do.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let result = options
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(&header(of, compiled))?;
            file.write_all(compiled)
        })
        .and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_this_user_or_root_alone_can_write_is_trusted() {
        for (owner, mode, trusted) in [
            (1000, 0o40700, true),
            (1000, 0o100_644, true),
            (0, 0o40755, true),
            (1001, 0o40700, false),
            (1000, 0o40770, false),
            (1000, 0o100_622, false),
            (0, 0o41777, false),
        ] {
            assert_eq!(is_only_ours(owner, mode, 1000), trusted, "{owner} {mode:o}");
        }
    }

    /// The smallest component that there is.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn a_compiled_file_is_loaded_for_its_own_component_alone_and_only_undamaged() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().join("compiled")), u64::MAX);
        let engine = Engine::default();
        let component = Component::new(&engine, EMPTY).unwrap();
        cache.store(&engine, "one", &component);
        cache.store(&engine, "two", &component);
        let path = |digest| cache.path(&compiled_of(&engine, digest)).unwrap();
        assert!(cache.load(&engine, "one").is_some() && cache.load(&engine, "two").is_some());
        fs::copy(path("one"), path("two")).unwrap();
        assert!(cache.load(&engine, "two").is_none(), "it is another one's");
        let mut bytes = fs::read(path("one")).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path("one"), bytes).unwrap();
        assert!(cache.load(&engine, "one").is_none(), "it is damaged");
    }

    #[test]
    fn the_folder_is_bounded_and_keeps_what_was_loaded_last() {
        let folder = tempfile::tempdir().unwrap();
        let unbounded = Cache::new(Some(folder.path().join("compiled")), u64::MAX);
        let engine = Engine::default();
        let component = Component::new(&engine, EMPTY).unwrap();
        unbounded.store(&engine, "one", &component);
        unbounded.store(&engine, "two", &component);
        assert!(unbounded.load(&engine, "one").is_some());
        let size = fs::metadata(unbounded.path(&compiled_of(&engine, "one")).unwrap()).unwrap().len();
        let bounded = Cache { most_bytes: 2 * size, ..unbounded };
        bounded.store(&engine, "three", &component);
        let there = ["one", "two", "three"].map(|digest| bounded.load(&engine, digest).is_some());
        assert_eq!(there, [true, false, true]);
    }
}
