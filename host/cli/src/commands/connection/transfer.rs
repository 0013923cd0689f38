//! `connection export` and `import`: connections as TOML, without a secret.

use std::collections::BTreeMap;
use std::path::Path;

use connector_host::{Secret, mentions};
use connector_store::{Name, Saved, StoreError};
use serde_json::{Value, json};

use super::super::{print, print_json, print_raw};
use super::connectors::{Connectors, Known};
use super::whole::confirm;
use crate::connections_file::{self, Listed};
use crate::error::{Failure, Failures, Result, suggest};
use crate::files::{Access, folder_of, replace as replace_file};
use crate::project::failed;
use crate::schema::Schema;
use crate::session::Session;
use crate::settings;
use crate::toml_file::TomlFile;
use crate::variables::{Variables, read_secrets};

pub(super) async fn export(session: &Session, names: &[String], output: Option<&Path>) -> Result<()> {
    let all = if names.is_empty() {
        session.project.connections()?
    } else {
        names.iter().map(|name| session.project.connection(name)).collect::<Result<_>>()?
    };
    let count = all.len();
    let text = described(session, all)?;
    let Some(path) = output else { return print_raw(&text) };
    replace_file(path, text.as_bytes(), Access::Usual)?;
    if session.global.json {
        return print_json(&json!({ "exported": count, "file": path.display().to_string() }));
    }
    print(&format!("{} connections are written to {}.\n", count, path.display()))
}

/// Connections as a file, with notes of the variables that they need.
pub(crate) fn described(session: &Session, all: Vec<Saved>) -> Result<String> {
    let variables = session.variables()?;
    let list = all.into_iter().map(|saved| Ok((notes(&saved, &variables)?, saved)));
    let list: Vec<(Saved, Vec<String>)> =
        list.map(|one| one.map(|(notes, saved)| (saved, notes))).collect::<Result<_>>()?;
    Ok(connections_file::write(&list))
}

/// Which variables a connection needs, and where they are now.
fn notes(saved: &Saved, variables: &Variables) -> Result<Vec<String>> {
    let variables = variables.clone().of(saved);
    let mut notes = Vec::new();
    for mention in mentions(&Value::Object(saved.settings.clone())) {
        let found = variables.find(&mention.name).map_err(|error| failed(&error))?;
        let place = match found.filter(|variable| variable.value.is_some()) {
            Some(variable) if variable.origin.scope() == "predefined" => continue,
            Some(variable) => {
                let hidden = if variable.hidden { "hidden, " } else { "" };
                format!("{hidden}scope {}, from {}", variable.origin.scope(), variable.origin.words())
            }
            None => "not set".to_owned(),
        };
        let note = format!("[{}]: {place}", mention.name);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    Ok(notes)
}

/// A connection that is to be saved, and the secrets that are to be kept with it.
type Ready = (Saved, Vec<(String, Secret)>);

/// What importing needs to know.
struct Import<'a> {
    session: &'a Session,
    file: &'a TomlFile,
    /// What a `secrets.toml` beside the file holds.
    secrets: BTreeMap<String, Secret>,
    replace: bool,
}

/// What a file may do besides.
pub(super) struct Allowed {
    /// Take the place of connections.
    pub(super) replace: bool,
    /// Let its connections reach more than their connector asks for.
    pub(super) grants: bool,
}

