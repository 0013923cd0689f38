//! The HTTP API: connections are made, tested, changed and deleted, variables kept, and what must not pass is refused.

use serde_json::{Value, json};

use crate::serving::{NDJSON, Serving};
use crate::support::Project;

/// A secret that must not come back.
const SECRET: &str = "s3cret-b8a1f0";

fn events(text: &str) -> Vec<(String, Value)> {
    let one = |block: &str| {
        let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        (line("event: "), serde_json::from_str(&line("data: ")).unwrap())
    };
    text.split("\n\n").filter(|block| block.contains("event: ")).map(one).collect()
}

/// What is told without the sizes of chunks.
fn test(serving: &Serving, screen: &Value) -> (u16, Vec<(String, Value)>) {
    let (status, text) = serving.ask("POST", "/v1/tests", &["content-type: application/json"], &screen.to_string());
    let text: String = text.split("\r\n").skip(1).step_by(2).collect();
    (status, if status == 200 { events(&text) } else { Vec::new() })
}

#[test]
fn a_connection_is_made_tested_changed_and_deleted_and_its_secret_never_comes_back() {
    let project = Project::empty();
    let serving = Serving::start(&project, &[]);
    let mut told = String::new();
    let mut keep = |answer: &Value| told.push_str(&answer.to_string());

    let connectors = serving.read("/v1/connectors");
    assert_eq!(connectors["items"][0]["name"], "fixed");
    assert!(connectors["items"][0]["settings_schema"]["properties"]["token"].is_object(), "{connectors}");

    let version = &serving.read("/v1/versions")["items"][0];
    assert_eq!((&version["role"], &version["digest"]), (&json!("serving"), &connectors["items"][0]["digest"]));
    let agent = &serving.read("/v1/agents")["items"][0];
    assert_eq!((&agent["self"], &agent["connectors"][0]["name"]), (&json!(true), &json!("fixed")));

    let settings = json!({ "greeting": "hi", "token": SECRET });
    let (status, verdict) = test(&serving, &json!({ "connector": "fixed", "name": "shop", "settings": settings }));
    let (last, before) = verdict.split_last().unwrap();
    assert_eq!((status, last.0.as_str(), &last.1["ok"]), (200, "verdict", &json!(true)), "{verdict:?}");
    assert!(before.iter().all(|(event, data)| event == "step" && data["ok"] == true), "{verdict:?}");
    verdict.iter().for_each(|(_, data)| keep(data));

    let (status, made) = serving.json("POST", "/v1/connections", &json!({ "name": "shop", "settings": settings }));
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["settings"], json!({ "greeting": "hi", "token": "[secret.token]" }));
    assert_eq!(made["hidden"], json!(["/token"]));
    keep(&made);
    assert_eq!(serving.read("/v1/connections")["items"][0]["state"], "not-opened");
    assert_eq!(serving.read("/v1/connections/shop/objects")["items"][0]["name"], "people");
    assert_eq!(serving.read("/v1/connections")["items"][0]["state"], "open");
    let schema = serving.read("/v1/connections/shop/schema?object=people");
    assert_eq!(
        (&schema["key"], &schema["activities"]["query"]["response"]["type"]),
        (&json!(["id"]), &json!("object"))
    );

    // What was not touched is sent as it came.
    let changed = json!({ "revision": made["revision"], "name": "store",
        "settings": { "greeting": "hello", "token": "[secret.token]" } });
    let (status, answer) = serving.json("PUT", "/v1/connections/shop", &changed);
    assert_eq!((status, &answer["name"], &answer["settings"]["greeting"]), (200, &json!("store"), &json!("hello")));
    keep(&answer);
    let (status, lost) = serving.json("PUT", "/v1/connections/store", &changed);
    assert_eq!((status, &lost["type"]), (409, &json!("about:blank#conflict")), "{lost}");
    assert_eq!(serving.get("/v1/connections/shop").0, 404);

    let (status, copy) = serving.json("POST", "/v1/connections/store/copy", &json!({ "name": "second" }));
    assert_eq!((status, &copy["settings"]["token"]), (201, &json!("[secret.token]")), "{copy}");
    let (status, taken) = serving.json("POST", "/v1/connections/store/copy", &json!({ "name": "second" }));
    assert_eq!((status, &taken["errors"][0]["pointer"]), (409, &json!("/name")), "{taken}");
    for path in
        ["/v1/connections/store", "/v1/connections", "/v1/variables", "/metrics", "/v1/connections/store/export"]
    {
        told.push_str(&serving.get(path).1);
    }

    assert_eq!(
        serving.read("/v1/connections/store/dependents")["items"],
        json!([{ "kind": "hidden variable", "name": "secret.token" }])
    );
    let (status, kept) = serving.json("DELETE", "/v1/connections/store", &Value::Null);
    assert_eq!((status, &kept["dependents"][0]["name"]), (409, &json!("secret.token")), "{kept}");
    assert_eq!(serving.ask("DELETE", "/v1/connections/store?dependents=delete", &[], "").0, 204);
    assert_eq!(serving.get("/v1/connections/store").0, 404);

    let ran = serving.stop().good();
    assert!(!told.contains(SECRET) && !ran.stderr.contains(SECRET), "{told}\n{}", ran.stderr);
}

