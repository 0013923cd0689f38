//! Variables: values that settings mention as `[name]`, in one namespace. The first of these places that has a value gives it:
//!
//! 1. the command line, `--var NAME=VALUE`, for one run;
//! 2. the process's environment, `CONNECTOR_VAR_NAME` (the name in capitals, other characters than letters and digits as `_`), for
//!    all runs that inherit it;
//! 3. the connection's own variables in the store;
//! 4. the project's values for the environment of `--environment`: in the store, then in the variables file;
//! 5. the project's values for all environments: in the store, then in the variables file.
//!
//! The first two are global: set for runs. The names of predefined ones (`predefined.rs`) belong to nobody else. Hidden values are
//! shown as `****`; so are global ones that no project declares, because nobody said that they may be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connector_host::{Secret, VariableError, is_variable_name};
use connector_store::{Kept, Saved, Store, StoreError, Stored};

use crate::error::Failure;

mod file;
mod load;
mod predefined;
#[cfg(test)]
mod tests;

use file::VariablesFile;
pub(crate) use load::{Environment, check_name, environments, read_secrets};
use predefined::is_predefined;

pub(crate) use predefined::{Run, host_name};

/// How the names of variables begin in the process's environment.
pub(crate) const PREFIX: &str = "CONNECTOR_VAR_";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `[variables]` of a file, with the line.
    File(PathBuf, usize),
    /// `[environments.NAME.variables]` of a file, with the line.
    Section(String, PathBuf, usize),
    /// The store, for this environment or for all.
    Store(Option<String>),
    /// The connection's own, in the store or about to be kept there.
    Own,
    /// The process's environment, with the name there.
    Environment(String),
    /// `--var`.
    CommandLine,
    /// The program itself.
    Predefined,
}

impl Origin {
    /// For people: the source.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::File(path, line) => format!("{}:{line}", path.display()),
            Self::Section(name, path, line) => format!("{}:{line} (environment {name})", path.display()),
            Self::Store(None) | Self::Own => "store".to_owned(),
            Self::Store(Some(name)) => format!("store (environment {name})"),
            Self::Environment(name) => format!("environment variable {name}"),
            Self::CommandLine => "command line".to_owned(),
            Self::Predefined => "this program".to_owned(),
        }
    }

    /// The environment for which the value is, if not for all.
    pub(crate) fn environment(&self) -> Option<&str> {
        match self {
            Self::Section(name, ..) | Self::Store(Some(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether it comes before what connections have of their own.
    pub(crate) fn comes_first(&self) -> bool {
        matches!(self, Self::CommandLine | Self::Environment(_) | Self::Predefined)
    }

    /// For people: for whom the value holds.
    pub(crate) fn scope(&self) -> &'static str {
        match self {
            Self::File(..) | Self::Section(..) | Self::Store(_) => "project",
            Self::Own => "connection",
            Self::Environment(_) | Self::CommandLine => "global",
            Self::Predefined => "predefined",
        }
    }
}

/// A value, which is decrypted only when somebody needs it.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Known(Secret),
    Stored(Box<Stored>),
}

/// One variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// Absent if a file declares the variable and nothing sets it.
    pub value: Option<Held>,
    /// Where the value, or else the declaration, comes from.
    pub origin: Origin,
    /// Whether the value must not be shown.
    pub hidden: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// All variables as one connection, or the project, sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// `--var`.
    line: BTreeMap<String, Secret>,
    /// The process's environment, as far as it holds variables.
    process: BTreeMap<String, Secret>,
    /// What people write into a file.
    file: Arc<VariablesFile>,
    store: Option<Arc<Store>>,
    /// The chosen environment.
    environment: Option<String>,
    /// The connection whose own variables count.
    connection: Option<Kept>,
    /// Values that are about to be kept for that connection.
    pending: BTreeMap<String, Secret>,
    predefined: BTreeMap<&'static str, String>,
}

/// Where to look.
pub(crate) struct Sources<'a> {
    /// The variables file.
    pub file: &'a Path,
    /// Whether the file was named on the command line, and so must exist.
    pub file_required: bool,
    /// The store, if there is one.
    pub store: Option<Arc<Store>>,
    /// `--environment`.
    pub environment: Option<&'a str>,
    /// The process's environment.
    pub process: Vec<(String, String)>,
    /// `--var`, as typed.
    pub command_line: &'a [String],
    /// The run.
    pub run: &'a Run,
}

impl Variables {
    /// Reads all sources but the store, which is asked for each value; the file is read again when it changes. Tells everything that is
    /// wrong with them at once.
    pub(crate) fn load(sources: Sources<'_>) -> Result<Self, Vec<Failure>> {
        load::load(sources)
    }

    /// The variables as this connection sees them.
    pub(crate) fn of(mut self, saved: &Saved) -> Self {
        self.connection = saved.kept;
        predefined::add_connection(&mut self.predefined, saved);
        self
    }

