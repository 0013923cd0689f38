//! Mistakes of who asks over HTTP: told under the status that the book says, at their place in what was sent, and before anything is
//! done.

use serde_json::{Value, json};

use crate::serving::{NDJSON, Serving};
use crate::support::Project;

const JSON: &str = "content-type: application/json";
const QUERY: &str = "/v1/connections/people/query";
const EXPLAIN: &str = "/v1/connections/people/explain";
const ACTIVITIES: &str = "/v1/connections/people/activities";
const CHECK: &str = "/v1/operations/preview";

/// The problem that a request is answered with.
fn problem(serving: &Serving, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, Value) {
    let (status, text) = serving.ask(method, path, headers, body);
    (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{method} {path}: {e}: {text}")))
}

/// The preview of an operation with this source, this program and a file as target.
fn preview(source: &Value, program: &str) -> Value {
    json!({ "operation": { "source": source, "mapping": { "jq": program }, "target": { "file": "out.ndjson" } } })
}

#[test]
fn what_asks_for_something_impossible_is_400_and_told_at_its_place() {
    let project = Project::with_people();
    project.write("rows.csv", "id,name\n1,\"Ada\n");
    project.operation(
        "there",
        "[source]\nconnection = \"people\"\nobject = \"people\"\n[target]\nfile = \"out.ndjson\"\n",
    );
    let serving = Serving::start(&project, &[]);
    let people = json!({ "connection": "people", "object": "people" });
    let file = |name: &str| json!({ "file": name });
    let operation = |limit: u64| json!({ "operation": preview(&people, ".")["operation"], "limit": limit });
    let wanted = |wanted: Value| {
        json!({ "name": "x", "object": "people" }).as_object().map(|all| {
            let more = wanted.as_object().unwrap().clone();
            Value::Object(all.clone().into_iter().chain(more).collect())
        })
    };
    let activity = |members: Value| wanted(members).unwrap();
    for (path, body, pointer, word) in [
        // Operations.
        (CHECK, preview(&people, "{id"), Some("/mapping/jq"), "no program"),
        (CHECK, preview(&people, "def f: f; f"), None, "at one record"),
        (CHECK, preview(&file("rows.csv"), "."), None, "rows.csv"),
        (CHECK, preview(&file("none.csv"), "."), None, "none.csv"),
        (CHECK, preview(&file("rows.xls"), "."), Some("/source/format"), "format"),
        (CHECK, operation(0), Some("/limit"), "1 to 100"),
        (CHECK, operation(101), Some("/limit"), "1 to 100"),
        (CHECK, json!({ "operation": {}, "limit": "all" }), Some("/limit"), "a whole number from 0"),
        // Activities.
        (ACTIVITIES, activity(json!({ "where": ["price >>= 10"] })), Some("/where/0"), "price >>= 10"),
        (ACTIVITIES, activity(json!({ "order_by": ["id", "id sideways"] })), Some("/order_by/1"), "id sideways"),
        (ACTIVITIES, activity(json!({ "page_size": "7" })), Some("/page_size"), "a whole number"),
        (ACTIVITIES, activity(json!({ "verb": "read" })), Some("/verb"), "no such value"),
        (ACTIVITIES, activity(json!({ "order_by": ["-id"] })), Some("/order_by/0"), "ascending"),
        (ACTIVITIES, activity(json!({ "filter": [] })), Some("/filter"), "no member `filter`"),
        // Queries.
        (QUERY, json!({ "object": "people", "where": ["id > 1", "id >>= 1"] }), Some("/where/1"), "id >>= 1"),
        (QUERY, json!({ "object": "people", "order_by": ["id down"] }), Some("/order_by/0"), "id down"),
        (QUERY, json!({ "object": "people", "order_by": ["-id"] }), Some("/order_by/0"), "ascending"),
        (QUERY, json!({ "object": "people", "filter": ["id > 1"] }), Some("/filter/0"), "takes an object"),
        (EXPLAIN, json!({ "object": "people", "where": "id > 1" }), Some("/where"), "takes a list"),
        (EXPLAIN, json!({ "object": "people", "page_size": -1 }), Some("/page_size"), "from 0"),
        (EXPLAIN, json!({ "fields": ["id"] }), Some("/object"), "`object` is missing"),
        ("/v1/connections", json!({ "name": "a/b" }), Some("/name"), "cannot be named"),
        ("/v1/connections", json!({ "settings": {} }), Some("/name"), "`name` is missing"),
        ("/v1/operations/there/duplicate", json!({ "name": "b d" }), None, "cannot be named"),
    ] {
        let (status, told) = problem(&serving, "POST", path, &[JSON], &body.to_string());
        assert_eq!(status, 400, "{path} {body}: {told}");
        let error = &told["errors"][0];
        assert_ne!(told["type"], "about:blank#failed", "{told}");
        assert!(
            error["message"].as_str().unwrap().contains(word) || error.to_string().contains(word),
            "{body}: {told}"
        );
        assert_eq!(error["pointer"].as_str(), pointer, "{path} {body}: {told}");
        let text = told.to_string();
        assert!(!["struct ", "u32", "u64", "i64", "enum "].iter().any(|word| text.contains(word)), "{told}");
    }
    let operation = preview(&people, ".")["operation"].clone();
    for path in ["/v1/operations/bad%2Fname", "/v1/operations/bad%20name"] {
        assert_eq!(serving.json("PUT", path, &operation).0, 400, "{path}");
    }
    assert_eq!(serving.read(ACTIVITIES)["items"], json!([]));
    assert_eq!(serving.read("/v1/operations")["items"].as_array().unwrap().len(), 1);
    serving.stop().good();
}

#[test]
fn a_parameter_that_a_request_does_not_have_is_refused_and_nothing_is_done() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    let record = "{\"name\":\"Ada\"}\n";
    let calls = serving.versions()[0]["calls"].clone();
    for (method, path, word) in [
        ("GET", "/v1/runs?operatoin=x", "`operatoin`"),
        ("GET", "/v1/connections?limit=3", "`limit`"),
        ("GET", "/v1/connections/people/schema?object=people&x", "`x`"),
        ("GET", "/v1/connections/people/schema", "`object` is missing"),
        ("DELETE", "/v1/connections/people?dependent=delete", "`dependent`"),
        ("DELETE", "/v1/connections/people?dependents=all", "dependents"),
        ("POST", "/v1/connections/people/create?object=people&dry-run=true", "`dry-run`"),
        ("POST", "/v1/connections/people/create?object=people&dry_run=yes", "dry_run"),
    ] {
        let (status, told) = problem(&serving, method, path, &[NDJSON], record);
        assert!(status == 400 && told["detail"].as_str().unwrap().contains(word), "{path}: {status} {told}");
    }
    let (_, told) = problem(&serving, "GET", "/v1/runs?operatoin=x", &[], "");
    assert_eq!(told["errors"][0]["hint"], "did you mean `operation`?");
    assert_eq!(serving.read("/v1/connections")["items"].as_array().unwrap().len(), 1);
    assert_eq!(serving.versions()[0]["calls"], calls, "nothing was asked of the connector");
    serving.stop().good();
}

