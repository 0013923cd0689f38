//! Compiled connectors on disk. A compiled file is machine code that runs with the rights of this process, so only a file whose
//! digest holds is loaded, from a folder that nobody else may write into: the digest finds damage, the folder's owner keeps out
//! attackers. Files appear by rename, so any number of processes may share a folder; a folder that cannot be used costs time, never
//! a failure.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

const MAGIC: &[u8; 8] = b"cwasm\0\0\x01";
const HEADER: usize = MAGIC.len() + 32;

/// The compile cache.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The component's compiled form, if it is there and undamaged.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(engine, digest)?;
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(target: "connector_host::cache", path = %path.display(), %error, "cannot read a compiled connector");
                return None;
            }
        };
        let Some(compiled) = undamaged(&file) else {
            tracing::warn!(target: "connector_host::cache", path = %path.display(), "a compiled connector is damaged and is made anew");
            return None;
        };
        // SAFETY: the bytes are what `store` wrote (their digest holds) for this engine (its hash is part of the name), in a folder
        // that only this user may write into.
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
        let Some(path) = self.path(engine, digest) else { return };
        let written = component.serialize().map_err(io::Error::other).and_then(|compiled| write(&path, &compiled));
        if let Err(error) = written {
            tracing::warn!(target: "connector_host::cache", path = %path.display(), %error, "cannot keep a compiled connector");
        }
    }

    fn path(&self, engine: &Engine, digest: &str) -> Option<PathBuf> {
        let mut hasher = Sha256Hasher(Sha256::new());
        digest.hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Some(self.folder.as_ref()?.join(format!("{}.cwasm", hex(&hasher.0.finalize()))))
    }
}

fn undamaged(file: &[u8]) -> Option<&[u8]> {
    let (header, compiled) = file.split_at_checked(HEADER)?;
    let digest = header.strip_prefix(MAGIC)?;
    (Sha256::digest(compiled).as_slice() == digest).then_some(compiled)
}

fn write(path: &std::path::Path, compiled: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if let Some(folder) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let unique = format!("{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let temporary = path.with_extension(unique);
    let result = fs::File::create_new(&temporary)
        .and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(Sha256::digest(compiled).as_slice())?;
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
