//! `variables set`, `unset` and `rotate-key`: what is kept in the store.

use connector_host::Secret;
use connector_store::{Kept, NewKey, NewVariable};
use serde_json::json;

use super::super::{print, print_json};
use crate::error::{Failure, Result};
use crate::project::failed;
use crate::session::Session;
use crate::value;
use crate::variables::check_name;

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
    let hidden = *hidden || is_hidden(session, name, of)?;
    let value = match value {
        Some(_) if hidden => {
            let failure =
                Failure::new(format!("the variable `{name}` is hidden, and the command line can be seen by others"));
            return Err(failure
                .hint(format!("`connector variables set {name}` asks for the value, or reads it from stdin"))
                .into());
        }
        Some(value) => Secret::new(value.as_str()),
        None => value::from_stdin(name, hidden)?,
    };
    let store = session.project.made_store()?;
    let environment = session.global.environment.as_deref();
    let new = NewVariable { name, connection: of, environment, hidden, description, value };
    store.set(&new).map_err(|error| failed(&error))?;
    if session.global.json {
        return print_json(&json!({ "set": name, "connection": connection, "environment": environment }));
    }
    let place = place(connection.as_deref(), environment);
    print(&format!("The variable `{name}` is kept in {}{place}.\n", store.path().display()))
}

/// Whether the store has it as hidden, in whatever environment.
fn is_hidden(session: &Session, name: &str, of: Option<Kept>) -> Result<bool> {
    let Some(store) = session.project.store()? else { return Ok(false) };
    let there = store.stored(name, of).map_err(|error| failed(&error))?;
    Ok(there.iter().any(|one| one.hidden() && one.is_of_a_connection() == of.is_some()))
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
    let values = match rotated.values {
        1 => "1 hidden value is".to_owned(),
        more => format!("{more} hidden values are"),
    };
    print(&format!("{values} encrypted with the key {}, in {}.\n", rotated.now, rotated.place))?;
    if let Some(before) = rotated.before {
        session.note(format!(
            "note: the key {before} stays where it was; take it away when no copy of the store needs it any more"
        ));
    }
    Ok(())
}
