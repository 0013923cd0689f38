//! A project: the folder with `connections.toml`, `variables.toml` and `secrets.toml`.
//!
//! `connections.toml` is read as a whole: unknown keys are refused and all mistakes of all connections are told at once, each
//! with its line. What a connector's settings may be, the connector decides when the connection is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use connector_host::Origin;
use serde_json::{Map, Value};
use toml_edit::{Item, Table, TableLike, value};

use crate::error::{Failure, Failures, Result, suggest};
use crate::files::{Access, replace};
use crate::toml_file::{Entry, TomlFile, open_for_change};

/// A connection as the file has it.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    /// Its name, unique in the project.
    pub name: String,
    /// Name of the connector that serves it.
    pub connector: String,
    /// Origins that the operator grants beyond those that the connector asks for.
    pub grants: Vec<Origin>,
    /// Certificate authorities trusted besides the system's, a PEM file; relative to the project.
    pub ca_file: Option<PathBuf>,
    /// The connector's settings.
    pub settings: Map<String, Value>,
    /// Where it stands: lines of the connection and of its settings, by their JSON pointers.
    pub lines: Lines,
}

/// Lines of `connections.toml`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// Line of the connection itself; 0 if it is not in the file yet.
    pub connection: usize,
    settings: BTreeMap<String, usize>,
}

impl Lines {
    /// The line to which a pointer into the settings leads; that of the connection if there is none.
    pub(crate) fn of(&self, pointer: Option<&str>) -> usize {
        let mut pointer = pointer.unwrap_or("");
        loop {
            if let Some(line) = self.settings.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = pointer.get(..end).unwrap_or(""),
                None => return self.connection,
            }
        }
    }
}

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    folder: PathBuf,
}

impl Project {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// A file of the project, without a `./` in front.
    fn file(&self, name: &str) -> PathBuf {
        if self.folder == Path::new(".") { PathBuf::from(name) } else { self.folder.join(name) }
    }

    /// The file of connections.
    pub(crate) fn connections_file(&self) -> PathBuf {
        self.file("connections.toml")
    }

    /// The file of variables.
    pub(crate) fn variables_file(&self) -> PathBuf {
        self.file("variables.toml")
    }

    /// The file of secrets, which only this program writes.
    pub(crate) fn secrets_file(&self) -> PathBuf {
        self.file("secrets.toml")
    }

    /// A path that a project's file mentions.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        if self.folder == Path::new(".") { path.to_owned() } else { self.folder.join(path) }
    }

    /// All connections, in the file's order.
    pub(crate) fn connections(&self) -> Result<Vec<Saved>> {
        let path = self.connections_file();
        if !self.folder.is_dir() {
            let failure = Failure::new(format!("there is no folder `{}`", self.folder.display()));
            return Err(failure.hint("name the project's folder with --project").into());
        }
        match TomlFile::read(&path)? {
            Some(file) => read(&file),
            None => Ok(Vec::new()),
        }
    }

    /// One connection.
    pub(crate) fn connection(&self, name: &str) -> Result<Saved> {
        let all = self.connections()?;
        let names: Vec<String> = all.iter().map(|c| c.name.clone()).collect();
        all.into_iter().find(|c| c.name == name).ok_or_else(|| {
            if let Err(reason) = check_name(name) {
                return bad_name(name, reason).into();
            }
            let failure =
                Failure::new(format!("there is no connection `{name}` in {}", self.connections_file().display()));
            let hint = suggest(name, names.iter().map(String::as_str));
            failure.hint(hint.unwrap_or_else(|| "`connector connection add` makes one".to_owned())).into()
        })
    }

    /// Writes a connection at the end of the file, or in the place of the one of that name.
    pub(crate) fn save(&self, saved: &Saved) -> Result<()> {
        let path = self.connections_file();
        let mut document = open_for_change(&path)?;
        let connections = document.entry("connections").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let Some(connections) = connections.as_table_like_mut() else {
            return Err(Failure::new(format!("`connections` in {} must be a table", path.display())).into());
        };
        connections.insert(&saved.name, Item::Table(to_toml(saved)));
        Ok(replace(&path, document.to_string().as_bytes(), Access::Usual)?)
    }

    /// Removes a connection.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.connections_file();
        let mut document = open_for_change(&path)?;
        if let Some(connections) = document.get_mut("connections").and_then(Item::as_table_like_mut) {
            connections.remove(name);
        }
        Ok(replace(&path, document.to_string().as_bytes(), Access::Usual)?)
    }

    /// Forgets hidden values.
    pub(crate) fn drop_secrets(&self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        self.change_secrets(|variables| {
            for name in names {
                variables.remove(name);
            }
        })
    }

    /// Keeps hidden values, in a file that only its owner may read.
    pub(crate) fn save_secrets(&self, secrets: &[(String, connector_host::Secret)]) -> Result<()> {
        if secrets.is_empty() {
            return Ok(());
        }
        self.change_secrets(|variables| {
            for (name, secret) in secrets {
                variables.insert(name, value(secret.reveal()));
            }
        })
    }

    fn change_secrets(&self, change: impl FnOnce(&mut dyn TableLike)) -> Result<()> {
        let path = self.secrets_file();
        let mut document = open_for_change(&path)?;
        if document.is_empty() {
            document
                .decor_mut()
                .set_prefix("# Secrets of this project's connections. Keep it to yourself: not for version control.\n");
        }
        let variables = document.entry("variables").or_insert_with(|| Item::Table(Table::new()));
        let Some(variables) = variables.as_table_like_mut() else {
            return Err(Failure::new(format!("`variables` in {} must be a table", path.display())).into());
        };
        change(variables);
        Ok(replace(&path, document.to_string().as_bytes(), Access::Private)?)
    }

    /// The names of the variables that `secrets.toml` holds.
    pub(crate) fn secret_names(&self) -> Result<Vec<String>> {
        let Some(file) = TomlFile::read(&self.secrets_file())? else {
            return Ok(Vec::new());
        };
        let table = file.root().get("variables").and_then(Item::as_table_like);
        Ok(table.map(|t| t.iter().map(|(name, _)| name.to_owned()).collect()).unwrap_or_default())
    }
}

