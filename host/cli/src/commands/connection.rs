//! `connection`: the project's connections.

use std::path::{Path, PathBuf};

use connector_host::{Origin, Secret, mentions};
use serde_json::{Map, Value, json};

use super::{print, print_json};
use crate::args;
use crate::error::{Failure, Failures, Result, suggest};
use crate::output::table::{base, terminal_width};
use crate::project::{Lines, Saved, bad_name, check_name};
use crate::schema::Schema;
use crate::session::{Session, parse_schema, path_in_project};

pub(super) async fn run(session: &Session, command: args::Connection) -> Result<()> {
    match command {
        args::Connection::Add { name, set, grants, ca_file, replace } => {
            let typed = Typed { name, set, grants, ca_file, replace };
            add(session, typed).await
        }
        args::Connection::List => list(session),
        args::Connection::Show { name } => show(session, &name).await,
        args::Connection::Remove { name } => remove(session, &name),
        args::Connection::Check => check(session).await,
    }
}

/// What was typed for a new connection.
struct Typed {
    name: String,
    set: Vec<String>,
    grants: Vec<String>,
    ca_file: Option<PathBuf>,
    replace: bool,
}

async fn add(session: &Session, typed: Typed) -> Result<()> {
    let name = &typed.name;
    check_name(name).map_err(|reason| bad_name(name, reason))?;
    let existing = session.project.connections()?;
    if !typed.replace && existing.iter().any(|c| c.name == *name) {
        let failure = Failure::new(format!("there is a connection `{name}` already"));
        return Err(failure.hint("choose another name, or pass --replace").into());
    }
    let mut variables = session.variables()?;
    let loaded = session.connector().await?;
    let info = loaded.connector.info();
    let schema = parse_schema(&info.settings_schema)?;

    let mut failures = Vec::new();
    let mut saved = Saved {
        name: name.clone(),
        connector: info.name.clone(),
        grants: Vec::new(),
        ca_file: typed.ca_file.as_deref().map(|p| path_in_project(&session.global.project, p)),
        settings: Map::new(),
        lines: Lines::default(),
    };
    for text in &typed.grants {
        match text.parse::<Origin>() {
            Ok(origin) => saved.grants.push(origin),
            Err(error) => failures.push(Failure::new(format!("cannot grant `{text}`")).causes_of(&error)),
        }
    }
    let taken = taken_names(session, &existing, name)?;
    let mut secrets = Vec::new();
    for text in &typed.set {
        match setting(text, &schema) {
            Ok((key, Value::String(literal))) if schema.is_secret(&key) && mentions(&json!(literal)).is_empty() => {
                let variable = secret_name(name, &key, &taken);
                saved.settings.insert(key, json!(format!("[{variable}]")));
                // Within a setting `[[` stands for `[`; a variable's value is taken as it is.
                secrets.push((variable, Secret::new(literal.replace("[[", "["))));
            }
            Ok((key, value)) => {
                saved.settings.insert(key, value);
            }
            Err(failure) => failures.push(failure),
        }
    }
    Failures::check(failures)?;
    for (variable, secret) in &secrets {
        variables.add_secret(variable, secret.clone(), &session.project.secrets_file());
    }
    session.open(&loaded, &saved, variables).await?;

    // Secrets first: a connection that is there can be opened.
    session.project.save_secrets(&secrets)?;
    session.project.save(&saved)?;
    if let Some(old) = existing.iter().find(|c| c.name == *name) {
        let mut left = own_secrets(session, &existing, old)?;
        let mentioned = mentions(&Value::Object(saved.settings.clone()));
        left.retain(|variable| mentioned.iter().all(|m| m.name != *variable));
        session.project.drop_secrets(&left)?;
    }
    if session.global.json {
        let kept: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
        return print_json(&json!({ "connection": name, "connector": info.name, "secrets": kept }));
    }
    print(&format!("Connection `{name}` is saved in {}.\n", session.project.connections_file().display()))?;
    for (variable, _) in &secrets {
        print(&format!(
            "Its secret is kept in {} as the hidden variable `{variable}`.\n",
            session.project.secrets_file().display()
        ))?;
    }
    if !loaded.bundled {
        let granted: Vec<String> = saved.grants.iter().map(ToString::to_string).collect();
        let asked =
            info.origins.iter().filter(|o| o.parse::<Origin>().is_ok_and(|o| !granted.contains(&o.to_string())));
        for origin in asked {
            session
                .note(format!("note: the connector asks to reach {origin}, which is not granted (--grant {origin})"));
        }
    }
    session.note(format!("`connector test {name}` proves that it works."));
    Ok(())
}

/// Names in `secrets.toml` that belong to other connections.
fn taken_names(session: &Session, existing: &[Saved], name: &str) -> Result<Vec<String>> {
    let own = |variable: &String| {
        let users = existing
            .iter()
            .filter(|c| mentions(&Value::Object(c.settings.clone())).iter().any(|m| m.name == *variable));
        users.map(|c| c.name.as_str()).all(|user| user == name)
    };
    let mut names = session.project.secret_names()?;
    names.retain(|variable| !own(variable));
    Ok(names)
}

