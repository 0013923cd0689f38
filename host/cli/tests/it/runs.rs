//! Runs over HTTP: records are fed back to an operation, and whoever watches a run follows it to its end, whichever process runs it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::operations::until_announced;
use crate::serving::{NDJSON, Serving};
use crate::support::Project;

impl Serving {
    /// Feeds records back to an operation.
    fn feed(&self, path: &str, records: &str) -> (u16, Value) {
        let (status, text) = self.ask("POST", &format!("/v1/operations/{path}"), &[NDJSON], records);
        (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
    }

    /// What whoever watches a run is told last.
    fn end_of(&self, id: &str) -> Value {
        let (_, events) = self.get(&format!("/v1/runs/{id}/events"));
        let (_, end) = events.rsplit_once("event: end\ndata: ").unwrap_or_else(|| panic!("no end: {events}"));
        serde_json::from_str(end.lines().next().unwrap()).unwrap_or_else(|e| panic!("{e}: {events}"))
    }
}

#[test]
fn records_that_failed_are_mended_and_fed_back_over_http() {
    let project = Project::with_people();
    project.write("in.ndjson", "{\"name\":\"A\"}\n{\"name\":\"unknown\"}\n{}\n");
    project.operation(
        "add",
        "[source]\nfile = \"in.ndjson\"\n[mapping]\njq = '.'\n[target]\nconnection = \"people\"\nobject = \"people\"\nverb = \"create\"\n[run]\ncontinue_on_error = true\n",
    );
    let serving = Serving::start(&project, &[]);
    let (_, begun) = serving.json("POST", "/v1/operations/add/runs", &json!({}));
    let id = begun["id"].as_str().unwrap();
    let report = serving.end_of(id)["report"].clone();
    assert_eq!((&report["failed"], &report["unknown"]), (&json!(1), &json!(1)), "{report}");
    let rejected = project.read(&format!("runs/{id}/rejected.ndjson"));
    assert!(serving.get(&format!("/v1/runs/{id}/rejected")).1.contains(&rejected));
    let mended = rejected.replace("\"record\":{}", "\"record\":{\"name\":\"B\"}");

    // It can be tried first, and nothing stays of that.
    let (status, tried) = serving.feed("add/runs?dry_run=true&send_unknown=true", &mended);
    assert_eq!((status, &tried["report"]["read"], &tried["report"]["applied"]), (200, &json!(2), &json!(0)), "{tried}");

    // What may be in the target is not sent again by mistake, whatever somebody has noted beside it.
    let noted = mended.replace("{\"row\"", "{\"note\":\"seen\",\"row\"");
    assert_eq!(serving.feed("add/runs", &noted).0, 409);
    let (status, refused) = serving.feed("add/runs", &mended);
    assert_eq!(status, 409, "{refused}");
    let words = refused.to_string();
    for part in ["1 record may or may not be in the target already", "/resolve", "?send_unknown=true"] {
        assert!(words.contains(part), "{part}: {refused}");
    }
    assert_eq!(serving.feed("add/runs", &"[".repeat(200)).0, 400);
    let (status, refused) = serving.feed("add/runs", "\n");
    assert_eq!((status, &refused["detail"]), (400, &json!("the body holds no records")), "{refused}");
    let (status, refused) = serving.feed("add/runs", "{\"name\":\"A\"}\n{\"name\"\n");
    assert!(
        status == 400 && refused["detail"].as_str().unwrap().starts_with("cannot read the body, row 2"),
        "{refused}"
    );
    assert_eq!(serving.feed("none/runs", &mended).0, 404);
    assert_eq!(serving.feed("add/runs?send_unkown=true", &mended).0, 400);
    assert_eq!(serving.json("POST", "/v1/operations/add/runs?send_unknown=true", &json!({})).0, 400);
    let folders = || std::fs::read_dir(project.path("runs")).unwrap().count();
    assert_eq!(folders(), 1, "nothing stays of what was refused");

    let failed: String = mended.lines().filter(|line| line.contains("\"failed\"")).collect();
    let (status, begun) = serving.feed("add/runs", &failed);
    assert_eq!(status, 202, "{begun}");
    let end = serving.end_of(begun["id"].as_str().unwrap());
    assert_eq!(
        (&end["state"], &end["report"]["read"], &end["report"]["applied"]),
        (&json!("done"), &json!(1), &json!(1))
    );
    let (status, begun) = serving.feed("add/runs?send_unknown=true", &mended);
    assert_eq!(status, 202, "{begun}");
    let id = begun["id"].as_str().unwrap();
    let end = serving.end_of(id);
    assert_eq!((&end["report"]["applied"], &end["report"]["unknown"]), (&json!(1), &json!(1)), "{end}");
    assert_eq!(project.read(&format!("runs/{id}/input.ndjson")), mended);
    #[cfg(unix)]
    for (path, mode) in [(format!("runs/{id}"), 0o700), (format!("runs/{id}/input.ndjson"), 0o600)] {
        let told = std::fs::metadata(project.path(&path)).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&told) & 0o777, mode, "{path}");
    }
    serving.stop();
}

