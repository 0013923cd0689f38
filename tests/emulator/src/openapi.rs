//! Requests held against the OpenAPI documents, where they are at hand.
//!
//! The facts file is derived from these documents by a program, and may be wrong; this check does not use it. The variable
//! `BIGCOMMERCE_OPENAPI` names the folder of the documents. Each is read when the first request to one of its paths comes,
//! and a schema is compiled when it is first needed. Where the documents are known to be wrong, [`EXCUSED`] says why.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::json::{self as text, Object, Scalar};

/// Requests that the documents forbid and the API takes: method, path, part of the problem, reason.
const EXCUSED: &[(&str, &str, &str, &str)] = &[
    (
        "DELETE",
        "/v3/customers/metafields",
        "takes no body",
        "the document omits the body, which the other metafield batches have",
    ),
    (
        "GET",
        "*",
        "include_fields",
        "the documents copy the product's field list to sub-objects and leave out fields that its record has",
    ),
    ("GET", "*", "exclude_fields", "as for include_fields"),
    (
        "GET",
        "/v3/customers/subscribers",
        "query parameter \"id\" is missing",
        "one path-style parameter is used again; by its own text the list works without",
    ),
    ("GET", "/v2/orders", "sort=", "the enum lists the fields, the text beside it adds a direction to them"),
    ("*", "*", "header user-agent", "what a client calls itself is its host's business"),
];

/// The documents, ready to check requests.
#[derive(Debug)]
pub(crate) struct Checker {
    documents: Vec<Document>,
}

/// One document: its paths are known from a scan, its content is read when needed.
#[derive(Debug)]
struct Document {
    file: PathBuf,
    version: String,
    paths: Vec<(String, Vec<String>)>,
    content: OnceLock<Option<Content>>,
}

#[derive(Debug)]
struct Content {
    /// The document with its schemas made plain JSON Schema.
    root: Value,
    validators: Mutex<HashMap<String, Option<Arc<Validator>>>>,
}

/// A request to be checked.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a str,
    /// Path below the store.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(String, String)],
    /// Names of the headers, in lower case.
    pub(crate) headers: &'a [String],
    pub(crate) body: &'a [u8],
}

impl Checker {
    /// Scans a folder of documents.
    ///
    /// # Errors
    /// If the folder cannot be read or holds no document.
    pub(crate) fn load(folder: &Path) -> Result<Self, String> {
        let mut files = Vec::new();
        collect(folder, &mut files)?;
        files.sort();
        let documents: Vec<Document> = files.into_iter().filter_map(Document::scan).collect();
        if documents.is_empty() {
            return Err(format!("{} holds no document", folder.display()));
        }
        Ok(Self { documents })
    }

    /// Number of documents.
    pub(crate) fn len(&self) -> usize {
        self.documents.len()
    }

    /// What is wrong with a request, as seen by the document that likes it best.
    pub(crate) fn check(&self, seen: &Seen<'_>) -> Vec<String> {
        let all = self.places(seen.path).into_iter().map(|(document, name)| document.check(name, seen));
        let best = all.min_by_key(Vec::len);
        let mut problems = best.unwrap_or_else(|| vec!["the OpenAPI documents know no such path".to_owned()]);
        problems.retain(|problem| !excused(seen, problem));
        problems
    }

    /// What is wrong with an answer.
    #[cfg(test)]
    pub(crate) fn check_answer(&self, method: &str, path: &str, status: u16, body: &str) -> Vec<String> {
        let all = self.places(path).into_iter().map(|(document, name)| {
            let Some(content) = document.content() else { return Vec::new() };
            let operation = &content.root["paths"][name][method.to_ascii_lowercase().as_str()];
            let answer = resolve(&content.root, &operation["responses"][status.to_string().as_str()]);
            let Some(kinds) = answer["content"].as_object() else { return Vec::new() };
            let Some((_, media)) = kinds.iter().find(|(kind, _)| kind.contains("json")) else { return Vec::new() };
            let Some(instance) = value_of(body) else { return vec!["the answer is not JSON".to_owned()] };
            content.validate(format!("{method} {name} {status}"), &media["schema"], &instance).collect()
        });
        all.min_by_key(Vec::len).unwrap_or_default()
    }