/// Secrets that this program keeps for this connection alone.
fn own_secrets(session: &Session, all: &[Saved], saved: &Saved) -> Result<Vec<String>> {
    let mentioned = |c: &Saved| mentions(&Value::Object(c.settings.clone())).into_iter().map(|m| m.name);
    let others: Vec<String> = all.iter().filter(|c| c.name != saved.name).flat_map(mentioned).collect();
    let kept = session.project.secret_names()?;
    let mut own: Vec<String> = mentioned(saved).collect();
    own.retain(|name| name.starts_with(MADE_HERE) && kept.contains(name) && !others.contains(name));
    own.sort();
    own.dedup();
    Ok(own)
}

/// How the names begin that this program gives to hidden variables.
const MADE_HERE: &str = "connection-";

/// The name of the hidden variable for a secret, unique among those of other connections.
fn secret_name(connection: &str, key: &str, taken: &[String]) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' }).collect()
    };
    let base = format!("{MADE_HERE}{}-{}", plain(connection), plain(key));
    if !taken.contains(&base) {
        return base;
    }
    (2..).map(|n| format!("{base}-{n}")).find(|name| !taken.contains(name)).unwrap_or(base)
}

/// One `--set KEY=VALUE`, typed as the connector's schema says. The value itself is not repeated in an error: it may be a secret.
fn setting(text: &str, schema: &Schema) -> Result<(String, Value), Failure> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Failure::new("cannot read a `--set`: there is no `=` in it").hint("write --set KEY=VALUE"));
    };
    let key = key.trim();
    let Some(property) = schema.property(schema.root(), key) else {
        let names: Vec<&str> = schema.properties(schema.root()).into_iter().map(|(n, _)| n).collect();
        let failure = Failure::new(format!("the connector has no setting `{key}`"));
        return Err(failure
            .hint(suggest(key, names.iter().copied()).unwrap_or_else(|| format!("it has: {}", names.join(", ")))));
    };
    let types = schema.types(property);
    // A text with a variable stays a text; the connector reads its value when it is there.
    let json = if types.only_text() || !mentions(&json!(value)).is_empty() {
        crate::json::quote(value)
    } else {
        types.value_of(value).ok_or_else(|| Failure::new(format!("the setting `{key}` takes {}", types.words())))?
    };
    let json = serde_json::from_str(&json)
        .map_err(|e| Failure::new(format!("cannot read the setting `{key}`")).causes_of(&e))?;
    Ok((key.to_owned(), json))
}