#[test]
fn nothing_is_removed_that_nobody_else_has_or_that_is_about_to_be_a_run() {
    let project = Project::with_people();
    project.write("in.ndjson", "{\"how\":\"wait\"}\n");
    project.operation(
        "wait",
        "[source]\nfile = \"in.ndjson\"\n[target]\nconnection = \"people\"\nverb = \"create\"\nobject = \"trials\"\n",
    );
    let mut child = project.start(&["run", "wait"]);
    let id = project.first_run();
    until_announced(&project, &id, 1);
    child.kill().unwrap();
    crate::support::finish(child);
    // What was under way is told by its journal alone; whether it is in the target, only a run that goes on finds out.
    project
        .run(&["runs", "remove", &id])
        .bad(1, &["keeps what nothing else has: 1 record may or may not have been done"]);
    let shown = project.run(&["runs", "show", &id]).good().stdout;
    assert!(shown.contains("--resume") && !shown.contains("--resolve") && !shown.contains("--input"), "{shown}");
    project.run(&["runs", "remove", &id, "--rejected"]).good();

    // Records that are on their way.
    let serving = Serving::start(&project, &[]);
    let mut upload = std::net::TcpStream::connect(serving.address).unwrap();
    let head = "POST /v1/operations/wait/runs HTTP/1.1\r\nhost: 127.0.0.1\r\n";
    write!(upload, "{head}content-type: application/x-ndjson\r\ncontent-length: 100\r\n\r\n{{").unwrap();
    let folders = || std::fs::read_dir(project.path("runs")).unwrap().count();
    let began = Instant::now();
    while folders() == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "no folder");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(1100));
    project.run(&["runs", "remove", "--older-than", "1s"]).good();
    assert_eq!(folders(), 1);
    drop(upload);
    serving.stop();
    assert_eq!(folders(), 0, "nothing stays of what broke off");
}

