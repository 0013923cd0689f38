//! Agents: processes that serve, each on its own host, and together form the group of an environment. `agents.toml` in the project names
//! them:
//!
//! ```toml
//! [groups.production]
//! coordinator = { url = "https://etcd.example.com:2379", user = "connector", password = "[etcd_password]" }
//!
//! [groups.production.agents.north]
//! url = "https://north.example.com"
//! token = "[agent_token]"
//! ```
//!
//! Which group belongs to an environment, the file of variables says: `[environments.E] group = "production"`.

pub(crate) mod ask;
pub(crate) mod coordinator;
mod etcd;
mod file;
pub(crate) mod testing;

use std::collections::BTreeMap;
use std::path::PathBuf;

use connector_host::{Secret, Variables as _};

use crate::error::{Failure, Result, suggest};
use crate::session::Session;
use crate::variables::environments;

/// Agents that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub name: String,
    /// The etcd by which they agree on who runs what is due.
    pub coordinator: Option<CoordinatorAddress>,
    pub agents: BTreeMap<String, Agent>,
}

/// Where a group's etcd is, and as whom it is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoordinatorAddress {
    /// Base address, without a slash at its end.
    pub url: String,
    pub user: Option<User>,
    /// Certificate authorities to trust besides the system's: a PEM file, relative to the project's folder.
    pub ca_file: Option<PathBuf>,
}

/// A user of an etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub name: String,
    /// The variable that has its password.
    pub password: String,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    /// Base address, without a slash at its end.
    pub url: String,
    /// The variable whose value it wants to be asked with.
    pub token: Option<String>,
}

impl Group {
    /// The group of an environment; of the active one, if none is named. A project whose file has one group needs no environment for it.
    ///
    /// # Errors
    /// All that is wrong with the file; an environment that is not there, or whose group is not.
    pub(crate) fn of(session: &Session, environment: Option<&str>) -> Result<Option<Self>> {
        let path = session.project.agents_file();
        let mut groups = file::read(&path)?;
        let Some(environment) = environment.or(session.global.environment.as_deref()) else {
            let only = groups.pop_first().filter(|_| groups.is_empty());
            return Ok(only.map(|(_, group)| group));
        };
        let all = environments(&session.variables_file(), session.project.store()?.as_deref())?;
        let Some(known) = all.get(environment) else {
            let failure = Failure::new(format!("there is no environment `{environment}`")).with("kind", "not-found");
            let hint = suggest(environment, all.keys().map(String::as_str));
            let hint = hint.unwrap_or_else(|| format!("add a section [environments.{environment}.variables]"));
            return Err(failure.with("pointer", "/environment").hint(hint).into());
        };
        let Some(name) = &known.group else { return Ok(None) };
        match groups.remove(name) {
            Some(group) => Ok(Some(group)),
            None => {
                let what = format!(
                    "{} has no group `{name}`, which is that of the environment `{environment}`",
                    path.display()
                );
                let failure = Failure::new(what).with("kind", "configuration");
                Err(match suggest(name, groups.keys().map(String::as_str)) {
                    Some(hint) => failure.hint(hint),
                    None => failure.hint(format!("add a section [groups.{name}.agents.NAME] with its `url`")),
                }
                .into())
            }
        }
    }

    /// The same, where there must be one.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn must(session: &Session, environment: Option<&str>) -> Result<Self> {
        let path = session.project.agents_file();
        Self::of(session, environment)?.ok_or_else(|| {
            let whose = environment.or(session.global.environment.as_deref());
            let failure = match whose {
                Some(name) => Failure::new(format!("the environment `{name}` has no group of agents"))
                    .hint(format!("say which in the file of variables: [environments.{name}] group = \"NAME\"")),
                None => Failure::new(format!("{} does not say which agents are meant", path.display()))
                    .hint("name the environment whose agents they are with --environment"),
            };
            failure.with("kind", "configuration").with("pointer", "/environment").into()
        })
    }

    /// The agent that this process is.
    ///
    /// # Errors
    /// The group has none of that name.
    pub(crate) fn check(&self, name: &str) -> Result<(), Failure> {
        if self.agents.contains_key(name) {
            return Ok(());
        }
        let failure = Failure::new(format!("the group `{}` has no agent `{name}`", self.name));
        Err(match suggest(name, self.agents.keys().map(String::as_str)) {
            Some(hint) => failure.hint(hint),
            None => failure.hint(format!("add a section [groups.{}.agents.{name}] with its `url`", self.name)),
        })
    }
}

impl Agent {
    /// The value of its token, as it is now.
    ///
    /// # Errors
    /// The variable has none.
    pub(crate) fn token(&self, session: &Session) -> Result<Option<Secret>> {
        self.token.as_ref().map(|name| secret(session, "its token", name)).transpose()
    }
}

/// The value of a variable as it is now. `what`: what it is, for messages.
fn secret(session: &Session, what: &str, name: &str) -> Result<Secret> {
    session.variables()?.get(name).map_err(|error| {
        Failure::new(format!("{what} is the variable `{name}`, which cannot be read"))
            .causes_of(&error)
            .hint(format!("keep it with `connector variables set {name} --hidden`"))
            .with("kind", "configuration")
            .into()
    })
}
