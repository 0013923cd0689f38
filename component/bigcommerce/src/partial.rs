//! What an answer says of the records that failed, next to those that did not. The API has half a dozen notations:
//!
//! - `{"errors": [{title, errors: {"0.constraint": "..."}}], "meta": {total, success, failed}}`: the number is the record's;
//! - `{"errors": {"2.name": "..."}}`, or one error object instead of the list;
//! - `{"batch_errors": [{data: {variant_id, ...}, field_errors: {...}}]}`: `data` names the record;
//! - `data` with the records, or the ids, that were dealt with.
//!
//! Nothing here can fail: what is not understood is left out.

use serde_json::{Map, Value};

use crate::parents::text;
use crate::remote::Said;

/// What a body tells.
#[derive(Debug, Default)]
pub struct Told {
    /// Errors, in their order.
    pub failures: Vec<Failure>,
    /// Whether they came as `batch_errors`.
    pub batch: bool,
    /// Records that succeeded, where the body counts them.
    pub success: Option<u64>,
    /// Records that failed, where the body counts them.
    pub failed: Option<u64>,
    /// Scalars in `data`: ids of the records that were dealt with.
    pub ids: Vec<String>,
}

/// One error.
#[derive(Debug)]
pub struct Failure {
    /// Position of the record among those that were sent.
    pub index: Option<usize>,
    /// Fields that name the record.
    pub names: Vec<(String, String)>,
    /// What it says.
    pub said: Said,
}

impl Failure {
    /// Whether it is about the record at this position.
    pub fn is_about(&self, index: usize, line: &[u8]) -> bool {
        let same =
            |(field, value): &(String, String)| text(line, field).is_none_or(|own| own.eq_ignore_ascii_case(value));
        let any = |(field, _): &(String, String)| text(line, field).is_some();
        self.index == Some(index) || (self.names.iter().any(any) && self.names.iter().all(same))
    }

    /// Whether it names its record.
    pub fn is_precise(&self) -> bool {
        self.index.is_some() || !self.names.is_empty()
    }
}

impl Told {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Self {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return Self::default() };
        let count = |name: &str| body.get("meta")?.get(name)?.as_u64();
        let (success, failed) = (count("success"), count("failed"));
        let ids = body.get("data").and_then(Value::as_array).into_iter().flatten().filter_map(scalar).collect();
        let batch = body.get("batch_errors").is_some();
        let errors = body.get("batch_errors").or_else(|| body.get("errors"));
        Self { failures: errors.map(failures).unwrap_or_default(), batch, success, failed, ids }
    }

    /// Whether the errors account for every record that failed, so that all others succeeded.
    pub fn is_exact(&self) -> bool {
        let precise = self.failures.iter().filter(|failure| failure.is_precise()).count() as u64;
        match self.failed {
            Some(failed) => failed == precise,
            None => precise > 0 && precise == self.failures.len() as u64,
        }
    }
}

/// The errors in a list, an error object, or a map of fields.
pub fn failures(errors: &Value) -> Vec<Failure> {
    match errors {
        Value::Array(items) => items.iter().flat_map(item).collect(),
        Value::Object(map) if map.contains_key("title") || map.get("errors").is_some_and(Value::is_object) => {
            item(errors)
        }
        Value::Object(map) => fields(map, &Value::Null, &[]),
        _ => Vec::new(),
    }
}

/// One error object: one failure for every record that its fields name, and one for all that they do not.
fn item(value: &Value) -> Vec<Failure> {
    let Value::Object(map) = value else {
        return vec![Failure { index: None, names: Vec::new(), said: Said::from_value(value) }];
    };
    let data = map.get("data").and_then(Value::as_object);
    let names: Vec<(String, String)> =
        data.into_iter().flatten().filter_map(|(field, value)| Some((field.clone(), scalar(value)?))).collect();
    let inner = ["errors", "field_errors"].iter().find_map(|name| map.get(*name)?.as_object());
    match inner.filter(|inner| !inner.is_empty()) {
        Some(inner) => fields(inner, value, &names),
        None => vec![Failure { index: None, names, said: Said::from_value(value) }],
    }
}

/// Sorts fields like `0.constraint` by the records that they name.
fn fields(map: &Map<String, Value>, around: &Value, names: &[(String, String)]) -> Vec<Failure> {
    let mut sorted: Vec<(Option<usize>, Map<String, Value>)> = Vec::new();
    for (field, message) in map {
        let (head, rest) = field.split_once('.').unwrap_or((field, ""));
        let index: Option<usize> = head.parse().ok();
        let field = if index.is_some() { rest } else { field };
        let entry = match sorted.iter_mut().find(|(known, _)| *known == index) {
            Some((_, entry)) => entry,
            None => {
                sorted.push((index, Map::new()));
                match sorted.last_mut() {
                    Some((_, entry)) => entry,
                    None => continue,
                }
            }
        };
        entry.insert(field.to_owned(), message.clone());
    }
    let about = |(index, fields): (Option<usize>, Map<String, Value>)| {
        let mut one = around.as_object().cloned().unwrap_or_default();
        one.remove("field_errors");
        // An index alone, without a field, is followed by nothing but the message.
        let bare = fields.get("").and_then(Value::as_str).map(str::to_owned);
        match (bare, one.contains_key("title")) {
            (Some(text), false) => {
                one.remove("errors");
                one.insert("title".into(), Value::String(text));
            }
            _ => {
                one.insert("errors".into(), Value::Object(fields));
            }
        }
        Failure { index, names: names.to_vec(), said: Said::from_value(&Value::Object(one)) }
    };
    sorted.into_iter().map(about).collect()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn errors_are_told_apart_by_the_records_that_they_name() {
        let body = br#"{"errors":[{"status":422,"title":"Not all.","errors":{"0.constraint":"Failed for id=12.","2.code":"In use."}}],
            "meta":{"total":5,"success":3,"failed":2}}"#;
        let told = Told::read(body);
        assert!(told.is_exact());
        assert_eq!((told.success, told.failed), (Some(3), Some(2)));
        let texts: Vec<_> = told.failures.iter().map(|f| (f.index, f.said.text.clone().unwrap())).collect();
        assert_eq!(
            texts,
            [
                (Some(0), "Not all.; constraint: Failed for id=12.".to_owned()),
                (Some(2), "Not all.; code: In use.".to_owned())
            ]
        );
        assert_eq!(told.failures.last().unwrap().said.pointer.as_deref(), Some("/code"));
    }

    #[test]
    fn a_batch_error_names_its_record_by_its_fields() {
        let body =
            br#"{"batch_errors":[{"data":{"variant_id":7,"currency":"usd"},"field_errors":{"price":"too low"}}]}"#;
        let told = Told::read(body);
        assert!(told.batch && told.is_exact());
        let failure = told.failures.first().unwrap();
        assert!(failure.is_about(3, br#"{"variant_id":7,"currency":"USD","price":-1}"#));
        assert!(!failure.is_about(0, br#"{"variant_id":8,"currency":"usd"}"#));
        assert_eq!(failure.said.text.as_deref(), Some("price: too low"));
    }

    #[test]
    fn errors_that_name_no_record_are_not_exact_and_ids_are_read() {
        let told = Told::read(br#"{"data":[123],"errors":[{"status":404,"title":"Not found"}],"meta":{"failed":1}}"#);
        assert!(!told.is_exact());
        assert_eq!(told.ids, ["123"]);
        for body in ["", "[]", "null", "{}", "{\"errors\":{}}", "{\"errors\":[1]}", "<html>"] {
            assert!(!Told::read(body.as_bytes()).is_exact(), "{body}");
        }
    }
}
