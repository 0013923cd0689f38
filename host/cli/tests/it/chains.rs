//! Runs that follow each other, and runs that cannot start: these are kept, and are failures like any other.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::support::Project;

/// More than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(90);

/// An operation that copies a file.
fn copies(from: &str, to: &str, more: &str) -> String {
    format!("[source]\nfile = \"{from}\"\n[target]\nfile = \"{to}\"\n{more}")
}

impl Project {
    /// `c1`, then on success `c2`, which cannot start, and on failure `c3`.
    fn with_a_chain(&self, first: &str) {
        self.write("in.ndjson", "{\"n\":1}\n");
        self.operation("c1", first);
        self.operation("c2", &copies("missing.ndjson", "c2.ndjson", "[after]\nsuccess = \"c1b\"\nfailure = \"c3\"\n"));
        self.operation("c1b", &copies("in.ndjson", "c1b.ndjson", ""));
        self.operation("c3", &copies("in.ndjson", "c3.ndjson", ""));
    }

    /// The runs, the oldest first: operation and state.
    fn ran(&self) -> Vec<(String, String)> {
        let listed = self.run(&["runs", "list", "--json"]).good().json();
        let text = |run: &Value, member: &str| run[member].as_str().unwrap().to_owned();
        let mut runs: Vec<_> = listed["items"].as_array().unwrap().clone();
        runs.reverse();
        runs.iter().map(|run| (text(run, "operation"), text(run, "state"))).collect()
    }
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(operation, state)| ((*operation).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn an_operation_that_cannot_start_is_a_failed_run_and_what_follows_a_failure_runs() {
    let project = Project::empty();
    project.with_a_chain(&copies("in.ndjson", "c1.ndjson", "[after]\nsuccess = \"c2\"\n"));
    let ran = project.run(&["run", "c1"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert_eq!(project.ran(), pairs(&[("c1", "done"), ("c2", "failed"), ("c3", "done")]));
    assert_eq!(project.read("c3.ndjson"), "{\"n\":1}\n");
    assert!(!project.path("c1b.ndjson").exists(), "nothing succeeded before it");
    assert!(ran.stdout.contains("of c1: done") && ran.stdout.contains("of c3: done"), "{ran:#?}");
    assert_eq!(ran.stderr.matches("cannot read the input file").count(), 1, "told once: {ran:#?}");
    let ran = ran.says(&[
        "then the operation c2",
        "c2.toml:2: cannot read",
        "then the operation c3",
        "c2 failed, as told above",
    ]);

    // The run says why, and that there is nothing to go on with.
    let failed = project.run(&["runs", "list", "c2", "--json"]).good().json()["items"][0].clone();
    let id = failed["id"].as_str().unwrap();
    assert!(ran.stderr.contains(&format!("kept as the run {id}")), "{ran:#?}");
    assert!(failed["errors"][0]["message"].as_str().unwrap().contains("missing.ndjson"), "{failed}");
    assert!(failed["started"].is_string() && failed["ended"].is_string(), "{failed}");
    assert_eq!(failed["can_resume"], json!(false));
    let shown = project.run(&["runs", "show", id]).good();
    assert!(shown.stdout.contains("`connector run c2` starts another run"), "{shown:#?}");
    assert!(!shown.stdout.contains("--resume"), "{shown:#?}");
    project.run(&["run", "--resume", id]).bad(1, &["could not start", "`connector run c2`"]);
}

#[test]
fn nothing_is_kept_of_what_was_only_tried_or_is_no_operation() {
    let project = Project::empty();
    project.operation("gone", &copies("missing.ndjson", "out.ndjson", ""));
    project.operation("round", &copies("missing.ndjson", "out.ndjson", "[after]\nfailure = \"round\"\n"));
    project.run(&["run", "gone", "--dry-run"]).bad(1, &["missing.ndjson"]);
    project.run(&["run", "none"]).bad(1, &["there is no operation `none`"]);
    project.run(&["run", "round"]).bad(1, &["in a circle"]);
    // Whoever feeds a file back is there, and names the right one.
    project.run(&["run", "gone", "--input", "nowhere.ndjson"]).bad(1, &["nowhere.ndjson"]);
    assert!(!project.path("runs").exists(), "{:?}", project.files());
    project.run(&["run", "gone"]).bad(1, &["missing.ndjson"]);
    project.operation("lost", "[source]\nconnection = \"nowhere\"\nobject = \"x\"\n[target]\nfile = \"out.ndjson\"\n");
    project.run(&["run", "lost"]).bad(1, &["there is no connection `nowhere`"]);
    assert_eq!(project.ran(), pairs(&[("gone", "failed"), ("lost", "failed")]));
}

#[test]
fn what_cannot_start_over_http_or_by_a_schedule_is_a_failed_run_too() {
    let project = Project::empty();
    project.with_a_chain(&copies("missing.ndjson", "c1.ndjson", "[after]\nfailure = \"c2\"\n"));
    let until = |expected: &[(&str, &str)]| {
        let began = Instant::now();
        while project.ran() != pairs(expected) {
            assert!(began.elapsed() < LONG, "{:?}", project.ran());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let serving = Serving::start(&project, &[]);
    let (status, refused) = serving.json("POST", "/v1/operations/c1/runs", &json!({}));
    assert!(status >= 400 && refused["detail"].as_str().unwrap().contains("missing.ndjson"), "{status} {refused}");
    let run = serving.read(&format!("/v1/runs/{}", refused["run"].as_str().unwrap()));
    assert_eq!((&run["operation"], &run["state"], &run["can_resume"]), (&json!("c1"), &json!("failed"), &json!(false)));
    assert_eq!(run["errors"][0]["message"], refused["errors"][0]["message"]);
    until(&[("c1", "failed"), ("c2", "failed"), ("c3", "done")]);
    serving.stop();

    let project = Project::empty();
    project.write("in.ndjson", "{\"n\":1}\n");
    project.operation("c3", &copies("in.ndjson", "c3.ndjson", ""));
    let more = "[after]\nfailure = \"c3\"\n[schedule]\nevery = \"1s\"\n";
    project.operation("c1", &copies("missing.ndjson", "c1.ndjson", more));
    let serving = project.keeps_schedules(&[]);
    let began = Instant::now();
    while !project.ran().contains(&("c3".to_owned(), "done".to_owned())) {
        assert!(began.elapsed() < LONG, "{:?}", project.ran());
        std::thread::sleep(Duration::from_millis(100));
    }
    let listed = serving.read("/v1/operations");
    let c1 = &listed["items"][0];
    assert!(c1["not_run"]["reason"].as_str().unwrap().contains("missing.ndjson"), "{listed}");
    assert_eq!(c1["last_run"]["state"], "failed", "{listed}");
    serving.stop();
}
