//! Places in a scenario's texts that are known only when it is played: `<base-url>`, `<next>`.

use std::collections::BTreeMap;

use serde_json::Value;

/// What stands for what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<&'static str, String>);

impl Places {
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.insert(name, value.into());
    }

    /// Fills the places in every text of a value.
    pub(crate) fn fill(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for (name, filling) in &self.0 {
                    let place = format!("<{name}>");
                    if text.contains(&place) {
                        *text = text.replace(&place, filling);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.fill(value)),
            Value::Object(members) => members.values_mut().for_each(|value| self.fill(value)),
            _ => {}
        }
    }
}
