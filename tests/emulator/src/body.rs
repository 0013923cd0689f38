//! Bodies of writes: their shape, and what the API checks of each record in them.

use crate::answer::Refusal;
use crate::facts::{Body, Field, Model, Operation};
use crate::json::{self, Object, Scalar};

/// The records of a body.
#[derive(Debug)]
pub(crate) struct Items {
    pub(crate) objects: Vec<Object>,
    /// The body was a list.
    pub(crate) batch: bool,
    /// Fields beside the list, where the list is wrapped.
    pub(crate) around: Object,
}

/// Splits a body into its records, as its documented shape says.
pub(crate) fn split(operation: &Operation, text: &str) -> Result<Items, Refusal> {
    let Some(body) = &operation.body else {
        return Ok(Items { objects: vec![Object::default()], batch: false, around: Object::default() });
    };
    let malformed = |_| Refusal::new(400, "The request body is not valid JSON.");
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_err() {
        return Err(Refusal::new(400, "The request body is not valid JSON."));
    }
    let text = json::compact(text);
    let is_list = text.starts_with('[');
    let wrong = |what: &str| Refusal::invalid("body", format!("The body must be {what}."));
    match body.shape.as_str() {
        "array" => {
            if !is_list {
                return Err(wrong("an array"));
            }
            list(body, &text)
        }
        "object_or_array" if is_list => list(body, &text),
        "wrapped_array" => {
            let mut around = Object::parse(&text).map_err(malformed)?;
            let wrapper = body.wrapper.as_deref().unwrap_or("items");
            let inner = around.remove(wrapper).filter(|t| t.starts_with('['));
            let inner = inner.ok_or_else(|| wrong(&format!("an object with the array {wrapper}")))?;
            Ok(Items { around, ..list(body, &inner)? })
        }
        shape if shape.starts_with("array_of_") => {
            if !is_list {
                return Err(wrong("an array"));
            }
            let elements = json::elements(&text).map_err(malformed)?;
            check_size(body, elements.len())?;
            let objects = elements
                .iter()
                .map(|e| {
                    let mut object = Object::default();
                    object.set("id", *e);
                    object
                })
                .collect();
            Ok(Items { objects, batch: true, around: Object::default() })
        }
        _ => {
            let object = Object::parse(&text).map_err(|_| wrong("an object"))?;
            Ok(Items { objects: vec![object], batch: false, around: Object::default() })
        }
    }
}

fn check_size(body: &Body, count: usize) -> Result<(), Refusal> {
    match body.max_items {
        Some(max) if count > max => Err(Refusal::new(
            413,
            format!("The request payload is too large. The maximum items allowed in the array is {max}."),
        )),
        _ => Ok(()),
    }
}

fn list(body: &Body, text: &str) -> Result<Items, Refusal> {
    let wrong = || Refusal::invalid("body", "The body must be an array of objects.");
    let elements = json::elements(text).map_err(|_| wrong())?;
    if elements.is_empty() {
        return Err(Refusal::invalid("body", "The array must not be empty."));
    }
    check_size(body, elements.len())?;
    let objects: Result<Vec<Object>, _> = elements.iter().map(|e| Object::parse(e)).collect();
    Ok(Items { objects: objects.map_err(|_| wrong())?, batch: true, around: Object::default() })
}

/// Whether a field is there with a value.
pub(crate) fn present(object: &Object, field: &str) -> bool {
    object.get(field).is_some_and(|v| v != "null" && v != "\"\"")
}

/// Checks the values of a record against the model of what can be written.
pub(crate) fn check_types(model: &Model, object: &Object) -> Result<(), Refusal> {
    for (name, text) in object.iter() {
        if let Some(field) = model.field(name)
            && let Some(problem) = problem(field, text)
        {
            return Err(Refusal::invalid(name, format!("{name} {problem}.")));
        }
    }
    Ok(())
}

/// What is wrong with a value.
fn problem(field: &Field, text: &str) -> Option<String> {
    let value = json::scalar(text);
    if value == Scalar::Null {
        return None;
    }
    let numeric = |t: &str| json::compare_numbers(t, "0").is_some();
    let fits = |kind: &str| match (kind, &value) {
        ("string", Scalar::Text(_) | Scalar::Number(_)) => true,
        ("integer", Scalar::Number(n)) => !n.contains(['.', 'e', 'E']) || n.ends_with(".0"),
        ("number", Scalar::Number(_)) => true,
        ("integer" | "number", Scalar::Text(t)) => numeric(t),
        ("boolean", Scalar::Bool(_)) => true,
        ("boolean", Scalar::Number(n)) => matches!(*n, "0" | "1"),
        ("array", Scalar::Nested(t)) => t.starts_with('['),
        // Empty maps come as empty arrays from some languages, and the API takes them.
        ("object", Scalar::Nested(_)) => true,
        (other, _) => !matches!(other, "string" | "integer" | "number" | "boolean" | "array" | "object"),
    };
    if !field.kind.split('|').any(fits) {
        return Some(format!("must be {}", field.kind.replace('|', " or ")));
    }
    if let Scalar::Text(t) = &value {
        let known = |v: &serde_json::Value| v.as_str() == Some(t.as_ref());
        if !field.values.is_empty() && field.kind == "string" && !field.values.iter().any(known) {
            return Some(format!("does not know the value {t}"));
        }
        if field.max_length.is_some_and(|most| t.chars().count() > most as usize) {
            return Some(format!("must not be longer than {} characters", field.max_length.unwrap_or_default()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::route;

    fn operation(method: &str, path: &str) -> &'static Operation {
        route::find(method, path).unwrap().operation
    }

    #[test]
    fn a_body_over_the_documented_maximum_is_refused() {
        let put = operation("PUT", "/v3/catalog/products");
        let body = |n: usize| format!("[{}]", vec!["{\"id\":1}"; n].join(","));
        assert_eq!(split(put, &body(10)).unwrap().objects.len(), 10);
        assert_eq!(split(put, &body(11)).unwrap_err().status, 413);
        assert_eq!(split(put, "{\"id\":1}").unwrap_err().status, 422);
        assert_eq!(split(put, "[{]").unwrap_err().status, 400);
    }

    #[test]
    fn wrapped_lists_are_unwrapped() {
        let post = operation("POST", "/v3/checkouts/1/fees");
        assert_eq!(split(post, r#"{"fees":[{"name":"a"},{"name":"b"}]}"#).unwrap().objects.len(), 2);
        assert!(split(post, r#"{"items":[]}"#).is_err());
    }

    #[test]
    fn digits_of_a_body_are_kept() {
        let post = operation("POST", "/v3/catalog/products");
        let items = split(post, "{ \"price\" : 25.00,\n \"x\": 1e400 }").unwrap();
        assert_eq!(items.objects[0].get("price"), Some("25.00"));
        assert_eq!(items.objects[0].get("x"), Some("1e400"));
    }

    #[test]
    fn values_of_the_wrong_type_are_told() {
        let create = &route::find("POST", "/v3/catalog/products").unwrap().resource.schemas.create;
        let check = |t: &str| check_types(create, &Object::parse(t).unwrap());
        assert!(check(r#"{"price":"9.50","name":"x","type":"digital","is_visible":true}"#).is_ok());
        assert!(check(r#"{"price":"cheap"}"#).is_err());
        assert!(check(r#"{"type":"magic"}"#).is_err());
        assert!(check(r#"{"categories":5}"#).is_err());
        assert!(check(r#"{"is_visible":"yes"}"#).is_err());
    }
}
