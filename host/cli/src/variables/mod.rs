//! Variables of a project: values that settings mention as `[name]`, from four places. The first that has a value wins:
//!
//! 1. the command line, `--var NAME=VALUE`;
//! 2. the process's environment, `CONNECTOR_VAR_NAME` (the name in capitals, other characters than letters and digits as `_`);
//! 3. `[environments.NAME.variables]` of the variables file, with `--environment NAME`;
//! 4. `[variables]` of the variables file, and `secrets.toml`, which the program itself keeps.
//!
//! A variable is written as a text, or as a table `{ value = "...", hidden = true, description = "..." }`. Hidden values are
//! shown as `****`; so are values that no file declares, because nobody said that they may be seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use connector_host::{Secret, VariableError, is_variable_name};

use crate::error::Failure;

mod load;
#[cfg(test)]
mod tests;

/// How the names of variables begin in the process's environment.
pub(crate) const PREFIX: &str = "CONNECTOR_VAR_";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// `[variables]` of a file, with the line.
    File(PathBuf, usize),
    /// `[environments.NAME.variables]` of a file, with the line.
    Section(String, PathBuf, usize),
    /// The process's environment, with the name there.
    Environment(String),
    /// `--var`.
    CommandLine,
}

impl Origin {
    /// For people.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::File(path, line) => format!("{}:{line}", path.display()),
            Self::Section(name, path, line) => format!("{}:{line} (environment {name})", path.display()),
            Self::Environment(name) => format!("environment variable {name}"),
            Self::CommandLine => "command line".to_owned(),
        }
    }
}

/// One variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// Absent if a file declares the variable and nothing sets it.
    pub value: Option<Secret>,
    /// Where the value, or else the declaration, comes from.
    pub origin: Origin,
    /// Whether the value must not be shown.
    pub hidden: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// All variables of a project.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    all: BTreeMap<String, Variable>,
    /// The process's environment, as far as it holds variables.
    environment: BTreeMap<String, Secret>,
}

/// Where to look.
pub(crate) struct Sources<'a> {
    /// The variables file.
    pub file: &'a Path,
    /// Whether the file was named on the command line, and so must exist.
    pub file_required: bool,
    /// The file of secrets that the program keeps.
    pub secrets: &'a Path,
    /// `--environment`.
    pub environment: Option<&'a str>,
    /// The process's environment.
    pub process: Vec<(String, String)>,
    /// `--var`, as typed.
    pub command_line: &'a [String],
}

impl Variables {
    /// Reads all sources. Tells everything that is wrong with them at once.
    pub(crate) fn load(sources: &Sources<'_>) -> Result<Self, Vec<Failure>> {
        load::load(sources)
    }

    /// The variable that settings mean by this name.
    pub(crate) fn find(&self, name: &str) -> Option<Variable> {
        let declared = self.all.get(name);
        if declared.is_some_and(|v| v.origin == Origin::CommandLine) {
            return declared.cloned();
        }
        // A name with dashes or dots cannot be set in most shells: any name may be written in capitals and underscores.
        for key in [format!("{PREFIX}{name}"), format!("{PREFIX}{}", shell_name(name))] {
            if let Some(value) = self.environment.get(&key) {
                return Some(Variable {
                    value: Some(value.clone()),
                    origin: Origin::Environment(key),
                    hidden: declared.is_none_or(|v| v.hidden),
                    description: declared.and_then(|v| v.description.clone()),
                });
            }
        }
        declared.cloned()
    }

    /// The names that a file declares, that the command line sets, or that settings mention; and what else the environment holds,
    /// in small letters.
    pub(crate) fn names(&self, mentioned: &[String]) -> Vec<String> {
        let mut names: Vec<String> = self.all.keys().chain(mentioned).cloned().collect();
        for key in self.environment.keys() {
            let known = |n: &String| *key == format!("{PREFIX}{n}") || *key == format!("{PREFIX}{}", shell_name(n));
            if !names.iter().any(known) {
                names.extend(key.strip_prefix(PREFIX).map(str::to_lowercase));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// Makes sure that the value is not shown.
    pub(crate) fn hide(&mut self, name: &str) {
        if let Some(variable) = self.all.get_mut(name) {
            variable.hidden = true;
        }
    }

    /// Adds a hidden value, as `secrets.toml` would.
    pub(crate) fn add_secret(&mut self, name: &str, value: Secret, file: &Path) {
        let secret =
            Variable { value: Some(value), origin: Origin::File(file.to_owned(), 0), hidden: true, description: None };
        self.all.insert(name.to_owned(), secret);
    }
}

impl connector_host::Variables for Variables {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        if !is_variable_name(name) {
            return Err(VariableError::InvalidName(name.to_owned()));
        }
        let undefined = || VariableError::Undefined(name.to_owned());
        let variable = self.find(name).ok_or_else(undefined)?;
        let value = variable.value.ok_or_else(undefined)?;
        // What may be seen is not taken out of messages: a store's name in one is no leak.
        Ok(if variable.hidden { value } else { Secret::public(value.reveal()) })
    }
}

/// A name as shells can write it.
pub(crate) fn shell_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