    /// Documents that have a path like this, with the fewest parameters, and its name in them.
    fn places(&self, path: &str) -> Vec<(&Document, &str)> {
        let (version, path) = match path.split_at_checked(3) {
            Some((version, rest)) => (version.trim_start_matches('/'), rest),
            None => return Vec::new(),
        };
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let mut found: Vec<(&Document, &str, usize)> = Vec::new();
        for document in self.documents.iter().filter(|d| d.version == version) {
            for (name, template) in &document.paths {
                let fits = template.len() == segments.len()
                    && template.iter().zip(&segments).all(|(t, s)| t.starts_with('{') || t == s);
                if fits {
                    found.push((document, name, template.iter().filter(|t| t.starts_with('{')).count()));
                }
            }
        }
        let fewest = found.iter().map(|(_, _, params)| *params).min();
        found.into_iter().filter(|(_, _, n)| Some(*n) == fewest).map(|(document, name, _)| (document, name)).collect()
    }
}

fn excused(seen: &Seen<'_>, problem: &str) -> bool {
    EXCUSED.iter().any(|(method, path, part, _)| {
        (*method == "*" || *method == seen.method) && (*path == "*" || *path == seen.path) && problem.contains(part)
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a line is indented like the first one seen, which `first` keeps.
fn at_indent(first: &mut Option<usize>, line: &str) -> bool {
    let own = line.len() - line.trim_start().len();
    *first.get_or_insert(own) == own
}

impl Document {
    /// Finds version and paths by their lines: parsing all documents takes too long for a test that needs one.
    fn scan(file: PathBuf) -> Option<Self> {
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

    fn check(&self, name: &str, seen: &Seen<'_>) -> Vec<String> {
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
        let Some(kinds) = body["content"].as_object() else {
            return vec!["the operation takes no body".to_owned()];
        };
        let Some((_, media)) = kinds.iter().find(|(kind, _)| kind.contains("json")) else { return Vec::new() };
        let Ok(text) = std::str::from_utf8(seen.body) else { return vec!["the body is not UTF-8".to_owned()] };
        let Some(instance) = value_of(text) else { return vec!["the body is not JSON".to_owned()] };
        self.validate(key.to_owned(), &media["schema"], &instance).map(|p| format!("body: {p}")).collect()
    }

    /// Problems of a value with a schema. A schema that cannot be compiled checks nothing.
    fn validate(&self, key: String, schema: &Value, instance: &Value) -> impl Iterator<Item = String> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(key).or_insert_with(|| self.compile(schema).map(Arc::new)).clone();
        drop(validators);
        let problems: Vec<String> = validator
            .iter()
            .flat_map(|v| {
                v.iter_errors(instance).take(5).map(|e| format!("{} at {}", short(&e.to_string()), e.instance_path()))
            })
            .collect();
        problems.into_iter()
    }

    fn compile(&self, schema: &Value) -> Option<Validator> {
        if !schema.is_object() {
            return None;
        }
        let whole = json!({ "components": self.root["components"], "allOf": [schema] });
        jsonschema::options().with_draft(jsonschema::Draft::Draft4).should_validate_formats(false).build(&whole).ok()
    }
}

/// The start of a message: some quote whole records.
fn short(text: &str) -> String {
    if text.chars().count() <= 300 { text.to_owned() } else { text.chars().take(300).chain("...".chars()).collect() }
}

/// Follows `$ref` within the document.
fn resolve<'a>(root: &'a Value, mut node: &'a Value) -> &'a Value {
    for _ in 0..20 {
        match node["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
            Some(pointer) => node = root.pointer(pointer).unwrap_or(&Value::Null),
            None => break,
        }
    }
    node
}

/// A query parameter's value as its schema's type. `None` if it is not of that type.
fn typed(root: &Value, schema: &Value, value: &str) -> Option<Value> {
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
fn value_of(json: &str) -> Option<Value> {
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
fn plain_schemas(node: &mut Value) {
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

/// The checker of this process, if the documents are at hand, and what to say about it.
pub(crate) fn checker() -> (Option<&'static Checker>, String) {
    static CHECKER: OnceLock<(Option<Checker>, String)> = OnceLock::new();
    let (checker, status) = CHECKER.get_or_init(|| match std::env::var_os("BIGCOMMERCE_OPENAPI") {
        None => (None, "skipped: BIGCOMMERCE_OPENAPI is not set".to_owned()),
        Some(folder) => match Checker::load(Path::new(&folder)) {
            Ok(checker) => {
                let status = format!("checked against {} OpenAPI documents", checker.len());
                (Some(checker), status)
            }
            Err(problem) => (None, format!("skipped: {problem}")),
        },
    });
    (checker.as_ref(), status.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Parts of problems that the documents make, with the reason.
    const EXCUSED_ANSWERS: &[(&str, &str)] = &[
        (
            "/option_set_id",
            "products without an option set have null, as stores answer, where the document says integer",
        ),
        ("'oneOf' keyword at", "a link of consignments fits two variants of a union whose fields are all optional"),
    ];

    const DOCUMENT: &str = r"openapi: '3.0.3'
servers:
  - url: 'https://api.bigcommerce.com/stores/{store_hash}/v3'
paths:
  /things:
    get:
      parameters:
        - $ref: '#/components/parameters/ids'
        - name: colour
          in: query
          schema: {type: string, enum: [red, blue]}
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/thing'}
  '/things/{thing_id}':
    delete: {}
components:
  parameters:
    ids:
      name: 'id:in'
      in: query
      schema: {type: array, items: {type: integer}}
  schemas:
    thing:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string}
        size: {type: number, nullable: true}
";

    fn problems(method: &str, path: &str, query: &[(&str, &str)], body: &str) -> Vec<String> {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("emulator-openapi-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("things.v3.yml"), DOCUMENT).unwrap();
        let checker = Checker::load(&folder).unwrap();
        let query: Vec<(String, String)> = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let found = checker.check(&Seen { method, path, query: &query, headers: &[], body: body.as_bytes() });
        std::fs::remove_dir_all(&folder).unwrap();
        found
    }

    #[test]
    fn requests_that_the_document_allows_pass() {
        let none: Vec<String> = Vec::new();
        assert_eq!(problems("GET", "/v3/things", &[("id:in", "1,2"), ("colour", "red")], ""), none);
        assert_eq!(problems("POST", "/v3/things", &[], r#"{"name":"x","size":1e400}"#), none);
        assert_eq!(problems("POST", "/v3/things", &[], r#"{"name":"x","size":null}"#), none);
        assert_eq!(problems("DELETE", "/v3/things/7", &[], ""), none);
    }

    #[test]
    fn requests_that_the_document_forbids_are_told() {
        for (method, path, query, body, part) in [
            ("GET", "/v3/things", vec![("id:in", "1,x")], "", "documented type"),
            ("GET", "/v3/things", vec![("colour", "green")], "", "green"),
            ("GET", "/v3/things", vec![("size", "1")], "", "no query parameter size"),
            ("POST", "/v3/things", vec![], "", "body is missing"),
            ("POST", "/v3/things", vec![], r#"{"size":1}"#, "name"),
            ("DELETE", "/v3/things/7", vec![], "[1]", "takes no body"),
            ("PUT", "/v3/things/7", vec![], "{}", "method"),
            ("GET", "/v3/nothing", vec![], "", "no such path"),
        ] {
            let found = problems(method, path, &query, body);
            assert!(found.iter().any(|p| p.contains(part)), "{method} {path} {query:?} {body}: {found:?}");
        }
    }

    /// Sample data and envelopes are the emulator's own work, so they too are held against the documents.
    #[test]
    fn list_answers_fit_the_documents() {
        let (Some(checker), status) = checker() else {
            println!("{}", super::checker().1);
            return;
        };
        let mut state = crate::store::State::new();
        crate::data::seed(&mut state, 1, crate::config::Sizes::default());
        let world = crate::world::World::new(state, crate::config::Switches::default(), 1);
        let order = world
            .read()
            .table(crate::tables::tables().access(crate::facts::find("orders").unwrap()).unwrap().table)
            .rows()[0]
            .key
            .to_json();
        let mut wrong = Vec::new();
        let mut slice: Vec<String> = [
            "/v3/catalog/products",
            "/v3/catalog/brands",
            "/v3/customers",
            "/v3/customers/addresses",
            "/v2/orders",
            "/v2/coupons",
        ]
        .map(str::to_owned)
        .to_vec();
        slice.push(format!("/v2/orders/{order}/products"));
        let others = crate::facts::resources()
            .iter()
            .filter(|r| r.is_data() && !r.collection_path.contains('{'))
            .map(|r| r.collection_path.clone());
        for path in slice.iter().cloned().chain(others) {
            let Ok(route) = crate::route::find("GET", &path) else { continue };
            let call = crate::world::Call { route: &route, query: &[], body: "" };
            let Ok(answer) = crate::read::answer(&world, &call) else { continue };
            let body = String::from_utf8(answer.body.to_vec()).unwrap();
            for problem in checker.check_answer("GET", &path, answer.status, &body) {
                wrong.push((slice.contains(&path), format!("{path}: {problem}")));
            }
        }
        wrong.retain(|(_, problem)| !EXCUSED_ANSWERS.iter().any(|(part, _)| problem.contains(part)));
        println!("{status}: {wrong:#?}");
        assert!(!wrong.iter().any(|(needed, _)| *needed), "{wrong:#?}");
    }
}
