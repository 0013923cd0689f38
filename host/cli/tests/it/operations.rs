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
    pub(crate) fn runs(&self) -> Vec<String> {
        let listed = self.run(&["runs", "list", "--json"]).good().json();
        listed["items"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits for a run, and answers its id.
    pub(crate) fn first_run(&self) -> String {
        let began = std::time::Instant::now();
        loop {
            if let Some(id) = self.path("runs").exists().then(|| self.runs().pop()).flatten() {
                return id;
            }
            assert!(began.elapsed().as_secs() < 120, "no run");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// Figures of a report, as they are counted.
fn counted(report: &Value) -> [u64; 3] {
    ["applied", "failed", "unknown"].map(|word| report[word].as_u64().unwrap())
}

/// Waits until a run's journal has announced so many calls.
pub(crate) fn until_announced(project: &Project, id: &str, calls: usize) {
    let began = std::time::Instant::now();
    let path = project.path(&format!("runs/{id}/journal.ndjson"));
    while std::fs::read_to_string(&path).unwrap_or_default().matches("{\"sending\"").count() < calls {
        assert!(began.elapsed().as_secs() < 120, "call {calls} was not announced");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

pub(crate) const PEOPLE: &str = "[source]\nconnection = \"people\"\nobject = \"people\"\n";

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

/// An operation that creates people from `in.ndjson`.
fn creates(object: &str, run: &str) -> String {
    format!(
        "[source]\nfile = \"in.ndjson\"\n[target]\nconnection = \"people\"\nverb = \"create\"\nobject = \"{object}\"\n[run]\n{run}\n"
    )
}

#[test]
fn unknown_records_of_a_run_are_looked_up_and_its_report_and_rejected_records_tell_it() {
    let project = Project::with_people();
    let lost = |number: u8| format!("{{\"name\":\"unknown\",\"balance\":{number}}}");
    let input = ["{\"name\":\"A\"}", &lost(2), &lost(3), &lost(4), "{\"id\":1,\"name\":\"B\"}"];
    project.write("in.ndjson", format!("{}\n", input.join("\n")));
    project.operation("new", &creates("people", "continue_on_error = true"));
    let ran = project.run(&["run", "new"]);
    let id = project.runs().remove(0);
    ran.says(&["1 record failed, 3 records may or may not", &format!("`connector run --resolve {id}`")]);
    // The fixed connector never knows what became of such a record.
    let ran = project.run(&["run", "--resolve", &id, "--json"]);
    assert_eq!((ran.code, counted(&ran.json()["report"])), (1, [1, 1, 3]), "{ran:#?}");
    let file = |name: &str| format!("runs/{id}/{name}");
    let before = ["report.json", "rejected.ndjson", "checkpoint"].map(|name| (file(name), project.read(&file(name))));
    // Of these it does.
    let journal = project.read(&file("journal.ndjson"));
    let journal = journal.replace(&lost(2), "{\"name\":\"found\"}").replace(&lost(3), "{\"id\":1,\"name\":\"C\"}");
    project.write(&file("journal.ndjson"), journal);
    let told = || -> (Vec<(u64, String)>, [u64; 3]) {
        let rejected = project.read(&file("rejected.ndjson"));
        let lines = rejected.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let lines = lines.map(|line| (line["row"].as_u64().unwrap(), line["outcome"].as_str().unwrap().to_owned()));
        let shown = project.run(&["runs", "show", &id, "--json"]).good().json();
        assert_eq!(shown["state"], "done");
        (lines.collect(), counted(&shown["report"]))
    };
    let expected = (vec![(3, "failed".to_owned()), (4, "unknown".to_owned()), (5, "failed".to_owned())], [2, 2, 1]);
    let ran = project.run(&["run", "--resolve", &id]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.says(&["3 rows looked up: 1 applied, 1 not, 1 still unknown", "2 records failed, 1 record may or may not"]);
    assert_eq!(told(), expected);
    assert!(project.read(&file("rejected.ndjson")).contains("\"kind\":\"conflict\""), "the reason that was found");

    // Killed when the journal had it, and nothing else.
    for (path, text) in &before {
        project.write(path, text);
    }
    project.write(&file("resolving"), "");
    let serving = Serving::start(&project, &[]);
    let (status, run) = serving.json("POST", &format!("/v1/runs/{id}/resolve"), &json!({}));
    assert_eq!((status, counted(&run["report"])), (200, expected.1), "{run}");
    assert_eq!(told(), expected);
    assert!(!project.path(&file("resolving")).exists());
    assert_eq!(serving.json("POST", "/v1/runs/none/resolve", &json!({})).0, 404);
    serving.stop();
    // Every row was sent once.
    assert_eq!(project.read(&file("journal.ndjson")).matches("{\"sending\"").count(), 1);
}

#[test]
fn a_run_that_an_unknown_record_stopped_goes_on_when_it_is_looked_up() {
    let project = Project::with_people();
    project.write("in.ndjson", "{\"name\":\"A\"}\n{\"name\":\"unknown\"}\n{\"name\":\"B\"}\n{\"name\":\"C\"}\n");
    project.operation("new", &creates("people", "batch_size = 2"));
    assert_eq!(project.run(&["run", "new"]).code, 1);
    let id = project.runs().remove(0);
    let file = |name: &str| format!("runs/{id}/{name}");
    let journal = project.read(&file("journal.ndjson"));
    project.write(&file("journal.ndjson"), journal.replace("\"name\":\"unknown\"", "\"name\":\"found\""));
    let run = project.run(&["run", "--resolve", &id, "--json"]).good().json();
    assert_eq!((&run["state"], counted(&run["report"])), (&json!("failed"), [2, 0, 0]), "{run}");
    let run = project.run(&["run", "--resume", &id, "--json"]).good().json();
    assert_eq!((&run["state"], counted(&run["report"])), (&json!("done"), [4, 0, 0]), "{run}");
    assert_eq!(project.read(&file("rejected.ndjson")), "");
    let journal = project.read(&file("journal.ndjson"));
    for name in ["A", "B", "C"] {
        assert_eq!(journal.matches(&format!("{{\"name\":\"{name}\"}}")).count(), 1, "sent once: {journal}");
    }
}

#[test]
fn a_run_is_cancelled_by_other_processes() {
    let project = Project::with_people();
    project.write("in.ndjson", "{\"how\":\"wait\"}\n".repeat(3));
    project.operation("wait", &creates("trials", "batch_size = 1\ncontinue_on_error = true"));
    let state = |id: &str| project.run(&["runs", "show", id, "--json"]).good().json()["state"].clone();

    // The first call waits until it is cancelled: by the command line.
    let child = project.start(&["run", "wait"]);
    let id = project.first_run();
    until_announced(&project, &id, 1);
    assert_eq!(state(&id), "running");
    // Nothing is sent twice meanwhile: what is at work is neither resumed nor looked up.
    project.run(&["run", "--resolve", &id]).bad(1, &["at work already"]);
    project.run(&["runs", "remove", &id]).bad(1, &["at work already"]);
    project.run(&["runs", "remove", "--older-than", "1s"]).good().says(&["0 runs removed"]);
    project.run(&["runs", "cancel", &id]).good();
    crate::support::finish(child).says(&["stopped, as you asked", "--resume"]);
    assert_eq!(state(&id), "cancelled");
    project.run(&["runs", "cancel", &id]).bad(1, &["is not at work: it is cancelled"]);

    // It goes on, and is cancelled over HTTP by a process that does not run it.
    let child = project.start(&["run", "--resume", &id]);
    until_announced(&project, &id, 2);
    let serving = Serving::start(&project, &[]);
    let cancel = format!("/v1/runs/{id}/cancel");
    assert_eq!(serving.json("POST", &cancel, &json!({})).0, 202);
    crate::support::finish(child).says(&["stopped, as you asked"]);
    assert_eq!(state(&id), "cancelled");
    assert_eq!(serving.json("POST", &cancel, &json!({})).0, 409);
    assert!(!project.path(&format!("runs/{id}/cancel")).exists());
    serving.stop();
}

/// An operation that creates people from a file, mapped.
const CREATE: &str = "[source]\nfile = \"in.ndjson\"\n[mapping]\njq = '.'\n[target]\nconnection = \"people\"\nobject = \"people\"\nverb = \"create\"\n";

#[test]
fn records_of_which_nobody_knows_are_looked_up_before_they_are_sent_again() {
    let project = Project::with_people();
    project.write("in.ndjson", "{\"name\":\"A\"}\n{\"name\":\"unknown\"}\n{}\n");
    project.operation("add", &format!("{CREATE}[run]\ncontinue_on_error = true\n"));
    let ran = project.run(&["run", "add"]);
    assert_eq!(ran.code, 1);
    ran.says(&[
        "1 record failed, 1 record may or may not have been done",
        "--resolve",
        "row 3: ",
        "row 2: no answer came",
    ]);
    let rejected = project.read(&format!("runs/{}/rejected.ndjson", project.runs()[0]));
    let mended = project.write("mended.ndjson", rejected.replace("\"record\":{}", "\"record\":{\"name\":\"B\"}"));
    let again = ["run", "add", "--input", &mended];
    project.run(&again).bad(1, &["1 record may or may not be in the target already", "--send-unknown"]);
    assert_eq!(project.runs().len(), 1, "nothing began");
    let report = project.run(&[&again[..], &["--send-unknown", "--json"]].concat()).json()["report"].clone();
    assert_eq!((&report["applied"], &report["unknown"]), (&json!(1), &json!(1)));
    let failed: String = rejected.lines().filter(|line| line.contains("\"failed\"")).collect();
    let mended = project.write("mended.ndjson", failed.replace("\"record\":{}", "\"record\":{\"name\":\"B\"}"));
    project.run(&["run", "add", "--input", &mended]).good();
    // A strict update does the same whether it was done before or not.
    let line = "{\"row\":1,\"item\":1,\"stage\":\"target\",\"outcome\":\"unknown\",\"error\":{},\"record\":{\"id\":1,\"name\":\"A\"}}\n";
    let input = project.write("update.ndjson", line);
    project.operation("change", &CREATE.replace("create", "update"));
    let ran = project.run(&["run", "change", "--input", &input]);
    assert!(!ran.stderr.contains("--send-unknown") && project.runs().len() == 4, "{ran:#?}");
}

#[test]
fn a_dry_run_and_a_preview_tell_why_records_would_be_refused() {
    let project = Project::with_people();
    project.write("in.ndjson", "{\"name\":\"A\"}\n".to_owned() + &"{}\n".repeat(12));
    project.operation("add", CREATE);
    let ran = project.run(&["run", "add", "--dry-run"]);
    assert!(ran.code == 1 && !ran.stderr.contains("--resume") && !project.path("runs").exists(), "{ran:#?}");
    ran.says(&["12 records failed", "rows 2, 3, 4, 5, 6 and 7 more: "]);
    let told = project.run(&["run", "add", "--dry-run", "--json"]);
    assert_eq!((told.code, &told.json()["state"], &told.json()["id"]), (1, &json!("failed"), &Value::Null));
    let reason = told.json()["errors"][0]["reasons"][0].clone();
    assert_eq!((&reason["count"], &reason["rows"]), (&json!(12), &json!([2, 3, 4, 5, 6])), "{told:#?}");
    let rows = project.run(&["operation", "preview", "add", "--limit", "2", "--json"]).good().json();
    assert!(rows["rows"][0]["error"].is_null() && rows["rows"][1]["error"] == reason["message"], "{rows}");
    let serving = Serving::start(&project, &[]);
    let (status, over_http) = serving.json("POST", "/v1/operations/add/runs", &json!({ "dry_run": true }));
    assert_eq!((status, &over_http["errors"][0]["reasons"][0]), (200, &reason), "{over_http}");
    assert_eq!((&over_http["state"], &over_http["id"]), (&json!("failed"), &Value::Null));
    serving.stop();
}

#[test]
fn a_run_that_ended_early_is_shown_with_its_reasons_and_every_row_in_its_figures() {
    let project = Project::with_people();
    project.write("in.ndjson", "{\"name\":\"A\"}\n".repeat(3) + "{}\n" + &"{\"name\":\"A\"}\n".repeat(6));
    project.operation("add", &format!("{CREATE}[run]\nbatch_size = 2\n"));
    assert_eq!(project.run(&["run", "add"]).code, 1);
    let id = &project.runs()[0];
    let shown = project.run(&["runs", "show", id]).good();
    for part in ["row 4: ", "rejected.ndjson", &format!("--resume {id}"), "started  2", "ended    2", "6 not reached"] {
        assert!(shown.stdout.contains(part), "{part}: {shown:#?}");
    }
    let all_are_counted = || {
        let report = project.run(&["runs", "show", id, "--json"]).good().json()["report"].clone();
        let figure = |name: &str| report[name].as_u64().unwrap();
        let parts: u64 = ["applied", "failed", "unknown", "skipped", "not_reached"].map(figure).iter().sum();
        assert_eq!((figure("read"), figure("mapped"), parts), (10, 10, 10), "{report}");
    };
    all_are_counted();
    // It goes on as it was started, and says so where that is something else by now.
    assert!(!project.run(&["run", "--resume", id]).stderr.contains("by now"));
    all_are_counted();
    project.operation("add", &format!("{CREATE}[run]\nbatch_size = 3\n"));
    project.run(&["run", "add"]);
    project.operation("add", &format!("{CREATE}[run]\nbatch_size = 4\n"));
    project.run(&["run", "--resume", &project.runs()[0]]).says(&["the operation add does something else by now"]);
}
