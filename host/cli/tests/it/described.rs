//! The API's description, `/v1/openapi.json`, is true: every request of it has its route, and every answer is as its schema says, without
//! a member that the schema does not name.

use serde_json::{Value, json};

use crate::serving::{NDJSON, Serving};
use crate::support::Project;

const JSON: &str = "content-type: application/json";
/// Schemas that may have members besides: a failure tells what belongs to its kind.
const OPEN: [&str; 2] = ["Problem", "Error"];

/// The description, with the requests of it that were made.
struct Described<'a> {
    serving: &'a Serving,
    document: Value,
    asked: Vec<String>,
}

impl<'a> Described<'a> {
    fn by(serving: &'a Serving) -> Self {
        let mut document = serving.read("/v1/openapi.json");
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        for (_, schema) in schemas.iter_mut().filter(|(name, _)| !OPEN.contains(&name.as_str())) {
            if schema.get("properties").is_some() {
                schema["additionalProperties"] = json!(false);
            }
        }
        Self { serving, document, asked: Vec::new() }
    }

    /// The request of this name: its path, its method in small letters, and its description.
    fn request(&self, id: &str) -> (String, String, Value) {
        let paths = self.document["paths"].as_object().unwrap().iter();
        let mut all = paths.flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, request)| (path, method, request))
        });
        let found = all.find(|(_, _, request)| request["operationId"] == id);
        let (path, method, request) = found.unwrap_or_else(|| panic!("no request is called {id}"));
        (path.clone(), method.clone(), request.clone())
    }

    /// Makes a request and holds the answer against the description. `parts` stand in the path, in order, and behind it.
    fn ask(&mut self, id: &str, status: u16, parts: &[&str], body: &Value) -> Value {
        let (path, method, request) = self.request(id);
        let mut parts = parts.iter();
        let filled = path.split('/').map(|part| if part.starts_with('{') { parts.next().unwrap() } else { part });
        let mut filled = filled.collect::<Vec<_>>().join("/");
        filled.extend(parts.copied());
        let (header, body) = match body {
            Value::Null => (JSON, String::new()),
            Value::String(lines) => (NDJSON, lines.clone()),
            body => (JSON, body.to_string()),
        };
        let (found, text) = self.serving.ask(&method.to_uppercase(), &filled, &[header], &body);
        assert_eq!(found, status, "{id} {filled}: {text}");
        let described = match request["responses"].get(status.to_string()) {
            Some(described) => described,
            None => &request["responses"]["default"],
        };
        self.asked.push(id.to_owned());
        let Some(content) = described["content"].as_object() else {
            assert_eq!(text, "", "{id}");
            return Value::Null;
        };
        let json = content.iter().find(|(kind, _)| kind.ends_with("json") && !kind.ends_with("ndjson"));
        let Some((_, described)) = json else { return json!(text) };
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{id}: {e}: {text}"));
        let schema = json!({ "allOf": [described["schema"]], "components": self.document["components"] });
        let wrong: Vec<String> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(&answer)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{id}: {wrong:#?} in {answer}");
        answer
    }

    fn get(&mut self, id: &str, parts: &[&str]) -> Value {
        self.ask(id, 200, parts, &Value::Null)
    }

    /// The requests that nobody made.
    fn left(&self) -> Vec<&str> {
        let methods = self.document["paths"].as_object().unwrap().values();
        let requests = methods.flat_map(|methods| methods.as_object().unwrap().values());
        let ids = requests.map(|request| request["operationId"].as_str().unwrap());
        ids.filter(|id| !self.asked.iter().any(|asked| asked == id)).collect()
    }
}

