//! Schema nodes as Rust statics. Equal nodes are written once: an equal node has equal code.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::facts::Schema;

/// The nodes written so far.
#[derive(Default)]
pub(crate) struct Nodes {
    known: HashMap<String, usize>,
    names: Vec<String>,
    code: String,
}

/// Most nodes, and one more: two bits of sixteen are flags of the member that refers to one.
const MOST_NODES: usize = 1 << 14;

impl Nodes {
    /// The expression that refers to the node of this schema. `version` is that of the API (`v2`, `v3`).
    pub(crate) fn add(&mut self, schema: &Schema, version: &str) -> String {
        format!("&N{}", self.index(schema, version))
    }

    fn index(&mut self, schema: &Schema, version: &str) -> usize {
        let node = self.node(schema, version);
        let next = self.known.len();
        *self.known.entry(node).or_insert_with_key(|node| {
            // Writing into a string cannot fail.
            let _ = writeln!(self.code, "static N{next}: Node = {node};");
            next
        })
    }

    /// The statics.
    pub(crate) fn into_code(mut self) -> Result<String, String> {
        if self.known.len() >= MOST_NODES || self.names.len() > usize::from(u16::MAX) {
            return Err(
                "there are more schemas, or names of fields, than the packed fields of the table can refer to".into()
            );
        }
        let _ = writeln!(self.code, "static NAMES: &[&str] = &{:?};", self.names);
        let nodes: String = (0..self.known.len()).map(|index| format!("&N{index},")).collect();
        let _ = writeln!(self.code, "static NODES: &[&Node] = &[{nodes}];");
        Ok(self.code)
    }

    fn name(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    fn node(&mut self, schema: &Schema, version: &str) -> String {
        let ty = schema.ty.as_deref().unwrap_or("object");
        let kind = type_name(ty);
        let mut fields = String::new();
        for field in &schema.fields {
            let node = self.index(field, version);
            let name = self.name(&field.name);
            // The flags of the table's `REQUIRED` and `READ_ONLY`.
            let packed = node | usize::from(field.required) << 15 | usize::from(field.read_only) << 14;
            let _ = write!(fields, "Packed({name},{packed}),");
        }
        let items = match &schema.items {
            Some(items) if kind == "Array" => format!("Some({})", self.add(items, version)),
            _ => "None".to_owned(),
        };
        let values: Vec<String> =
            schema.values.iter().filter(|value| !value.is_null()).map(ToString::to_string).collect();
        let nullable = schema.nullable || schema.values.iter().any(serde_json::Value::is_null);
        let max_length = schema.max_length.as_ref().and_then(serde_json::Number::as_u64);
        let bounds = format!(
            "format_name:{:?},max_length:{:?},minimum:{:?},maximum:{:?}",
            format_name(schema, ty, version),
            max_length.and_then(|length| u32::try_from(length).ok()),
            schema.minimum.as_ref().map(ToString::to_string),
            schema.maximum.as_ref().map(ToString::to_string),
        );
        let bounds = if bounds.contains("Some") { format!("Some(&Bounds{{{bounds}}})") } else { "None".to_owned() };
        format!(
            "Node{{ty:Type::{kind},format:Format::{},nullable:{nullable},values:&{values:?},\
             fields:Fields(&[{fields}]),items:{items},bounds:{bounds}}}",
            meaning(schema, ty),
        )
    }
}

/// The variant of the table's `Type`.
pub(crate) fn type_name(ty: &str) -> &'static str {
    match ty {
        "string" => "String",
        "integer" => "Integer",
        "number" => "Number",
        "boolean" => "Boolean",
        "object" => "Object",
        "array" => "Array",
        _ => "Any",
    }
}

/// What a text means. The API documents a `format` for half of its dates and for none of its v2 money, so names help.
fn meaning(schema: &Schema, ty: &str) -> &'static str {
    if ty.contains('|') {
        // `string|number`: money. With an array among the types it is the value of a form field.
        return if ty.contains("number") && !ty.contains("array") { "Decimal" } else { "Plain" };
    }
    if ty != "string" {
        return "Plain";
    }
    if is_date(&schema.name, schema.format.as_deref()) {
        "Date"
    } else if is_decimal(&schema.name) {
        "Decimal"
    } else {
        "Plain"
    }
}

fn is_date(name: &str, format: Option<&str>) -> bool {
    const NAMES: &[&str] = &[
        "created",
        "created_time",
        "expires",
        "last_updated",
        "published_date_iso8601",
        "timestamp",
        "updated_time",
        "validity_not_after",
        "validity_not_before",
    ];
    const NOT: &[&str] = &["date_type", "date_format", "date_limit_mode"];
    matches!(format, Some("date" | "date-time" | "ISO-8601"))
        || NAMES.contains(&name)
        || ((name.starts_with("date_") || name.ends_with("_date") || name.ends_with("_at")) && !NOT.contains(&name))
}

fn is_decimal(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "amount",
        "balance",
        "depth",
        "discount",
        "height",
        "min_purchase",
        "minimum_sub_total",
        "rate",
        "weight",
        "width",
    ];
    const ENDS: &[&str] =
        &["_amount", "_cost", "_credit", "_discount", "_price", "_rate", "_surcharge", "_tax", "_total"];
    NAMES.contains(&name) || ENDS.iter().any(|end| name.ends_with(end))
}

/// The `format` for a JSON Schema: only what JSON Schema defines and the API keeps to (v2 dates are no `date-time`).
fn format_name(schema: &Schema, ty: &str, version: &str) -> Option<&'static str> {
    if ty != "string" {
        return None;
    }
    match schema.format.as_deref()? {
        "date-time" if version != "v2" => Some("date-time"),
        "date" => Some("date"),
        "email" => Some("email"),
        "uri" | "url" => Some("uri"),
        "uuid" | "UUID" => Some("uuid"),
        _ => None,
    }
}
