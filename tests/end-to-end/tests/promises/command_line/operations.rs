//! Operations on a store that fails now and then, killed and resumed: nothing is lost, and nothing is doubled.
//!
//! `OPERATION_ROWS=100000` runs them at the size that users have; the default keeps the tests short.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Effect, Fault, Key, Sizes};
use serde_json::Value;

use super::project::{Project, code, text, until};

/// Memory of a run at most, bytes.
const MEMORY: u64 = 150 << 20;

fn rows() -> usize {
    std::env::var("OPERATION_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(3000)
}

fn project(products: usize) -> Project {
    let config = Config { sizes: Sizes { products, ..Sizes::default() }, journal_limit: 1000, ..Config::default() };
    let project = Project::new(config);
    // However busy this machine is, whoever kills the run sees it come on.
    project.store.switch(|switches| switches.latency = Duration::from_millis(5));
    std::fs::create_dir_all(project.path("operations")).unwrap();
    project
}

/// The newest run, as the command line tells it.
fn newest(project: &Project) -> Value {
    let listed = project.run(&["runs", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    listed["items"][0].clone()
}

fn id(run: &Value) -> &str {
    run["id"].as_str().unwrap()
}

fn count(run: &Value, word: &str) -> usize {
    run["report"][word].as_u64().unwrap() as usize
}

fn journal(project: &Project, id: &str) -> String {
    std::fs::read_to_string(project.path(&format!("runs/{id}/journal.ndjson"))).unwrap_or_default()
}

/// The length of a file in the folder of the only run, bytes.
fn length(project: &Project, file: &str) -> u64 {
    let runs = std::fs::read_dir(project.path("runs")).into_iter().flatten().flatten();
    runs.filter_map(|run| Some(std::fs::metadata(run.path().join(file)).ok()?.len())).sum()
}

/// Peak memory of a process that lives, and of those it has started: the mapping is one.
fn peak(process: u32) -> u64 {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let status = read("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    let own = line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024;
    let children = read(&format!("task/{process}/children"));
    own + children.split_whitespace().filter_map(|child| child.parse().ok()).map(peak).sum::<u64>()
}

/// The lines that a growing file has, read on from where it was left.
#[derive(Default)]
struct Lines {
    bytes: u64,
    count: usize,
}

impl Lines {
    fn look(&mut self, path: &str) -> usize {
        let Ok(mut file) = std::fs::File::open(path) else { return 0 };
        file.seek(SeekFrom::Start(self.bytes)).unwrap();
        let mut more = Vec::new();
        self.bytes += file.read_to_end(&mut more).unwrap() as u64;
        self.count += more.iter().filter(|byte| **byte == b'\n').count();
        self.count
    }
}

/// Runs an operation, kills it after each quarter of its rows, and goes on each time. Gives the last run, and the most memory that
/// was seen.
fn killed_three_times(project: &Project, operation: &str, rows: usize) -> (Value, u64) {
    let begun = Instant::now();
    let mut child = project.start(&["run", operation]);
    until("a run", || length(project, "report.json") > 0);
    let journal = project.path(&format!("runs/{}/journal.ndjson", id(&newest(project))));
    let (mut lines, mut memory) = (Lines::default(), 0);
    for part in 1..=3 {
        let begun = Instant::now();
        while lines.look(&journal) < rows * part / 4 {
            memory = memory.max(peak(child.id()));
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself: {}", newest(project));
            assert!(begun.elapsed() < Duration::from_secs(600), "the run does not come on: {}", newest(project));
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let run = newest(project);
        assert_eq!(run["state"], "interrupted", "{run}");
        adds_up(&run, &std::fs::read_to_string(&journal).unwrap());
        child = project.start(&["run", "--resume", id(&run)]);
    }
    while child.try_wait().unwrap().is_none() {
        memory = memory.max(peak(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let run = newest(project);
    assert_eq!(run["state"], "done", "{run}: {}", text(&output.stderr));
    println!("{operation}: {:.1} s with all starts, {} MiB, {run}", begun.elapsed().as_secs_f64(), memory >> 20);
    (run, memory)
}

/// Whether the figures of a run that was killed are those of its journal, and count each row once; each makes one record here.
fn adds_up(run: &Value, journal: &str) {
    let mut outcomes = BTreeMap::new();
    for line in journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let (Some(row), Some(outcome)) = (line["row"].as_u64(), line["outcome"].as_str()) {
            outcomes.insert(row, outcome.to_owned());
        }
    }
    let applied = outcomes.values().filter(|outcome| *outcome == "applied").count();
    assert_eq!(count(run, "applied"), applied, "{run}");
    let parts: usize =
        ["applied", "failed", "unknown", "skipped", "not_reached"].map(|word| count(run, word)).iter().sum();
    assert_eq!((count(run, "read"), count(run, "mapped")), (parts, parts), "{run}");
}

/// How often each row was announced, from a journal.
fn announced(journal: &str) -> BTreeMap<u64, u32> {
    let mut times = BTreeMap::new();
    for line in journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(sending) = line.get("sending") {
            for row in sending["first_row"].as_u64().unwrap()..=sending["last_row"].as_u64().unwrap() {
                *times.entry(row).or_default() += 1;
            }
        }
    }
    times
}

#[test]
fn price_updates_that_are_killed_three_times_end_as_the_file_has_them() {
    let rows = rows();
    let project = project(rows);
    let mut csv = "id,price\n".to_owned();
    let keys = project.store.store().keys("products").into_iter();
    let keys = keys.filter_map(|key| if let Key::Int(number) = key { Some(number) } else { None });
    for (number, key) in keys.enumerate() {
        csv.push_str(&format!("{key},{}.{:02}\n", number % 900 + 1, number % 100));
    }
    project.write("prices.csv", &csv);
    project.write(
        "operations/prices.toml",
        "[source]\nfile = \"prices.csv\"\n[mapping]\njq = '{id: (.id|tonumber), price}'\n\
         [target]\nconnection = \"store\"\nverb = \"update\"\nobject = \"products\"\n[run]\ncontinue_on_error = true\n",
    );
    for (nth, effect) in [(3, Effect::status(503)), (5, Effect::too_many_bare()), (9, Effect::ResetBeforeAnswering)] {
        project.store.fault(Fault::on("PUT", "/v3/catalog/products", effect).nth(nth).times(2));
    }
    let (mut run, memory) = killed_three_times(&project, "prices", rows);
    assert!(memory < MEMORY, "{} MiB", memory >> 20);
    let again: Vec<u32> = announced(&journal(&project, id(&run))).into_values().collect();
    assert_eq!(again.len(), rows);
    let repeated = again.iter().filter(|times| **times > 1).count();
    assert!(repeated <= 300, "at most the batch under way is sent again at each kill: {repeated}");
    // What the faults left unknown is fed back in until nothing is.
    for _ in 0..5 {
        let rejected = project.path(&format!("runs/{}/rejected.ndjson", id(&run)));
        if std::fs::metadata(&rejected).is_ok_and(|file| file.len() > 0) {
            project.run(&["run", "prices", "--input", &rejected]);
            run = newest(&project);
        }
    }
    for line in csv.lines().skip(1) {
        let (key, price) = line.split_once(',').unwrap();
        let stored = project.store.store().field("products", key, "price").unwrap();
        assert_eq!(stored.parse::<f64>().unwrap(), price.parse::<f64>().unwrap(), "product {key}");
    }
}

#[test]
fn creates_that_are_killed_three_times_double_nothing() {
    let rows = rows() / 5;
    let project = project(10);
    let before = project.store.store().count("products");
    let mut csv = "name,sku,type,price,weight,categories\n".to_owned();
    for number in 0..rows {
        csv.push_str(&format!("Made {number},MADE-{number},physical,25.00,1,[]\n"));
    }
    project.write("new.csv", &csv);
    project.write(
        "operations/new.toml",
        "[source]\nfile = \"new.csv\"\n[target]\nconnection = \"store\"\nverb = \"create\"\nobject = \"products\"\n\
         [run]\ncontinue_on_error = true\nbatch_size = 20\n",
    );
    for (nth, effect) in [(3, Effect::status(503)), (5, Effect::too_many_bare()), (9, Effect::ResetBeforeAnswering)] {
        project.store.fault(Fault::on("POST", "/v3/catalog/products", effect).nth(nth).times(2));
    }
    let (run, memory) = killed_three_times(&project, "new", rows);
    assert!(memory < MEMORY, "{} MiB", memory >> 20);
    let (applied, unknown) = (count(&run, "applied"), count(&run, "unknown"));
    assert_eq!(applied + unknown, rows, "{run}");
    assert!(unknown <= 60 + 6, "at most the batches under way, and what the faults hit: {run}");
    let journaled = journal(&project, id(&run));
    assert!(announced(&journaled).into_values().all(|times| times == 1), "nothing is sent twice");
    let made = project.store.store().count("products") - before;
    assert!((applied..=rows).contains(&made), "{made}: {run}");
    // What is unknown is looked up; then as many are applied as the store holds.
    project.run(&["run", "--resolve", id(&run)]);
    let run = newest(&project);
    assert_eq!(count(&run, "applied"), made, "{run}");
    let rejected = project.read(&format!("runs/{}/rejected.ndjson", id(&run)));
    assert_eq!(rejected.lines().count(), rows - made, "{run}");
}

#[test]
fn a_cancelled_export_goes_on_where_it_was() {
    let project = project(3000);
    project.store.switch(|switches| switches.latency = Duration::from_millis(300));
    project.write(
        "operations/export.toml",
        "[source]\nconnection = \"store\"\nobject = \"products\"\nfields = [\"id\"]\n[target]\nfile = \"out.ndjson\"\n",
    );
    let child = project.start(&["run", "export"]);
    until("a page", || length(&project, "records.ndjson") > 0);
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let run = newest(&project);
    assert_eq!(run["state"], "cancelled");
    assert!(!std::path::Path::new(&project.path("out.ndjson")).exists());
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let output = project.run(&["run", "--resume", id(&run)]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let ids: BTreeSet<String> = project.read("out.ndjson").lines().map(str::to_owned).collect();
    assert_eq!((ids.len(), project.read("out.ndjson").lines().count()), (3000, 3000));
}
