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
use toml_edit::{Item, TableLike, Value};

use crate::error::{Failure, suggest};
use crate::toml_file::{Entry, TomlFile};

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
        let mut loader = Loader::default();
        loader.file(sources);
        loader.secrets(sources.secrets);
        loader.process(&sources.process);
        loader.command_line(sources.command_line);
        if loader.failures.is_empty() {
            Ok(loader.variables)
        } else {
            Err(loader.failures)
        }
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

    /// Adds a hidden value, as `secrets.toml` would.
    pub(crate) fn add_secret(&mut self, name: &str, value: Secret, file: &Path) {
        let secret = Variable {
            value: Some(value),
            origin: Origin::File(file.to_owned(), 0),
            hidden: true,
            description: None,
        };
        self.all.insert(name.to_owned(), secret);
    }
}

impl connector_host::Variables for Variables {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        if !is_variable_name(name) {
            return Err(VariableError::InvalidName(name.to_owned()));
        }
        self.find(name)
            .and_then(|v| v.value)
            .ok_or_else(|| VariableError::Undefined(name.to_owned()))
    }
}

/// A name as shells can write it.
pub(crate) fn shell_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

#[derive(Default)]
struct Loader {
    variables: Variables,
    failures: Vec<Failure>,
}

impl Loader {
    fn read(&mut self, path: &Path) -> Option<TomlFile> {
        TomlFile::read(path).unwrap_or_else(|failure| {
            self.failures.push(failure);
            None
        })
    }

    fn file(&mut self, sources: &Sources<'_>) {
        let before = self.failures.len();
        let Some(file) = self.read(sources.file) else {
            let unread = self.failures.len() > before;
            if sources.file_required && !unread {
                let path = sources.file.display();
                self.failures
                    .push(Failure::new(format!("there is no file `{path}`")).hint("it was named with --variables"));
            } else if let (Some(name), false) = (sources.environment, unread) {
                self.failures.push(unknown_environment(name, &[], sources.file));
            }
            return;
        };
        let mut sections: Vec<(String, Vec<(usize, &dyn TableLike)>)> = Vec::new();
        for entry in file.entries(file.root()) {
            match (entry.key, entry.item.as_table_like()) {
                ("variables", Some(table)) => {
                    let origin = |line| Origin::File(file.path().to_owned(), line);
                    self.table(&file, table, &origin);
                }
                ("environments", Some(table)) => {
                    for section in file.entries(table) {
                        let tables = self.section(&file, &section);
                        sections.push((section.key.to_owned(), tables));
                    }
                }
                ("variables" | "environments", None) => {
                    self.failures
                        .push(file.mistake(entry.line, format!("`{}` must be a table", entry.key)));
                }
                _ => self
                    .failures
                    .push(file.unknown(&entry, "the file", &["variables", "environments"])),
            }
        }
        let Some(wanted) = sources.environment else { return };
        match sections.iter().find(|(name, _)| name == wanted) {
            Some((name, tables)) => {
                for (_, table) in tables {
                    let origin = |line| Origin::Section(name.clone(), file.path().to_owned(), line);
                    self.table(&file, *table, &origin);
                }
            }
            None => {
                let names: Vec<&str> = sections.iter().map(|(name, _)| name.as_str()).collect();
                self.failures.push(unknown_environment(wanted, &names, sources.file));
            }
        }
    }

    fn section<'a>(&mut self, file: &'a TomlFile, section: &Entry<'a>) -> Vec<(usize, &'a dyn TableLike)> {
        let Some(table) = section.item.as_table_like() else {
            self.failures.push(file.mistake(
                section.line,
                format!("the environment `{}` must be a table", section.key),
            ));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for entry in file.entries(table) {
            match (entry.key, entry.item.as_table_like()) {
                ("variables", Some(table)) => tables.push((entry.line, table)),
                ("variables", None) => self
                    .failures
                    .push(file.mistake(entry.line, "`variables` must be a table")),
                _ => self.failures.push(file.unknown(
                    &entry,
                    &format!("the environment `{}`", section.key),
                    &["variables"],
                )),
            }
        }
        tables
    }

    fn table(&mut self, file: &TomlFile, table: &dyn TableLike, origin: &dyn Fn(usize) -> Origin) {
        for entry in file.entries(table) {
            match read_variable(file, &entry, origin(entry.line)) {
                Ok(variable) => self.put(entry.key, variable),
                Err(failures) => self.failures.extend(failures),
            }
        }
    }

    /// A later source replaces the value; once hidden, always hidden.
    fn put(&mut self, name: &str, mut variable: Variable) {
        if let Some(before) = self.variables.all.remove(name) {
            variable.hidden |= before.hidden;
            variable.description = variable.description.or(before.description);
            if variable.value.is_none() {
                variable.value = before.value;
                variable.origin = before.origin;
            }
        }
        self.variables.all.insert(name.to_owned(), variable);
    }

    fn secrets(&mut self, path: &Path) {
        let Some(file) = self.read(path) else { return };
        for entry in file.entries(file.root()) {
            let (true, Some(table)) = (entry.key == "variables", entry.item.as_table_like()) else {
                self.failures.push(file.unknown(&entry, "the file", &["variables"]));
                continue;
            };
            for entry in file.entries(table) {
                match read_variable(&file, &entry, Origin::File(path.to_owned(), entry.line)) {
                    Ok(variable) => match self.variables.all.get(entry.key) {
                        // What is closer to the command line stays.
                        Some(Variable { value: Some(_), .. }) => {
                            if let Some(before) = self.variables.all.get_mut(entry.key) {
                                before.hidden = true;
                            }
                        }
                        _ => self.put(
                            entry.key,
                            Variable {
                                hidden: true,
                                ..variable
                            },
                        ),
                    },
                    Err(failures) => self.failures.extend(failures),
                }
            }
        }
    }

    fn process(&mut self, process: &[(String, String)]) {
        for (key, value) in process {
            if key.starts_with(PREFIX) {
                self.variables
                    .environment
                    .insert(key.clone(), Secret::new(value.as_str()));
            }
        }
    }

    fn command_line(&mut self, typed: &[String]) {
        for text in typed {
            let Some((name, value)) = text.split_once('=') else {
                let failure =
                    Failure::new("cannot read a `--var`: there is no `=` in it").hint("write --var NAME=VALUE");
                self.failures.push(failure);
                continue;
            };
            if !is_variable_name(name) {
                self.failures.push(bad_name(Failure::new(format!(
                    "`{name}` cannot be the name of a variable"
                ))));
                continue;
            }
            let hidden = self.variables.all.get(name).is_none_or(|v| v.hidden);
            let variable = Variable {
                value: Some(Secret::new(value)),
                origin: Origin::CommandLine,
                hidden,
                description: None,
            };
            self.put(name, variable);
        }
    }
}

