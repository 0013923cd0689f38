//! Which files may be named over HTTP, by an operation that comes or is started from there and by a connection: those of the project's
//! folder and of the folders that the operator adds, all links resolved, and none that the project lives on. What stands in the
//! operator's own files, the schedule and the command line run as it is.

use std::path::{Path, PathBuf};

use crate::error::{Failure, Failures, Result};
use crate::operation::model::Operation;
use crate::paths::{OwnFiles, real};
use crate::session::Session;

/// The folders.
#[derive(Debug)]
pub(super) struct Reach {
    folders: Vec<PathBuf>,
    own: OwnFiles,
}

impl Reach {
    /// With the folders that the operator adds, and the token's file, which no file of an operation may be.
    ///
    /// # Errors
    /// A folder that is none.
    pub(super) fn new(session: &Session, more: &[PathBuf], token_file: Option<&Path>) -> Result<Self> {
        if let Some(folder) = more.iter().find(|folder| !folder.is_dir()) {
            let failure = Failure::new(format!("--files {}: there is no such folder", folder.display()));
            return Err(failure.hint("make it, or name another one").into());
        }
        let mut folders = vec![session.project.resolve(Path::new("."))];
        folders.extend_from_slice(more);
        Ok(Self { folders, own: OwnFiles::of(session).with(token_file) })
    }

    /// # Errors
    /// Every file of the operation that is out of reach, with its pointer.
    pub(super) fn check(&self, session: &Session, operation: &Operation) -> Result<()> {
        let files = operation.files().map(|(pointer, path)| self.check_one(session, path, pointer));
        Failures::check(files.filter_map(Result::err).collect())
    }

    /// # Errors
    /// The file is out of reach, and not the one that the operator chose before.
    pub(super) fn check_ca_file(&self, session: &Session, path: Option<&Path>, before: Option<&Path>) -> Result<()> {
        match path.filter(|path| Some(*path) != before) {
            Some(path) => Ok(self.check_one(session, path, "/ca_file")?),
            None => Ok(()),
        }
    }

    fn check_one(&self, session: &Session, path: &Path, pointer: &str) -> Result<(), Failure> {
        self.check_path(&session.project.resolve(path)).map_err(|failure| failure.with("pointer", pointer))
    }

    fn check_path(&self, path: &Path) -> Result<(), Failure> {
        self.own.refuse(path).map_err(|failure| failure.hint("name another file"))?;
        let failed = |e: &std::io::Error| Failure::new(format!("cannot follow `{}`", path.display())).causes_of(e);
        let end = real(path).map_err(|e| failed(&e))?;
        for folder in &self.folders {
            if end.starts_with(real(folder).map_err(|e| failed(&e))?) {
                return Ok(());
            }
        }
        let failure = Failure::new(format!("`{}` is outside of the project's folder", path.display()));
        Err(failure
            .hint(
                "put the file into the project; or let `connector serve --files FOLDER` allow the folder that it is in",
            )
            .with("kind", "denied"))
    }
}
