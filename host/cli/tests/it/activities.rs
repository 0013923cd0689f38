//! Activities: kept by the command line and by the API alike, run, looked at, gone with their connection; results as a stream.

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::support::Project;

const OF_PEOPLE: &str = "/v1/connections/people/activities";

#[test]
fn an_activity_is_kept_changed_copied_run_and_deleted_on_the_command_line() {
    let project = Project::with_people();
    project
        .run(&["activity", "add", "people/few", "--object", "people", "--where", "id <= 5", "--order", "id asc"])
        .good();
    let ran = project.run(&["activity", "run", "people/few"]).good();
    let ids: Vec<u64> = ran.lines().iter().map(|record| record["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    project.run(&["activity", "edit", "people/few", "--limit", "2", "--unset", "order_by"]).good();
    let shown = project.run(&["activity", "show", "people/few", "--json"]).good().json();
    assert_eq!((&shown["max_records"], &shown["revision"], shown.get("order_by")), (&json!(2), &json!(2), None));
    assert_eq!(project.run(&["activity", "run", "people/few"]).good().lines().len(), 2);
    project.run(&["activity", "copy", "people/few", "more"]).good();
    project.run(&["activity", "rename", "people/more", "others"]).good();
    let list = project.run(&["activity", "list", "--json"]).good().json();
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["few", "others"]);
    project.run(&["activity", "delete", "people/others"]).good();
    project.run(&["activity", "show", "people/fw"]).bad(1, &["did you mean `few`"]);
    project.run(&["activity", "run", "people/few", "--input", "x"]).bad(1, &["--input", "a query"]);
    project
        .run(&["activity", "edit", "people/few", "--where", "id ~ 5", "--batch", "3"])
        .bad(1, &["column 4", "batch_size"]);

    project.run(&["activity", "add", "people/new", "--verb", "create", "--object", "people"]).good();
    let people = project.write("people.ndjson", "{\"name\":\"Ada\"}\n");
    let ran = project.run(&["activity", "run", "people/new", "--input", &people, "--dry-run"]).good();
    assert_eq!(ran.lines()[0]["outcome"], "skipped");
    let told = project.run(&["connection", "delete", "people"]);
    told.bad(1, &["the activity `few` goes with it", "--yes"]);
}

#[test]
fn an_activity_is_kept_changed_looked_at_and_deleted_over_http() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    let few = json!({ "name": "few", "verb": "query", "object": "people", "fields": ["id"], "where": ["id > 3"] });
    let (status, made) = serving.json("POST", OF_PEOPLE, &few);
    assert_eq!((status, &made["revision"], &made["connection"]), (201, &json!(1), &json!("people")), "{made}");
    assert_eq!(serving.json("POST", OF_PEOPLE, &few).0, 409);
    let wrong = json!({ "name": "bad", "object": "people", "where": ["id ~"], "batch_size": 3 });
    let (status, told) = serving.json("POST", OF_PEOPLE, &wrong);
    let pointers: Vec<&Value> = told["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!((status, pointers.as_slice()), (400, [&json!("/batch_size"), &json!("/where/0")].as_slice()), "{told}");
    assert_eq!(serving.json("POST", OF_PEOPLE, &json!({ "name": "a/b", "object": "people" })).0, 400);

    let one = format!("{OF_PEOPLE}/few");
    let (status, seen) = serving.json("POST", &format!("{one}/preview"), &json!({ "limit": 2 }));
    assert_eq!((status, seen), (200, json!({ "records": [{ "id": 4 }, { "id": 5 }], "count": 2, "more": true })));
    let changed = json!({ "name": "one", "revision": 1, "object": "people", "fields": ["id"], "where": ["id = 3"] });
    let (status, answer) = serving.json("PUT", &one, &changed);
    assert_eq!((status, &answer["revision"], &answer["name"]), (200, &json!(2), &json!("one")), "{answer}");
    let one = format!("{OF_PEOPLE}/one");
    let (status, told) = serving.json("PUT", &one, &changed);
    assert_eq!((status, &told["type"]), (409, &json!("about:blank#conflict")), "{told}");
    let (_, seen) = serving.json("POST", &format!("{one}/preview"), &json!({}));
    assert_eq!(seen, json!({ "records": [{ "id": 3 }], "count": 1, "more": false }));
    assert_eq!(serving.json("POST", &format!("{one}/duplicate"), &json!({ "name": "two" })).0, 201);
    let write = json!({ "name": "write", "verb": "create", "object": "people" });
    assert_eq!(serving.json("POST", OF_PEOPLE, &write).0, 201);
    assert_eq!(serving.json("POST", &format!("{OF_PEOPLE}/write/preview"), &json!({})).0, 400);
    assert_eq!(serving.read("/v1/connections")["items"][0]["activities"], 3);

    std::fs::create_dir(project.path("operations")).unwrap();
    let operation = "[source]\nactivity = \"people/two\"\n[target]\nfile = \"people.ndjson\"\n";
    project.write("operations/nightly.toml", operation);
    let dependents = serving.read("/v1/connections/people/dependents");
    let operation = json!({ "kind": "operation", "name": "nightly" });
    assert!(dependents["items"].as_array().unwrap().contains(&operation), "{dependents}");
    let (status, told) = serving.json("DELETE", "/v1/connections/people", &Value::Null);
    assert_eq!((status, &told["dependents"][0]), (409, &json!({ "kind": "activity", "name": "one" })), "{told}");
    assert_eq!(serving.ask("DELETE", &one, &[], "").0, 204);
    assert_eq!(serving.ask("GET", &one, &[], "").0, 404);
    let listed = project.run(&["activity", "list", "people", "--json"]).good().json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    serving.stop().good();
}

#[test]
fn a_query_streams_all_of_its_pages_and_says_how_it_ended() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    let stream = |query: &Value| {
        let headers = ["content-type: application/json", "accept: application/x-ndjson"];
        let (status, text) = serving.ask("POST", "/v1/connections/people/query", &headers, &query.to_string());
        assert_eq!(status, 200, "{text}");
        // What stands between the sizes of chunks.
        let lines: Vec<Value> =
            text.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
        lines
    };
    let all = stream(&json!({ "object": "people", "fields": ["id"], "page_size": 7 }));
    let (last, records) = all.split_last().unwrap();
    let ids: Vec<u64> = records.iter().map(|record| record["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    assert_eq!(last["end"]["count"], ids.len());
    // What is wrong from the beginning is no stream.
    let headers = ["content-type: application/json", "accept: application/x-ndjson"];
    let (status, text) = serving.ask("POST", "/v1/connections/people/query", &headers, "{\"object\":\"nothing\"}");
    assert!(status == 404 && text.starts_with("{\"detail\""), "{status} {text}");
    let (status, plan) =
        serving.json("POST", "/v1/connections/people/explain", &json!({ "object": "people", "page_size": 7 }));
    assert!(status == 200 && plan["steps"].is_array(), "{plan}");
    serving.stop().good();
}
