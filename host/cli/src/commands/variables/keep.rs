//! `variables set`, `unset` and `rotate-key`: what is kept in the store.

use std::io::{IsTerminal as _, Read as _};

use connector_host::Secret;
use connector_store::{Kept, NewKey, NewVariable};
use serde_json::json;

use super::super::{print, print_json};
use crate::error::{Failure, Result};
use crate::project::failed;
use crate::session::Session;
use crate::terminal;
use crate::variables::check_name;

/// Bytes that a value may have.
const LONGEST: u64 = 1 << 20;

/// What was typed.
pub(super) struct Typed {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) hidden: bool,
    pub(super) connection: Option<String>,
}

pub(super) fn set(session: &Session, typed: &Typed, description: Option<&str>) -> Result<()> {
    let Typed { name, value, hidden, connection } = typed;
    check_name(name)?;
    let of = kept(session, connection.as_deref())?;
    let value = match value {
        Some(value) => Secret::new(value.as_str()),
        None => read_value(name, *hidden)?,
    };
    let store = session.project.made_store()?;
    let environment = session.global.environment.as_deref();
    let new = NewVariable { name, connection: of, environment, hidden: *hidden, description, value };
    store.set(&new).map_err(|error| failed(&error))?;
    if session.global.json {
        return print_json(&json!({ "set": name, "connection": connection, "environment": environment }));
    }
    let place = place(connection.as_deref(), environment);
    print(&format!("The variable `{name}` is kept in {}{place}.\n", store.path().display()))
}

pub(super) fn unset(session: &Session, name: &str, connection: Option<&str>) -> Result<()> {
    let of = kept(session, connection)?;
    let environment = session.global.environment.as_deref();
    let gone = match session.project.store()? {
        Some(store) => store.unset(name, of, environment).map_err(|error| failed(&error))?,
        None => false,
    };
    let place = place(connection, environment);
    if !gone {
        let file = session.project.store_file();
        let failure = Failure::new(format!("{} has no variable `{name}`{place}", file.display()));
        return Err(failure.hint("`connector variables list` says where a value comes from").into());
    }
    if session.global.json {
        return print_json(&json!({ "unset": name, "connection": connection, "environment": environment }));
    }
    print(&format!("The variable `{name}` is forgotten{place}.\n"))
}

fn place(connection: Option<&str>, environment: Option<&str>) -> String {
    let connection = connection.map(|name| format!(" for the connection `{name}`")).unwrap_or_default();
    let environment = environment.map(|name| format!(" for the environment `{name}`")).unwrap_or_default();
    connection + &environment
}

fn kept(session: &Session, connection: Option<&str>) -> Result<Option<Kept>> {
    Ok(connection.map(|name| session.project.connection(name)).transpose()?.and_then(|saved| saved.kept))
}

/// The value, from whoever sits at the terminal, or else from stdin: without the line end behind it.
fn read_value(name: &str, hidden: bool) -> Result<Secret> {
    let unread = |error: &std::io::Error| Failure::new("cannot read the value").causes_of(error);
    let mut stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let mut text = String::new();
        stdin.by_ref().take(LONGEST + 1).read_to_string(&mut text).map_err(|error| unread(&error))?;
        if text.is_empty() || text.len() as u64 > LONGEST {
            let what = if text.is_empty() { "there is no value on stdin" } else { "the value is longer than 1 MiB" };
            return Err(Failure::new(what)
                .hint("pipe the value in, like `connector variables set NAME < FILE`")
                .into());
        }
        let value = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).unwrap_or(&text);
        return Ok(Secret::new(value));
    }
    if hidden {
        let value = rpassword::prompt_password(format!("Value of `{name}` (not shown): "));
        return Ok(Secret::new(value.map_err(|error| unread(&error))?));
    }
    terminal::tell(&format!("Value of `{name}`: "));
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(|error| unread(&error))?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

pub(super) fn rotate_key(session: &Session, keyring: bool) -> Result<()> {
    let Some(store) = session.project.store()? else {
        return Err(Failure::new(format!("there is no store {}", session.project.store_file().display())).into());
    };
    let to = if keyring { NewKey::Keyring } else { NewKey::Usual };
    let rotated = store.rotate_key(to).map_err(|error| failed(&error))?;
    if session.global.json {
        return print_json(&json!({
            "values": rotated.values, "key": rotated.now, "before": rotated.before, "place": rotated.place,
        }));
    }
    print(&format!(
        "{} hidden values are encrypted with the key {}, in {}.\n",
        rotated.values, rotated.now, rotated.place
    ))?;
    if let Some(before) = rotated.before {
        session.note(format!(
            "note: the key {before} stays where it was; take it away when no copy of the store needs it any more"
        ));
    }
    Ok(())
}
