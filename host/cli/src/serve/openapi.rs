//! The description of the HTTP API, as its routes say it, with what holds for all of them.

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;
use utoipa::{PartialSchema as _, ToSchema};

use crate::error_schema::Told;

/// The document as it is handed out: with the program's version, who may ask, and how failures look.
pub(super) fn finished(document: OpenApi) -> Value {
    let mut document = json!(document);
    let version = env!("CARGO_PKG_VERSION");
    let description = "Connections, activities and records of a project, as `connector serve` answers.";
    document["info"] = json!({ "title": "connector", "version": version, "description": description });
    document["components"]["schemas"]["Problem"] = json!(Problem::schema());
    document["components"]["securitySchemes"] = json!({ "token": { "type": "http", "scheme": "bearer" } });
    document["security"] = json!([{}, { "token": [] }]);
    let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    let failed = json!({ "description": "What went wrong", "content": content });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, operation) in paths.filter_map(|(_, path)| path.as_object_mut()).flatten() {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            responses.insert("default".to_owned(), failed.clone());
        }
    }
    document
}

/// Problem details (RFC 9457), as `answer.rs` puts them together. A conflict may have members besides.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is put together from maps")]
struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    errors: Vec<Told>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::super::described;
    use super::*;
    use crate::operation::model;

    /// Paths that no client of the API needs described: the description itself, and what is there without a token.
    const UNDESCRIBED: [&str; 2] = ["/v1/openapi.json", "/healthz"];

    fn document() -> Value {
        finished(described().into_openapi())
    }

    #[test]
    fn every_route_is_described() {
        let document = document();
        let source = include_str!("mod.rs");
        let bare = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        for path in bare {
            assert!(UNDESCRIBED.contains(&path), "{path} is routed without a description");
        }
        let routed = source.matches("routes!(").count();
        assert_eq!(document["paths"].as_object().unwrap().len(), routed);
        let book = include_str!("../../../../docs/http-api.md");
        for path in document["paths"].as_object().unwrap().keys() {
            let last = path.rsplit('/').find(|part| !part.starts_with('{')).unwrap();
            assert!(book.contains(&format!("/{last}")), "{path} is not in the book");
        }
    }

    /// What connectors, stores and people's programs write: any JSON.
    const ANY: [&str; 13] = [
        "AskedCondition.value",
        "Changed.settings",
        "DescribedActivity.request",
        "DescribedActivity.response",
        "KeptConnection.settings",
        "New.settings",
        "Page.records",
        "Preview.records",
        "PreviewedRow.in",
        "PreviewedRow.out",
        "Screen.settings",
        "WorkingConnector.settings_schema",
        "WrittenRecord.record",
    ];

    /// Whether a schema, or that of its items or values, takes anything.
    fn takes_anything(schema: &Value) -> bool {
        let inner = schema.get("items").or(schema.get("additionalProperties").filter(|one| one.is_object()));
        let says = ["$ref", "type", "enum", "const", "oneOf", "anyOf", "allOf"];
        !says.iter().any(|word| schema.get(word).is_some()) || inner.is_some_and(takes_anything)
    }

    #[test]
    fn only_what_others_write_has_no_shape() {
        let document = document();
        let mut found = Vec::new();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(!takes_anything(schema), "{name}");
            for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
                if takes_anything(schema) {
                    found.push(format!("{name}.{member}"));
                }
            }
        }
        found.sort();
        assert_eq!(found, ANY);
    }

    #[test]
    fn an_operation_is_described_with_the_members_that_it_is_read_with() {
        let document = document();
        let members = |name: &str| -> BTreeSet<String> {
            document["components"]["schemas"][name]["properties"].as_object().unwrap().keys().cloned().collect()
        };
        let keys = |lists: &[&[&str]]| lists.concat().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(members("OperationFile"), keys(&[&model::KEYS, &["name", "revision"]]));
        assert_eq!(members("OperationEnd"), keys(&[&model::ACTIVITY_KEYS, &model::FILE_KEYS]));
    }

    #[test]
    fn every_description_says_what_it_does_takes_and_answers() {
        let document = document();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
                assert!(operation["responses"]["default"].is_object(), "{method} {path}");
                let body = &operation["requestBody"]["content"]["application/json"];
                assert!(body.is_null() || body["schema"]["$ref"].is_string(), "{method} {path}: {body}");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let json = &response["content"]["application/json"];
                    let schema = json["schema"].get("items").unwrap_or(&json["schema"]);
                    assert!(json.is_null() || schema["$ref"].is_string(), "{method} {path} {status}: {json}");
                }
                let of_path =
                    operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path");
                let mut described: Vec<String> =
                    of_path.map(|one| format!("{{{}}}", one["name"].as_str().unwrap())).collect();
                let mut there: Vec<&str> = path.split('/').filter(|part| part.starts_with('{')).collect();
                described.sort();
                there.sort_unstable();
                assert_eq!(described, there, "{method} {path}");
            }
        }
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
