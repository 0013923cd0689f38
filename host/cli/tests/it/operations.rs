//! Operations: from a file or a query, through a mapping, into a file or a write; what is wrong with them is told with its place.

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::support::Project;

impl Project {
    /// Writes an operation.
    pub(crate) fn operation(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path("operations")).unwrap();
        self.write(&format!("operations/{name}.toml"), text);
    }

    /// The ids of the runs, the newest first.
    fn runs(&self) -> Vec<String> {
        let listed = self.run(&["runs", "list", "--json"]).good().json();
        listed["items"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    }
}

const PEOPLE: &str = "[source]\nconnection = \"people\"\nobject = \"people\"\n";

#[test]
fn a_query_becomes_a_file_and_a_report() {
    let project = Project::with_people();
    project.operation("export", &format!("{PEOPLE}[target]\nfile = \"people.csv\"\n"));
    let ran = project.run(&["run", "export"]).good();
    assert!(ran.stdout.contains("export: done") && ran.stdout.contains("applied  1,000"), "{}", ran.stdout);
    assert_eq!(project.read("people.csv").lines().count(), 1001);
    let shown = project.run(&["runs", "show", &project.runs()[0], "--json"]).good().json();
    assert_eq!((&shown["state"], &shown["report"]["read"]), (&json!("done"), &json!(1000)));
}

