//! Keeps the folder of compiled connectors from growing without end: what was used last stays, up to a size, and what a process
//! that was killed left half-written goes. Touches no file but those that the cache itself makes.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that is still being written is younger than this.
const HALF_WRITTEN: Duration = Duration::from_secs(3600);
/// Hex digits in a file's name.
const DIGITS: usize = 64;

/// Notes that a file was used just now. In a folder that somebody else answers for it cannot be noted, and is not cleared either.
pub(crate) fn touch(file: &fs::File) {
    let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
}

/// Removes what was used least recently until the folder's compiled files take no more than `most` bytes. `made`, the newest, stays
/// whatever its size: it would only be made again. A file that cannot be removed is somebody's next time.
pub(crate) fn sweep(folder: &Path, most: u64, made: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut compiled = Vec::new();
    for entry in entries.flatten() {
        match (kind(&entry.path()), used(&entry)) {
            (Some(Kind::Compiled), Some((at, size))) => compiled.push((at, size, entry.path())),
            (Some(Kind::HalfWritten), Some((at, _))) if at.elapsed().is_ok_and(|age| age > HALF_WRITTEN) => {
                let _ = fs::remove_file(entry.path());
            }
            _ => {}
        }
    }
    for path in surplus(compiled, most, made) {
        let _ = fs::remove_file(path);
    }
}

enum Kind {
    Compiled,
    HalfWritten,
}

/// What a file of the cache is, by its name; none for the files of others.
fn kind(path: &Path) -> Option<Kind> {
    let name = path.file_name().and_then(OsStr::to_str)?;
    let (digits, rest) = name.split_at_checked(DIGITS)?;
    let ours = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match path.extension().and_then(OsStr::to_str)? {
        "cwasm" if ours && rest == ".cwasm" => Some(Kind::Compiled),
        "tmp" if ours => Some(Kind::HalfWritten),
        _ => None,
    }
}

/// When a file was used last, and its size.
fn used(entry: &DirEntry) -> Option<(SystemTime, u64)> {
    let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The files that are too much.
fn surplus(mut compiled: Vec<(SystemTime, u64, PathBuf)>, most: u64, made: &Path) -> Vec<PathBuf> {
    let newest_first = |(at, _, path): &(SystemTime, u64, PathBuf)| (path != made, std::cmp::Reverse(*at));
    compiled.sort_by_key(newest_first);
    let mut total: u64 = 0;
    let beyond = |(_, size, path): (SystemTime, u64, PathBuf)| {
        total = total.saturating_add(size);
        (total > most && path != made).then_some(path)
    };
    compiled.into_iter().filter_map(beyond).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Writes a file of this size that was used so many hours ago.
    fn file(folder: &Path, name: &str, size: usize, hours: u64) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, vec![0; size]).unwrap();
        let at = SystemTime::now() - Duration::from_secs(hours * 3600);
        fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        path
    }

    #[test]
    fn what_was_used_last_stays_up_to_the_size_and_the_rest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let named = |digit: &str| format!("{}.cwasm", digit.repeat(DIGITS));
        let files: Vec<PathBuf> =
            (1..5).map(|hours| file(folder.path(), &named(&hours.to_string()), 100, hours)).collect();
        let there = || files.iter().map(|path| path.exists()).collect::<Vec<_>>();
        sweep(folder.path(), 400, &files[0]);
        assert_eq!(there(), [true; 4], "as much as there may be");
        touch(&fs::File::open(&files[3]).unwrap());
        sweep(folder.path(), 399, &files[0]);
        assert_eq!(there(), [true, true, false, true], "the least recently used goes first");
        sweep(folder.path(), 0, &files[1]);
        assert_eq!(there(), [false, true, false, false], "what was just made stays");
    }

    #[test]
    fn what_a_killed_process_left_half_written_goes_and_files_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let digits = "a".repeat(DIGITS);
        let stale = file(folder.path(), &format!("{digits}.77-0.tmp"), 10, 2);
        let others = [
            file(folder.path(), &format!("{digits}.78-0.tmp"), 10, 0),
            file(folder.path(), "notes.tmp", 10, 99),
            file(folder.path(), "mine.cwasm", 10, 99),
            file(folder.path(), &format!("{digits}.txt"), 10, 99),
        ];
        sweep(folder.path(), 0, Path::new("none"));
        assert!(!stale.exists() && others.iter().all(|path| path.exists()), "{others:?}");
    }
}
