//! Imports: what becomes of the rows of a file, and what the exit code says.

use bigcommerce_emulator::Config;
use serde_json::Value;

use super::project::{Project, code, csv_of_products, text};

#[test]
fn a_csv_is_imported_changed_and_deleted() {
    let project = Project::new(Config::default());
    let before = project.store.store().count("products");
    let input = project.write("new.csv", csv_of_products(23));
    let output = project.run(&["create", "store", "products", "--input", &input, "--dry-run"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(project.store.store().count("products"), before);
    let output = project.run(&["create", "store", "products", "--input", &input]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let outcomes: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        outcomes.iter().map(|line| line["row"].as_u64().unwrap()).collect::<Vec<_>>(),
        (1..=23).collect::<Vec<_>>()
    );
    assert!(outcomes.iter().all(|line| line["outcome"] == "applied"));
    assert_eq!(project.store.store().count("products"), before + 23);
    let sent = &project.store.journal().find("POST", "/v3/catalog/products")[7];
    assert!(text(&sent.body).contains("\"price\":25."), "{}", text(&sent.body));
    let ids: Vec<String> = outcomes.iter().map(|line| line["record"]["id"].to_string()).collect();
    let changes: String = ids.iter().map(|id| format!("{{\"id\":{id},\"price\":30.10}}\n")).collect();
    let output = project.run(&["update", "store", "products", "--input", &project.write("changes.ndjson", changes)]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(project.store.journal().entries().iter().any(|entry| text(&entry.body).contains("\"price\":30.10")));
    let output = project.run(&["delete", "store", "products", "--id", &ids.join(",")]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(project.store.store().count("products"), before);
}

#[test]
fn a_failed_record_is_told_and_the_exit_code_is_one() {
    let project = Project::new(Config::default());
    let lines = "{\"name\":\"A\",\"type\":\"physical\",\"weight\":1,\"price\":1,\"categories\":[]}\n{\"name\":\"A\",\"type\":\"physical\",\"weight\":1,\"price\":1,\"categories\":[]}\n{\"name\":\"B\",\"type\":\"physical\",\"weight\":1,\"price\":1,\"categories\":[]}\n";
    let input = project.write("new.ndjson", lines);
    let output = project.run(&["create", "store", "products", "--input", &input, "--continue-on-error"]);
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let words: Vec<String> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(words.iter().filter(|word| *word == "applied").count(), 2, "{words:?}");
    assert_eq!(words[2], "applied");
    assert!(text(&output.stderr).contains("409"), "{}", text(&output.stderr));
}