/// What a connection must not be named.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        Err("the name is empty")
    } else if name.contains(['/', ':']) {
        Err("a name has no `/` and no `:`")
    } else if name.chars().any(char::is_control) {
        Err("a name has no control characters")
    } else {
        Ok(())
    }
}

/// The failure for such a name.
pub(crate) fn bad_name(name: &str, reason: &str) -> Failure {
    Failure::new(format!("a connection cannot be named `{}`", name.escape_debug())).cause(reason)
}

const KEYS: [&str; 4] = ["connector", "grant", "ca-file", "settings"];

fn read(file: &TomlFile) -> Result<Vec<Saved>> {
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    for entry in file.entries(file.root()) {
        match (entry.key, entry.item.as_table_like()) {
            ("connections", Some(table)) => {
                for connection in file.entries(table) {
                    all.extend(read_one(file, &connection, &mut failures));
                }
            }
            ("connections", None) => failures.push(file.mistake(entry.line, "`connections` must be a table")),
            _ => failures.push(file.unknown(&entry, "the file", &["connections"])),
        }
    }
    Failures::check(failures)?;
    Ok(all)
}

fn read_one(file: &TomlFile, entry: &Entry<'_>, failures: &mut Vec<Failure>) -> Option<Saved> {
    let name = entry.key;
    let here = format!("connection `{name}`");
    if let Err(reason) = check_name(name) {
        failures.push(
            file.mistake(entry.line, format!("a connection cannot be named `{}`: {reason}", name.escape_debug())),
        );
    }
    let Some(table) = entry.item.as_table_like() else {
        failures.push(file.mistake(entry.line, format!("{here} must be a table")));
        return None;
    };
    let mut saved = Saved {
        name: name.to_owned(),
        connector: String::new(),
        grants: Vec::new(),
        ca_file: None,
        settings: Map::new(),
        lines: Lines { connection: entry.line, settings: BTreeMap::new() },
    };
    for part in file.entries(table) {
        let mut wrong = |what: &str| failures.push(file.mistake(part.line, format!("{here}: {what}")));
        match part.key {
            "connector" => match part.item.as_str() {
                Some(text) => saved.connector = text.to_owned(),
                None => wrong("`connector` must be a text"),
            },
            "ca-file" => match part.item.as_str() {
                Some(text) => saved.ca_file = Some(PathBuf::from(text)),
                None => wrong("`ca-file` must be a path"),
            },
            "grant" => match part.item.as_array() {
                Some(list) => {
                    for origin in list {
                        match origin.as_str().map(str::parse) {
                            Some(Ok(origin)) => saved.grants.push(origin),
                            Some(Err(error)) => wrong(&error.to_string()),
                            None => wrong("`grant` must be a list of origins, like [\"https://gateway.example.com\"]"),
                        }
                    }
                }
                None => wrong("`grant` must be a list of origins, like [\"https://gateway.example.com\"]"),
            },
            "settings" => match part.item.as_table_like() {
                Some(table) => saved.settings = read_settings(file, table, "", &mut saved.lines.settings),
                None => wrong("`settings` must be a table"),
            },
            _ => failures.push(file.unknown(&part, &here, &KEYS)),
        }
    }
    if saved.connector.is_empty() && table.get("connector").is_none() {
        failures.push(
            file.mistake(entry.line, format!("{here} does not say which connector it uses"))
                .hint("add `connector = \"NAME\"`"),
        );
    }
    Some(saved)
}

fn read_settings(
    file: &TomlFile,
    table: &dyn TableLike,
    pointer: &str,
    lines: &mut BTreeMap<String, usize>,
) -> Map<String, Value> {
    let mut map = Map::new();
    for entry in file.entries(table) {
        let pointer = format!("{pointer}/{}", entry.key.replace('~', "~0").replace('/', "~1"));
        lines.insert(pointer.clone(), entry.line);
        let value = match entry.item.as_table_like() {
            Some(inner) => Value::Object(read_settings(file, inner, &pointer, lines)),
            None => entry.item.as_value().map_or(Value::Null, to_json),
        };
        map.insert(entry.key.to_owned(), value);
    }
    map
}

