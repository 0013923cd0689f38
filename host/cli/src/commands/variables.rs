//! `variables`: where each value comes from and who uses it.

use std::collections::BTreeMap;

use connector_host::mentions;
use serde_json::{Value, json};

use super::{print, print_json};
use crate::args;
use crate::error::Result;
use crate::output::table::{base, terminal_width};
use crate::session::Session;

pub(super) fn run(session: &Session, command: &args::Variables) -> Result<()> {
    let args::Variables::List = command;
    let variables = session.variables()?;
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for saved in session.project.connections()? {
        for mention in mentions(&Value::Object(saved.settings)) {
            let list = users.entry(mention.name).or_default();
            if !list.contains(&saved.name) {
                list.push(saved.name.clone());
            }
        }
    }
    // Names that are mentioned and not set belong into the list too: they are what is missing.
    let mentioned: Vec<String> = users.keys().cloned().collect();
    let mut rows = Vec::new();
    for name in variables.names(&mentioned) {
        let variable = variables.find(&name);
        let connections = users.remove(&name).unwrap_or_default();
        let value = variable.as_ref().and_then(|v| v.value.as_ref());
        let hidden = variable.as_ref().is_some_and(|v| v.hidden);
        let shown = value.map(|v| if hidden { v.to_string() } else { v.reveal().to_owned() });
        let source = variable.as_ref().map(|v| v.origin.words());
        let description = variable.as_ref().and_then(|v| v.description.clone());
        rows.push((name, shown, hidden, source, description, connections));
    }
    if session.global.json {
        let list = rows.iter().map(|(name, value, hidden, source, description, connections)| {
            json!({
                "name": name, "set": value.is_some(), "value": value, "hidden": hidden, "source": source,
                "description": description, "connections": connections,
            })
        });
        return print_json(&list.collect());
    }
    if rows.is_empty() {
        session.note("no variables");
        return Ok(());
    }
    let mut table = base(terminal_width());
    table.set_header(["variable", "value", "source", "connections", "description"]);
    for (name, value, _, source, description, connections) in rows {
        table.add_row([
            name,
            value.unwrap_or_else(|| "(not set)".to_owned()),
            source.unwrap_or_default(),
            connections.join(", "),
            description.unwrap_or_default(),
        ]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}
