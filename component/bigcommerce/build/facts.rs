//! The facts file as types. Keys that the table does not need are left out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Number, Value};

/// The endpoints below one path: the collection and its items.
#[derive(Deserialize)]
pub(crate) struct Resource {
    /// `v3:/catalog/products`.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) object: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) collection_path: String,
    pub(crate) item_path: Option<String>,
    #[serde(default)]
    pub(crate) key_fields: Vec<String>,
    pub(crate) parent_field: Option<String>,
    #[serde(default)]
    pub(crate) parent_params: Vec<PathParam>,
    #[serde(default)]
    pub(crate) item_params: Vec<PathParam>,
    pub(crate) pagination: Option<Pagination>,
    #[serde(default)]
    pub(crate) query: Vec<QueryParam>,
    pub(crate) operations: Vec<Operation>,
    #[serde(default)]
    pub(crate) schemas: Schemas,
    #[serde(default)]
    pub(crate) oauth_scopes: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct PathParam {
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct Pagination {
    pub(crate) style: String,
    #[serde(default)]
    pub(crate) params: Vec<String>,
    pub(crate) default_limit: Option<u32>,
    pub(crate) max_limit: Option<u32>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct QueryParam {
    pub(crate) name: String,
    pub(crate) role: String,
    #[serde(rename = "type")]
    pub(crate) ty: String,
    /// Type of the elements, if `ty` is `array`.
    pub(crate) items: Option<String>,
    #[serde(default)]
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) operator: String,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default, rename = "enum")]
    pub(crate) values: Vec<Value>,
}

#[derive(Deserialize)]
pub(crate) struct Operation {
    pub(crate) verb: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Option<Body>,
    pub(crate) delete: Option<Delete>,
    pub(crate) success: BTreeMap<String, Success>,
    pub(crate) concurrency_limit: Option<u32>,
    /// Names of query parameters, those that are required with a `!` behind them.
    #[serde(default)]
    pub(crate) query: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Body {
    pub(crate) shape: String,
    pub(crate) wrapper: Option<String>,
    /// What stands beside the list in the wrapping object.
    #[serde(default)]
    pub(crate) wrapper_siblings: Vec<String>,
    pub(crate) max_items: Option<u32>,
    #[serde(default)]
    pub(crate) documented_required: Vec<String>,
    #[serde(default)]
    pub(crate) documented_read_only: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Delete {
    pub(crate) by: String,
    #[serde(default)]
    pub(crate) filters: Vec<String>,
    pub(crate) max_items: Option<u32>,
    pub(crate) semantics: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Success {
    pub(crate) envelope: Option<String>,
    pub(crate) shape: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct Schemas {
    pub(crate) read: Option<Schema>,
    pub(crate) create: Option<Schema>,
    pub(crate) update: Option<Schema>,
    /// The body of an operation that does something rather than keeps a record.
    pub(crate) action: Option<Schema>,
}

/// A value's schema. Members of `fields` have a name.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schema {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) ty: Option<String>,
    pub(crate) format: Option<String>,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) read_only: bool,
    #[serde(default)]
    pub(crate) nullable: bool,
    #[serde(default, rename = "enum")]
    pub(crate) values: Vec<Value>,
    #[serde(default)]
    pub(crate) fields: Vec<Schema>,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) max_length: Option<Number>,
    pub(crate) minimum: Option<Number>,
    pub(crate) maximum: Option<Number>,
}

impl Schema {
    /// The member of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&Schema> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Resource {
    /// Whether its path goes through a parent record.
    pub(crate) fn nested(&self) -> bool {
        !self.parent_params.is_empty()
    }

    /// Whether it stands for one record, rather than for many.
    pub(crate) fn singleton(&self) -> bool {
        matches!(self.kind.as_str(), "singleton" | "count")
    }
}

impl Operation {
    /// The best documented success. A 207 is left out: its body holds errors too.
    pub(crate) fn answer(&self) -> Option<&Success> {
        self.success.iter().find(|(code, _)| *code != "207").map(|(_, answer)| answer)
    }
}

/// All resources. Which of their operations are used is decided by `overrides::EXCLUDED` alone.
pub(crate) fn resources(text: &str) -> Result<Vec<Resource>, String> {
    let mut resources: Vec<Resource> = serde_json::from_str(text).map_err(|error| format!("facts: {error}"))?;
    let lists: BTreeMap<String, Vec<QueryParam>> =
        resources.iter().map(|resource| (resource.collection_path.clone(), resource.query.clone())).collect();
    for count in resources.iter_mut().filter(|resource| resource.kind == "count") {
        // A count takes filters of the list that it counts, which alone tells their types.
        let listed = count.collection_path.strip_suffix("/count").and_then(|path| lists.get(path));
        let taken: Vec<&String> = count.operations.iter().flat_map(|operation| &operation.query).collect();
        count.query = listed.into_iter().flatten().filter(|param| taken.contains(&&param.name)).cloned().collect();
    }
    Ok(resources)
}