fn unknown_environment(name: &str, known: &[&str], file: &Path) -> Failure {
    let failure = Failure::new(format!("{} has no environment `{name}`", file.display()));
    match suggest(name, known.iter().copied()) {
        Some(hint) => failure.hint(hint),
        None => failure.hint(format!("add a section [environments.{name}.variables]")),
    }
}

fn bad_name(failure: Failure) -> Failure {
    failure.hint("a name is made of letters, digits, `_`, `-` and `.`, and begins with a letter or `_`")
}

fn read_variable(file: &TomlFile, entry: &Entry<'_>, origin: Origin) -> Result<Variable, Vec<Failure>> {
    let name = entry.key;
    if !is_variable_name(name) {
        return Err(vec![bad_name(
            file.mistake(entry.line, format!("`{name}` cannot be the name of a variable")),
        )]);
    }
    let mut variable = Variable {
        value: None,
        origin,
        hidden: false,
        description: None,
    };
    let mut failures = Vec::new();
    if let Some(table) = entry.item.as_table_like() {
        for part in file.entries(table) {
            match part.key {
                "value" => match text_of(part.item) {
                    Some(text) => variable.value = Some(Secret::new(text)),
                    None => failures.push(file.mistake(part.line, format!("the value of `{name}` must be a text"))),
                },
                "hidden" => match part.item.as_bool() {
                    Some(hidden) => variable.hidden = hidden,
                    None => {
                        failures.push(file.mistake(part.line, format!("`hidden` of `{name}` must be true or false")))
                    }
                },
                "description" => match part.item.as_str() {
                    Some(text) => variable.description = Some(text.to_owned()),
                    None => {
                        failures.push(file.mistake(part.line, format!("the description of `{name}` must be a text")))
                    }
                },
                _ => failures.push(file.unknown(
                    &part,
                    &format!("the variable `{name}`"),
                    &["value", "hidden", "description"],
                )),
            }
        }
    } else {
        match text_of(entry.item) {
            Some(text) => variable.value = Some(Secret::new(text)),
            None => failures.push(
                file.mistake(entry.line, format!("the variable `{name}` must be a text"))
                    .hint("or a table: { value = \"...\", hidden = true, description = \"...\" }"),
            ),
        }
    }
    if failures.is_empty() {
        Ok(variable)
    } else {
        Err(failures)
    }
}

/// Texts, and what people write without quotes.
fn text_of(item: &Item) -> Option<String> {
    match item.as_value()? {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(truth) => Some(truth.value().to_string()),
        _ => None,
    }
}

/// A place in settings that mentions a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// JSON pointer of the setting.
    pub pointer: String,
    /// The variable.
    pub name: String,
    /// Whether the setting says what to take where there is no such variable.
    pub has_default: bool,
}

/// The variables that settings mention: `[name]` or `[name{default}]`; `[[` stands for `[`.
pub(crate) fn mentions(settings: &serde_json::Value) -> Vec<Mention> {
    let mut found = Vec::new();
    walk(settings, "", &mut found);
    found
}

fn walk(value: &serde_json::Value, pointer: &str, found: &mut Vec<Mention>) {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => {
            for (name, has_default) in names_in(text) {
                found.push(Mention {
                    pointer: pointer.to_owned(),
                    name: name.to_owned(),
                    has_default,
                });
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{pointer}/{index}"), found);
            }
        }
        Json::Object(map) => {
            for (key, item) in map {
                walk(
                    item,
                    &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        _ => {}
    }
}

fn names_in(text: &str) -> Vec<(&str, bool)> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, inside)) = rest.split_once('[') {
        rest = inside;
        if let Some(tail) = inside.strip_prefix('[') {
            rest = tail;
            continue;
        }
        let Some(end) = inside.find([']', '{']) else { continue };
        let Some((name, tail)) = inside.split_at_checked(end) else {
            continue;
        };
        if !is_variable_name(name) {
            continue;
        }
        if let Some(tail) = tail.strip_prefix(']') {
            names.push((name, false));
            rest = tail;
        } else if let Some((_, tail)) = tail.split_once("}]") {
            names.push((name, true));
            rest = tail;
        }
    }
    names
}

#[cfg(test)]
#[path = "variables_tests.rs"]
mod tests;
