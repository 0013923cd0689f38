//! Schedules: each time at which an operation is due runs once, whoever serves the project; what does not run is told with its reason.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::support::{Project, Ran, finish};

/// More than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(90);

impl Project {
    /// An operation that copies a file, with this schedule.
    pub(crate) fn scheduled(&self, name: &str, schedule: &str) {
        self.write("in.ndjson", "{\"n\":1}\n");
        let ends = format!("[source]\nfile = \"in.ndjson\"\n[target]\nfile = \"{name}.ndjson\"\n");
        self.operation(name, &format!("{ends}[schedule]\n{schedule}\n"));
    }

    /// A process that serves it and tells what it runs.
    pub(crate) fn keeps_schedules(&self, arguments: &[&str]) -> Serving {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--log-format", "json"];
        let mut command = self.command(&[&serve, arguments].concat());
        command.env("RUST_LOG", "connector=info");
        Serving::run(command)
    }

    /// How many runs have come to their end.
    pub(crate) fn done(&self) -> usize {
        let listed = self.run(&["runs", "list", "--json"]).good().json();
        listed["items"].as_array().unwrap().iter().filter(|run| run["state"] == "done").count()
    }

    fn until_done(&self, count: usize) {
        let waited = Instant::now();
        while self.done() < count {
            assert!(waited.elapsed() < LONG, "{} of {count} runs", self.done());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The due times of which a process told this, in order.
pub(crate) fn times(left: &Ran, message: &str) -> Vec<String> {
    let lines = left.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let due = |line: Value| line["fields"]["due"].as_str().or(line["due"].as_str()).map(str::to_owned);
    lines.filter(|line| line.to_string().contains(message)).filter_map(due).collect()
}

#[test]
fn of_two_processes_one_runs_what_is_due_and_when_one_is_killed_the_other_goes_on() {
    let project = Project::empty();
    project.scheduled("copy", "every = \"2s\"");
    let (mut first, second) = (project.keeps_schedules(&[]), project.keeps_schedules(&[]));
    project.until_done(3);
    first.child.kill().unwrap();
    let first = finish(first.child);
    let before = project.done();
    project.until_done(before + 2);
    let second = second.stop();
    let mut ran = times(&first, "and runs");
    ran.extend(times(&second, "and runs"));
    let once: BTreeSet<&String> = ran.iter().collect();
    assert_eq!(once.len(), ran.len(), "a time ran twice: {ran:?}\n{first:#?}\n{second:#?}");
    assert!(ran.len() >= 5, "{ran:?}\n{first:#?}\n{second:#?}");
    // A process that is killed between its claim and its run leaves that time out; a kill does not run it twice.
    let runs = project.run(&["runs", "list", "--json"]).good().json()["items"].as_array().unwrap().len();
    assert!((ran.len()..=ran.len() + 1).contains(&runs), "{runs} runs, {ran:?}");
}

#[test]
fn lists_tell_the_schedule_the_next_run_and_why_the_last_did_not_come_about() {
    let project = Project::empty();
    project.scheduled("nightly", "cron = \"0 3 * * *\"");
    project.scheduled("broken", "every = \"1s\"");
    project.scheduled("unreadable", "evry = \"1s\"");
    std::fs::remove_file(project.path("in.ndjson")).unwrap();
    let serving = project.keeps_schedules(&[]);
    let waited = Instant::now();
    let broken = loop {
        let listed = serving.read("/v1/operations");
        let item = listed["items"][0].clone();
        if item["not_run"].is_object() {
            assert_eq!(listed["items"][1]["schedule"], "cron 0 3 * * *");
            assert!(listed["items"][1]["next_run"].as_str().unwrap().ends_with("T03:00:00Z"), "{listed}");
            break item;
        }
        assert!(waited.elapsed() < LONG, "{listed}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(broken["schedule"], "every 1s");
    assert!(broken["not_run"]["reason"].as_str().unwrap().contains("in.ndjson"), "{broken}");
    let left = serving.stop();
    assert_eq!(left.stderr.matches("runs at no time").count(), 1, "{left:#?}");
    let told = times(&left, "does not run");
    assert!(told.contains(&broken["not_run"]["due"].as_str().unwrap().to_owned()), "{told:?}");
    let listed = project.run(&["operation", "list"]).good();
    assert!(listed.stdout.contains("T03:00:00Z"), "{listed:#?}");
    listed.says(&["broken was due at"]);
    let shown = project.run(&["operation", "show", "nightly"]).good().json();
    assert_eq!(shown["schedule"], json!({ "cron": "0 3 * * *" }));
    assert!(shown["next_run"].is_string(), "{shown}");
}

#[test]
fn a_time_that_nobody_served_is_left_out_or_made_up_for_as_the_operation_says() {
    let project = Project::empty();
    project.scheduled("left", "every = \"1s\"");
    project.scheduled("made", "every = \"1s\"\nmissed = \"run\"");
    let serving = project.keeps_schedules(&[]);
    project.until_done(2);
    serving.stop();
    // An hour in which nobody serves; then a schedule whose next time is far away.
    for (name, more) in [("left", ""), ("made", "\nmissed = \"run\"")] {
        project.scheduled(name, &format!("every = \"1d\"{more}"));
    }
    let database = rusqlite::Connection::open(project.path("connector.db")).unwrap();
    database.execute("UPDATE due SET due = due - 172800, settled = settled - 172800", []).unwrap();
    drop(database);
    let before = project.done();
    let serving = project.keeps_schedules(&[]);
    project.until_done(before + 1);
    let listed = serving.read("/v1/operations");
    assert!(listed["items"][0]["not_run"]["reason"].as_str().unwrap().contains("nothing served"), "{listed}");
    assert_eq!(listed["items"][1]["not_run"], Value::Null, "{listed}");
    let left = serving.stop();
    assert_eq!((times(&left, "and runs").len(), times(&left, "does not run").len()), (1, 1), "{left:#?}");
    assert_eq!(project.done(), before + 1);
    // What was seen to is not seen to again.
    let left = project.keeps_schedules(&[]).stop();
    assert_eq!((times(&left, "and runs").len(), times(&left, "does not run").len()), (0, 0), "{left:#?}");
}

#[test]
fn a_run_that_is_still_going_is_not_joined_by_another() {
    let project = Project::empty();
    project.write("in.ndjson", "{\"n\":1}\n");
    let ends = "[source]\nfile = \"in.ndjson\"\n[target]\nfile = \"out.ndjson\"\n";
    // It does not come to its end by itself within the seconds that a program may take.
    let program = "[mapping]\njq = 'until(false; .)'\n";
    project.operation("slow", &format!("{ends}{program}[schedule]\nevery = \"1s\"\n"));
    let serving = project.keeps_schedules(&[]);
    let waited = Instant::now();
    loop {
        let listed = serving.read("/v1/operations");
        let reason = listed["items"][0]["not_run"]["reason"].as_str().unwrap_or("").to_owned();
        if reason.contains("still going") {
            break;
        }
        assert!(waited.elapsed() < LONG, "{listed}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let running = serving.read("/v1/runs");
    let running = running["items"].as_array().unwrap().iter().filter(|run| run["state"] == "running").count();
    assert!(running <= 1, "{running} at once");
    serving.stop();
}

#[test]
fn a_group_of_agents_without_a_coordinator_runs_nothing_twice_because_it_runs_nothing() {
    let project = Project::empty();
    project.scheduled("copy", "every = \"1s\"");
    project.write(
        "agents.toml",
        "[groups.g.agents.a]\nurl = \"https://a.example.com\"\n[groups.g.agents.b]\nurl = \"https://b.example.com\"\n",
    );
    let serving = project.keeps_schedules(&[]);
    let waited = Instant::now();
    while serving.read("/v1/operations")["items"][0]["not_run"].is_null() {
        assert!(waited.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(100));
    }
    let told = serving.read("/v1/operations");
    assert!(told["items"][0]["not_run"]["reason"].as_str().unwrap().contains("no `coordinator`"), "{told}");
    serving.stop();
    assert_eq!(project.done(), 0);
}
