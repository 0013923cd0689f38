//! The facts about the API, as the emulator needs them.
//!
//! The facts file is the only thing that the emulator shares with the connector: it is parsed once per process, here, into
//! types of the emulator's own. What the file does not say is decided in the files that act on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use serde::Deserialize;

/// The facts file of the connector.
const TEXT: &str = include_str!("../../../component/bigcommerce/facts.json");

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Many records, listed.
    Collection,
    /// One record per store or parent.
    Singleton,
    /// One record per key, never listed.
    KeyedSingleton,
    /// Can be written, not read.
    WriteOnly,
    /// Counts the records of another resource.
    Count,
    /// Does something; holds no records.
    Action,
    /// Takes a file.
    Upload,
    /// Streams events or a file.
    Stream,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    List,
    Get,
    Create,
    Update,
    Upsert,
    Delete,
    Count,
    Action,
    Upload,
    Stream,
}

/// A path parameter.
#[derive(Debug, Deserialize)]
pub(crate) struct PathParam {
    pub(crate) name: String,
}

/// A query parameter of the list operation.
#[derive(Debug, Deserialize)]
pub(crate) struct QueryParam {
    pub(crate) name: String,
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) operator: String,
    #[serde(default, rename = "enum")]
    pub(crate) values: Vec<serde_json::Value>,
    #[serde(default)]
    pub(crate) required: bool,
}

/// Paging of the list operation.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Pagination {
    pub(crate) style: String,
    #[serde(default)]
    pub(crate) params: Vec<String>,
    #[serde(default)]
    pub(crate) meta: Vec<String>,
    pub(crate) default_limit: Option<usize>,
    pub(crate) max_limit: Option<usize>,
}

/// Body of a write.
#[derive(Debug, Deserialize)]
pub(crate) struct Body {
    #[serde(default)]
    pub(crate) content_types: Vec<String>,
    pub(crate) shape: String,
    pub(crate) wrapper: Option<String>,
    pub(crate) max_items: Option<usize>,
    #[serde(default)]
    pub(crate) documented_required: Vec<String>,
    #[serde(default)]
    pub(crate) documented_read_only: Vec<String>,
}

/// How a DELETE chooses its victims.
#[derive(Debug, Deserialize)]
pub(crate) struct Delete {
    pub(crate) by: String,
    #[serde(default)]
    pub(crate) filters: Vec<String>,
    #[serde(default)]
    pub(crate) unfiltered: String,
    pub(crate) max_items: Option<usize>,
}

/// A successful answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Success {
    #[serde(default)]
    pub(crate) envelope: String,
    pub(crate) shape: String,
}

/// One HTTP operation.
#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    pub(crate) verb: Verb,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Option<Body>,
    pub(crate) delete: Option<Delete>,
    #[serde(default)]
    pub(crate) success: BTreeMap<String, Success>,
    #[serde(default)]
    pub(crate) errors: Vec<String>,
    /// Names, a trailing `!` marks a required one. For the list operation see [`Resource::query`].
    #[serde(default)]
    pub(crate) query: Vec<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    pub(crate) concurrency_limit: Option<usize>,
}

impl Operation {
    /// Status and description of the plain success: the first that is neither partial nor accepted only.
    pub(crate) fn plain_success(&self) -> (u16, &str, &str) {
        let found = self.success.iter().find(|(code, _)| *code != "207");
        match found {
            Some((code, success)) => (code.parse().unwrap_or(200), &success.envelope, &success.shape),
            None => (200, "", "empty"),
        }
    }

    /// Whether the facts declare this error status.
    pub(crate) fn declares(&self, status: &str) -> bool {
        self.errors.iter().any(|e| e == status)
    }

    /// Whether a partial success (207) is declared.
    pub(crate) fn has_partial(&self) -> bool {
        self.success.contains_key("207")
    }
}

/// A field of a model.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Field {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    pub(crate) format: Option<String>,
    #[serde(default)]
    pub(crate) nullable: bool,
    #[serde(default, rename = "readOnly")]
    pub(crate) read_only: bool,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default, rename = "enum")]
    pub(crate) values: Vec<serde_json::Value>,
    #[serde(default)]
    pub(crate) fields: Vec<Field>,
    pub(crate) items: Option<Box<Field>>,
    pub(crate) default: Option<serde_json::Value>,
    #[serde(rename = "maxLength")]
    pub(crate) max_length: Option<f64>,
    #[serde(rename = "minLength")]
    pub(crate) min_length: Option<f64>,
    #[serde(rename = "minItems")]
    pub(crate) min_items: Option<f64>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
}