#[test]
fn records_are_ndjson_and_a_list_is_told_so() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    let list = " [{\"id\":1,\"name\":\"Ada\"}]";
    for headers in [NDJSON, JSON] {
        for verb in ["create", "update", "delete", "resolve/create"] {
            let path = format!("/v1/connections/people/{verb}?object=people");
            let (status, told) = problem(&serving, "POST", &path, &[headers], list);
            assert!(status == 400 && told["errors"][0]["hint"].as_str().unwrap().contains("NDJSON"), "{verb}: {told}");
        }
    }
    let (status, told) = problem(
        &serving,
        "POST",
        "/v1/connections/people/update?object=people",
        &[JSON],
        "{\"id\":1,\"name\":\"Ada\"}",
    );
    assert_eq!((status, &told["outcomes"][0]["outcome"]), (200, &json!("applied")), "{told}");
    serving.stop().good();
}

#[test]
fn a_query_takes_the_conditions_and_orders_of_activities_and_conditions_in_parts_besides() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    let ids = |query: Value| -> Vec<u64> {
        let (status, page) = serving.query(&query);
        assert_eq!(status, 200, "{query}: {page}");
        page["records"].as_array().unwrap().iter().map(|record| record["id"].as_u64().unwrap()).collect()
    };
    let typed = json!({ "object": "people", "fields": ["id"], "where": ["id in (7, 9, 8)"], "order_by": ["id"] });
    assert_eq!(ids(typed), [7, 9]);
    // A text without quotes, as the field holds texts.
    assert_eq!(ids(json!({ "object": "people", "where": ["name = Ada 1"] })), [1]);
    let parts = json!([{ "field": "id", "op": "less", "value": 9 }]);
    assert_eq!(ids(json!({ "object": "people", "where": ["id >= 7"], "filter": parts })), [7]);
    let (status, plan) = serving.json("POST", EXPLAIN, &json!({ "object": "people", "where": ["id = 7"] }));
    assert_eq!(status, 200, "{plan}");
    serving.stop().good();
}

