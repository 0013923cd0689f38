//! `variables`: which there are, where each value comes from and who uses it.

use std::collections::{BTreeMap, HashSet};

use connector_host::mentions;
use connector_store::Stored;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{print, print_json};
use crate::args;
use crate::error::Result;
use crate::output::table::{base, terminal_width};
use crate::project::failed;
use crate::session::Session;
use crate::variables::{Held, Origin, Variable, Variables};

mod keep;

pub(super) fn run(session: &Session, command: args::Variables) -> Result<()> {
    match command {
        args::Variables::List => list(session),
        args::Variables::Set { name, value, hidden, description, connection } => {
            let description = description.as_deref();
            keep::set(session, &keep::Typed { name, value, hidden, connection }, description)
        }
        args::Variables::Unset { name, connection } => keep::unset(session, &name, connection.as_deref()),
        args::Variables::RotateKey { keyring } => keep::rotate_key(session, keyring),
    }
}

/// One line of the list.
struct Row {
    name: String,
    /// The connection whose own it is.
    owner: Option<String>,
    variable: Option<Variable>,
    /// The value, stars if it is hidden; none if it is not set.
    shown: Option<String>,
    /// What the settings take if it is not set.
    defaults: Vec<String>,
    /// The connections whose settings mention it.
    connections: Vec<String>,
}

impl Row {
    fn is_hidden(&self) -> bool {
        self.variable.as_ref().is_some_and(|variable| variable.hidden)
    }
}

/// Who mentions a variable, and with which defaults.
#[derive(Default)]
struct Users {
    connections: Vec<String>,
    /// Those that have one of this name of their own, which comes before the project's.
    with_own: Vec<String>,
    defaults: Vec<String>,
}

/// All of them for programs that may be anybody's: without the values of hidden ones.
pub(crate) fn listed(session: &Session) -> Result<Vec<ListedVariable>> {
    let without = |row: &Row| {
        let mut listed = told(row);
        listed.value = listed.value.filter(|_| !listed.hidden);
        listed
    };
    Ok(all(session)?.iter().map(without).collect())
}

/// A variable in the list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedVariable {
    /// Whose it is alone.
    connection: Option<String>,
    /// Those whose settings mention it.
    connections: Vec<String>,
    /// What the settings take if it is not set.
    default: Option<String>,
    description: Option<String>,
    environment: Option<String>,
    hidden: bool,
    name: String,
    #[schema(value_type = Option<String>)]
    scope: Option<&'static str>,
    set: bool,
    source: Option<String>,
    /// Left out where nobody may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    value: Option<Option<String>>,
}

fn all(session: &Session) -> Result<Vec<Row>> {
    let variables = session.variables()?;
    let kept = match session.project.store()? {
        Some(store) => store.variables().map_err(|error| failed(&error))?,
        None => Vec::new(),
    };
    let chosen = session.global.environment.as_deref();
    let holds = |own: &&Stored| own.environment().is_none_or(|environment| Some(environment) == chosen);
    let own = kept.iter().filter(holds).filter_map(|own| Some((own.owner.as_deref()?, own.name.as_str())));
    let own: HashSet<(&str, &str)> = own.collect();
    let mut users: BTreeMap<String, Users> = BTreeMap::new();
    for saved in session.project.connections()? {
        let whole_name = saved.full_name();
        for mention in mentions(&Value::Object(saved.settings)) {
            let has_own = own.contains(&(whole_name.as_str(), mention.name.as_str()));
            let user = users.entry(mention.name).or_default();
            user.defaults.extend(mention.default.filter(|default| !user.defaults.contains(default)));
            let connections = if has_own { &mut user.with_own } else { &mut user.connections };
            if !connections.contains(&saved.name) {
                connections.push(saved.name.clone());
            }
        }
    }
    let mut rows = rows(&kept, &variables, &mut users)?;
    rows.sort_by(|a, b| (&a.name, &a.owner).cmp(&(&b.name, &b.owner)));
    Ok(rows)
}

fn list(session: &Session) -> Result<()> {
    let rows = all(session)?;
    if session.global.json {
        return print_json(&json!(rows.iter().map(told).collect::<Vec<_>>()));
    }
    let mut table = base(terminal_width());
    table.set_header(["variable", "scope", "value", "default", "source", "connections", "description"]);
    for row in rows {
        let (scope, source) = (scope(&row), row.variable.as_ref().map(|v| v.origin.words()).unwrap_or_default());
        let description = row.variable.and_then(|v| v.description).unwrap_or_default();
        let value = row.shown.unwrap_or_else(|| "(not set)".to_owned());
        let (defaults, connections) = (row.defaults.join(", "), row.connections.join(", "));
        table.add_row([row.name, scope, value, defaults, source, connections, description]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}

fn scope(row: &Row) -> String {
    match (&row.owner, &row.variable) {
        (Some(owner), _) => format!("connection {owner}"),
        (None, Some(variable)) => variable.origin.scope().to_owned(),
        (None, None) => String::new(),
    }
}

fn told(row: &Row) -> ListedVariable {
    let variable = row.variable.as_ref();
    ListedVariable {
        connection: row.owner.clone(),
        connections: row.connections.clone(),
        default: row.defaults.first().cloned(),
        description: variable.and_then(|v| v.description.clone()),
        environment: variable.and_then(|v| v.origin.environment()).map(str::to_owned),
        hidden: row.is_hidden(),
        name: row.name.clone(),
        scope: variable.map(|v| v.origin.scope()),
        set: row.shown.is_some(),
        source: variable.map(|v| v.origin.words()),
        value: Some(row.shown.clone()),
    }
}

/// The project's view of each name, and what connections have of their own.
fn rows(kept: &[Stored], variables: &Variables, users: &mut BTreeMap<String, Users>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for own in kept.iter().filter(|stored| stored.is_of_a_connection()) {
        let connections = own.owner.iter().cloned().collect();
        rows.push(Row {
            name: own.name.clone(),
            owner: own.owner.clone(),
            shown: Some(own.value().unwrap_or("****").to_owned()),
            variable: Some(Variable {
                value: None,
                origin: Origin::Own,
                hidden: own.hidden(),
                description: own.description.clone(),
            }),
            defaults: Vec::new(),
            connections,
        });
    }
    // Names that are mentioned and not set belong into the list too: they are what is missing. A connection's own are not.
    let lacked = users.iter().filter(|(_, users)| !users.connections.is_empty()).map(|(name, _)| name.clone());
    let of_the_project = kept.iter().filter(|stored| !stored.is_of_a_connection()).map(|stored| stored.name.clone());
    let mentioned: Vec<String> = lacked.chain(of_the_project).collect();
    for name in variables.names(&mentioned) {
        let variable = variables.find(&name).map_err(|error| failed(&error))?;
        let Users { mut connections, with_own, defaults } = users.remove(&name).unwrap_or_default();
        if variable.as_ref().is_some_and(|variable| variable.origin.comes_first()) {
            connections.extend(with_own);
        }
        let hidden = variable.as_ref().is_some_and(|v| v.hidden);
        let shown = variable.as_ref().and_then(|v| v.value.as_ref()).map(|held| match held {
            _ if hidden => "****".to_owned(),
            Held::Known(value) => value.reveal().to_owned(),
            Held::Stored(stored) => stored.value().unwrap_or("****").to_owned(),
        });
        rows.push(Row { name, owner: None, variable, shown, defaults, connections });
    }
    Ok(rows)
}