#[test]
fn what_is_wrong_with_settings_is_told_at_their_place_and_nothing_is_kept() {
    let project = Project::empty();
    let serving = Serving::start(&project, &[]);
    let bad = json!({ "name": "shop", "settings": { "greetin": "x", "token": "a[b]" } });
    let (status, told) = serving.json("POST", "/v1/connections", &bad);
    let pointers: Vec<&str> =
        told["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!((status, pointers.as_slice()), (422, ["/greetin", "/token"].as_slice()), "{told}");
    assert_eq!(told["errors"][0]["hint"], "did you mean `greeting`?");
    let undefined = json!({ "name": "shop", "settings": { "token": "[nothing]" } });
    let (status, told) = serving.json("POST", "/v1/connections", &undefined);
    assert_eq!((status, &told["errors"][0]["pointer"]), (422, &json!("/token")), "{told}");
    let (_, verdict) = test(&serving, &json!({ "settings": { "token": "[nothing]" } }));
    let last = &verdict.last().unwrap().1;
    assert_eq!((&last["ok"], &last["errors"][0]["pointer"]), (&json!(false), &json!("/token")), "{verdict:?}");
    for (name, status) in [("a/b", 400), ("a:b", 400), ("", 400)] {
        assert_eq!(serving.json("POST", "/v1/connections", &json!({ "name": name })).0, status, "{name}");
    }
    let (status, told) = serving.json("POST", "/v1/connections", &json!({ "name": "x", "connector": "other" }));
    assert_eq!((status, &told["errors"][0]["pointer"]), (404, &json!("/connector")), "{told}");
    let (status, told) =
        serving.json("POST", "/v1/connections", &json!({ "name": "x", "grants": ["ftp://a", "https://b"] }));
    assert_eq!((status, &told["errors"][0]["pointer"]), (400, &json!("/grants/0")), "{told}");
    assert_eq!(serving.read("/v1/connections")["items"], json!([]));
    serving.stop().good();
}

#[test]
fn a_connection_that_another_process_changes_is_opened_anew_and_one_that_it_deletes_is_gone() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &["--look", "50ms"]);
    let account = || serving.json("POST", "/v1/connections/people/test", &Value::Null).1["account"].to_string();
    let before = account();
    project.run(&["connection", "edit", "people", "--set", "greeting=good day"]).good();
    let after = account();
    assert!(before != after && after.contains("good day"), "{before} {after}");
    project.run(&["connection", "delete", "people", "--yes"]).good();
    assert_eq!(serving.get("/v1/connections/people/objects").0, 404);
    project.run(&["connection", "add", "later"]).good();
    assert_eq!(serving.get("/v1/connections/later/objects").0, 200);
    serving.stop().good();
}