#[test]
fn a_run_of_another_process_is_followed_to_its_end() {
    let project = Project::with_people();
    project.write("in.ndjson", "{\"how\":\"wait\"}\n");
    project.operation(
        "wait",
        "[source]\nfile = \"in.ndjson\"\n[target]\nconnection = \"people\"\nverb = \"create\"\nobject = \"trials\"\n",
    );
    // Its only call waits until it is cancelled.
    let child = project.start(&["run", "wait"]);
    let id = project.first_run();
    let serving = Serving::start(&project, &[]);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| serving.get(&format!("/v1/runs/{id}/events")).1);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            // Whoever looks takes nothing from whoever is at work.
            assert_eq!(serving.read(&format!("/v1/runs/{id}"))["state"], "running");
            assert!(!watching.is_finished(), "the run has not ended");
            std::thread::sleep(Duration::from_millis(50));
        }
        project.run(&["runs", "cancel", &id]).good();
        let events = watching.join().unwrap();
        let (before, end) = events.split_once("event: end").unwrap_or_else(|| panic!("no end: {events}"));
        assert!(before.matches("event: progress").count() >= 2, "{events}");
        assert!(before.contains("\"state\":\"running\"") && before.contains("\"read\":"), "{events}");
        assert!(
            end.contains("\"can_resume\":true") && end.contains("\"state\":\"cancelled\"") && !end.contains("event:"),
            "{events}"
        );
    });
    crate::support::finish(child).says(&["stopped, as you asked"]);
    let file = project.read("operations/wait.toml");
    project.operation("wait", &format!("{file}[run]\nbatch_size = 7\n"));
    let resume = || serving.json("POST", &format!("/v1/runs/{id}/resume"), &json!({}));
    assert_eq!(resume(), (202, json!({ "id": id, "operation_changed": true, "operation_gone": false })));
    assert_eq!(serving.json("POST", &format!("/v1/runs/{id}/cancel"), &json!({})).0, 202);
    assert_eq!(serving.end_of(&id)["state"], "cancelled");
    std::fs::remove_file(project.path("operations/wait.toml")).unwrap();
    assert_eq!(resume(), (202, json!({ "id": id, "operation_changed": false, "operation_gone": true })));
    serving.stop();
}

#[test]
fn a_run_goes_on_with_the_activities_that_it_was_started_with() {
    let project = Project::with_people();
    let add = |name: &str, settings: &[&str]| {
        project.run(&[&["activity", "add", name, "--object", "people"], settings].concat()).good();
    };
    add("people/six", &["--where", "id <= 6", "--order", "id", "--page-size", "2"]);
    add("people/new", &["--verb", "create", "--batch", "1"]);
    // The second record fails and stops the run; the sixth is there already.
    let program = "if .id == 2 then {} elif .id == 6 then {id: 1, name} else {name} end";
    let operation = format!(
        "[source]\nactivity = \"people/six\"\n[mapping]\njq = '{program}'\n[target]\nactivity = \"people/new\"\n"
    );
    project.operation("copy", &operation);
    assert_eq!(project.run(&["run", "copy"]).code, 1);
    let id = project.runs().remove(0);
    let resume = |id: &str| {
        let ran = project.run(&["run", "--resume", id]);
        let report = project.run(&["runs", "show", id, "--json"]).good().json()["report"].clone();
        (ran, ["read", "applied", "failed", "not_reached"].map(|figure| report[figure].as_u64().unwrap()))
    };
    // The same in other words.
    project.operation("copy", &format!("# A copy.\ndescription = \"A copy\"\n{operation}[run]\nbatch_size = 1\n"));
    let before = ["report.json", "checkpoint", "journal.ndjson", "rejected.ndjson"]
        .map(|name| format!("runs/{id}/{name}"))
        .map(|path| (project.read(&path), path));
    let (ran, figures) = resume(&id);
    assert!(figures == [6, 4, 2, 0] && !ran.stderr.contains("by now"), "{ran:#?}");

    // Edited between the stop and the rest, which is as before.
    for (text, path) in &before {
        project.write(path, text);
    }
    project.run(&["activity", "edit", "people/six", "--limit", "4"]).good();
    project.run(&["activity", "edit", "people/new", "--upsert", "--batch", "5"]).good();
    let (ran, figures) = resume(&id);
    assert_eq!(figures, [6, 4, 2, 0], "{ran:#?}");
    ran.says(&["the operation copy does something else by now; the run goes on as it was started"]);
    std::fs::remove_file(project.path("operations/copy.toml")).unwrap();
    resume(&id).0.says(&["the operation copy is not there any more; the run goes on as it was started"]);

    // A run of which only their names were kept goes on with them as they are.
    project.operation("copy", &operation);
    assert_eq!(project.run(&["run", "copy"]).code, 1);
    let id = project.runs().remove(0);
    let path = format!("runs/{id}/operation.json");
    let mut order: Value = serde_json::from_str(&project.read(&path)).unwrap();
    assert_eq!(order["operation"]["target"]["mode"], "upsert", "{order}");
    order["operation"] = json!({
        "source": { "activity": "people/six" },
        "mapping": { "jq": program },
        "target": { "activity": "people/new" },
    });
    project.write(&path, order.to_string());
    let (ran, figures) = resume(&id);
    assert!(figures == [4, 3, 1, 0] && !ran.stderr.contains("by now"), "{ran:#?}");
}

