//! The binary `connector` against an emulated store: what a person types, sees and keeps, also after a kill.

mod bad_input;
mod import;
mod interrupted;
mod operations;
mod project;
mod proxy;
mod since;

use bigcommerce_emulator::Config;
use serde_json::Value;

use project::{Project, code, text};

#[test]
fn a_connection_is_saved_without_its_secret_and_tested() {
    let project = Project::new(Config::default());
    let saved = std::fs::read(project.path("connector.db")).unwrap();
    assert!(!text(&saved).contains(project.store.token()));
    let output = project.run(&["test", "store"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for command in [
        &["connection", "show", "store"][..],
        &["variables", "list"],
        &["connection", "list"],
        &["-vv", "test", "store"],
        &["--json", "test", "store"],
    ] {
        let output = project.run(command);
        assert_eq!(code(&output), 0, "{command:?}: {}", text(&output.stderr));
        assert!(
            !text(&output.stdout).contains(project.store.token())
                && !text(&output.stderr).contains(project.store.token()),
            "{command:?}"
        );
    }
}

#[test]
fn a_query_comes_in_every_format_with_the_same_records() {
    let project = Project::new(Config::default());
    let ndjson = text(&project.run(&["query", "store", "products", "--limit", "300"]).stdout);
    let records: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 300);
    let output = project.run(&["query", "store", "products", "--limit", "300", "--format", "json"]);
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap(), records);
    let output = project.run(&[
        "query",
        "store",
        "products",
        "--limit",
        "300",
        "--output",
        &project.path("p.csv"),
        "--fields",
        "id,name,price",
    ]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let csv = project.read("p.csv");
    assert_eq!(csv.lines().next(), Some("id,name,price"));
    assert_eq!(csv.lines().filter(|line| line.chars().next().is_some_and(|c| c.is_ascii_digit())).count(), 300);
    let output =
        project.run(&["query", "store", "products", "--limit", "3", "--format", "table", "--fields", "id,name"]);
    assert!(
        text(&output.stdout).contains(records[0]["name"].as_str().unwrap().split(' ').next().unwrap()),
        "{}",
        text(&output.stdout)
    );
    let output = project.run(&[
        "query",
        "store",
        "products",
        "--where",
        "id in (1, 2, 3, 4, 5, 6)",
        "--where",
        "price >= 0",
        "--explain",
    ]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains("id:in"), "{}", text(&output.stdout));
}
