//! What all requests share.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::config::Switches;
use crate::facts::Resource;
use crate::route::Route;
use crate::store::{Key, State};
use crate::tables::{Access, TableSpec, tables};

/// The store and its switches.
#[derive(Debug)]
pub(crate) struct World {
    state: RwLock<State>,
    switches: RwLock<Switches>,
    pub(crate) seed: u64,
}

impl World {
    pub(crate) fn new(state: State, switches: Switches, seed: u64) -> Self {
        Self { state: RwLock::new(state), switches: RwLock::new(switches), seed }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn switches(&self) -> Switches {
        self.switches.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.switches.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A request that found its operation.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) route: &'a Route,
    pub(crate) query: &'a [(String, String)],
    pub(crate) body: &'a str,
}

impl Call<'_> {
    pub(crate) fn resource(&self) -> &'static Resource {
        self.route.resource
    }

    /// Value of a query parameter; empty values count as absent.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// How the resource reaches its table, and what the table is.
    pub(crate) fn target(&self) -> Option<Target> {
        let access = tables().access(self.route.id.0)?;
        let spec = tables().spec(access.table)?;
        let above = self.resource().parent_params.len();
        let mut keys: Vec<Key> = self.route.params.iter().map(|p| Key::from_plain(p)).collect();
        let own = keys.split_off(above.min(keys.len()));
        let (parents, own) = if access.parent_is_key { (Vec::new(), keys) } else { (keys, own) };
        Some(Target { access, spec, parents, own })
    }
}

/// The rows that a path names.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) access: Access,
    pub(crate) spec: &'static TableSpec,
    /// Keys of the parents that the path names.
    pub(crate) parents: Vec<Key>,
    /// Values of the path's trailing parameters.
    pub(crate) own: Vec<Key>,
}

impl Target {
    /// The key that the path names, if it names one completely.
    pub(crate) fn key(&self) -> Option<Key> {
        match self.own.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(Key::Many(many.to_vec())),
        }
    }

    /// Whether all parents that the path names exist, as far as their tables are known.
    pub(crate) fn parents_exist(&self, state: &State) -> bool {
        self.parents.iter().enumerate().all(|(at, key)| match self.spec.parent_tables.get(at) {
            Some(Some(table)) => {
                let table = state.table(*table);
                let above = self.parents.get(..at).unwrap_or_default();
                table.get(above, key).is_some() || table.get(&[], key).is_some()
            }
            _ => true,
        })
    }
}
