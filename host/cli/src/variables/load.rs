//! Reads the sources of variables that are texts, and tells everything that is wrong with them at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use connector_host::{Secret, is_variable_name};
use connector_store::Store;
use toml_edit::{Item, TableLike, Value};

use super::file::{VariablesFile, Wanted};
use super::{Held, Origin, PREFIX, Sources, Variable, Variables, is_predefined, predefined};
use crate::error::{Failure, suggest};
use crate::project::failed;
use crate::toml_file::{Entry, TomlFile};

/// What a file of variables says.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// In the section of the chosen environment.
    pub(super) section: BTreeMap<String, Variable>,
    /// For all environments.
    pub(super) all: BTreeMap<String, Variable>,
}

/// Reads all sources.
pub(super) fn load(sources: Sources<'_>) -> Result<Variables, Vec<Failure>> {
    let file = VariablesFile::read(Wanted {
        path: sources.file.to_owned(),
        required: sources.file_required,
        environment: sources.environment.map(str::to_owned),
        store: sources.store.clone(),
    });
    let mut failures = Vec::new();
    let mut variables = Variables {
        environment: sources.environment.map(str::to_owned),
        predefined: predefined::of_run(sources.run),
        store: sources.store,
        ..Variables::default()
    };
    match file {
        Ok(file) => variables.file = file.into(),
        Err(list) => failures.extend(list),
    }
    let process = sources.process.into_iter().filter(|(key, _)| key.starts_with(PREFIX));
    variables.process = process.map(|(key, value)| (key, Secret::new(value))).collect();
    for text in sources.command_line {
        match typed(text) {
            Ok((name, value)) => drop(variables.line.insert(name.to_owned(), Secret::new(value))),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() { Ok(variables) } else { Err(failures) }
}

/// Name and value of a `--var`.
fn typed(text: &str) -> Result<(&str, &str), Failure> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Failure::new("cannot read a `--var`: there is no `=` in it").hint("write --var NAME=VALUE"))?;
    check_name(name).map(|()| (name, value))
}

/// Reads the file of variables.
pub(super) fn read_declared(wanted: &Wanted) -> Result<Declared, Vec<Failure>> {
    let mut loader = Loader::default();
    loader.file(wanted);
    let Loader { declared, failures } = loader;
    if failures.is_empty() { Ok(declared) } else { Err(failures) }
}

/// The values of a `secrets.toml`, as older connections have it beside them; none if there is no such file.
pub(crate) fn read_secrets(path: &Path) -> Result<BTreeMap<String, Secret>, Vec<Failure>> {
    let mut loader = Loader::default();
    let Some(file) = loader.read(path) else {
        return if loader.failures.is_empty() { Ok(BTreeMap::new()) } else { Err(loader.failures) };
    };
    let mut secrets = BTreeMap::new();
    for entry in file.entries(file.root()) {
        let (true, Some(table)) = (entry.key == "variables", entry.item.as_table_like()) else {
            loader.failures.push(file.unknown(&entry, "the file", &["variables"]));
            continue;
        };
        for entry in file.entries(table) {
            match read_variable(&file, &entry, Origin::Own) {
                Ok(Variable { value: Some(Held::Known(value)), .. }) => {
                    drop(secrets.insert(entry.key.to_owned(), value))
                }
                Ok(_) => {}
                Err(failures) => loader.failures.extend(failures),
            }
        }
    }
    if loader.failures.is_empty() { Ok(secrets) } else { Err(loader.failures) }
}

/// What is known of an environment.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// The variables that have a value for it.
    pub(crate) variables: BTreeSet<String>,
    /// The group of agents that serve it.
    pub(crate) group: Option<String>,
}

/// The environments that somebody has a value for, or that have a group.
pub(crate) fn environments(file: &Path, store: Option<&Store>) -> Result<BTreeMap<String, Environment>, Failure> {
    let mut all: BTreeMap<String, Environment> = BTreeMap::new();
    if let Some(file) = TomlFile::read(file)? {
        let sections = file.entries(file.root()).into_iter().filter(|entry| entry.key == "environments");
        for section in sections.filter_map(|entry| entry.item.as_table_like()).flat_map(|table| file.entries(table)) {
            let known = all.entry(section.key.to_owned()).or_default();
            let Some(table) = section.item.as_table_like() else { continue };
            let variables = table.get("variables").and_then(Item::as_table_like);
            known
                .variables
                .extend(variables.into_iter().flat_map(|table| table.iter().map(|(name, _)| name.to_owned())));
            known.group = table.get("group").and_then(Item::as_str).map(str::to_owned);
        }
    }
    for stored in
        store.map(|store| store.variables()).transpose().map_err(|error| failed(&error))?.into_iter().flatten()
    {
        if let Some(environment) = stored.environment() {
            all.entry(environment.to_owned()).or_default().variables.insert(stored.name.clone());
        }
    }
    Ok(all)
}

#[derive(Default)]
struct Loader {
    declared: Declared,
    failures: Vec<Failure>,
}

impl Loader {
    fn read(&mut self, path: &Path) -> Option<TomlFile> {
        TomlFile::read(path).unwrap_or_else(|failure| {
            self.failures.push(failure);
            None
        })
    }

