//! A connection as somebody wants to have it: on a screen, on a command line, not saved yet. It is checked as a whole by its
//! connector before it is kept.

use connector_host::{Origin, Secret};
use connector_store::Saved;
use serde_json::{Map, Value};

use crate::error::{Failure, Failures, Result, suggest};
use crate::project::failed;
use crate::schema::Schema;
use crate::session::{Loaded, Session};
use crate::settings::{pointer, put};
use crate::variables::Variables;

/// The connection, and the secrets that are to be kept with it.
pub(crate) struct Draft {
    pub saved: Saved,
    pub secrets: Vec<(String, Secret)>,
}

impl From<Saved> for Draft {
    fn from(saved: Saved) -> Self {
        Self { saved, secrets: Vec::new() }
    }
}

impl Draft {
    /// Puts these settings in the place of all others. A secret among them becomes a hidden variable of the connection.
    ///
    /// # Errors
    /// Settings that the connector does not have, secrets mixed with variables: all of them.
    pub(crate) fn set(&mut self, settings: Map<String, Value>, schema: &Schema) -> Result<()> {
        let mut failures = Vec::new();
        self.saved.settings = Map::new();
        for (key, value) in settings {
            if schema.property(schema.root(), &key).is_none() {
                let names: Vec<&str> = schema.properties(schema.root()).into_iter().map(|(name, _)| name).collect();
                let failure = Failure::new(format!("the connector has no setting `{key}`"))
                    .with("kind", "configuration")
                    .with("pointer", pointer(&key));
                failures.push(Failure { hint: suggest(&key, names), ..failure });
                continue;
            }
            failures.extend(put(&mut self.saved, &mut self.secrets, schema, (key, value)).err());
        }
        Failures::check(failures)
    }

    /// Grants these origins and no others.
    ///
    /// # Errors
    /// Those that are no origins.
    pub(crate) fn grant(&mut self, grants: &[String]) -> Result<()> {
        let mut failures = Vec::new();
        self.saved.grants = Vec::new();
        for (index, text) in grants.iter().enumerate() {
            match text.parse::<Origin>() {
                Ok(origin) if self.saved.grants.contains(&origin) => {}
                Ok(origin) => self.saved.grants.push(origin),
                Err(error) => failures.push(
                    Failure::new(format!("cannot grant `{text}`"))
                        .causes_of(&error)
                        .with("kind", "invalid-request")
                        .with("pointer", format!("/grants/{index}")),
                ),
            }
        }
        Failures::check(failures)
    }

    /// The variables as the connection would see them.
    pub(crate) fn variables(&self, session: &Session) -> Result<Variables> {
        Ok(session.variables()?.with_pending(&self.secrets))
    }

    /// Opens it as it would be. Makes no request.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) async fn open(&self, session: &Session, loaded: &Loaded) -> Result<connector_host::Connection> {
        session.open(loaded, &self.saved, self.variables(session)?).await
    }

    /// Saves it.
    ///
    /// # Errors
    /// Those of [`connector_store::Store::save`].
    pub(crate) fn save(self, session: &Session) -> Result<()> {
        let store = session.project.made_store()?;
        Ok(store.save(&[(self.saved, self.secrets)]).map_err(|error| failed(&error))?)
    }
}
