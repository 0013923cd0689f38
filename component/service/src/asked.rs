//! What a request's body and query string ask for, as the contract says it. Unknown keys are refused.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bindings::ipaas::connector::connection::{
    Comparison, Condition, Order, QueryRequest, WriteMode, WriteRequest, WrittenBy,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    object: String,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    filter: Vec<AskedCondition>,
    #[serde(default)]
    order_by: Vec<AskedOrder>,
    #[serde(default)]
    include: Vec<String>,
    page_size: Option<u32>,
    max_records: Option<u64>,
    since: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedCondition {
    field: String,
    #[serde(deserialize_with = "comparison")]
    op: Comparison,
    /// As it was written, so that no digit is lost.
    value: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedOrder {
    field: String,
    #[serde(default)]
    descending: bool,
}

/// The contract's names.
pub(crate) const COMPARISONS: [(&str, Comparison); 8] = [
    ("equal", Comparison::Equal),
    ("not-equal", Comparison::NotEqual),
    ("less", Comparison::Less),
    ("less-or-equal", Comparison::LessOrEqual),
    ("greater", Comparison::Greater),
    ("greater-or-equal", Comparison::GreaterOrEqual),
    ("one-of", Comparison::OneOf),
    ("contains", Comparison::Contains),
];

fn comparison<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Comparison, D::Error> {
    let text = String::deserialize(text)?;
    COMPARISONS.iter().find(|(name, _)| *name == text).map(|(_, comparison)| *comparison).ok_or_else(|| {
        let names = COMPARISONS.map(|(name, _)| name).join(", ");
        serde::de::Error::custom(format!("unknown comparison `{text}`, expected one of {names}"))
    })
}

/// The query that a body asks for.
///
/// # Errors
/// One sentence for whoever asked.
pub(crate) fn query(body: &[u8]) -> Result<QueryRequest, String> {
    let asked: Asked = serde_json::from_slice(body).map_err(|e| format!("the body is no query: {e}"))?;
    let condition =
        |asked: AskedCondition| Condition { field: asked.field, op: asked.op, value: asked.value.get().to_owned() };
    let order = |asked: AskedOrder| Order { field: asked.field, descending: asked.descending };
    Ok(QueryRequest {
        object: asked.object,
        fields: asked.fields,
        filter: asked.filter.into_iter().map(condition).collect(),
        order_by: asked.order_by.into_iter().map(order).collect(),
        include: asked.include,
        page_size: asked.page_size,
        max_records: asked.max_records,
        since: asked.since,
        cursor: asked.cursor,
    })
}

/// What the query string of a write may say beside the request: who wrote the records that are to be resolved.
pub(crate) struct Write {
    pub(crate) request: WriteRequest,
    pub(crate) written_by: Option<WrittenBy>,
}

/// The write that a query string asks for; its records are the body, NDJSON.
///
/// # Errors
/// One sentence for whoever asked.
pub(crate) fn write(query: &str, records: Vec<u8>) -> Result<Write, String> {
    let mut object = None;
    let mut write = Write {
        request: WriteRequest {
            object: String::new(),
            records,
            mode: WriteMode::Strict,
            match_on: Vec::new(),
            continue_on_error: false,
            validate_only: false,
        },
        written_by: None,
    };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "object" => object = Some(value.into_owned()),
            "continue_on_error" => write.request.continue_on_error = flag(&key, &value)?,
            "dry_run" => write.request.validate_only = flag(&key, &value)?,
            "upsert" => write.request.mode = if flag(&key, &value)? { WriteMode::Upsert } else { WriteMode::Strict },
            "match_on" => {
                write.request.match_on =
                    value.split(',').filter(|field| !field.is_empty()).map(str::to_owned).collect();
            }
            "written_by" => {
                write.written_by = Some(match value.as_ref() {
                    "create" => WrittenBy::Create,
                    "update" => WrittenBy::Update,
                    "delete" => WrittenBy::Delete,
                    _ => return Err("`written_by` is create, update or delete".to_owned()),
                });
            }
            _ => return Err(format!("unknown parameter `{key}`")),
        }
    }
    write.request.object = object.ok_or("say which object: `?object=NAME`")?;
    Ok(write)
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| format!("`{name}` is true or false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_every_digit_of_its_value() {
        let body =
            br#"{"object":"o","filter":[{"field":"price","op":"less-or-equal","value":12345678901234567890.10}]}"#;
        let request = query(body).unwrap();
        assert_eq!(request.filter[0].value, "12345678901234567890.10");
        assert_eq!(request.filter[0].op, Comparison::LessOrEqual);
    }

    #[test]
    fn what_nobody_knows_is_refused_by_name() {
        for (body, word) in [
            (r#"{"object":"o","wher":[]}"#, "wher"),
            (r#"{"object":"o","filter":[{"field":"f","op":"like","value":1}]}"#, "like"),
            (r#"{"object":"o""#, "EOF"),
            ("{}", "object"),
        ] {
            let error = query(body.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        for (text, word) in [("object=o&dryrun=true", "dryrun"), ("object=o&upsert=yes", "upsert"), ("", "object")] {
            let error = write(text, Vec::new()).err().unwrap();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_write_is_what_its_parameters_say() {
        let Write { request, written_by } = write(
            "object=products%2Fimages&upsert=true&match_on=sku,name&continue_on_error=true&written_by=delete",
            b"{}\n".to_vec(),
        )
        .unwrap();
        assert_eq!((request.object.as_str(), request.mode), ("products/images", WriteMode::Upsert));
        assert_eq!(
            (request.match_on, request.records.as_slice()),
            (vec!["sku".to_owned(), "name".to_owned()], b"{}\n".as_slice())
        );
        assert!(request.continue_on_error && !request.validate_only && written_by == Some(WrittenBy::Delete));
    }
}
