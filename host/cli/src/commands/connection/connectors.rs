//! The connectors of several connections, each loaded once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::schema::Schema;
use crate::session::{Loaded, Session, parse_schema};

/// A connector with what it says of its settings.
pub(super) struct Known {
    pub(super) loaded: Loaded,
    pub(super) schema: Schema,
}

/// Those that were loaded so far, by name.
#[derive(Default)]
pub(super) struct Connectors(BTreeMap<String, Arc<Known>>);

impl Connectors {
    /// The connector that serves connections of this one.
    pub(super) async fn of(&mut self, session: &Session, name: &str) -> Result<Arc<Known>> {
        if let Some(known) = self.0.get(name) {
            return Ok(Arc::clone(known));
        }
        let loaded = session.connector(Some(name)).await?;
        let schema = parse_schema(&loaded.connector.info().settings_schema)?;
        let known = Arc::new(Known { loaded, schema });
        self.0.insert(name.to_owned(), Arc::clone(&known));
        Ok(known)
    }
}