    fn file(&mut self, wanted: &Wanted) {
        let before = self.failures.len();
        let Some(file) = self.read(&wanted.path) else {
            let unread = self.failures.len() > before;
            if wanted.required && !unread {
                let path = wanted.path.display();
                self.failures
                    .push(Failure::new(format!("there is no file `{path}`")).hint("it was named with --variables"));
            } else if !unread {
                self.check_environment(wanted, &[]);
            }
            return;
        };
        let mut sections: Vec<(String, Vec<&dyn TableLike>)> = Vec::new();
        for entry in file.entries(file.root()) {
            match (entry.key, entry.item.as_table_like()) {
                ("variables", Some(table)) => {
                    let origin = |line| Origin::File(file.path().to_owned(), line);
                    let read = self.table(&file, table, &origin);
                    self.declared.all.extend(read);
                }
                ("environments", Some(table)) => {
                    for section in file.entries(table) {
                        let tables = self.section(&file, &section);
                        sections.push((section.key.to_owned(), tables));
                    }
                }
                ("variables" | "environments", None) => {
                    self.failures.push(file.mistake(entry.line, format!("`{}` must be a table", entry.key)));
                }
                _ => self.failures.push(file.unknown(&entry, "the file", &["variables", "environments"])),
            }
        }
        let names: Vec<&str> = sections.iter().map(|(name, _)| name.as_str()).collect();
        self.check_environment(wanted, &names);
        for (name, tables) in sections.iter().filter(|(name, _)| Some(name) == wanted.environment.as_ref()) {
            for table in tables {
                let origin = |line| Origin::Section(name.clone(), file.path().to_owned(), line);
                let read = self.table(&file, *table, &origin);
                self.declared.section.extend(read);
            }
        }
    }

    /// An environment that nothing has a value for is a misspelt one.
    fn check_environment(&mut self, file: &Wanted, known: &[&str]) {
        let Some(wanted) = file.environment.as_deref().filter(|wanted| !known.contains(wanted)) else { return };
        match file.store.as_ref().map(|store| store.has_environment(wanted)) {
            Some(Ok(true)) => {}
            Some(Err(error)) => self.failures.push(crate::project::failed(&error)),
            Some(Ok(false)) | None => self.failures.push(unknown_environment(wanted, known, &file.path)),
        }
    }

    fn section<'a>(&mut self, file: &'a TomlFile, section: &Entry<'a>) -> Vec<&'a dyn TableLike> {
        let Some(table) = section.item.as_table_like() else {
            self.failures
                .push(file.mistake(section.line, format!("the environment `{}` must be a table", section.key)));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for entry in file.entries(table) {
            match (entry.key, entry.item.as_table_like()) {
                ("variables", Some(table)) => tables.push(table),
                ("variables", None) => self.failures.push(file.mistake(entry.line, "`variables` must be a table")),
                ("group", _) if entry.item.as_str().is_some() => {}
                ("group", _) => {
                    self.failures.push(file.mistake(entry.line, "`group` must be the name of a group of agents"))
                }
                _ => self.failures.push(file.unknown(
                    &entry,
                    &format!("the environment `{}`", section.key),
                    &["variables", "group"],
                )),
            }
        }
        tables
    }

    fn table(
        &mut self,
        file: &TomlFile,
        table: &dyn TableLike,
        origin: &dyn Fn(usize) -> Origin,
    ) -> Vec<(String, Variable)> {
        let mut read = Vec::new();
        for entry in file.entries(table) {
            match read_variable(file, &entry, origin(entry.line)) {
                Ok(variable) => read.push((entry.key.to_owned(), variable)),
                Err(failures) => self.failures.extend(failures),
            }
        }
        read
    }
}

/// Whether somebody may set a variable of this name.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    if !is_variable_name(name) {
        return Err(bad_name(Failure::new(format!("`{name}` cannot be the name of a variable"))));
    }
    if is_predefined(name) {
        return Err(predefined_name(Failure::new(format!("the variable `{name}` is predefined"))));
    }
    Ok(())
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

fn predefined_name(failure: Failure) -> Failure {
    failure.hint(
        "this program sets variables whose names begin with `host.`, `run.` or `connection.`; choose another name",
    )
}

fn read_variable(file: &TomlFile, entry: &Entry<'_>, origin: Origin) -> Result<Variable, Vec<Failure>> {
    let name = entry.key;
    if !is_variable_name(name) {
        return Err(vec![bad_name(file.mistake(entry.line, format!("`{name}` cannot be the name of a variable")))]);
    }
    if is_predefined(name) {
        return Err(vec![predefined_name(file.mistake(entry.line, format!("the variable `{name}` is predefined")))]);
    }
    let mut variable = Variable { value: None, origin, hidden: false, description: None };
    let mut failures = Vec::new();
    if let Some(table) = entry.item.as_table_like() {
        for part in file.entries(table) {
            match part.key {
                "value" => match text_of(part.item) {
                    Some(text) => variable.value = Some(Held::Known(Secret::new(text))),
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
            Some(text) => variable.value = Some(Held::Known(Secret::new(text))),
            None => failures.push(
                file.mistake(entry.line, format!("the variable `{name}` must be a text"))
                    .hint("or a table: { value = \"...\", hidden = true, description = \"...\" }"),
            ),
        }
    }
    if failures.is_empty() { Ok(variable) } else { Err(failures) }
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
