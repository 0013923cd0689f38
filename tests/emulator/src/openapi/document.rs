//! One document: found by a scan, read when it is needed, and what it says of a request.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::Seen;
use super::schema::{plain_schemas, resolve, short, typed, value_of};

/// One document: its paths are known from a scan, its content is read when needed.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) file: PathBuf,
    pub(super) version: String,
    pub(super) paths: Vec<(String, Vec<String>)>,
    content: OnceLock<Option<Content>>,
}

#[derive(Debug)]
struct Content {
    /// The document with its schemas made plain JSON Schema.
    root: Value,
    validators: Mutex<HashMap<String, Option<Arc<Validator>>>>,
}

/// Whether a line is indented like the first one seen, which `first` keeps.
fn at_indent(first: &mut Option<usize>, line: &str) -> bool {
    let own = line.len() - line.trim_start().len();
    *first.get_or_insert(own) == own
}

impl Document {
    /// Finds version and paths by their lines: parsing all documents takes too long for a test that needs one.
    pub(super) fn scan(file: PathBuf) -> Option<Self> {
        let content = std::fs::read_to_string(&file).ok()?;
        let mut version = "v3".to_owned();
        let mut paths = Vec::new();
        let (mut inside, mut indent) = (false, None);
        for line in content.lines() {
            let trimmed = line.trim();
            if let Some(url) = trimmed.strip_prefix("- url:").or_else(|| trimmed.strip_prefix("url:"))
                && url.trim_end().trim_end_matches(['\'', '"', '/']).ends_with("/v2")
            {
                version = "v2".to_owned();
            }
            if !line.starts_with([' ', '#']) && !trimmed.is_empty() {
                inside = trimmed == "paths:";
            } else if inside && line.len() > trimmed.len() && trimmed.ends_with(':') && at_indent(&mut indent, line) {
                let name = trimmed.trim_end_matches(':').trim_matches(['\'', '"']);
                if name.starts_with('/') {
                    let segments = name.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
                    paths.push((name.to_owned(), segments));
                }
            }
        }
        Some(Self { file, version, paths, content: OnceLock::new() })
    }

    fn content(&self) -> Option<&Content> {
        self.content
            .get_or_init(|| {
                let text = std::fs::read_to_string(&self.file).ok()?;
                let mut root: Value = serde_norway::from_str(&text).ok()?;
                plain_schemas(&mut root);
                Some(Content { root, validators: Mutex::default() })
            })
            .as_ref()
    }

    pub(super) fn check(&self, name: &str, seen: &Seen<'_>) -> Vec<String> {
        let Some(content) = self.content() else {
            return vec![format!("{} cannot be read", self.file.display())];
        };
        let root = &content.root;
        let item = &root["paths"][name];
        let operation = &item[seen.method.to_ascii_lowercase().as_str()];
        if !operation.is_object() {
            return vec!["the OpenAPI document does not have this method".to_owned()];
        }
        let mut parameters: Vec<&Value> = Vec::new();
        for list in [&operation["parameters"], &item["parameters"]] {
            for parameter in list.as_array().into_iter().flatten() {
                let parameter = resolve(root, parameter);
                let same = |p: &&Value| p["name"] == parameter["name"] && p["in"] == parameter["in"];
                if !parameters.iter().any(same) {
                    parameters.push(parameter);
                }
            }
        }
        let mut problems = content.check_query(&parameters, seen);
        for parameter in parameters.iter().filter(|p| p["in"] == "header" && p["required"] == true) {
            let wanted = parameter["name"].as_str().unwrap_or_default().to_ascii_lowercase();
            let bodiless = wanted == "content-type" && seen.body.is_empty();
            if !bodiless && !seen.headers.contains(&wanted) {
                problems.push(format!("the header {wanted} is missing"));
            }
        }
        problems.extend(content.check_body(&format!("{} {name}", seen.method), operation, seen));
        problems
    }
}

/// The JSON schema of a request's or an answer's `content`.
fn json_schema(kinds: &Value) -> Option<&Value> {
    kinds.as_object()?.iter().find(|(kind, _)| kind.contains("json")).map(|(_, media)| &media["schema"])
}

impl Content {
    fn check_query(&self, parameters: &[&Value], seen: &Seen<'_>) -> Vec<String> {
        let mut problems = Vec::new();
        let in_query = |p: &&&Value| p["in"] == "query";
        for (name, value) in seen.query {
            let declared = parameters.iter().filter(in_query).find(|p| p["name"] == name.as_str());
            let Some(parameter) = declared else {
                problems.push(format!("the OpenAPI document has no query parameter {name}"));
                continue;
            };
            let schema = resolve(&self.root, &parameter["schema"]);
            let Some(instance) = typed(&self.root, schema, value) else {
                problems.push(format!("{name}={value} is not of the documented type"));
                continue;
            };
            let key = format!("{} {} ?{name}", seen.method, seen.path);
            problems.extend(self.validate(key, schema, &instance).map(|p| format!("{name}={value}: {p}")));
        }
        for parameter in parameters.iter().filter(in_query).filter(|p| p["required"] == true) {
            if !seen.query.iter().any(|(n, _)| parameter["name"] == n.as_str()) {
                problems.push(format!("the query parameter {} is missing", parameter["name"]));
            }
        }
        problems
    }

