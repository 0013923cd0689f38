//! `query`.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Project, finish};

#[test]
fn every_record_comes_out_once_with_its_digits() {
    let project = Project::with_people();
    let ran = project.run(&["query", "people", "people"]).good().says(&["1,000 records in "]);
    assert_eq!(ran.stdout.lines().count(), 1000);
    let last = ran.stdout.lines().last().unwrap();
    assert!(last.contains("\"serial\":90007911081000006993") && last.contains("\"balance\":36963.9900"), "{last}");
    let json = project.run(&["query", "people", "people", "--format", "json"]).good();
    assert_eq!(json.json().as_array().unwrap().len(), 1000);
    assert!(json.stdout.contains("\"balance\":36963.9900"));
    let csv = project.run(&["query", "people", "people", "--format", "csv", "--fields", "serial,id"]).good();
    let mut lines = csv.stdout.lines();
    assert_eq!(lines.next(), Some("serial,id"));
    assert_eq!(lines.last(), Some("90007911081000006993,1142"));
}

#[test]
fn conditions_fields_and_limits_reach_the_connector() {
    let project = Project::with_people();
    let ids = |args: &[&str]| -> Vec<u64> {
        let ran = project.run(&[&["query", "people", "people"], args].concat()).good();
        ran.lines().iter().map(|r| r["id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(&["--where", "id <= 4", "--where", "id != 2"]), [1, 3, 4]);
    assert_eq!(ids(&["--where", "id in (7, 9, 8)"]), [7, 9]);
    assert_eq!(ids(&["--where", "name = Ada 1"]), [1]);
    assert_eq!(ids(&["--where", "name contains \"李 7\"", "--limit", "1"]), [7]);
    assert_eq!(ids(&["--limit", "150", "--page-size", "40"]).len(), 150);
    assert_eq!(ids(&["--order", "id asc", "--limit", "2"]), [1, 2]);
    let ran = project.run(&["query", "people", "people", "--fields", "name", "--limit", "1"]).good();
    assert_eq!(ran.stdout, "{\"name\":\"Ada 1\"}\n");
}

#[test]
fn a_table_fits_the_terminal_and_says_that_there_is_more() {
    let project = Project::with_people();
    let ran = project.run(&["query", "people", "people", "--format", "table"]).good().says(&["there are more than 50"]);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    assert!(ran.stdout.contains("Björn"));
}

#[test]
fn explain_reads_nothing() {
    let project = Project::with_people();
    let ran = project.run(&["query", "people", "people", "--explain"]).good();
    assert!(ran.stdout.contains("nothing is sent") && ran.stdout.contains("stable"), "{ran:#?}");
    let json = project.run(&["query", "people", "people", "--explain", "--json"]).good().json();
    assert_eq!(json["requests"], 0);
}

#[test]
fn a_file_appears_when_it_is_complete_and_its_name_tells_the_format() {
    let project = Project::with_people();
    let ran = project.run(&["query", "people", "people", "--output", "people.csv"]).good().says(&["into people.csv"]);
    assert_eq!(ran.stdout, "");
    assert_eq!(project.read("people.csv").lines().count(), 1001);
    assert_eq!(project.files(), ["connector.db", "people.csv"]);
    project.run(&["query", "people", "people", "-o", "missing/people.csv"]).bad(1, &["missing"]);
}

#[test]
fn stdout_holds_data_only_and_quiet_says_nothing() {
    let project = Project::with_people();
    let ran = project.run(&["query", "people", "people", "--limit", "3", "--quiet"]).good();
    assert_eq!(ran.stderr, "");
    assert_eq!(ran.lines().len(), 3);
    let ran = project.run(&["query", "people", "people", "--limit", "3", "--json"]).good();
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    use std::io::{BufRead as _, BufReader};
    let project = Project::with_people();
    let mut child = project.start(&["query", "people", "people", "--page-size", "1"]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("\"id\":1,"));
    let ran = finish(child);
    assert_eq!((ran.code, ran.stderr.contains("error")), (0, false), "{ran:#?}");
}

#[test]
fn a_crash_of_the_connector_is_exit_code_2_and_leaves_no_file() {
    let project = Project::with_people();
    let ran = project.run(&["query", "people", "trials", "--where", "how = trap", "--output", "out.ndjson"]);
    ran.bad(2, &["crashed", "defect of the connector"]);
    assert_eq!(project.files(), ["connector.db"]);
    let ran = project.run(&["query", "people", "trials", "--where", "how = trap", "--json"]);
    assert_eq!((ran.code, ran.error_json()["exit"].as_u64()), (2, Some(2)));
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let status = std::process::Command::new("kill").arg(name).arg(child.id().to_string()).status().unwrap();
    assert!(status.success());
}

/// Waits until a file is there whose name ends like this.
fn until_there(project: &Project, end: &str) {
    let began = Instant::now();
    while !project.files().iter().any(|name| name.ends_with(end)) {
        assert!(began.elapsed() < Duration::from_secs(60), "no file {end}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_ends_a_query_in_good_order() {
    let project = Project::with_people();
    let began = Instant::now();
    let child = project.start(&["query", "people", "trials", "--where", "how = wait", "--output", "out.ndjson"]);
    // The output is opened right before the query begins, which never ends by itself.
    until_there(&project, ".unfinished");
    signal(&child, "-INT");
    let ran = finish(child);
    assert!(began.elapsed() < Duration::from_secs(80));
    assert_eq!(ran.code, 1, "{ran:#?}");
    ran.says(&["stopping; press Ctrl-C again", "error: stopped, as you asked"]);
    assert_eq!(project.files(), ["connector.db"], "nothing was read, so nothing is left");
}

#[cfg(unix)]
#[test]
fn a_query_that_is_stopped_keeps_what_it_read_and_goes_on_from_there() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let project = Project::with_people();
    // All records together are more than a pipe holds, so while nobody reads on, the query is under way for certain.
    let mut child = project.start(&["query", "people", "people", "--page-size", "1"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    signal(&child, "-TERM");
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut stderr = String::new();
    while !stderr.contains("stopping") {
        assert!(told.read_line(&mut stderr).unwrap() > 0, "the signal came too late: {stderr}");
    }
    out.read_to_string(&mut text).unwrap();
    told.read_to_string(&mut stderr).unwrap();
    assert_eq!(finish(child).code, 1, "{stderr}");
    let read = text.lines().count();
    assert!(read < 1000, "nothing was interrupted");
    let written =
        if read == 1 { "1 record before that was".into() } else { format!("{read} records before that were") };
    assert!(stderr.contains(&format!("note: {written} written")), "{stderr}");
    let cursor = stderr.split_once("--cursor ").unwrap().1.trim();
    let rest = project.run(&["query", "people", "people", "--page-size", "1", "--cursor", cursor]).good();
    let all: Vec<Value> = format!("{text}{}", rest.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(all.len(), 1000, "none is missed and none is doubled");
    assert!(all.windows(2).all(|pair| pair[0]["id"].as_u64() < pair[1]["id"].as_u64()));
}

#[test]
fn a_cursor_that_is_refused_is_not_recommended() {
    let project = Project::with_people();
    let ran = project.run(&["query", "people", "people", "--cursor", "nonsense"]).bad(1, &["no cursor"]);
    assert!(!ran.stderr.contains("go on with"), "{ran:#?}");
}

#[test]
fn a_stderr_that_nobody_reads_is_no_defect() {
    let project = Project::with_people();
    for (args, code) in [(&["query", "people", "people", "--limit", "3"][..], 0), (&["query", "nobody", "people"], 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = project.command(args);
        let output = command.stderr(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}