#[test]
fn over_http_a_connection_trusts_no_file_out_of_reach() {
    let (project, outside) = (Project::empty(), tempfile::tempdir().unwrap());
    let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    let path = outside.path().join("ca.pem");
    std::fs::write(&path, &authority).unwrap();
    project.write("inside.pem", &authority);
    let path = path.to_str().unwrap();
    project.run(&["connection", "add", "by_hand", "--ca-file", path]).good();
    let serving = Serving::start(&project, &[]);
    let refused = |method: &str, at: &str, body: &Value| {
        let (status, told) = serving.json(method, at, body);
        assert_eq!((status, &told["errors"][0]["pointer"]), (403, &json!("/ca_file")), "{at}: {told}");
        assert!(told.to_string().contains("--files"), "{told}");
    };
    let with = |name: &str, file: &str| json!({ "name": name, "settings": {}, "ca_file": file });
    refused("POST", "/v1/connections", &with("a", path));
    let (status, told) = serving.json("POST", "/v1/connections", &with("a", "connector.db"));
    assert_eq!((status, &told["errors"][0]["pointer"]), (400, &json!("/ca_file")), "{told}");
    let (status, made) = serving.json("POST", "/v1/connections", &with("a", "inside.pem"));
    assert_eq!(status, 201, "{made}");
    let change = |file: &str| json!({ "revision": made["revision"], "settings": {}, "ca_file": file });
    refused("PUT", "/v1/connections/a", &change(path));
    let (status, verdict) = serving.ask("POST", "/v1/tests", &[JSON], &with("a", path).to_string());
    assert!(status == 200 && verdict.contains("\"ok\":false") && verdict.contains("--files"), "{verdict}");
    // What the operator chose stays.
    let kept = serving.read("/v1/connections/by_hand");
    assert_eq!(kept["ca_file"], path);
    let same = json!({ "revision": kept["revision"], "settings": { "greeting": "hi" }, "ca_file": path });
    let (status, told) = serving.json("PUT", "/v1/connections/by_hand", &same);
    assert_eq!(status, 200, "{told}");
    let (_, verdict) = serving.ask("POST", "/v1/tests", &[JSON], &with("by_hand", path).to_string());
    assert!(verdict.contains("\"ok\":true"), "{verdict}");
    serving.stop().good();
    let serving = Serving::start(&project, &["--files", outside.path().to_str().unwrap()]);
    assert_eq!(serving.json("POST", "/v1/connections", &with("b", path)).0, 201);
    serving.stop().good();
}

#[test]
fn what_the_project_cannot_keep_is_500_and_not_the_fault_of_who_asks() {
    let project = Project::with_people();
    project.write("operations", "no folder");
    let serving = Serving::start(&project, &[]);
    let operation = json!({ "source": { "file": "in.ndjson" }, "target": { "file": "out.ndjson" } });
    let (status, told) = problem(&serving, "PUT", "/v1/operations/copy", &[JSON], &operation.to_string());
    assert_eq!((status, &told["type"]), (500, &json!("about:blank#storage")), "{told}");
    serving.stop();
}