fn list(session: &Session) -> Result<()> {
    let all = session.project.connections()?;
    if session.global.json {
        let list = all.iter().map(|c| {
            let grants: Vec<String> = c.grants.iter().map(ToString::to_string).collect();
            json!({ "name": c.name, "connector": c.connector, "grant": grants, "line": c.lines.connection })
        });
        return print_json(&list.collect());
    }
    if all.is_empty() {
        session.note(format!(
            "{} has no connections; `connector connection add` makes one",
            session.project.connections_file().display()
        ));
        return Ok(());
    }
    let mut table = base(terminal_width());
    table.set_header(["connection", "connector", "grants"]);
    for saved in &all {
        let grants: Vec<String> = saved.grants.iter().map(ToString::to_string).collect();
        table.add_row([saved.name.clone(), saved.connector.clone(), grants.join(", ")]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}

async fn show(session: &Session, name: &str) -> Result<()> {
    let saved = session.project.connection(name)?;
    // Without the connector nobody knows which settings are secret: then every text is.
    let schema = match session.connector().await {
        Ok(loaded) if loaded.connector.info().name == saved.connector => {
            Some(parse_schema(&loaded.connector.info().settings_schema)?)
        }
        _ => None,
    };
    let shown = |key: &str, value: &Value| match value {
        Value::String(text) if is_reference(text) => value.clone(),
        Value::String(_) | Value::Array(_) | Value::Object(_) if schema.is_none() => json!("****"),
        _ if schema.as_ref().is_some_and(|s| s.is_secret(key)) => json!("****"),
        _ => value.clone(),
    };
    let settings: Map<String, Value> = saved.settings.iter().map(|(k, v)| (k.clone(), shown(k, v))).collect();
    let grants: Vec<String> = saved.grants.iter().map(ToString::to_string).collect();
    if session.global.json {
        return print_json(&json!({
            "name": saved.name, "connector": saved.connector, "grant": grants,
            "ca_file": saved.ca_file.as_ref().map(|p| p.display().to_string()), "settings": settings,
        }));
    }
    let mut rows =
        vec![("connection".to_owned(), saved.name.clone()), ("connector".to_owned(), saved.connector.clone())];
    if !grants.is_empty() {
        rows.push(("grant".to_owned(), grants.join(", ")));
    }
    rows.extend(saved.ca_file.as_ref().map(|p| ("ca-file".to_owned(), p.display().to_string())));
    let order: Vec<&str> =
        schema.as_ref().map(|s| s.properties(s.root()).into_iter().map(|(n, _)| n).collect()).unwrap_or_default();
    let mut keys: Vec<&String> = settings.keys().collect();
    keys.sort_by_key(|key| order.iter().position(|n| n == key).unwrap_or(order.len()));
    for key in keys {
        let text = match settings.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => continue,
        };
        rows.push((format!("settings.{key}"), text));
    }
    let width = rows.iter().map(|(k, _)| k.chars().count()).max().unwrap_or(0);
    let text: String = rows.iter().map(|(key, value)| format!("{key:width$}  {value}\n")).collect();
    print(&text)
}

/// Whether the text is one variable and nothing else: that is no secret.
fn is_reference(text: &str) -> bool {
    let found = mentions(&json!(text));
    matches!(found.as_slice(), [one] if *text == format!("[{}]", one.name))
}

fn remove(session: &Session, name: &str) -> Result<()> {
    let saved = session.project.connection(name)?;
    let all = session.project.connections()?;
    let own = own_secrets(session, &all, &saved)?;
    session.project.remove(name)?;
    session.project.drop_secrets(&own)?;
    if session.global.json {
        return print_json(&json!({ "removed": name, "secrets": own }));
    }
    print(&format!("Connection `{name}` is removed{}.\n", if own.is_empty() { "" } else { ", and its secrets" }))
}

async fn check(session: &Session) -> Result<()> {
    let all = session.project.connections()?;
    let variables = session.variables()?;
    if all.is_empty() {
        return list(session);
    }
    let loaded = session.connector().await?;
    let schema = parse_schema(&loaded.connector.info().settings_schema)?;
    let (mut failures, mut results) = (Vec::new(), Vec::new());
    for saved in &all {
        let result = session.open(&loaded, saved, variables.clone()).await;
        let good = result.is_ok();
        if session.global.json {
            let errors: Vec<Value> =
                result.as_ref().err().map(|f| f.0.iter().map(Failure::to_json).collect()).unwrap_or_default();
            results.push(json!({ "connection": saved.name, "ok": good, "errors": errors }));
        } else {
            print(&format!("{} {}\n", if good { "ok  " } else { "FAIL" }, saved.name))?;
        }
        if let Err(more) = result {
            failures.extend(more.0);
        }
        for (key, value) in &saved.settings {
            let literal = value.as_str().is_some_and(|text| !text.is_empty() && mentions(&json!(text)).is_empty());
            if literal && schema.is_secret(key) {
                let line = saved.lines.of(Some(&format!("/{key}")));
                let file = session.project.connections_file();
                session.note(format!("{}", SecretInPlainText { file: &file, line, name: &saved.name, key }));
            }
        }
    }
    if session.global.json {
        print_json(&Value::Array(results))?;
    }
    Failures::check(failures)
}

/// A warning.
struct SecretInPlainText<'a> {
    file: &'a Path,
    line: usize,
    name: &'a str,
    key: &'a str,
}

impl std::fmt::Display for SecretInPlainText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, name, key } = self;
        write!(f, "warning: {}:{line}: connection `{name}` holds the secret `{key}` as plain text; ", file.display())?;
        write!(f, "refer to a hidden variable instead, like {key} = \"[{key}]\"")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_gets_a_name_that_no_other_connection_uses() {
        assert_eq!(secret_name("my shop", "token", &[]), "connection-my_shop-token");
        let taken = ["connection-my_shop-token".to_owned()];
        assert_eq!(secret_name("my_shop", "token", &taken), "connection-my_shop-token-2");
        assert!(connector_host::is_variable_name(&secret_name("größe 1", "a b", &[])));
    }

    #[test]
    fn settings_are_typed_as_the_schema_says_and_values_stay_out_of_errors() {
        let schema = Schema::parse(
            r#"{"properties":{"size":{"type":"integer"},"token":{"type":"string","writeOnly":true},"on":{"type":"boolean"}}}"#,
        )
        .unwrap();
        assert_eq!(setting("size=250", &schema).unwrap().1, json!(250));
        assert_eq!(setting("size=[n]", &schema).unwrap().1, json!("[n]"));
        assert_eq!(setting("token=a=b", &schema).unwrap().1, json!("a=b"));
        assert_eq!(setting("on=true", &schema).unwrap().1, json!(true));
        assert!(schema.is_secret("token") && !schema.is_secret("size"));
        let failure = setting("size=s3cret", &schema).unwrap_err();
        assert!(!format!("{failure:?}").contains("s3cret"));
        assert_eq!(setting("tokn=x", &schema).unwrap_err().hint.as_deref(), Some("did you mean `token`?"));
    }

    #[test]
    fn a_lone_variable_is_no_secret() {
        assert!(is_reference("[token]"));
        assert!(!is_reference("[token{s3cret}]"));
        assert!(!is_reference("x[token]"));
    }
}