    /// With values that are about to be kept for the connection.
    pub(crate) fn with_pending(mut self, secrets: &[(String, Secret)]) -> Self {
        self.pending.extend(secrets.iter().cloned());
        self
    }

    /// The variable that settings mean by this name.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Variable>, StoreError> {
        if let Some(value) = self.predefined.get(name) {
            let value = Some(Held::Known(Secret::public(value)));
            return Ok(Some(Variable { value, origin: Origin::Predefined, hidden: false, description: None }));
        }
        let rows = match &self.store {
            Some(store) => store.stored(name, self.connection)?,
            None => Vec::new(),
        };
        let chosen = self.environment.as_deref();
        let stored = |own: bool, environment: Option<&str>| {
            let row = rows.iter().find(|row| row.is_of_a_connection() == own && row.environment() == environment)?;
            let origin = if own { Origin::Own } else { Origin::Store(environment.map(str::to_owned)) };
            let value = Some(Held::Stored(Box::new(row.clone())));
            Some(Variable { value, origin, hidden: row.hidden(), description: row.description.clone() })
        };
        let file = self.file.declared();
        let of_environment = |own| chosen.and_then(|chosen| stored(own, Some(chosen)));
        let declared = [
            self.pending.get(name).map(|value| global(value, Origin::Own)),
            of_environment(true),
            stored(true, None),
            of_environment(false),
            file.section.get(name).cloned(),
            stored(false, None),
            file.all.get(name).cloned(),
        ];
        let declared: Vec<Variable> = declared.into_iter().flatten().collect();
        let given = self.line.get(name).map(|value| global(value, Origin::CommandLine));
        let given = given.or_else(|| {
            let (key, value) = shell_names(name).into_iter().find_map(|key| self.process.get_key_value(&key))?;
            Some(global(value, Origin::Environment(key.clone())))
        });
        // Hidden in one place, hidden in all; a description that is said anywhere holds.
        let hidden = declared.iter().any(|v| v.hidden) || declared.is_empty();
        let description = declared.iter().find_map(|v| v.description.clone());
        let mut all = given.into_iter().chain(declared);
        let first = all.next();
        let set =
            if first.as_ref().is_some_and(|v| v.value.is_some()) { None } else { all.find(|v| v.value.is_some()) };
        Ok(set.or(first).map(|variable| Variable { hidden, description, ..variable }))
    }

    /// The value behind a variable.
    pub(crate) fn reveal(&self, held: &Held) -> Result<Secret, StoreError> {
        match (held, &self.store) {
            (Held::Known(secret), _) => Ok(secret.clone()),
            (Held::Stored(row), Some(store)) => store.reveal(row),
            (Held::Stored(row), None) => Ok(Secret::new(row.value().unwrap_or_default())),
        }
    }

    /// The names that the project declares, that the command line sets, or that settings mention, and the predefined ones; and
    /// what else the environment holds, in small letters.
    pub(crate) fn names(&self, mentioned: &[String]) -> BTreeSet<String> {
        let file = self.file.declared();
        let declared = file.all.keys().chain(file.section.keys()).chain(self.line.keys()).chain(mentioned).cloned();
        let predefined = self.predefined.keys().map(|name| (*name).to_owned());
        let mut names: BTreeSet<String> = declared.chain(predefined).collect();
        for key in self.process.keys() {
            if !names.iter().any(|name| shell_names(name).contains(key)) {
                names.extend(key.strip_prefix(PREFIX).map(str::to_lowercase));
            }
        }
        names
    }
}

fn global(value: &Secret, origin: Origin) -> Variable {
    Variable { value: Some(Held::Known(value.clone())), origin, hidden: true, description: None }
}

impl connector_host::Variables for Variables {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        if !is_variable_name(name) {
            return Err(VariableError::InvalidName(name.to_owned()));
        }
        let unread = |error: StoreError| VariableError::Provider(error.to_string());
        let undefined = || VariableError::Undefined(name.to_owned());
        let found = self.find(name).map_err(unread)?;
        if let Some(reason) = self.file.unread()
            && found.as_ref().is_none_or(|variable| matches!(variable.origin, Origin::File(..) | Origin::Section(..)))
        {
            return Err(VariableError::Provider(reason));
        }
        let variable = found.ok_or_else(undefined)?;
        let value = self.reveal(&variable.value.ok_or_else(undefined)?).map_err(unread)?;
        // What may be seen is not taken out of messages: a store's name in one is no leak.
        Ok(if variable.hidden { Secret::new(value.reveal()) } else { Secret::public(value.reveal()) })
    }
}

/// A name as shells can write it.
pub(crate) fn shell_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// What a variable may be called in the process's environment: a name with dashes or dots cannot be set in most shells.
fn shell_names(name: &str) -> [String; 2] {
    [format!("{PREFIX}{name}"), format!("{PREFIX}{}", shell_name(name))]
}
