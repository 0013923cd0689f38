//! The file that a run makes: what it must not be, and whether it can be made. Told before anything is read, and looked at again when
//! the file is made, because links may lead elsewhere by then.

use std::path::{Path, PathBuf};

use super::model::{End, Mapping, Operation};
use crate::error::Failure;
use crate::files::{Access, beside, folder_of};
use crate::output::Format;
use crate::paths::{OwnFiles, same};
use crate::session::Session;

/// A file that is to be made.
#[derive(Clone, Debug)]
pub(super) struct TargetFile {
    pub path: PathBuf,
    pub format: Format,
    own: OwnFiles,
    /// What the run reads, and what it is to the run.
    read: Vec<(PathBuf, &'static str)>,
}

impl TargetFile {
    /// None if the target is a write.
    pub(super) fn of(session: &Session, operation: &Operation, input: Option<&Path>) -> Option<Self> {
        let End::File { path, format } = &operation.target else { return None };
        let mut read = Vec::new();
        if let End::File { path, .. } = &operation.source {
            read.push((session.project.resolve(path), "source"));
        }
        if let Some(Mapping::File(path)) = &operation.mapping {
            read.push((session.project.resolve(path), "mapping"));
        }
        read.extend(input.map(|path| (path.to_owned(), "input")));
        let (path, format) = (session.project.resolve(path), Format::from(*format));
        Some(Self { path, format, own: OwnFiles::of(session), read })
    }

    /// Whether it is none of the files that must stay.
    ///
    /// # Errors
    /// It is one.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.own.refuse(&self.path).map_err(told)?;
        for (path, what) in &self.read {
            let failed =
                |e: &std::io::Error| Failure::new(format!("cannot follow `{}`", self.path.display())).causes_of(e);
            if same(&self.path, path).map_err(|e| told(failed(&e)))? {
                let message =
                    format!("the target `{}` is the {what} as well, and would replace it", self.path.display());
                return Err(told(Failure::new(message)));
            }
        }
        Ok(())
    }

    /// The same, and whether its folder takes a file. One is made there for a moment, because nothing else tells that for certain.
    ///
    /// # Errors
    /// It may not be made, or cannot.
    pub(super) fn check_all(&self) -> Result<(), Failure> {
        self.check()?;
        let folder = folder_of(&self.path);
        if !folder.is_dir() {
            let failure = Failure::new(format!("there is no folder `{}`", folder.display()));
            return Err(at(failure.hint("make it, or name another file in `target.file`")));
        }
        beside(&self.path, Access::Usual).map(drop).map_err(told)
    }
}

fn told(failure: Failure) -> Failure {
    at(failure.hint("name another file in `target.file`"))
}

fn at(failure: Failure) -> Failure {
    failure.with("kind", "invalid-request").with("pointer", "/target/file")
}