/// A record's model.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Model {
    #[serde(default)]
    pub(crate) fields: Vec<Field>,
}

impl Model {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

/// The models of a resource.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Schemas {
    #[serde(default)]
    pub(crate) read: Model,
    #[serde(default)]
    pub(crate) create: Model,
    #[serde(default)]
    pub(crate) update: Model,
    #[serde(default)]
    pub(crate) action: Model,
}

/// One resource of the API: a collection path with its item path.
#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    pub(crate) key: String,
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) collection_path: String,
    #[serde(default)]
    pub(crate) key_fields: Vec<String>,
    #[serde(default)]
    pub(crate) parent_params: Vec<PathParam>,
    pub(crate) parent_field: Option<String>,
    #[serde(default)]
    pub(crate) twins: Vec<String>,
    #[serde(default)]
    pub(crate) query: Vec<QueryParam>,
    #[serde(default)]
    pub(crate) pagination: Pagination,
    pub(crate) operations: Vec<Operation>,
    #[serde(default)]
    pub(crate) oauth_scopes: Vec<String>,
    pub(crate) schemas: Schemas,
}

impl Resource {
    /// Identifier in the facts file: `v3:/catalog/products`.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// What it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it holds records.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self.kind, Kind::Collection | Kind::Singleton | Kind::KeyedSingleton | Kind::WriteOnly)
    }

    pub(crate) fn is_v2(&self) -> bool {
        self.version == "v2"
    }
}

/// All resources, parsed once per process.
pub(crate) fn resources() -> &'static [Resource] {
    static FACTS: OnceLock<Vec<Resource>> = OnceLock::new();
    FACTS.get_or_init(|| {
        // The file is compiled in and a test parses it, so there is nobody who could act on an error here.
        serde_json::from_str(TEXT).unwrap_or_default()
    })
}

/// Index of a resource by its key (`v3:/catalog/products`), its path (`/v3/catalog/products`), or its name (`products`,
/// `v2/customers`; v3 is meant where both versions have it).
pub(crate) fn find(name: &str) -> Option<usize> {
    static INDEX: OnceLock<HashMap<String, usize>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let data = || resources().iter().enumerate().filter(|(_, r)| r.is_data());
        let mut index = HashMap::new();
        for (i, r) in data() {
            index.insert(r.key.clone(), i);
            index.insert(r.collection_path.clone(), i);
        }
        // Of twins the nested one, which knows whose records they are.
        let nested_first = data().filter(|(_, r)| !r.parent_params.is_empty()).chain(data());
        let by_version: Vec<(usize, &Resource)> = nested_first.collect();
        for version in ["v3", "v2"] {
            for (i, r) in by_version.iter().filter(|(_, r)| r.version == version) {
                index.entry(format!("{version}/{}", r.name)).or_insert(*i);
                index.entry(r.name.clone()).or_insert(*i);
            }
        }
        index
    });
    index.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_file_parses_and_holds_every_data_resource() {
        let parsed: Result<Vec<Resource>, _> = serde_json::from_str(TEXT);
        assert_eq!(parsed.map_err(|e| e.to_string()).map(|r| r.len()), Ok(238));
        assert_eq!(resources().iter().filter(|r| r.is_data()).count(), 190);
    }

    #[test]
    fn resources_are_found_by_key_path_and_name() {
        let key = |n: &str| find(n).and_then(|i| resources().get(i)).map(|r| r.key.as_str());
        assert_eq!(key("products"), Some("v3:/catalog/products"));
        assert_eq!(key("/v3/catalog/products"), Some("v3:/catalog/products"));
        assert_eq!(key("orders"), Some("v2:/orders"));
        assert_eq!(key("customers"), Some("v3:/customers"));
        assert_eq!(key("v2/customers"), Some("v2:/customers"));
        assert_eq!(key("orders/products"), Some("v2:/orders/{order_id}/products"));
        assert_eq!(key("nothing"), None);
    }
}
