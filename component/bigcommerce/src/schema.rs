//! JSON Schemas (2020-12) of records, written from the table. Objects stay open: the API adds fields without notice.

use std::fmt::Write as _;

use serde_json::Value;

use crate::table::{Field, Format, Node, Type};

/// A property: its name, and its schema unless nothing is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Name.
    pub name: &'static str,
    /// Schema.
    pub schema: Schema,
    /// Set by the remote.
    pub read_only: bool,
}

/// Schema of a property.
#[derive(Clone, Copy, Debug)]
pub enum Schema {
    /// As the table has it.
    Node(&'static Node),
    /// A bare type, and the values allowed, as JSON texts.
    Type(Type, &'static [&'static str]),
}

impl From<Field> for Property {
    fn from(field: Field) -> Self {
        Self { name: field.name, schema: Schema::Node(field.node), read_only: field.read_only }
    }
}

/// The schema of a record: `required` names those of the properties that must be there. A `closed` record may hold no others.
pub fn record(title: &str, properties: &[Property], required: &[&str], closed: bool) -> String {
    let mut out = String::from(r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"#);
    text(&mut out, title);
    out.push_str(r#","type":"object","properties":{"#);
    for (index, property) in properties.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        text(&mut out, property.name);
        out.push(':');
        match property.schema {
            Schema::Node(node) => write_node(&mut out, node, property.read_only),
            Schema::Type(ty, values) => {
                let mut members = Members::begin(&mut out);
                types(&mut members, ty, Format::Plain, false);
                choice(&mut members, values, false);
                members.end();
            }
        }
    }
    out.push('}');
    names(&mut out, required);
    if closed {
        out.push_str(r#","additionalProperties":false"#);
    }
    out.push('}');
    out
}

fn write_node(out: &mut String, node: &Node, read_only: bool) {
    let mut members = Members::begin(out);
    types(&mut members, node.ty, node.format, node.nullable);
    if let Some(format) = node.bounds.and_then(|bounds| bounds.format_name) {
        text(members.name("format"), format);
    }
    choice(&mut members, node.values, node.nullable);
    if let Some(bounds) = node.bounds {
        if let Some(length) = bounds.max_length {
            // Writing into a string cannot fail.
            let _ = write!(members.name("maxLength"), "{length}");
        }
        for (name, bound) in [("minimum", bounds.minimum), ("maximum", bounds.maximum)] {
            if let Some(bound) = bound {
                members.name(name).push_str(bound);
            }
        }
    }
    if !node.fields.is_empty() {
        let out = members.name("properties");
        out.push('{');
        for (index, field) in node.fields.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            text(out, field.name);
            out.push(':');
            write_node(out, field.node, field.read_only);
        }
        out.push('}');
        let required: Vec<&str> = node.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
        names(out, &required);
    }
    if let Some(items) = node.items {
        write_node(members.name("items"), items, false);
    }
    if read_only {
        members.name("readOnly").push_str("true");
    }
    members.end();
}

fn types(members: &mut Members<'_>, ty: Type, format: Format, nullable: bool) {
    let name = match (ty, format) {
        (Type::String, _) => "\"string\"",
        (Type::Integer, _) => "\"integer\"",
        (Type::Number, _) => "\"number\"",
        (Type::Boolean, _) => "\"boolean\"",
        (Type::Object, _) => "\"object\"",
        (Type::Array, _) => "\"array\"",
        (Type::Any, Format::Decimal) => "\"string\",\"number\"",
        (Type::Any, _) => return,
    };
    let null = if nullable { ",\"null\"" } else { "" };
    let many = nullable || name.contains(',');
    let out = members.name("type");
    let _ = if many { write!(out, "[{name}{null}]") } else { write!(out, "{name}") };
}

fn choice(members: &mut Members<'_>, values: &[&str], nullable: bool) {
    if values.is_empty() {
        return;
    }
    let out = members.name("enum");
    out.push('[');
    out.push_str(&values.join(","));
    if nullable {
        out.push_str(",null");
    }
    out.push(']');
}

/// `,"required":[...]` behind the properties, if there is something to require.
fn names(out: &mut String, required: &[&str]) {
    if required.is_empty() {
        return;
    }
    out.push_str(r#","required":["#);
    for (index, name) in required.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        text(out, name);
    }
    out.push(']');
}

fn text(out: &mut String, value: &str) {
    let _ = write!(out, "{}", Value::from(value));
}

/// The members of one JSON object.
struct Members<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Members<'a> {
    fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Writes a member's name; its value is written to what comes back.
    fn name(&mut self, name: &str) -> &mut String {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(',');
        }
        let _ = write!(self.out, "\"{name}\":");
        self.out
    }

    fn end(self) {
        self.out.push('}');
    }
}
