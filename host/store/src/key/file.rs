//! Key files: one key per line, the newest last, `#` begins a note. Keys are only ever added, each synced before it is used, so a
//! crash leaves at most a piece of a line at the end, which is no key and is taken away by the next addition.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::{Key, KeyError};

/// Largest key file, in bytes: room for thousands of keys.
const LARGEST: u64 = 1 << 20;

/// The keys of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Key>, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    file.lock_shared().map_err(failed)?;
    warn_if_open_to_others(path, &file);
    parse(&text(&mut file).map_err(failed)?).ok_or_else(|| KeyError::NoKey { place: path.display().to_string() })
}

/// Adds a new key to a file, which is made if it is missing, for its owner alone. With `first`, takes the newest of those that
/// another process has added meanwhile.
pub(super) fn append(path: &Path, first: bool) -> Result<Key, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let folder = folder_of(path);
    let mut file = private(path, folder).map_err(failed)?;
    file.lock().map_err(failed)?;
    let before = text(&mut file).map_err(failed)?;
    let mut keys = parse(&before).ok_or_else(|| KeyError::NoKey { place: path.display().to_string() })?;
    if first && let Some(key) = keys.pop() {
        // Who has written it may not have come to the point where a crash of the system leaves it there.
        file.sync_all().and_then(|()| sync(folder)).map_err(failed)?;
        return Ok(key);
    }
    let key = Key::generate()?;
    let mut write = || -> io::Result<()> {
        let unfinished = before.rsplit('\n').next().unwrap_or_default();
        if !unfinished.is_empty() {
            if line(unfinished).is_some() {
                file.write_all(b"\n")?;
            } else {
                file.set_len((before.len() - unfinished.len()) as u64)?;
            }
        }
        file.write_all(Zeroizing::new(format!("{}\n", *key.text())).as_bytes())?;
        file.sync_all()?;
        sync(folder)
    };
    write().map_err(failed)?;
    Ok(key)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes what was made in a folder durable. Elsewhere than on Unix, folders cannot be opened for that.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Opens a file for its owner alone, in a folder for its owner alone.
fn private(path: &Path, folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    make_folder(folder)?;
    options.open(path)
}

/// Makes a folder with all above it, each on the disk before the next.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder);
    make_folder(above)?;
    let mut maker = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    match maker.create(folder) {
        // Another process was faster.
        Err(_) if folder.is_dir() => sync(above),
        made => made.and_then(|()| sync(above)),
    }
}

#[cfg(unix)]
fn warn_if_open_to_others(path: &Path, file: &File) {
    use std::os::unix::fs::PermissionsExt as _;
    if file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!("others than the owner may use the key file {}: `chmod 600` takes that away", path.display());
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_others(_path: &Path, _file: &File) {}

fn text(file: &mut File) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large for a file of keys"));
    }
    Ok(text)
}

/// A key, or a line that says nothing; none if it is neither.
fn line(line: &str) -> Option<Option<Key>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') { Some(None) } else { Key::parse(line).map(Some) }
}

/// The keys of a text; none if a line is none. A last line without an end may be there by half.
fn parse(text: &str) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    for piece in text.split_inclusive('\n') {
        match line(piece) {
            Some(key) => keys.extend(key),
            None if !piece.ends_with('\n') => {}
            None => return None,
        }
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fingerprints(path: &Path) -> Vec<String> {
        read(path).unwrap().iter().map(|key| key.fingerprint().to_owned()).collect()
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_is_for_its_owner_alone_and_keeps_every_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/here/a.key");
        let first = append(&path, true).unwrap();
        assert_eq!(append(&path, true).unwrap().fingerprint(), first.fingerprint(), "there is a first one already");
        let second = append(&path, false).unwrap();
        assert_eq!(fingerprints(&path), [first.fingerprint(), second.fingerprint()]);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn a_key_that_was_written_by_half_is_none_and_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let first = append(&path, true).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        for cut in 1..whole.len() {
            std::fs::write(&path, format!("{whole}{}", &whole[..cut])).unwrap();
            let second = append(&path, false).unwrap();
            let all = fingerprints(&path);
            assert_eq!(
                (&all[0], all.last().unwrap()),
                (&first.fingerprint().to_owned(), &second.fingerprint().to_owned())
            );
        }
    }

    #[test]
    fn notes_and_a_last_line_without_an_end_are_taken_and_nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let key = Key::generate().unwrap();
        std::fs::write(&path, format!("# ours\n\n{}", *key.text())).unwrap();
        assert_eq!(fingerprints(&path), [key.fingerprint()]);
        std::fs::write(&path, "nonsense\n").unwrap();
        assert!(matches!(read(&path), Err(KeyError::NoKey { .. })));
        assert!(matches!(append(&path, false), Err(KeyError::NoKey { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "nonsense\n");
    }
}