#[test]
fn records_go_through_a_parquet_file_and_come_back_as_they_were() {
    let project = Project::with_people();
    project.operation("out", &format!("{PEOPLE}[target]\nfile = \"people.parquet\"\n"));
    project.operation("back", "[source]\nfile = \"people.parquet\"\n[target]\nfile = \"back.ndjson\"\n");
    project.operation("straight", &format!("{PEOPLE}[target]\nfile = \"people.ndjson\"\n"));
    for name in ["out", "back", "straight"] {
        project.run(&["run", name]).good();
    }
    let records = |file: &str| -> Vec<Value> {
        project.read(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(records("back.ndjson").len(), 1000);
    assert_eq!(records("back.ndjson"), records("people.ndjson"));
    // A query makes the same file, and none on stdout.
    project.run(&["query", "people", "people", "--output", "people.parquet"]).good();
    project.run(&["run", "back"]).good();
    assert_eq!(records("back.ndjson"), records("people.ndjson"));
    project.run(&["query", "people", "people", "--format", "parquet"]).bad(1, &["stdout", "--output"]);
    project.run(&["query", "people", "people", "--where", "id < 0", "--output", "none.parquet"]).good();
    assert!(project.path("none.parquet").exists(), "columns are known without any record");
}

#[test]
fn a_mapping_makes_any_number_of_records_of_a_row_and_keeps_every_digit() {
    let project = Project::empty();
    project.write("in.csv", "id,price,tags\n12345678901234567890,25.00,a b\n2,1.50,\n3,x,c\n");
    let program = "if .price == \"x\" then error(\"no price\") else (.tags // \"\" | split(\" \") | .[]) as $t | {id, price, t: $t} end";
    project.operation(
        "map",
        &format!(
            "[source]\nfile = \"in.csv\"\n[mapping]\njq = '{program}'\n[target]\nfile = \"out.ndjson\"\n[run]\ncontinue_on_error = true\n"
        ),
    );
    let ran = project.run(&["run", "map", "--json"]);
    assert_eq!(ran.code, 1, "a row failed: {ran:#?}");
    let report = &ran.json()["report"];
    assert_eq!(
        (&report["read"], &report["mapped"], &report["applied"], &report["failed"]),
        (&json!(3), &json!(2), &json!(2), &json!(1))
    );
    let price = "12345678901234567890";
    assert_eq!(
        project.read("out.ndjson"),
        format!("{{\"id\":{price},\"price\":25.00,\"t\":\"a\"}}\n{{\"id\":{price},\"price\":25.00,\"t\":\"b\"}}\n")
    );
    let run = &project.runs()[0];
    let rejected: Value = serde_json::from_str(&project.read(&format!("runs/{run}/rejected.ndjson"))).unwrap();
    assert_eq!(
        (&rejected["row"], &rejected["stage"], &rejected["record"]),
        (&json!(3), &json!("mapping"), &json!({"id": 3, "price": "x", "tags": "c"}))
    );
    assert!(rejected["error"]["message"].as_str().unwrap().contains("no price"), "{rejected}");
}

#[test]
fn records_that_failed_are_mended_and_fed_back_in() {
    let project = Project::empty();
    project.write("in.ndjson", "{\"n\":1}\n{\"n\":null}\n");
    project.operation(
        "map",
        "[source]\nfile = \"in.ndjson\"\n[mapping]\njq = 'if .n then {n: .n} else error(\"no n\") end'\n[target]\nfile = \"out.ndjson\"\n[run]\ncontinue_on_error = true\n",
    );
    let failed = project.run(&["run", "map"]).says(&["1 record failed", "--input"]);
    assert_eq!(failed.code, 1);
    let rejected = format!("runs/{}/rejected.ndjson", project.runs()[0]);
    project.write("mended.ndjson", project.read(&rejected).replace("null", "2.50"));
    project.run(&["run", "map", "--input", project.path("mended.ndjson").to_str().unwrap()]).good();
    assert_eq!(project.read("out.ndjson"), "{\"n\":2.50}\n");
}

#[test]
fn a_program_that_never_ends_or_takes_all_memory_costs_its_run_a_clear_error() {
    let project = Project::empty();
    project.write("in.ndjson", "{\"n\":1}\n");
    for (program, words) in [
        ("until(false; .)", "for more than 5 s"),
        ("[range(1e9)] | {a: .}", "bad end"),
        ("def f: 1 + f; {a: f}", "bad end"),
    ] {
        project.operation(
            "bad",
            &format!("[source]\nfile = \"in.ndjson\"\n[mapping]\njq = '{program}'\n[target]\nfile = \"out.ndjson\"\n"),
        );
        let ran = project.run(&["run", "bad"]);
        assert_eq!(ran.code, 1, "{program}: {ran:#?}");
        assert!(ran.stderr.contains(words), "{program}: {ran:#?}");
        assert!(!project.path("out.ndjson").exists());
    }
}

#[test]
fn a_program_reads_no_environment_and_no_file() {
    let project = Project::empty();
    project.write("in.ndjson", "{\"n\":1}\n");
    let operation = |program: &str| {
        project.operation(
            "env",
            &format!("[source]\nfile = \"in.ndjson\"\n[mapping]\njq = '{program}'\n[target]\nfile = \"out.ndjson\"\n"),
        );
    };
    operation("{env: env, more: $ENV}");
    let ran = project.run(&["run", "env"]);
    if ran.code == 0 {
        assert_eq!(project.read("out.ndjson"), "{\"env\":{},\"more\":{}}\n");
    }
    operation("include \"in\"; .");
    project.run(&["run", "env"]).bad(1, &["no other files"]);
    operation("{n: input}");
    project.run(&["run", "env"]).bad(1, &["there is no such"]);
}

#[test]
fn every_mistake_of_an_operation_is_told_with_its_line() {
    let project = Project::with_people();
    project.operation(
        "bad",
        "descripton = \"x\"\n[source]\nconnection = \"people\"\nobject = \"people\"\nwher = [\"id = 1\"]\n[target]\nfile = \"out.xyz\"\n[run]\nbatch_size = 0\n",
    );
    let told = project.run(&["operation", "check", "bad"]).bad(
        1,
        &[
            "bad.toml:1: an operation has no key `descripton`",
            "did you mean `description`?",
            "bad.toml:5: `source` has no key `wher`",
            "did you mean `where`?",
            "bad.toml:9",
        ],
    );
    assert!(told.stderr.contains("out.xyz"), "{told:#?}");
    project.operation(
        "gone",
        "[source]\nfile = \"nowhere.csv\"\n[target]\nconnection = \"peple\"\nobject = \"people\"\nverb = \"create\"\n",
    );
    project.run(&["operation", "check", "gone"]).bad(1, &["nowhere.csv", "did you mean `people`?", "gone.toml:3"]);
    project.operation("jq", &format!("{PEOPLE}[mapping]\njq = \"{{a: .b\"\n[target]\nfile = \"a.csv\"\n"));
    project.run(&["operation", "check", "jq"]).bad(1, &["jq.toml:5", "line 1, column"]);
    project.run(&["run", "exprot"]).bad(1, &["there is no operation `exprot`"]);
    project.operation("toml", "[source\n");
    project.run(&["run", "toml"]).bad(1, &["toml.toml:1"]);
}

#[test]
fn a_circle_of_operations_is_refused_and_a_chain_runs() {
    let project = Project::empty();
    project.write("in.ndjson", "{\"n\":1}\n");
    let files = |after: &str, out: &str| format!("[source]\nfile = \"in.ndjson\"\n[target]\nfile = \"{out}\"\n{after}");
    project.operation("a", &files("[after]\nsuccess = \"b\"\n", "a.ndjson"));
    project.operation("b", &files("[after]\nsuccess = \"a\"\n", "b.ndjson"));
    project.run(&["run", "a"]).bad(1, &["a.toml:6", "in a circle: a, then b, then a again"]);
    project.operation("b", &files("", "b.ndjson"));
    project.run(&["run", "a"]).good();
    assert_eq!(project.read("b.ndjson"), "{\"n\":1}\n");
    assert_eq!(project.runs().len(), 2);
}

#[test]
fn a_preview_and_a_dry_run_write_nothing() {
    let project = Project::with_people();
    project.operation(
        "export",
        &format!("{PEOPLE}[mapping]\njq = \"{{id, twice: (.id * 2)}}\"\n[target]\nfile = \"out.ndjson\"\n"),
    );
    let rows = project.run(&["operation", "preview", "export", "--limit", "2", "--json"]).good().json();
    let rows = rows["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[1]["out"][0]["twice"]), (2, &json!(rows[1]["in"]["id"].as_i64().unwrap() * 2)));
    let ran = project.run(&["run", "export", "--dry-run"]).good();
    assert!(ran.stdout.contains("nothing was written"), "{ran:#?}");
    assert!(!project.path("out.ndjson").exists() && !project.path("runs").exists(), "{:?}", project.files());
}

#[test]
fn operations_are_changed_run_and_watched_over_http() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    let operation = json!({
        "source": { "connection": "people", "object": "people" },
        "mapping": { "jq": "{id}" },
        "target": { "file": "out.ndjson" },
    });
    let (status, made) = serving.json("PUT", "/v1/operations/export", &operation);
    assert_eq!((status, &made["name"]), (200, &json!("export")), "{made}");
    // Whoever has not seen what is there does not replace it.
    assert_eq!(serving.json("PUT", "/v1/operations/export", &operation).0, 409);
    let mut changed = made.clone();
    changed["description"] = json!("ids");
    assert_eq!(serving.json("PUT", "/v1/operations/export", &changed).0, 200);
    let (_, checked) =
        serving.json("POST", "/v1/operations/check", &json!({ "sorce": {}, "target": { "file": "a.csv" } }));
    let pointers: Vec<&Value> = checked["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/sorce", "/source"]);
    let (_, rows) = serving.json("POST", "/v1/operations/preview", &json!({ "operation": operation, "limit": 2 }));
    assert_eq!(rows["rows"].as_array().unwrap().len(), 2, "{rows}");

    let (status, begun) = serving.json("POST", "/v1/operations/export/runs", &json!({}));
    assert_eq!(status, 202, "{begun}");
    let id = begun["id"].as_str().unwrap();
    let (_, events) = serving.get(&format!("/v1/runs/{id}/events"));
    let end = events.rsplit("event: end").next().unwrap();
    assert!(end.contains("\"state\":\"done\"") && end.contains("\"applied\":1000"), "{events}");
    assert_eq!(project.read("out.ndjson").lines().count(), 1000);
    let listed = serving.read("/v1/operations");
    assert_eq!(listed["items"][0]["last_run"]["state"], "done", "{listed}");
    assert_eq!(serving.read("/v1/runs?operation=export")["items"].as_array().unwrap().len(), 1);
    assert_eq!(serving.json("POST", &format!("/v1/runs/{id}/cancel"), &json!({})).0, 409);
    assert_eq!(serving.get("/v1/runs/none").0, 404);
    assert_eq!(serving.get("/v1/runs/..%2F..").0, 404);
    assert_eq!(serving.json("DELETE", "/v1/operations/export", &json!({})).0, 204);
    assert_eq!(serving.get("/v1/operations/export").0, 404);
    serving.stop();
}
