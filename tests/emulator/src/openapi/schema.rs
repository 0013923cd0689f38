//! Schemas of the documents as plain JSON Schema, and values as these see them.

use serde_json::{Map, Value, json};

use crate::json::{self as text, Object, Scalar};

/// The start of a message: some quote whole records.
pub(super) fn short(text: &str) -> String {
    if text.chars().count() <= 300 { text.to_owned() } else { text.chars().take(300).chain("...".chars()).collect() }
}

/// Follows `$ref` within the document.
pub(super) fn resolve<'a>(root: &'a Value, mut node: &'a Value) -> &'a Value {
    for _ in 0..20 {
        match node["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
            Some(pointer) => node = root.pointer(pointer).unwrap_or(&Value::Null),
            None => break,
        }
    }
    node
}

/// A query parameter's value as its schema's type. `None` if it is not of that type.
pub(super) fn typed(root: &Value, schema: &Value, value: &str) -> Option<Value> {
    let kind = match &schema["type"] {
        Value::String(kind) => kind.as_str(),
        Value::Array(kinds) => kinds.first().and_then(Value::as_str).unwrap_or("string"),
        _ => "",
    };
    match kind {
        // The documents set no bound to ids: 20 digits are an integer too.
        "integer" => value.parse::<i64>().map(Value::from).or_else(|_| value.parse::<u64>().map(Value::from)).ok(),
        "number" => text::compare_numbers(value, "0").and_then(|_| value_of(value)),
        "boolean" => match value {
            "true" | "1" => Some(Value::Bool(true)),
            "false" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        "array" => {
            let items = resolve(root, &schema["items"]);
            value.split(',').map(|v| typed(root, items, v)).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        "string" => Some(Value::String(value.to_owned())),
        _ => Some(value_of(value).filter(Value::is_number).unwrap_or_else(|| Value::String(value.to_owned()))),
    }
}

/// A parsed value; numbers that no float can hold become the largest one.
pub(super) fn value_of(json: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(json) {
        return Some(value);
    }
    serde_json::from_str::<&serde_json::value::RawValue>(json).ok()?;
    let json = text::compact(json);
    Some(match text::scalar(&json) {
        Scalar::Nested(list) if list.starts_with('[') => {
            Value::Array(text::elements(list).ok()?.into_iter().map(value_of).collect::<Option<_>>()?)
        }
        Scalar::Nested(object) => {
            let object = Object::parse(object).ok()?;
            let members: Option<Map<_, _>> = object.iter().map(|(n, v)| Some((n.to_owned(), value_of(v)?))).collect();
            Value::Object(members?)
        }
        Scalar::Number(n) if n.starts_with('-') => json!(f64::MIN),
        Scalar::Number(_) => json!(f64::MAX),
        _ => Value::Null,
    })
}

/// Turns OpenAPI 3.0 schemas into plain JSON Schema for requests: `nullable` becomes a type, what is read-only is not
/// required, and slips of the documents (`required: true` on a property) go.
pub(super) fn plain_schemas(node: &mut Value) {
    match node {
        Value::Array(list) => list.iter_mut().for_each(plain_schemas),
        Value::Object(map) => {
            if map.get("required").is_some_and(Value::is_boolean)
                && !map.contains_key("in")
                && !map.contains_key("content")
            {
                map.remove("required");
            }
            let read_only: Vec<String> = match map.get("properties") {
                Some(Value::Object(properties)) => {
                    properties.iter().filter(|(_, p)| p["readOnly"] == true).map(|(n, _)| n.clone()).collect()
                }
                _ => Vec::new(),
            };
            if let Some(Value::Array(required)) = map.get_mut("required") {
                required.retain(|name| !read_only.iter().any(|r| name == r.as_str()));
                if required.is_empty() {
                    map.remove("required");
                }
            }
            if map.get("nullable") == Some(&Value::Bool(true)) {
                if let Some(Value::String(kind)) = map.get("type") {
                    let kinds = json!([kind, "null"]);
                    map.insert("type".to_owned(), kinds);
                }
                if let Some(Value::Array(values)) = map.get_mut("enum") {
                    values.push(Value::Null);
                }
            }
            // Slips of the documents that would keep the whole schema from being compiled, so that nothing were checked.
            for (bound, exclusive) in [("maximum", "exclusiveMaximum"), ("minimum", "exclusiveMinimum")] {
                if !map.contains_key(bound) && map.get(exclusive).is_some_and(|value| !value.is_object()) {
                    map.remove(exclusive);
                }
            }
            if let Some(Value::String(pattern)) = map.get_mut("pattern") {
                *pattern = pattern.replace("{1-5}", "{1,5}");
            }
            map.remove("example");
            map.remove("examples");
            for (name, child) in map.iter_mut() {
                if !matches!(name.as_str(), "default" | "enum") {
                    plain_schemas(child);
                }
            }
        }
        _ => {}
    }
}
