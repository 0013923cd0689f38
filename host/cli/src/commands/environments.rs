//! `environments`: the environments of the project, each with the number of its variables and its group of agents.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{print, print_json};
use crate::error::Result;
use crate::output::table::{base, terminal_width};
use crate::session::Session;
use crate::variables::{Environment, environments};

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
        let mark = if Some(item.name.as_str()) == active { "yes" } else { "" };
        let (variables, group) = (item.variables.to_string(), item.group.as_deref().unwrap_or_default());
        table.add_row([&item.name, &variables, group, mark]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}

/// An environment in the list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedEnvironment {
    group: Option<String>,
    name: String,
    /// How many have a value for it.
    variables: usize,
}

/// All of them.
pub(crate) fn listed(session: &Session) -> Result<Vec<ListedEnvironment>> {
    let all = environments(&session.variables_file(), session.project.store()?.as_deref())?;
    let item = |(name, known): (String, Environment)| ListedEnvironment {
        group: known.group,
        name,
        variables: known.variables.len(),
    };
    Ok(all.into_iter().map(item).collect())
}
