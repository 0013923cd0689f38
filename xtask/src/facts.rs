//! Derives `component/bigcommerce/facts.json` from an extract of BigCommerce's OpenAPI documents.
//!
//! Only facts are taken over: names, paths, types, limits, status codes. Prose stays behind, so nothing in the file is
//! anybody's text. One resource per line, keys sorted: the same input gives the same bytes, and a diff reads well.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::files;

/// Where the facts live, relative to the workspace root.
pub(crate) const FACTS: &str = "component/bigcommerce/facts.json";

/// Keys that hold prose, or say how the extract was made.
const PROSE: &[&str] = &[
    "description",
    "example_shows",
    "max_items_source",
    "max_limit_source",
    "one_of",
    "operation_id",
    "override",
    "summary",
];

/// Reads the extract and writes the facts file.
pub(crate) fn derive(extract: &Path, facts: &Path) -> Result<()> {
    let text = std::fs::read_to_string(extract).with_context(|| format!("cannot read {}", extract.display()))?;
    let mut extract: Value = serde_json::from_str(&text).context("the extract is not JSON")?;
    let resources = extract["resources"].as_array_mut().context("the extract has no `resources`")?;
    let mut out = String::from("[\n");
    let count = resources.len();
    for (index, resource) in resources.iter_mut().enumerate() {
        strip(resource);
        let comma = if index + 1 < count { "," } else { "" };
        writeln!(out, "{resource}{comma}")?;
    }
    out.push_str("]\n");
    files::write_if_changed(facts, out.as_bytes())?;
    Ok(())
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !PROSE.contains(&key.as_str()));
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
