//! Incremental queries with a state file.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bigcommerce_emulator::{Config, Sizes};
use serde_json::Value;

use super::project::{Project, code, text};

/// The ids of NDJSON records.
fn ids(ndjson: &[u8]) -> Vec<u64> {
    text(ndjson)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().expect("a record with an id"))
        .collect()
}

#[test]
fn a_state_file_makes_each_query_deliver_what_changed_since_the_last() {
    let project = Project::new(Config::default());
    let (state, out) = (project.path("state.json"), project.path("out.ndjson"));
    let query = ["query", "store", "products", "--since", &state, "--output", &out];
    let run = |count: usize| {
        let output = project.run(&query);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let got = ids(project.read("out.ndjson").as_bytes());
        assert_eq!(got.len(), count, "{got:?}");
        got
    };
    let all = run(500);
    run(0);
    let change = project.write("change.ndjson", format!("{{\"id\":{},\"name\":\"Another\"}}\n", all[7]));
    assert_eq!(code(&project.run(&["update", "store", "products", "--input", &change])), 0);
    // A query that fails moves nothing, and leaves the old output alone.
    let before = (project.read("state.json"), project.read("out.ndjson"));
    let impatient = ["connection", "edit", "store", "--set", "retry_budget_ms=0"];
    assert_eq!(code(&project.run(&impatient)), 0);
    project.store.switch(|switches| switches.suspended = true);
    assert_eq!(code(&project.run(&query)), 1);
    assert_eq!((project.read("state.json"), project.read("out.ndjson")), before);
    project.store.switch(|switches| switches.suspended = false);
    assert_eq!(run(1), [all[7]]);
    run(0);
    // Whose state it is.
    let output = project.run(&["query", "store", "orders", "--since", &state]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("belongs to `products`"), "{}", text(&output.stderr));
    let output = project.run(&["query", "store", "brands", "--since", &project.path("brands.json")]);
    assert!(text(&output.stderr).contains("cannot be read incrementally"), "{}", text(&output.stderr));
    assert!(!Path::new(&project.path("brands.json")).exists());
}

#[test]
fn an_interrupted_incremental_query_goes_on_where_its_output_ended() {
    let config = Config { sizes: Sizes { products: 3000, ..Sizes::default() }, ..Config::default() };
    let project = Project::new(config);
    let state = project.path("state.json");
    project.store.switch(|switches| switches.latency = Duration::from_millis(100));
    let mut child = project.start(&["query", "store", "products", "--since", &state]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut records: Vec<String> = vec![lines.next().unwrap().unwrap()];
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    records.extend(lines.map(|line| line.unwrap()));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("run the same command again"), "{}", text(&output.stderr));
    assert!(records.len() < 3000);
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let rest = project.run(&["query", "store", "products", "--since", &state]);
    assert_eq!(code(&rest), 0, "{}", text(&rest.stderr));
    records.extend(text(&rest.stdout).lines().map(str::to_owned));
    let unique: std::collections::BTreeSet<u64> = ids(records.join("\n").as_bytes()).into_iter().collect();
    assert_eq!((records.len(), unique.len()), (3000, 3000));
    let nothing = project.run(&["query", "store", "products", "--since", &state]);
    assert_eq!((code(&nothing), nothing.stdout.len()), (0, 0), "{}", text(&nothing.stdout));
}