fn to_json(value: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(text) => Value::from(text.value().as_str()),
        Toml::Integer(number) => Value::from(*number.value()),
        Toml::Float(number) => Value::from(*number.value()),
        Toml::Boolean(truth) => Value::from(*truth.value()),
        Toml::Datetime(time) => Value::from(time.value().to_string()),
        Toml::Array(items) => items.iter().map(to_json).collect(),
        Toml::InlineTable(table) => table.iter().map(|(key, value)| (key.to_owned(), to_json(value))).collect(),
    }
}

fn to_toml(saved: &Saved) -> Table {
    let mut table = Table::new();
    table.insert("connector", value(&saved.connector));
    if !saved.grants.is_empty() {
        table.insert("grant", value(saved.grants.iter().map(ToString::to_string).collect::<toml_edit::Array>()));
    }
    if let Some(path) = &saved.ca_file {
        table.insert("ca-file", value(path.display().to_string()));
    }
    let mut settings = Table::new();
    for (key, setting) in &saved.settings {
        if let Some(setting) = from_json(setting) {
            settings.insert(key, Item::Value(setting));
        }
    }
    table.insert("settings", Item::Table(settings));
    table
}

/// TOML has no null: such a setting is left out.
fn from_json(json: &Value) -> Option<toml_edit::Value> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().filter_map(from_json).collect::<toml_edit::Array>().into(),
        Value::Object(map) => map
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), from_json(value)?)))
            .collect::<toml_edit::InlineTable>()
            .into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn project(text: &str) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("connections.toml"), text).unwrap();
        let project = Project::new(folder.path());
        (folder, project)
    }

    #[test]
    fn all_mistakes_of_all_connections_are_told_at_once_with_their_lines() {
        let (_folder, project) = project(
            "other = 1\n[connections.\"a/b\"]\nconnector = \"x\"\n[connections.c]\nconector = \"x\"\n\
             ca-file = 1\ngrant = \"https://a\"\n[connections.c.settings]\n[connections]\nd = 3\n",
        );
        let failures = project.connections().unwrap_err();
        let mut lines: Vec<u64> = failures.0.iter().filter_map(|f| f.detail.get("line")?.as_u64()).collect();
        lines.sort_unstable();
        assert_eq!(lines, [1, 2, 4, 5, 6, 7, 10], "{}", failures.render(false));
        assert!(failures.render(false).contains("did you mean `connector`?"));
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused() {
        let (_folder, project) = project("[connections.a]\nconnector = \"x\"\n[connections.a]\nconnector = \"y\"\n");
        let text = project.connections().unwrap_err().render(false);
        assert!(text.contains("connections.toml:3:"), "{text}");
    }

    #[test]
    fn settings_know_their_lines() {
        let (_folder, project) = project(
            "[connections.a]\nconnector = \"x\"\n\n[connections.a.settings]\ntoken = \"[t]\"\nsize = 250\nmore = { deep = true }\n",
        );
        let saved = project.connection("a").unwrap();
        assert_eq!(
            Value::Object(saved.settings),
            serde_json::json!({"token": "[t]", "size": 250, "more": {"deep": true}})
        );
        assert_eq!(saved.lines.of(Some("/size")), 6);
        assert_eq!(saved.lines.of(Some("/more/deep/x")), 7);
        assert_eq!(saved.lines.of(Some("/missing")), 1);
        assert_eq!(saved.lines.of(None), 1);
    }

    #[test]
    fn saving_one_connection_leaves_the_others_and_the_comments_alone() {
        let before =
            "# ours\n[connections.a] # first\nconnector = \"x\"\n\n[connections.a.settings]\n# why\nsize = 1\n";
        let (_folder, project) = project(before);
        let mut saved = project.connection("a").unwrap();
        saved.name = "b c".into();
        project.save(&saved).unwrap();
        let after = std::fs::read_to_string(project.connections_file()).unwrap();
        assert!(after.starts_with(before), "{after}");
        assert_eq!(project.connection("b c").unwrap().settings, saved.settings);
        project.remove("b c").unwrap();
        assert_eq!(std::fs::read_to_string(project.connections_file()).unwrap().trim_end(), before.trim_end());
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, project) = project("");
        project.save_secrets(&[("connection-a-token".into(), "s3".into())]).unwrap();
        let mode = std::fs::metadata(project.secrets_file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(project.secret_names().unwrap(), ["connection-a-token"]);
        project.drop_secrets(&["connection-a-token".into()]).unwrap();
        assert!(project.secret_names().unwrap().is_empty());
    }

    #[test]
    fn names_of_connections_have_no_slash_and_no_colon() {
        for bad in ["", " ", "a/b", "a:b", "a\nb"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name("my shop (EU)").is_ok());
    }
}
