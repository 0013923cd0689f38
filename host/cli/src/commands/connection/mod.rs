//! `connection`: the project's connections, one file per group of commands. Here: what only looks at them.

use connector_store::Saved;
use serde_json::{Value, json};

use super::{print, print_json};
use crate::args;
use crate::error::{Failure, Failures, Result};
use crate::output::table::{base, terminal_width};
use crate::session::{Session, parse_schema};
use crate::settings::shown;

mod change;
mod connectors;
mod transfer;
mod typed;
mod whole;

use connectors::Connectors;
pub(crate) use transfer::described;

pub(super) async fn run(session: &Session, command: args::Connection) -> Result<()> {
    use args::Connection as Typed;
    match command {
        Typed::Add { name, using, changes, replace } => {
            change::add(session, &name, using.as_deref(), &changes, replace).await
        }
        Typed::Edit { name, changes, unset, revoke, no_ca_file } => {
            let edit = change::Edit { changes, unset, revoke, no_ca_file };
            change::edit(session, &name, &edit).await
        }
        Typed::List => list(session),
        Typed::Show { name } => show(session, &name).await,
        Typed::Copy { name, new_name } => whole::copy(session, &name, &new_name),
        Typed::Rename { name, new_name } => whole::rename(session, &name, &new_name),
        Typed::Delete { name, yes } => whole::delete(session, &name, yes),
        Typed::Export { names, output } => transfer::export(session, &names, output.as_deref()).await,
        Typed::Import { file, names, replace, allow_grants } => {
            transfer::import(session, &file, &names, &transfer::Allowed { replace, grants: allow_grants }).await
        }
        Typed::Check => check(session).await,
    }
}

fn list(session: &Session) -> Result<()> {
    let all = session.project.connections()?;
    if session.global.json {
        let list = all.iter().map(|c| json!({ "name": c.name, "connector": c.connector, "grant": grants(c) }));
        return print_json(&list.collect());
    }
    if all.is_empty() {
        let file = session.project.store_file();
        session.note(format!("{} has no connections; `connector connection add` makes one", file.display()));
        session.project.old_file().into_iter().for_each(|hint| session.note(hint));
        return Ok(());
    }
    let mut table = base(terminal_width());
    table.set_header(["connection", "connector", "grants"]);
    for saved in &all {
        table.add_row([saved.name.clone(), saved.connector.clone(), grants(saved).join(", ")]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}

fn grants(saved: &Saved) -> Vec<String> {
    saved.grants.iter().map(ToString::to_string).collect()
}

async fn show(session: &Session, name: &str) -> Result<()> {
    let saved = session.project.connection(name)?;
    // Without the connector nobody knows which settings are secret: then every text is.
    let schema = match session.connector(Some(&saved.connector)).await {
        Ok(loaded) if loaded.connector.info().name == saved.connector => {
            Some(parse_schema(&loaded.connector.info().settings_schema)?)
        }
        _ => None,
    };
    let settings = shown(&saved, schema.as_ref());
    let grants = grants(&saved);
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

async fn check(session: &Session) -> Result<()> {
    let all = session.project.connections()?;
    let variables = session.variables()?;
    if all.is_empty() {
        return list(session);
    }
    let mut connectors = Connectors::default();
    let (mut failures, mut results) = (Vec::new(), Vec::new());
    for saved in &all {
        let result = match connectors.of(session, &saved.connector).await {
            Ok(loaded) => session.open(&loaded.loaded, saved, variables.clone()).await.map(drop),
            Err(failures) => Err(failures),
        };
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
    }
    if session.global.json {
        print_json(&Value::Array(results))?;
    }
    Failures::check(failures)
}
