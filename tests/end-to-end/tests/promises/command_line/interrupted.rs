//! Killed, interrupted and broken-off runs: what they leave, and how to go on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bigcommerce_emulator::{Config, Effect, Fault, Sizes};
use serde_json::{Value, json};

use super::project::{Project, code, csv_of_products, text, until};

#[test]
fn a_killed_query_leaves_no_half_file() {
    let config = Config { sizes: Sizes { products: 3000, ..Sizes::default() }, ..Config::default() };
    let project = Project::new(config);
    project.store.switch(|switches| switches.latency = Duration::from_millis(150));
    project.store.journal().clear();
    let mut child = project.start(&["query", "store", "products", "--output", &project.path("out.ndjson")]);
    until("a second round of requests", || project.store.journal().count("GET", "/v3/catalog/products") > 5);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!Path::new(&project.path("out.ndjson")).exists());
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let output = project.run(&["query", "store", "products", "--output", &project.path("out.ndjson")]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(project.read("out.ndjson").lines().count(), 3000);
}

#[test]
fn a_killed_create_leaves_complete_lines_and_says_which_rows_were_under_way() {
    let project = Project::new(Config::default());
    let before = project.store.store().count("products");
    project.store.switch(|switches| switches.latency = Duration::from_millis(40));
    let input = project.write("new.csv", csv_of_products(60));
    let outcomes = project.path("outcomes.ndjson");
    let arguments = ["create", "store", "products", "--input", &input, "--outcomes", &outcomes, "--batch", "10"];
    let mut child = project.start(&arguments);
    until("the third call", || {
        std::fs::read_to_string(&outcomes).is_ok_and(|text| text.matches("sending").count() == 3)
    });
    until("some of its requests", || project.store.journal().count("POST", "/v3/catalog/products") > 22);
    child.kill().unwrap();
    child.wait().unwrap();
    let lines: Vec<Value> = std::fs::read_to_string(&outcomes)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a complete line"))
        .collect();
    let sending = lines.iter().rev().find_map(|line| line.get("sending")).unwrap();
    assert_eq!(sending, &json!({ "first_row": 21, "last_row": 30 }));
    let done: Vec<u64> = lines.iter().filter_map(|line| line.get("row")?.as_u64()).collect();
    assert_eq!(done, (1..=20).collect::<Vec<_>>());
    // Rows 21 to 30 are in doubt, what follows was not sent.
    let made = project.store.store().count("products") - before;
    assert!((20..=30).contains(&made), "{made}");
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let output = project.run(&["resolve", "store", &outcomes]);
    let settled: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |word: &str| settled.iter().filter(|line| line["outcome"] == word).count();
    assert_eq!((settled.len(), of("applied"), of("failed")), (30, made, 30 - made), "{}", text(&output.stdout));
    assert_eq!(code(&output), i32::from(made < 30), "{}", text(&output.stderr));
    let mut go_on = arguments.to_vec();
    go_on.extend(["--from-row", "31"]);
    let output = project.run(&go_on);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("rows 21 to 30") && text(&output.stderr).contains("connector resolve store"),
        "the rows in doubt are not mentioned: {}",
        text(&output.stderr)
    );
    assert_eq!(project.store.store().count("products") - before, made + 30);
}

#[test]
fn an_interrupted_query_ends_in_good_order_and_can_go_on() {
    let config = Config { sizes: Sizes { products: 3000, ..Sizes::default() }, ..Config::default() };
    let project = Project::new(config);
    project.store.switch(|switches| switches.latency = Duration::from_millis(100));
    let mut child = project.start(&["query", "store", "products"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut records: Vec<String> = vec![lines.next().unwrap().unwrap()];
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    records.extend(lines.map(|line| line.unwrap()));
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(records.len() < 3000);
    let cursor = stderr
        .split_whitespace()
        .skip_while(|word| *word != "--cursor")
        .nth(1)
        .unwrap_or_else(|| panic!("no cursor in {stderr}"))
        .trim_matches(['\'', '"', '`', '.', ','])
        .to_owned();
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let rest = project.run(&["query", "store", "products", "--cursor", &cursor]);
    assert_eq!(code(&rest), 0, "{}", text(&rest.stderr));
    records.extend(text(&rest.stdout).lines().map(str::to_owned));
    let ids: std::collections::BTreeSet<u64> =
        records.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap()).collect();
    assert_eq!((records.len(), ids.len()), (3000, 3000));
}

#[test]
fn unknown_records_are_told_and_the_rest_is_not_sent() {
    let project = Project::new(Config::default());
    project.store.fault(Fault::on("POST", "/v3/catalog/products", Effect::ResetBeforeAnswering));
    let mut child = project
        .command(&["create", "store", "products", "--input", "-", "--input-format", "csv", "--batch", "1"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(csv_of_products(3).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let words: Vec<String> = text(&output.stdout)
        .lines()
        .filter_map(|line| Some(serde_json::from_str::<Value>(line).unwrap()["outcome"].as_str()?.to_owned()))
        .collect();
    assert_eq!(words[0], "unknown");
    assert!(words[1..].iter().all(|word| word == "skipped"), "{words:?}");
    assert!(text(&output.stderr).contains("--from-row 2"), "{}", text(&output.stderr));
    assert_eq!(project.store.journal().count("POST", "/v3/catalog/products"), 1);
}
