//! Reads variables from all their sources, and tells everything that is wrong with them at once.

use std::path::Path;

use connector_host::{Secret, is_variable_name};
use toml_edit::{Item, TableLike, Value};

use super::{Origin, PREFIX, Sources, Variable, Variables};
use crate::error::{Failure, suggest};
use crate::toml_file::{Entry, TomlFile};

/// Reads all sources.
pub(super) fn load(sources: &Sources<'_>) -> Result<Variables, Vec<Failure>> {
    let mut loader = Loader::default();
    loader.file(sources);
    loader.secrets(sources.secrets);
    loader.process(&sources.process);
    loader.command_line(sources.command_line);
    if loader.failures.is_empty() { Ok(loader.variables) } else { Err(loader.failures) }
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
        let mut sections: Vec<(String, Vec<&dyn TableLike>)> = Vec::new();
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
                    self.failures.push(file.mistake(entry.line, format!("`{}` must be a table", entry.key)));
                }
                _ => self.failures.push(file.unknown(&entry, "the file", &["variables", "environments"])),
            }
        }
        let Some(wanted) = sources.environment else { return };
        match sections.iter().find(|(name, _)| name == wanted) {
            Some((name, tables)) => {
                for table in tables {
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
                        _ => self.put(entry.key, Variable { hidden: true, ..variable }),
                    },
                    Err(failures) => self.failures.extend(failures),
                }
            }
        }
    }

    fn process(&mut self, process: &[(String, String)]) {
        for (key, value) in process {
            if key.starts_with(PREFIX) {
                self.variables.environment.insert(key.clone(), Secret::new(value.as_str()));
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
                self.failures.push(bad_name(Failure::new(format!("`{name}` cannot be the name of a variable"))));
                continue;
            }
            let hidden = self.variables.all.get(name).is_none_or(|v| v.hidden);
            let variable =
                Variable { value: Some(Secret::new(value)), origin: Origin::CommandLine, hidden, description: None };
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
        return Err(vec![bad_name(file.mistake(entry.line, format!("`{name}` cannot be the name of a variable")))]);
    }
    let mut variable = Variable { value: None, origin, hidden: false, description: None };
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