#[test]
fn every_answer_is_as_the_description_says() {
    let project = Project::with_people();
    project.operation(
        "export",
        "[source]\nconnection = \"people\"\nobject = \"people\"\nmax_records = 3\n[mapping]\njq = 'if .id == 2 then error(\"no\") else {id} end'\n\
         [target]\nfile = \"out.ndjson\"\n[run]\ncontinue_on_error = true\n[schedule]\ncron = \"0 3 1 1 *\"\n",
    );
    project.operation("broken", "[source]\nfile = 1\n");
    let serving = Serving::start(&project, &[]);
    let mut api = Described::by(&serving);
    let none = Value::Null;

    for (id, parts) in [
        ("watching_metrics", &[][..]),
        ("watching_deployments", &[]),
        ("catalogue_connectors", &[]),
        ("catalogue_versions", &[]),
        ("catalogue_proxy", &[]),
        ("agents_this", &[]),
        ("agents_list", &[]),
        ("connections_list", &[]),
        ("connections_show", &["people"]),
        ("connections_export", &["people"]),
        ("objects_list", &["people"]),
        ("objects_schema", &["people", "?object=people"]),
        ("connections_list", &[]),
        ("watching_status", &["people"]),
    ] {
        api.get(id, parts);
    }
    api.ask("records_test", 200, &["people"], &none);

    api.ask("variables_set", 204, &["seen"], &json!({ "value": "x", "environment": "test" }));
    api.ask("variables_set", 204, &["token"], &json!({ "value": "x", "hidden": true, "description": "of the shop" }));
    assert!(api.get("variables_list", &[])["items"].as_array().unwrap().len() > 1);
    api.get("variables_environments", &[]);
    api.ask("variables_unset", 204, &["token"], &none);

    let made = api.ask("connections_add", 201, &[], &json!({ "name": "new", "settings": { "token": "typed" } }));
    let changed = json!({ "revision": made["revision"], "settings": { "token": "[secret.token]" } });
    api.ask("connections_change", 200, &["new"], &changed);
    api.ask("connections_copy", 201, &["new"], &json!({ "name": "second" }));

    let few = json!({ "name": "few", "object": "people", "fields": ["id"], "where": ["id > 3"] });
    api.ask("activities_add", 201, &["new"], &few);
    api.get("activities_list", &["new"]);
    let mut kept = api.get("activities_show", &["new", "few"]);
    kept["order_by"] = json!(["id"]);
    api.ask("activities_change", 200, &["new", "few"], &kept);
    api.ask("activities_duplicate", 201, &["new", "few"], &json!({ "name": "more" }));
    api.ask("activities_preview", 200, &["new", "few"], &json!({ "limit": 2 }));
    api.ask("activities_delete", 204, &["new", "more"], &none);
    assert!(!api.get("connections_dependents", &["new"])["items"].as_array().unwrap().is_empty());
    api.ask("connections_delete", 409, &["new"], &none);
    api.ask("connections_delete", 204, &["new", "?dependents=delete"], &none);

    let query = json!({ "object": "people", "page_size": 2 });
    api.ask("records_query", 200, &["people"], &query);
    api.ask("activities_explain", 200, &["people"], &query);
    // The second has no name.
    let people = json!("{\"name\":\"Ada\"}\n{\"age\":3}\n");
    let written = api.ask("records_create", 200, &["people", "?object=people&continue_on_error=true"], &people);
    assert_eq!(written["outcomes"].as_array().unwrap().len(), 2, "{written}");
    for id in ["records_update", "records_delete"] {
        api.ask(id, 200, &["people", "?object=people&dry_run=true"], &json!("{\"id\":1,\"name\":\"Ada\"}\n"));
    }
    api.ask("records_resolve", 200, &["people", "create", "?object=people"], &people);

    api.get("operations_list", &[]);
    let operation = api.get("operations_show", &["export"]);
    assert_eq!(api.get("operations_export", &["export"]), json!(project.read("operations/export.toml")));
    api.ask("operations_put", 200, &["export"], &operation);
    api.ask("operations_duplicate", 201, &["export"], &json!({ "name": "second" }));
    api.ask("operations_delete", 204, &["second"], &none);
    api.ask("operations_check", 200, &[], &operation);
    assert_eq!(api.ask("operations_check", 200, &[], &json!({}))["errors"].as_array().unwrap().len(), 2);
    api.ask("operations_preview", 200, &[], &json!({ "operation": operation }));
    api.ask("runs_begin", 200, &["export"], &json!({ "dry_run": true }));
    let run = api.ask("runs_begin", 202, &["export"], &json!({}));
    let run = run["id"].as_str().unwrap();
    // Until it has ended.
    api.get("runs_events", &[run]);
    assert_eq!(api.get("runs_show", &[run])["report"]["failed"], 1);
    api.get("runs_list", &[]);
    api.get("operations_list", &[]);
    assert!(api.get("runs_rejected", &[run]).as_str().unwrap().contains("no"));
    assert_eq!(api.ask("runs_resolve", 200, &[run], &none)["id"], run);
    api.ask("runs_cancel", 409, &[run], &none);
    api.ask("runs_resume", 409, &[run], &none);
    let record =
        "{\"row\":1,\"item\":1,\"stage\":\"target\",\"outcome\":\"failed\",\"error\":{},\"record\":{\"id\":2}}\n";
    let fed_back = api.ask("runs_begin", 202, &["export", "?send_unknown=true"], &json!(record));
    api.get("runs_events", &[fed_back["id"].as_str().unwrap()]);
    api.ask("runs_remove", 409, &[run], &none);
    api.ask("runs_remove", 204, &[run, "?rejected=true"], &none);
    api.ask("watching_swap", 409, &["fixed"], &none);
    api.ask("watching_rollback", 409, &["fixed"], &none);
    let verdict = api.ask("testing_run", 200, &[], &json!({ "name": "people" }));
    assert!(verdict.as_str().unwrap().contains("event: verdict"), "{verdict}");

    // Failures, each of another origin: the program, the store, the connector.
    api.ask("connections_show", 404, &["nobody"], &none);
    api.ask("connections_add", 400, &[], &json!({ "name": "x", "grants": ["ftp://a"] }));
    api.ask("objects_schema", 404, &["people", "?object=nothing"], &none);
    assert_eq!(api.left(), Vec::<&str>::new(), "described, and never asked here");
    serving.stop().good();
}

#[test]
fn every_request_of_the_description_has_its_route() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    let document = serving.read("/v1/openapi.json");
    assert_eq!(document["openapi"].as_str().and_then(|version| version.get(..2)), Some("3."));
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        // No connection, connector or variable has this name: nothing is changed.
        let parts = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part });
        let there = parts.collect::<Vec<_>>().join("/");
        for method in methods.as_object().unwrap().keys() {
            let (status, text) = serving.ask(&method.to_uppercase(), &there, &[], "");
            assert!(status != 405 && !text.contains("nothing under this path"), "{method} {there}: {status} {text}");
            asked += 1;
        }
    }
    assert!(asked > 30, "{asked}");
    serving.stop().good();
}
