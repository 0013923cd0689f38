//! `connection copy`, `rename` and `delete`: a connection as a whole, with what belongs to it.

use std::io::IsTerminal as _;

use connector_store::Dependent;
use serde_json::json;

use super::super::{print, print_json};
use crate::dependents::{self, OPERATION};
use crate::error::{Failure, Result};
use crate::project::failed;
use crate::session::Session;
use crate::terminal;

pub(super) fn copy(session: &Session, name: &str, new_name: &str) -> Result<()> {
    let saved = session.project.connection(name)?;
    session.project.made_store()?.copy(&saved, new_name).map_err(|error| failed(&error))?;
    if session.global.json {
        return print_json(&json!({ "connection": new_name, "connector": saved.connector, "copy_of": saved.name }));
    }
    print(&format!("Connection `{new_name}` is a copy of `{}`.\n", saved.name))
}

pub(super) fn rename(session: &Session, name: &str, new_name: &str) -> Result<()> {
    let saved = session.project.connection(name)?;
    session.project.made_store()?.rename(&saved, new_name).map_err(|error| failed(&error))?;
    if session.global.json {
        return print_json(&json!({ "connection": new_name, "connector": saved.connector, "before": saved.name }));
    }
    print(&format!("Connection `{}` is called `{new_name}` now.\n", saved.name))
}

pub(super) fn delete(session: &Session, name: &str, yes: bool) -> Result<()> {
    let saved = session.project.connection(name)?;
    let store = session.project.made_store()?;
    let dependents = dependents::of(session, &saved)?;
    if !yes {
        let name = &saved.name;
        confirm(
            dependents.iter().map(told).collect(),
            &format!("Delete the connection `{name}`?"),
            Failure::new(format!("deleting the connection `{name}` is to be confirmed")).hint("pass --yes"),
            Failure::new(format!("the connection `{name}` is still there: the answer was not yes")),
        )?;
    }
    store.delete(&saved).map_err(|error| failed(&error))?;
    let gone = dependents.iter().filter(|dependent| dependent.kind != OPERATION);
    if session.global.json {
        let with: Vec<_> = gone.map(|d| json!({ "kind": d.kind, "name": d.name })).collect();
        return print_json(&json!({ "deleted": saved.name, "connector": saved.connector, "with": with }));
    }
    let mut text = format!("Connection `{}` is deleted.\n", saved.name);
    gone.for_each(|dependent| text.push_str(&format!("Deleted with it: {}.\n", words(dependent))));
    print(&text)
}

/// What comes of it when the connection goes.
fn told(dependent: &Dependent) -> String {
    let what = if dependent.kind == OPERATION { "uses it, and will not run any more" } else { "goes with it" };
    format!("{} {what}", words(dependent))
}

fn words(dependent: &Dependent) -> String {
    format!("the {} `{}`", dependent.kind, dependent.name)
}

/// Asks whoever sits at the terminal, after these lines. Fails with `unasked` if nobody does, and with `refused` unless the answer
/// is yes.
pub(super) fn confirm(lines: Vec<String>, question: &str, mut unasked: Failure, refused: Failure) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        unasked.notes = lines;
        return Err(unasked.into());
    }
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    terminal::tell(&terminal::clean(&format!("{lines}{question} [y/N] ")));
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") { Ok(()) } else { Err(refused.into()) }
}
