//! Which store a connection leads to, as a digest: the settings that say it are the required texts that are no secret (a store's
//! name) and the addresses. A connection that is changed otherwise still leads to the same store.

use connector_host::resolved;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::schema::Schema;
use crate::variables::Variables;

/// The digest. Hides the values, which may come from hidden variables.
pub(crate) fn digest(schema: &Schema, settings: &Map<String, Value>, variables: &Variables) -> String {
    let root = schema.root();
    let required = |name: &str| {
        let list = root.get("required").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|one| one == name))
    };
    let mut parts = Vec::new();
    for (name, property) in schema.properties(root) {
        if schema.is_secret(name) {
            continue;
        }
        let set = settings.get(name).filter(|value| !value.is_null() && **value != json!(""));
        let Some(text) = set.or_else(|| property.get("default")).and_then(Value::as_str) else { continue };
        let text = resolved(text, variables).unwrap_or_else(|| text.to_owned());
        if required(name) || text.starts_with("http://") || text.starts_with("https://") {
            parts.push((name.to_owned(), text.trim_end_matches('/').to_owned()));
        }
    }
    parts.sort();
    let digest = Sha256::digest(json!(parts).to_string().as_bytes());
    let short: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{short}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_store_counts_and_how_it_is_reached_does_not() {
        let schema = Schema::parse(
            r#"{"required":["hash","token"],"properties":{"hash":{"type":"string"},"token":{"type":"string","writeOnly":true},
                "url":{"type":"string","default":"https://api.example.com"},"size":{"type":"integer"},"seconds":{"type":"string"}}}"#,
        )
        .unwrap();
        let of = |settings: Value, value: &str| {
            let variables = Variables::default().with_pending(&[("h".to_owned(), value.into())]);
            digest(&schema, settings.as_object().unwrap(), &variables)
        };
        let first = of(json!({ "hash": "a", "token": "x" }), "-");
        for same in [
            json!({ "hash": "a", "token": "y", "size": 3, "seconds": "4" }),
            json!({ "hash": "[h]", "token": "y", "url": "https://api.example.com/" }),
            json!({ "hash": "[h{b}]" }),
            json!({ "hash": "[undefined{a}]" }),
        ] {
            assert_eq!(of(same.clone(), "a"), first, "{same}");
        }
        for other in [json!({ "hash": "b" }), json!({ "hash": "[h]" }), json!({ "hash": "a", "url": "https://b" })] {
            assert_ne!(of(other.clone(), "b"), first, "{other}");
        }
    }
}
