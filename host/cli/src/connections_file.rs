//! Connections as TOML: what `connection export` writes and `connection import` reads.
//!
//! A file is read as a whole: unknown keys are refused and all mistakes of all connections are told at once, each with its line.
//! What a connector's settings may be, the connector decides. A table is named by the connection, or `connector:name` where two
//! connectors have one of that name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use connector_store::{Name, Saved, check_name};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::error::{Failure, Failures, Result};
use crate::toml_file::{Entry, TomlFile, from_json};

/// A connection of a file, and where it stands.
#[derive(Debug)]
pub(crate) struct Listed {
    pub saved: Saved,
    pub lines: Lines,
}

/// Lines of a connection: of itself, and of its settings by their JSON pointers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// Line of the connection itself.
    connection: usize,
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

const KEYS: [&str; 4] = ["connector", "grant", "ca-file", "settings"];

/// The connections of a file, in its order.
pub(crate) fn read(file: &TomlFile) -> Result<Vec<Listed>> {
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

fn read_one(file: &TomlFile, entry: &Entry<'_>, failures: &mut Vec<Failure>) -> Option<Listed> {
    let Name { connector, name } = Name::from(entry.key);
    let here = format!("connection `{name}`");
    if let Err(reason) = check_name(&name) {
        failures.push(
            file.mistake(entry.line, format!("a connection cannot be named `{}`: {reason}", name.escape_debug())),
        );
    }
    let Some(table) = entry.item.as_table_like() else {
        failures.push(file.mistake(entry.line, format!("{here} must be a table")));
        return None;
    };
    let mut saved = Saved::new(String::new(), &name);
    let mut lines = Lines { connection: entry.line, settings: BTreeMap::new() };
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
                Some(table) => saved.settings = file.json(table, "", &mut lines.settings),
                None => wrong("`settings` must be a table"),
            },
            _ => failures.push(file.unknown(&part, &here, &KEYS)),
        }
    }
    match connector {
        _ if table.get("connector").is_none() => failures.push(
            file.mistake(entry.line, format!("{here} does not say which connector it uses"))
                .hint("add `connector = \"NAME\"`"),
        ),
        Some(connector) if connector != saved.connector => failures.push(
            file.mistake(entry.line, format!("{here} is called one of `{connector}` and uses `{}`", saved.connector)),
        ),
        _ => {}
    }
    Some(Listed { saved, lines })
}

/// Connections as a file, each with a note above it that its caller gives (lines without `#`).
pub(crate) fn write(all: &[(Saved, Vec<String>)]) -> String {
    let mut document = DocumentMut::new();
    let mut connections = Table::new();
    connections.set_implicit(true);
    for (at, (saved, notes)) in all.iter().enumerate() {
        let mut table = to_toml(saved);
        let mut above = if at == 0 { String::new() } else { "\n".to_owned() };
        for note in notes {
            let _ = writeln!(above, "# {}", crate::terminal::on_one_line(note));
        }
        table.decor_mut().set_prefix(above);
        let twice = all.iter().filter(|(other, _)| other.name == saved.name).count() > 1;
        let key = if twice { saved.full_name() } else { saved.name.clone() };
        connections.insert(&key, Item::Table(table));
    }
    document.insert("connections", Item::Table(connections));
    document.to_string()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn parsed(text: &str) -> Result<Vec<Listed>> {
        read(&TomlFile::parse(Path::new("connections.toml"), text.to_owned())?)
    }

    fn messages(text: &str) -> Vec<String> {
        parsed(text).unwrap_err().0.into_iter().map(|failure| failure.message).collect()
    }

    #[test]
    fn all_mistakes_of_all_connections_are_told_at_once_with_their_lines() {
        let failures = parsed(
            "other = 1\n[connections.\"a/b\"]\nconnector = \"x\"\n[connections.c]\nconector = \"x\"\n\
             ca-file = 1\ngrant = \"https://a\"\n[connections.c.settings]\n[connections]\nd = 3\n",
        )
        .unwrap_err();
        let mut lines: Vec<u64> = failures.0.iter().filter_map(|f| f.detail.get("line")?.as_u64()).collect();
        lines.sort_unstable();
        assert_eq!(lines, [1, 2, 4, 5, 6, 7, 10], "{}", failures.render(false));
        assert!(failures.render(false).contains("did you mean `connector`?"));
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused_unless_the_connectors_differ() {
        let told = messages("[connections.a]\nconnector = \"x\"\n[connections.a]\nconnector = \"y\"\n");
        assert!(told[0].contains("connections.toml:3:"), "{told:?}");
        let both = "[connections.\"x:a\"]\nconnector = \"x\"\n[connections.\"y:a\"]\nconnector = \"y\"\n";
        assert!(parsed(both).unwrap().iter().all(|listed| listed.saved.name == "a"));
        let told = messages("[connections.\"x:a\"]\nconnector = \"y\"\n");
        assert!(told[0].contains("is called one of `x` and uses `y`"), "{told:?}");
    }

    #[test]
    fn settings_know_their_lines() {
        let all = parsed(
            "[connections.a]\nconnector = \"x\"\n\n[connections.a.settings]\ntoken = \"[t]\"\nsize = 250\nmore = { deep = true }\n",
        )
        .unwrap();
        let Listed { saved, lines } = &all[0];
        assert_eq!(
            Value::Object(saved.settings.clone()),
            serde_json::json!({"token": "[t]", "size": 250, "more": {"deep": true}})
        );
        assert_eq!(lines.of(Some("/size")), 6);
        assert_eq!(lines.of(Some("/more/deep/x")), 7);
        assert_eq!(lines.of(Some("/missing")), 1);
        assert_eq!(lines.of(None), 1);
    }

    #[test]
    fn what_is_written_is_read_back_as_it_was() {
        let mut first = Saved::new("x", "my shop (EU)");
        first.grants.push("https://gateway.example.com".parse().unwrap());
        first.ca_file = Some("authority.pem".into());
        first.settings =
            serde_json::json!({ "a": "[t] \"q\"", "n": [1, 2.5], "deep": { "on": true } }).as_object().unwrap().clone();
        let all = [
            (first, vec!["a note\nof two lines".to_owned()]),
            (Saved::new("x", "b"), vec![]),
            (Saved::new("y", "b"), vec![]),
        ];
        let text = write(&all);
        assert!(text.starts_with("# a note of two lines\n[connections."), "{text}");
        let back = parsed(&text).unwrap();
        let same = |(a, b): (&(Saved, Vec<String>), &Listed)| format!("{:?}", a.0) == format!("{:?}", b.saved);
        assert_eq!(back.len(), 3);
        assert!(all.iter().zip(&back).all(same), "{text}\n{back:#?}");
    }
}
