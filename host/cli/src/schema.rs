//! As much of JSON Schema as is needed to turn text into JSON: which types a property may have.
//!
//! Checking records against a schema is the connector's business; here a schema only tells whether the cell `25` stands for a
//! number or for a text.

use serde_json::Value;

use crate::json;

/// A schema of a record or of settings.
#[derive(Debug)]
pub(crate) struct Schema {
    root: Value,
    forgiving: bool,
}

/// What a property may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Types {
    string: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    null: bool,
    array: bool,
    object: bool,
    /// The schema does not say.
    any: bool,
}

/// Bounds the walk through `$ref` and `allOf`, so that a schema that refers to itself comes to an end.
const MAX_DEPTH: usize = 32;

impl Schema {
    /// Reads a schema.
    pub(crate) fn parse(text: &str) -> serde_json::Result<Self> {
        Ok(Self { root: serde_json::from_str(text)?, forgiving: false })
    }

    /// The same for texts that are changed before they must fit: what it does not know, or cannot take, stays a text.
    pub(crate) fn forgiving(self) -> Self {
        Self { forgiving: true, ..self }
    }

    /// Whether what it does not know, or cannot take, stays a text.
    pub(crate) fn is_forgiving(&self) -> bool {
        self.forgiving
    }

    /// The schema of the whole.
    pub(crate) fn root(&self) -> &Value {
        &self.root
    }

    /// Names and schemas of the properties of an object's schema: in the order that `x-order` asks for, then by name.
    pub(crate) fn properties<'a>(&'a self, of: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let mut found = Vec::new();
        self.collect_properties(of, &mut found, MAX_DEPTH);
        found.sort_by_key(|(_, schema)| schema.get("x-order").and_then(Value::as_i64).unwrap_or(i64::MAX));
        found
    }

    fn collect_properties<'a>(&'a self, of: &'a Value, found: &mut Vec<(&'a str, &'a Value)>, depth: usize) {
        if depth == 0 {
            return;
        }
        if let Some(target) = self.target(of) {
            self.collect_properties(target, found, depth - 1);
        }
        if let Some(map) = of.get("properties").and_then(Value::as_object) {
            for (name, schema) in map {
                if !found.iter().any(|(before, _)| *before == name.as_str()) {
                    found.push((name, schema));
                }
            }
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for part in of.get(key).and_then(Value::as_array).into_iter().flatten() {
                self.collect_properties(part, found, depth - 1);
            }
        }
    }

    /// The schema of one property.
    pub(crate) fn property<'a>(&'a self, of: &'a Value, name: &str) -> Option<&'a Value> {
        self.properties(of).into_iter().find(|(n, _)| *n == name).map(|(_, s)| s)
    }

    /// Whether a property of the root holds a secret.
    pub(crate) fn is_secret(&self, name: &str) -> bool {
        let property = self.property(self.root(), name);
        property.and_then(|p| p.get("writeOnly")).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether properties that the schema does not name are welcome in so many words.
    pub(crate) fn is_open(&self, of: &Value) -> bool {
        let of = self.target(of).unwrap_or(of);
        match of.get("additionalProperties") {
            Some(Value::Bool(open)) => *open,
            Some(_) => true,
            None => self.properties(of).is_empty(),
        }
    }

    /// What a value may be.
    pub(crate) fn types(&self, of: &Value) -> Types {
        let mut types = Types::default();
        self.collect_types(of, &mut types, MAX_DEPTH);
        if types == Types::default() {
            types.any = true;
        }
        types
    }

    fn collect_types(&self, of: &Value, types: &mut Types, depth: usize) {
        if depth == 0 {
            return;
        }
        if let Some(target) = self.target(of) {
            self.collect_types(target, types, depth - 1);
        }
        match of.get("type") {
            Some(Value::String(name)) => types.add(name),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).for_each(|name| types.add(name)),
            _ => {}
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for part in of.get(key).and_then(Value::as_array).into_iter().flatten() {
                self.collect_types(part, types, depth - 1);
            }
        }
        let values = of.get("enum").and_then(Value::as_array).into_iter().flatten().chain(of.get("const"));
        if of.get("type").is_none() {
            for value in values {
                types.add(match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                });
            }
        }
    }

    fn target(&self, of: &Value) -> Option<&Value> {
        let pointer = of.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }
}

impl Types {
    fn add(&mut self, name: &str) {
        match name {
            "string" => self.string = true,
            "integer" => self.integer = true,
            "number" => self.number = true,
            "boolean" => self.boolean = true,
            "null" => self.null = true,
            "array" => self.array = true,
            "object" => self.object = true,
            _ => {}
        }
    }

