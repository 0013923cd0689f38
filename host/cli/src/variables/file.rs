//! The file of variables as it is now, for a process that stays: a token that somebody rotates in it serves from the next request on.
//! Looks at the file at most once a second, reads it when it has changed, and keeps no value of one that cannot be read any more.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use connector_store::Store;

use super::load::{Declared, read_declared};
use crate::error::{Failure, Failures};

/// How old what is known of the file may be.
const LOOK: Duration = Duration::from_secs(1);
/// A file that was changed so shortly before it was read may change again without a later time: file systems count time in steps.
const SETTLED: Duration = Duration::from_secs(2);

/// Which file, and what is taken from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    /// Whether it was named on the command line, and so must exist.
    pub(super) required: bool,
    /// The environment whose section counts.
    pub(super) environment: Option<String>,
    /// Where that environment may have values, too.
    pub(super) store: Option<Arc<Store>>,
}

/// The file.
#[derive(Debug, Default)]
pub(super) struct VariablesFile {
    wanted: Wanted,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// None: not looked at yet.
    looked: Option<Instant>,
    /// What tells the file that was read from a later one; none if a later one could look the same.
    mark: Option<Mark>,
    /// What it said when it could be read last.
    declared: Arc<Declared>,
    /// Why it cannot be read now.
    unread: Option<Failures>,
}

/// Time of the last change and length; none if there is no file.
type Mark = Option<(SystemTime, u64)>;

impl VariablesFile {
    /// # Errors
    /// All that is wrong with the file.
    pub(super) fn read(wanted: Wanted) -> Result<Self, Vec<Failure>> {
        let file = Self { wanted, seen: Mutex::default() };
        let unread = file.look().unread.take();
        unread.map_or(Ok(file), |failures| Err(failures.0))
    }

    /// What the file says, or said when it could be read last.
    pub(super) fn declared(&self) -> Arc<Declared> {
        Arc::clone(&self.look().declared)
    }

    /// Why the file cannot be read now, if that is so.
    pub(super) fn unread(&self) -> Option<String> {
        self.look().unread.as_ref().map(Failures::in_one_line)
    }

    fn look(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return seen;
        }
        seen.looked = Some(Instant::now());
        // Before it is read: what changes in between is seen at the next look.
        let mark = self.mark();
        if mark.is_none() || mark != seen.mark {
            match read_declared(&self.wanted) {
                Ok(declared) => (seen.declared, seen.unread) = (Arc::new(declared), None),
                Err(failures) => seen.unread = Some(Failures(failures)),
            }
            seen.mark = mark;
        }
        seen
    }

    fn mark(&self) -> Option<Mark> {
        let Ok(data) = std::fs::metadata(&self.wanted.path) else { return Some(None) };
        let changed = data.modified().ok()?;
        let settled = changed.elapsed().is_ok_and(|age| age > SETTLED);
        settled.then_some(Some((changed, data.len())))
    }
}