#[test]
fn runs_are_removed_one_by_one_or_by_their_age_and_not_with_rejected_records_by_mistake() {
    let project = Project::empty();
    project.write("in.ndjson", "{\"n\":1}\n{\"n\":null}\n");
    let target = "[target]\nfile = \"out.ndjson\"\n[run]\ncontinue_on_error = true\n";
    let operation = |program: &str| format!("[source]\nfile = \"in.ndjson\"\n[mapping]\njq = '{program}'\n{target}");
    project.operation("good", &operation("."));
    project.operation("bad", &operation("if .n then . else error(\"no n\") end"));
    for _ in 0..3 {
        project.run(&["run", "good"]).good();
    }
    assert_eq!(project.run(&["run", "bad"]).code, 1);
    let ids = project.runs();
    let bad = &ids[0];
    let exists = |id: &str| project.path(&format!("runs/{id}")).exists();

    project.run(&["runs", "remove", &ids[1]]).good();
    assert!(!exists(&ids[1]));
    let told = project.run(&["runs", "remove", &ids[1]]).bad(1, &["there is no run"]);
    assert!(ids.iter().filter(|id| told.stderr.contains(*id)).count() <= 2, "not all of them: {told:#?}");
    project.run(&["runs", "remove", bad]).bad(1, &["1 record failed", "--rejected"]);
    project.run(&["runs", "remove", "--older-than", "1"]).bad(1, &["is no period"]);
    project.run(&["runs", "remove", "--older-than", "1d"]).good().says(&["0 runs removed"]);
    assert_eq!(project.runs().len(), 3);

    let serving = Serving::start(&project, &[]);
    let (first, second) =
        (serving.read("/v1/runs?limit=2"), serving.read(&format!("/v1/runs?limit=2&cursor={}", ids[2])));
    assert_eq!(
        (&first["items"][0]["id"], &first["items"][1]["id"], &first["next"]),
        (&json!(bad), &json!(ids[2]), &json!(ids[2]))
    );
    assert_eq!(
        (&second["items"][0]["id"], &second["items"][1], &second["next"]),
        (&json!(ids[3]), &Value::Null, &Value::Null)
    );
    for wrong in ["limit=0", "limit=1001", "operatoin=bad"] {
        assert_eq!(serving.get(&format!("/v1/runs?{wrong}")).0, 400, "{wrong}");
    }
    let delete = |path: &str| serving.json("DELETE", &format!("/v1/runs/{path}"), &json!({}));
    assert_eq!(delete(&ids[3]).0, 204);
    assert!(!exists(&ids[3]));
    assert_eq!(delete(&ids[3]).0, 404);
    let (status, refused) = delete(bad);
    assert_eq!((status, exists(bad)), (409, true), "{refused}");
    serving.stop();

    std::thread::sleep(Duration::from_secs(2));
    // Killed before it was a run; and something that is none of ours.
    for folder in ["20200101T000000-000000-AbCdEf", "20200101T000000-notes"] {
        std::fs::create_dir(project.path(&format!("runs/{folder}"))).unwrap();
        project.write(&format!("runs/{folder}/input.ndjson"), "{}\n");
    }
    let told = project.run(&["runs", "remove", "--older-than", "1s"]).good();
    told.says(&["1 run removed", "1 run with rejected records stay", bad]);
    assert_eq!(project.runs(), [bad.as_str()]);
    assert!(!exists("20200101T000000-000000-AbCdEf") && exists("20200101T000000-notes"));
    project.run(&["runs", "remove", "--older-than", "1s", "--rejected"]).good().says(&["1 run removed"]);
    assert!(project.runs().is_empty() && !exists(bad));
}