    /// Those of a text.
    pub(crate) fn text() -> Self {
        Self { string: true, ..Self::default() }
    }

    /// The same, or a text.
    pub(crate) fn or_text(self) -> Self {
        Self { string: true, ..self }
    }

    /// Whether only a text will do.
    pub(crate) fn only_text(self) -> bool {
        self.string && !(self.integer || self.number || self.boolean || self.array || self.object || self.any)
    }

    /// The JSON that a text stands for, digits as written; none if it stands for none of these types.
    pub(crate) fn value_of(self, text: &str) -> Option<String> {
        let number = json::is_number(text);
        let whole = number && !text.contains(['.', 'e', 'E']);
        if number && (self.number || self.any) || whole && self.integer {
            return Some(text.to_owned());
        }
        if self.boolean || self.any {
            // Spreadsheets write TRUE and FALSE.
            for truth in ["true", "false"] {
                if text.eq_ignore_ascii_case(truth) {
                    return Some(truth.to_owned());
                }
            }
        }
        if text == "null" && (self.any || self.null && !self.string) {
            return Some(text.to_owned());
        }
        let trimmed = json::trim(text);
        if (trimmed.starts_with('[') && (self.array || self.any)
            || trimmed.starts_with('{') && (self.object || self.any))
            && json::is_value(trimmed)
        {
            let mut line = Vec::new();
            json::compact_into(trimmed, &mut line);
            return String::from_utf8(line).ok();
        }
        (self.string || self.any).then(|| json::quote(text))
    }

    /// The types in words: `an integer or a boolean`.
    pub(crate) fn words(self) -> String {
        let named = [
            (self.string, "a text"),
            (self.number, "a number"),
            (self.integer && !self.number, "an integer"),
            (self.boolean, "true or false"),
            (self.array, "an array as JSON"),
            (self.object, "an object as JSON"),
            (self.null, "null"),
        ];
        let words: Vec<&str> = named.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        if words.is_empty() { "any value".to_owned() } else { words.join(", or ") }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn types(schema: &str) -> Types {
        let schema = Schema::parse(schema).unwrap();
        schema.types(schema.root())
    }

    #[test]
    fn a_text_becomes_what_the_schema_asks_for_and_keeps_its_digits() {
        let integer = types(r#"{"type":"integer"}"#);
        assert_eq!(integer.value_of("12345678901234567890").as_deref(), Some("12345678901234567890"));
        assert_eq!(integer.value_of("25.0"), None);
        assert_eq!(integer.value_of("x"), None);
        let number = types(r#"{"type":["number","null"]}"#);
        assert_eq!(number.value_of("25.00").as_deref(), Some("25.00"));
        assert_eq!(number.value_of("null").as_deref(), Some("null"));
        let text = types(r#"{"type":"string"}"#);
        assert_eq!(text.value_of("0012").as_deref(), Some("\"0012\""));
        assert_eq!(text.value_of("true").as_deref(), Some("\"true\""));
        let truth = types(r#"{"type":"boolean"}"#);
        assert_eq!(truth.value_of("TRUE").as_deref(), Some("true"));
        assert_eq!(truth.value_of("yes"), None);
        let list = types(r#"{"type":"array"}"#);
        assert_eq!(list.value_of(" [1.50, 2]").as_deref(), Some("[1.50,2]"));
        assert_eq!(list.value_of("1,2"), None);
        let any = types("{}");
        assert_eq!(any.value_of("007").as_deref(), Some("\"007\""));
        assert_eq!(any.value_of("7").as_deref(), Some("7"));
        assert_eq!(any.value_of("\u{b}[1, 2]").as_deref(), Some(r#""\u000b[1, 2]""#), "no white space of JSON's");
        assert_eq!(list.value_of("\u{a0}[1]"), None);
    }

    #[test]
    fn references_and_unions_are_followed_and_a_circle_ends() {
        let text = r##"{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"},{"properties":{"id":{"anyOf":[{"type":"integer"},{"type":"string"}]}}}]}}}"##;
        let schema = Schema::parse(text).unwrap();
        let id = schema.property(schema.root(), "id").unwrap();
        assert_eq!(schema.types(id).words(), "a text, or an integer");
    }

    #[test]
    fn properties_come_in_the_order_that_the_schema_asks_for() {
        let schema = Schema::parse(
            r#"{"properties":{"a":{"x-order":2},"b":{"x-order":1},"c":{}},"additionalProperties":false}"#,
        )
        .unwrap();
        let names: Vec<&str> = schema.properties(schema.root()).into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, ["b", "a", "c"]);
        assert!(!schema.is_open(schema.root()));
    }
}
