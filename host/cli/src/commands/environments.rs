//! `environments`: the environments of the project, each with the number of its variables and its group of agents.

use serde_json::{Value, json};

use super::{print, print_json};
use crate::error::Result;
use crate::output::table::{base, terminal_width};
use crate::session::Session;
use crate::variables::environments;

pub(super) fn list(session: &Session) -> Result<()> {
    let (items, active) = (listed(session)?, session.global.environment.as_deref());
    if session.global.json {
        return print_json(&json!({ "items": items, "active": active }));
    }
    if items.is_empty() {
        session.note("there are no environments; a section [environments.NAME.variables] in variables.toml makes one");
        return Ok(());
    }
    let mut table = base(terminal_width());
    table.set_header(["environment", "variables", "group", "active"]);
    for item in &items {
        let text = |key: &str| match item.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let mark = if item.get("name").and_then(Value::as_str) == active { "yes" } else { "" };
        table.add_row([text("name"), text("variables"), text("group"), mark.to_owned()]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}

/// All of them.
pub(crate) fn listed(session: &Session) -> Result<Vec<Value>> {
    let all = environments(&session.variables_file(), session.project.store()?.as_deref())?;
    let item = |(name, known): (&String, &crate::variables::Environment)| json!({ "name": name, "variables": known.variables.len(), "group": known.group });
    Ok(all.iter().map(item).collect())
}