    fn check_body(&self, key: &str, operation: &Value, seen: &Seen<'_>) -> Vec<String> {
        let body = resolve(&self.root, &operation["requestBody"]);
        if seen.body.is_empty() {
            let missing = body["required"] == true;
            return missing.then(|| "the body is missing".to_owned()).into_iter().collect();
        }
        if !body["content"].is_object() {
            return vec!["the operation takes no body".to_owned()];
        }
        let Some(schema) = json_schema(&body["content"]) else { return Vec::new() };
        let Ok(text) = std::str::from_utf8(seen.body) else { return vec!["the body is not UTF-8".to_owned()] };
        let Some(instance) = value_of(text) else { return vec!["the body is not JSON".to_owned()] };
        self.validate(key.to_owned(), schema, &instance).map(|p| format!("body: {p}")).collect()
    }

    /// Problems of a value with a schema. One that cannot be compiled checks nothing; a test lists those.
    fn validate(&self, key: String, schema: &Value, instance: &Value) -> impl Iterator<Item = String> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = || schema.is_object().then(|| self.compile(&[schema]).ok().map(Arc::new)).flatten();
        let validator = validators.entry(key).or_insert_with(compiled).clone();
        drop(validators);
        let problems: Vec<String> = validator
            .iter()
            .flat_map(|v| {
                v.iter_errors(instance).take(5).map(|e| format!("{} at {}", short(&e.to_string()), e.instance_path()))
            })
            .collect();
        problems.into_iter()
    }

    /// A validator for what all of these schemas allow.
    fn compile(&self, schemas: &[&Value]) -> Result<Validator, String> {
        let whole = json!({ "components": self.root["components"], "allOf": schemas });
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft4).should_validate_formats(false);
        options.build(&whole).map_err(|error| short(&error.to_string()))
    }
}

#[cfg(test)]
impl Document {
    /// What is wrong with an answer.
    pub(super) fn check_answer(&self, name: &str, method: &str, status: u16, body: &str) -> Vec<String> {
        let Some(content) = self.content() else { return vec![format!("{} cannot be read", self.file.display())] };
        let operation = &content.root["paths"][name][method.to_ascii_lowercase().as_str()];
        let answer = resolve(&content.root, &operation["responses"][status.to_string().as_str()]);
        let Some(schema) = json_schema(&answer["content"]) else { return Vec::new() };
        let Some(instance) = value_of(body) else { return vec!["the answer is not JSON".to_owned()] };
        content.validate(format!("{method} {name} {status}"), schema, &instance).collect()
    }

    /// The number of schemas of requests and answers, and those of them that cannot be compiled, with the reason.
    pub(super) fn uncompiled(&self) -> (usize, Vec<String>) {
        let Some(content) = self.content() else { return (0, vec![format!("{} cannot be read", self.file.display())]) };
        let schemas = content.schemas();
        let all: Vec<&Value> = schemas.iter().map(|(_, schema)| *schema).collect();
        // All of them at once, and one by one only where that fails: each takes the document's components along.
        if content.compile(&all).is_ok() {
            return (all.len(), Vec::new());
        }
        let wrong = schemas.iter().filter_map(|(place, schema)| {
            content.compile(&[schema]).err().map(|problem| format!("{} {place}: {problem}", self.version))
        });
        (all.len(), wrong.collect())
    }
}

#[cfg(test)]
impl Content {
    /// Every schema that a check can need, with its place.
    fn schemas(&self) -> Vec<(String, &Value)> {
        let mut found: Vec<(String, &Value)> = Vec::new();
        for (path, item) in self.root["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten().filter(|(_, o)| o.is_object()) {
                let place = format!("{} {path}", method.to_uppercase());
                for list in [&operation["parameters"], &item["parameters"]] {
                    for parameter in list.as_array().into_iter().flatten().map(|p| resolve(&self.root, p)) {
                        found.push((format!("{place} ?{}", parameter["name"]), &parameter["schema"]));
                    }
                }
                let body = resolve(&self.root, &operation["requestBody"]);
                found.extend(json_schema(&body["content"]).map(|schema| (format!("{place} body"), schema)));
                for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                    let answer = resolve(&self.root, answer);
                    found.extend(json_schema(&answer["content"]).map(|schema| (format!("{place} {status}"), schema)));
                }
            }
        }
        found.retain(|(_, schema)| schema.is_object());
        found
    }
}
