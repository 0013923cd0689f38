//! Operations as files of the project, `operations/NAME.toml`: read with the line of every mistake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::model::{Operation, check_name, file_of};
use crate::error::{Failure, Failures, Result, suggest};
use crate::project::Project;
use crate::toml_file::TomlFile;

/// Operations that may follow each other.
pub(super) const LONGEST_CHAIN: usize = 16;

/// An operation's file.
#[derive(Debug)]
pub(crate) struct Saved {
    pub name: String,
    /// What it says.
    pub value: Value,
    /// Digest of the file: tells a later one from it.
    pub revision: String,
    /// The file itself.
    pub text: String,
    path: PathBuf,
    lines: BTreeMap<String, usize>,
}

impl Saved {
    /// What it says, read.
    ///
    /// # Errors
    /// Everything that is wrong, each with the file and the line.
    pub(crate) fn operation(&self) -> Result<Operation> {
        Operation::read(&self.value).map_err(|failures| self.place(failures))
    }

    /// Adds file and line to failures that have pointers.
    pub(crate) fn place(&self, failures: Failures) -> Failures {
        Failures(failures.0.into_iter().map(|failure| self.place_one(failure)).collect())
    }

    fn place_one(&self, failure: Failure) -> Failure {
        let Some(pointer) = failure.detail.get("pointer").and_then(Value::as_str) else { return failure };
        let mut at = pointer;
        let line = loop {
            match (self.lines.get(at), at.rfind('/')) {
                (Some(line), _) => break *line,
                (None, Some(end)) => at = at.get(..end).unwrap_or(""),
                (None, None) => break 1,
            }
        };
        let message = format!("{}:{line}: {}", self.path.display(), failure.message);
        let failure = failure.with("file", self.path.display().to_string()).with("line", line);
        Failure { message, ..failure }
    }
}

/// The names of all operations, sorted.
pub(crate) fn names(project: &Project) -> Result<Vec<String>, Failure> {
    let folder = project.resolve(Path::new("operations"));
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(not_read(&folder, &e)),
    };
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_suffix(".toml").filter(|name| check_name(name).is_ok()).map(str::to_owned)
    };
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort();
    Ok(names)
}

/// The file of an operation.
///
/// # Errors
/// There is none; it is no TOML.
pub(crate) fn load(project: &Project, name: &str) -> Result<Saved> {
    check_name(name)?;
    let path = project.resolve(&file_of(name));
    let text = match crate::files::read_text(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let failure = Failure::new(format!("there is no operation `{name}`: no file {}", path.display()))
                .with("kind", "not-found");
            let names = names(project)?;
            let hint = suggest(name, names.iter().map(String::as_str));
            return Err(failure
                .hint(hint.unwrap_or_else(|| "`connector operation list` lists them".to_owned()))
                .into());
        }
        Err(e) => return Err(not_read(&path, &e).into()),
    };
    let revision = digest(text.as_bytes());
    let file = TomlFile::parse(&path, text.clone())?;
    let mut lines = BTreeMap::new();
    let value = Value::Object(file.json(file.root(), "", &mut lines));
    Ok(Saved { name: name.to_owned(), value, revision, text, path, lines })
}

fn not_read(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot read `{}`", path.display())).causes_of(error).with("kind", "storage")
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// An operation that can run: it has the form of one, and so has all that may follow it.
///
/// # Errors
/// There is none, or whatever is wrong with its file or its chain.
pub(crate) fn runnable(project: &Project, name: &str) -> Result<Saved> {
    let saved = load(project, name)?;
    let checked = check_chain(project, name, &saved.operation()?);
    checked.map_err(|failures| saved.place(failures)).map(|()| saved)
}

/// Whether every operation that may follow this one is there, and none follows itself.
///
/// # Errors
/// The first chain that has no end or no file, at the member that begins it.
pub(crate) fn check_chain(project: &Project, name: &str, operation: &Operation) -> Result<()> {
    let mut failures = Vec::new();
    for (pointer, next) in operation.next() {
        let mut before = vec![name.to_owned()];
        if let Err(failure) = follow(project, &mut before, next) {
            failures.push(failure.with("pointer", pointer));
        }
    }
    Failures::check(failures)
}

fn follow(project: &Project, before: &mut Vec<String>, name: &str) -> Result<(), Failure> {
    if let Some(at) = before.iter().position(|one| one == name) {
        let circle = before.get(at..).unwrap_or_default().join(", then ");
        return Err(Failure::new(format!("the operations run in a circle: {circle}, then {name} again")));
    }
    if before.len() >= LONGEST_CHAIN {
        return Err(Failure::new(format!("more than {LONGEST_CHAIN} operations follow each other")));
    }
    let first = |failures: Failures| failures.0.into_iter().next().unwrap_or_else(|| Failure::defect("no reason"));
    let operation = load(project, name).and_then(|saved| saved.operation()).map_err(first)?;
    before.push(name.to_owned());
    for (_, next) in operation.next() {
        follow(project, before, next)?;
    }
    before.pop();
    Ok(())
}