pub(super) async fn import(session: &Session, path: &Path, names: &[String], allowed: &Allowed) -> Result<()> {
    let Some(file) = TomlFile::read(path)? else {
        return Err(Failure::new(format!("there is no file `{}`", path.display())).into());
    };
    let listed = chosen(connections_file::read(&file)?, names, path)?;
    let secrets = read_secrets(&folder_of(path).join("secrets.toml")).map_err(Failures)?;
    let import = Import { session, file: &file, secrets, replace: allowed.replace };
    let mut connectors = Connectors::default();
    let (mut ready, mut failures, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for one in &listed {
        let known = connectors.of(session, &one.saved.connector).await?;
        match import.prepare(one, &known).await {
            Ok((saved, undefined)) => {
                ready.push(saved);
                missing.extend(undefined);
            }
            Err(more) => failures.extend(more),
        }
    }
    Failures::check(failures)?;
    if !allowed.grants {
        confirm_grants(session, path, &ready)?;
    }
    session.project.made_store()?.save(&ready).map_err(|error| failed(&error))?;
    missing.sort();
    missing.dedup();
    if session.global.json {
        let names: Vec<&str> = ready.iter().map(|(saved, _)| saved.name.as_str()).collect();
        return print_json(&json!({ "imported": names, "undefined": missing }));
    }
    let kept: usize = ready.iter().map(|(_, secrets)| secrets.len()).sum();
    let into = session.project.store_file();
    print(&format!("{} connections and {kept} secrets are saved in {}.\n", ready.len(), into.display()))?;
    for name in missing {
        let set = if name.starts_with(connector_store::MADE_HERE) { " --hidden --connection NAME" } else { "" };
        session.note(format!("note: the variable `{name}` is not defined yet: `connector variables set {name}{set}`"));
    }
    if kept > 0 {
        session.note(format!("note: {} and what lies beside it still hold secrets as plain text", path.display()));
    }
    Ok(())
}

/// Who writes a file decides with it where the secrets go that its connections mention, unless somebody looks at it.
fn confirm_grants(session: &Session, path: &Path, ready: &[Ready]) -> Result<()> {
    let variables = session.variables()?;
    let mut lines = Vec::new();
    for (saved, secrets) in ready {
        let before = match saved.kept {
            Some(_) => session.project.connection(&saved.full_name())?.grants,
            None => Vec::new(),
        };
        let new: Vec<String> =
            saved.grants.iter().filter(|one| !before.contains(one)).map(ToString::to_string).collect();
        if new.is_empty() {
            continue;
        }
        let variables = variables.clone().of(saved).with_pending(secrets);
        let mut hidden = Vec::new();
        for mention in mentions(&Value::Object(saved.settings.clone())) {
            let found = variables.find(&mention.name).map_err(|error| failed(&error))?;
            if found.is_some_and(|variable| variable.hidden) && !hidden.contains(&mention.name) {
                hidden.push(mention.name);
            }
        }
        let mut line = format!("connection `{}` may reach {}", saved.name, new.join(", "));
        if !hidden.is_empty() {
            line.push_str(&format!(", and holds the hidden variables {}", hidden.join(", ")));
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Ok(());
    }
    let file = path.display();
    confirm(
        lines,
        &format!("Import {file} with what it grants?"),
        Failure::new(format!("what {file} grants is to be confirmed")).hint("pass --allow-grants"),
        Failure::new(format!("nothing of {file} was imported: the answer was not yes")),
    )
}

/// Those that were named, or all.
fn chosen(all: Vec<Listed>, names: &[String], path: &Path) -> Result<Vec<Listed>> {
    let is = |listed: &Listed, name: &str| listed.saved.name == name || listed.saved.full_name() == name;
    let unknown = names.iter().filter(|name| !all.iter().any(|listed| is(listed, name))).map(|name| {
        let failure = Failure::new(format!("{} has no connection `{name}`", path.display()));
        Failure { hint: suggest(name, all.iter().map(|listed| listed.saved.name.as_str())), ..failure }
    });
    Failures::check(unknown.collect())?;
    Ok(all.into_iter().filter(|listed| names.is_empty() || names.iter().any(|name| is(listed, name))).collect())
}

impl Import<'_> {
    /// Checks a connection as a whole; returns it with the variables that are missing yet.
    async fn prepare(&self, listed: &Listed, known: &Known) -> Result<(Ready, Vec<String>), Vec<Failure>> {
        let mistake = |pointer: Option<&str>, what: &str| self.file.mistake(listed.lines.of(pointer), what);
        let name = &listed.saved.name;
        let (mut failures, mut secrets) = (Vec::new(), Vec::new());
        let mut saved = Saved { settings: serde_json::Map::new(), ..listed.saved.clone() };
        for (key, value) in &listed.saved.settings {
            let value = self.with_old_secret(&known.schema, key, value);
            if let Err(failure) = settings::put(&mut saved, &mut secrets, &known.schema, (key.clone(), value)) {
                let told = mistake(Some(&format!("/{key}")), &format!("connection `{name}`: {}", failure.message));
                failures.push(Failure { hint: failure.hint, ..told });
            }
        }
        for mention in mentions(&Value::Object(saved.settings.clone())) {
            if let Some(value) = self.secrets.get(&mention.name) {
                secrets.push((mention.name, value.clone()));
            }
        }
        if let Some(path) = &saved.ca_file {
            saved.ca_file = Some(self.session.project.relative(&folder_of(self.file.path()).join(path)));
        }
        saved.kept = self.kept(&saved).map_err(|what| match what {
            Ok(what) => vec![mistake(None, &what).hint("pass --replace, or import others by their names")],
            Err(error) => vec![failed(&error)],
        })?;
        let variables = self.session.variables().map_err(|failures| failures.0)?.with_pending(&secrets);
        let mut undefined = Vec::new();
        for failure in self.session.open(&known.loaded, &saved, variables).await.err().into_iter().flat_map(|f| f.0) {
            let of = |key: &str| failure.detail.get(key).and_then(Value::as_str).map(str::to_owned);
            match of("variable") {
                Some(variable) => undefined.push(variable),
                None => {
                    let told = mistake(of("pointer").as_deref(), &failure.message);
                    failures.push(Failure { message: told.message, ..failure });
                }
            }
        }
        if failures.is_empty() { Ok(((saved, secrets), undefined)) } else { Err(failures) }
    }

    /// The value of a secret setting that refers to a secret beside the file: as if it had been typed.
    fn with_old_secret(&self, schema: &Schema, key: &str, value: &Value) -> Value {
        let old = value.as_str().filter(|text| schema.is_secret(key) && settings::is_reference(text));
        let secret = old.and_then(|text| self.secrets.get(text.trim_matches(['[', ']'])));
        secret.map_or_else(|| value.clone(), |secret| json!(secret.reveal().replace('[', "[[")))
    }

    /// Where the connection of this name is kept, if it is to be replaced. What the user is to be told, if it is not.
    fn kept(&self, saved: &Saved) -> Result<Option<connector_store::Kept>, Result<String, StoreError>> {
        let store = self.session.project.store().map_err(|_| Ok("the store cannot be opened".to_owned()))?;
        let name = Name { connector: Some(saved.connector.clone()), name: saved.name.clone() };
        match store.map(|store| store.connection(&name)) {
            Some(Ok(old)) if self.replace => Ok(old.kept),
            Some(Ok(_)) => Err(Ok(format!("there is a connection `{}` already", saved.name))),
            None | Some(Err(StoreError::NoConnection(_))) => Ok(None),
            Some(Err(error)) => Err(Err(error)),
        }
    }
}