#[test]
fn variables_are_kept_listed_and_forgotten_without_the_values_of_hidden_ones() {
    let project = Project::empty();
    project
        .write("variables.toml", "[variables]\nplain = \"seen\"\n[environments.test.variables]\nplain = \"other\"\n");
    let serving = Serving::start(&project, &[]);
    let set = |name: &str, body: Value| serving.json("PUT", &format!("/v1/variables/{name}"), &body);
    assert_eq!(set("token", json!({ "value": SECRET, "hidden": true, "description": "of the shop" })).0, 204);
    assert_eq!(set("token", json!({ "value": SECRET, "environment": "live" })).0, 204);
    assert_eq!(set("run.id", json!({ "value": "x" })).0, 400);
    assert_eq!(set("x", json!({ "value": "x", "scope": "connection" })).0, 400);
    let all = serving.read("/v1/variables");
    let one = |name: &str| all["items"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!((&one("plain")["value"], &one("plain")["scope"]), (&json!("seen"), &json!("project")));
    let token = one("token");
    assert_eq!((&token["hidden"], &token["set"], token.get("value")), (&json!(true), &json!(true), None), "{token}");
    assert!(!all.to_string().contains(SECRET));
    let environments = serving.read("/v1/environments");
    let items =
        json!([{ "name": "live", "variables": 1, "group": null }, { "name": "test", "variables": 1, "group": null }]);
    assert_eq!((&environments["items"], &environments["active"]), (&items, &Value::Null));
    assert_eq!(serving.ask("DELETE", "/v1/variables/token?environment=live", &[], "").0, 204);
    assert_eq!(serving.ask("DELETE", "/v1/variables/token?environment=live", &[], "").0, 404);
    let proxy = serving.read("/v1/proxy");
    assert!(proxy["configured"] == true || proxy["reason"].as_str().unwrap().contains("--proxy"), "{proxy}");
    serving.stop().good();
}

#[test]
fn what_must_not_pass_is_refused_with_a_problem_that_says_why() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &["--rate", "50"]);
    let typed = "content-type: application/json";
    let deep = format!("{{\"object\":\"people\",\"filter\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let large = format!("{{\"object\":\"{}\"}}", "x".repeat(2 << 20));
    let query = "/v1/connections/people/query";
    let write = "/v1/connections/people/create?object=people";
    let form = "content-type: application/x-www-form-urlencoded";
    for (headers, path, body, status, word) in [
        (&["origin: http://evil.example", typed][..], query, "{}", 403, "other origins"),
        (&["origin: null", typed], query, "{}", 403, "other origins"),
        (&["sec-fetch-site: cross-site", typed], query, "{}", 403, "other origins"),
        (&["host: evil.example", typed], query, "{}", 403, "127.0.0.1"),
        (&[], query, "{}", 415, "application/json"),
        (&["content-type: text/plain"], query, "{}", 415, "application/json"),
        (&[form], write, "{}", 415, "application/x-ndjson"),
        (&[typed], query, &deep, 400, "within each other"),
        (&[NDJSON], write, &deep, 400, "within each other"),
        (&[typed], query, &large, 413, "1024 KiB"),
        (&[typed], query, "{", 400, "EOF"),
        (&[typed], query, "{\"object\":\"people\",\"wrong\":1}", 400, "wrong"),
        (&[typed], "/v1/nothing", "{}", 404, "openapi"),
        (&[typed], "/v1/deployments", "{}", 405, "openapi"),
    ] {
        let (found, text) = serving.ask("POST", path, headers, body);
        let problem: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!((found, problem["status"].as_u64()), (status, Some(u64::from(status))), "{headers:?} {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{headers:?} {problem}");
        assert_eq!(problem["errors"][0]["message"], problem["detail"], "{problem}");
    }
    let refused = (0..400).find(|_| serving.get("/v1/deployments").0 == 429);
    assert!(refused.is_some(), "a client that asks without end is never slowed down");
    serving.stop().good();
}
