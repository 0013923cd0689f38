//! The description of the HTTP API, as its routes say it, with what holds for all of them.

use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

/// The document as it is handed out: with the program's version, who may ask, and how failures look.
pub(super) fn finished(document: OpenApi) -> Value {
    let mut document = json!(document);
    let version = env!("CARGO_PKG_VERSION");
    let description = "Connections, activities and records of a project, as `connector serve` answers.";
    document["info"] = json!({ "title": "connector", "version": version, "description": description });
    document["components"]["schemas"]["Problem"] = problem();
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

/// A failure, as `answer.rs` writes it.
fn problem() -> Value {
    let text = json!({ "type": "string" });
    let error = json!({
        "type": "object",
        "required": ["message"],
        "properties": {
            "message": text, "kind": text, "hint": text, "causes": { "type": "array", "items": text },
            "pointer": { "type": "string", "description": "JSON pointer to what is wrong" },
        },
    });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "errors"],
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "detail": text,
            "errors": { "type": "array", "items": error },
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::described;
    use super::*;

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

    #[test]
    fn every_description_says_what_it_does_takes_and_answers() {
        let document = document();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
                assert!(operation["responses"]["default"].is_object(), "{method} {path}");
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
