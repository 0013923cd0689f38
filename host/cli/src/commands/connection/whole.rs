//! `connection copy`, `rename` and `delete`: a connection as a whole, with what belongs to it.

use std::io::IsTerminal as _;

use connector_store::{Dependent, Saved};
use serde_json::json;

use super::super::{print, print_json};
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
    let dependents = store.dependents(&saved).map_err(|error| failed(&error))?;
    if !yes {
        confirm(&saved, &dependents)?;
    }
    store.delete(&saved).map_err(|error| failed(&error))?;
    if session.global.json {
        let with: Vec<_> = dependents.iter().map(|d| json!({ "kind": d.kind, "name": d.name })).collect();
        return print_json(&json!({ "deleted": saved.name, "connector": saved.connector, "with": with }));
    }
    let mut text = format!("Connection `{}` is deleted.\n", saved.name);
    dependents.iter().for_each(|dependent| text.push_str(&format!("Deleted with it: {}.\n", words(dependent))));
    print(&text)
}

fn words(dependent: &Dependent) -> String {
    format!("the {} `{}`", dependent.kind, dependent.name)
}

/// Asks whoever sits at the terminal.
fn confirm(saved: &Saved, dependents: &[Dependent]) -> Result<()> {
    let name = &saved.name;
    let lost: Vec<String> = dependents.iter().map(|d| format!("{} goes with it", words(d))).collect();
    if !std::io::stdin().is_terminal() {
        let mut failure = Failure::new(format!("deleting the connection `{name}` is to be confirmed"));
        failure.notes = lost;
        return Err(failure.hint("pass --yes").into());
    }
    let mut question: String = lost.iter().map(|line| format!("{line}\n")).collect();
    question.push_str(&format!("Delete the connection `{name}`? [y/N] "));
    terminal::tell(&terminal::clean(&question));
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(format!("the connection `{name}` is still there: the answer was not yes")).into())
}
