//! A connector in Python, on WASI that leads nowhere. `cargo xtask guests` makes it and runs these tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use connector_host::contract::{Outcome, QueryRequest, WriteRequest};
use connector_host::{CallError, Connection, ConnectionConfig, Connector};
use serde_json::Value;

use crate::limits::Lines;
use crate::{Changing, component, ended, host};

async fn words() -> Connector {
    host().load(&component("words")).await.unwrap()
}

async fn connection() -> Connection {
    let mut config = ConnectionConfig::new("in Python", r#"{"token": "[api-token]"}"#);
    config.variables = Arc::new(Changing::with(&[("api-token", "s3cret-value")]));
    host().open(&words().await, config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs words.wasm: `cargo xtask guests`"]
async fn a_connector_in_python_does_its_work() {
    let connection = connection().await;
    let identity = connection.test().await.unwrap();
    assert_eq!(
        (identity.account.as_str(), identity.warnings.as_slice()),
        ("Python", &["the token has 12 characters".to_owned()][..])
    );
    let mut pages = connection.query(QueryRequest::new("words")).await.unwrap();
    let mut records = String::new();
    while let Some(page) = pages.next().await.unwrap() {
        records.push_str(&String::from_utf8(page.records).unwrap());
    }
    assert_eq!(records.lines().count(), 12);
    assert!(records.starts_with("{\"id\": 0, \"word\": \"ash\"}\n"), "{records}");
    let records = "{\"word\":\"yew\"}\n{}\n";
    let outcomes = connection.activity().await.unwrap().create(&WriteRequest::new("words", records)).await.unwrap();
    let [Outcome::Applied(record), Outcome::Failed(error)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!((record.as_str(), error.pointer.as_deref()), ("{\"id\": 12, \"word\": \"yew\"}", Some("/word")));
    let wrong = host().open(&words().await, ConnectionConfig::new("wrong", r#"{"x": 1}"#)).await.unwrap_err();
    assert_eq!(wrong.to_string(), "the settings are not valid: /x: `x` is no setting");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs words.wasm: `cargo xtask guests`"]
async fn files_environment_and_sockets_lead_nowhere() {
    let page = connection().await.query(QueryRequest::new("attempts")).await.unwrap().next().await.unwrap().unwrap();
    let text = String::from_utf8(page.records).unwrap();
    let mut results = std::collections::BTreeMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        results.insert(row["attempt"].as_str().unwrap().to_owned(), row["result"].as_str().unwrap().to_owned());
    }
    println!("{results:#?}");
    for attempt in ["read a file", "write a file", "list the root", "resolve a name", "connect", "listen"] {
        let result = &results[attempt];
        // By the host, and for no lack of the language.
        let refused = ["FileNotFoundError", "PermissionError", "OSError", "gaierror"];
        assert!(refused.iter().any(|error| result.starts_with(&format!("failed: {error}"))), "{attempt}: {result}");
    }
    for (attempt, nothing) in [("environment", "{}"), ("input", "''")] {
        assert_eq!(results[attempt], format!("reached: {nothing}"), "{attempt}");
    }
    assert!(["reached: []", "reached: ['']"].contains(&results["arguments"].as_str()), "{}", results["arguments"]);
    assert_eq!((results["clock"].as_str(), results["randomness"].as_str()), ("reached: True", "reached: 8"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs words.wasm: `cargo xtask guests`"]
async fn sealed_imports_are_told_and_a_connector_of_ours_has_none() {
    let connector = words().await;
    let sealed: Vec<&str> = connector.sealed_imports().collect();
    for interface in ["wasi:cli/environment", "wasi:filesystem/types", "wasi:random/random", "wasi:sockets/tcp"] {
        assert!(sealed.iter().any(|name| name.starts_with(interface)), "{interface}: {sealed:?}");
    }
    assert!(sealed.iter().all(|name| !name.starts_with("ipaas:") && !name.starts_with("wasi:http")), "{sealed:?}");
    assert_eq!(crate::connector().await.sealed_imports().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs words.wasm: `cargo xtask guests`"]
async fn the_end_of_the_process_is_the_end_of_the_call() {
    let mut activity = connection().await.activity().await.unwrap();
    let finding = ended(activity.query(&QueryRequest::new("exit")).await);
    assert_eq!(finding.to_string(), "words 0.1.0: query ended itself with exit code 1");
    assert!(matches!(activity.query(&QueryRequest::new("words")).await, Err(CallError::Ended(_))));
}

#[tokio::test]
#[ignore = "needs words.wasm: `cargo xtask guests`"]
async fn what_a_program_prints_goes_line_by_line_into_the_log() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    connection().await.activity().await.unwrap().query(&QueryRequest::new("print")).await.unwrap();
    let text = lines.text();
    for (level, line) in [
        ("INFO", "to standard output"),
        ("INFO", "secret: ****"),
        ("WARN", "to standard error"),
        ("INFO", "without an end"),
    ] {
        let found = text.lines().find(|found| found.contains(line));
        assert!(found.is_some_and(|found| found.contains(level) && found.contains("in Python")), "{line}: {text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs words.wasm: `cargo xtask guests`"]
async fn what_a_connector_in_python_costs_is_told() {
    const ACTIVITIES: u32 = 30;
    let _compiled = words().await;
    let begun = Instant::now();
    let connector = words().await;
    let load = begun.elapsed();
    let connection = host().open(&connector, ConnectionConfig::new("in Python", "{}")).await.unwrap();
    let before = resident();
    let (mut times, mut held) = (Vec::new(), Vec::new());
    for _ in 0..ACTIVITIES {
        let begun = Instant::now();
        held.push(connection.activity().await.unwrap());
        times.push(begun.elapsed());
    }
    let memory = resident().saturating_sub(before) / u64::from(ACTIVITIES);
    times.sort_unstable();
    let begun = Instant::now();
    held[0].query(&QueryRequest::new("words")).await.unwrap();
    let query = begun.elapsed();
    let start = times[times.len() / 2];
    println!(
        "load, compiled before: {load:.1?}; start and configure: {start:.1?}; a page: {query:.1?}; resident: {memory} KiB"
    );
    assert!(start < Duration::from_secs(5) && memory < 256 << 10, "{start:?} {memory} KiB");
}

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
