//! `create`, `update`, `delete`.

use serde_json::{Value, json};

use crate::support::{Project, run};

fn people(count: u32) -> String {
    (1..=count).map(|i| format!("{{\"name\":\"P {i}\",\"balance\":{i}.50}}\n")).collect()
}

#[test]
fn every_record_gets_its_outcome_in_order_with_its_digits() {
    let project = Project::with_people();
    let ran = project.run_with(&["create", "people", "people", "--batch", "2"], &people(5)).good();
    let lines = ran.lines();
    let rows: Vec<u64> = lines.iter().map(|l| l["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, [1, 2, 3, 4, 5]);
    assert!(ran.stdout.starts_with("{\"row\":1,\"outcome\":\"applied\",\"record\":{\"id\":100"), "{ran:#?}");
    assert!(ran.stdout.contains("\"balance\":5.50"));
    ran.says(&["5 records created in "]);
}

#[test]
fn csv_and_json_become_the_same_records() {
    let project = Project::with_people();
    let csv = project.write("new.csv", "name,balance,serial\nX,25.00,12345678901234567890\nY,,\n");
    let json = project.write(
        "new.json",
        "[ {\"name\": \"X\", \"balance\": 25.00,\n \"serial\": 12345678901234567890}, {\"name\": \"Y\"} ]",
    );
    let a = project.run(&["create", "people", "people", "--input", &csv]).good();
    let b = project.run(&["create", "people", "people", "--input", &json]).good();
    assert_eq!(a.stdout, b.stdout);
    assert!(a.stdout.contains("\"balance\":25.00") && a.stdout.contains("12345678901234567890"), "{a:#?}");
}

#[test]
fn an_invalid_record_stops_everything_before_anything_is_sent() {
    let project = Project::with_people();
    let input = format!("{}{{\"balance\":1}}\n", people(150));
    let args = ["create", "people", "people", "--outcomes", "o.ndjson"];
    let ran = project
        .run_with(&args, &input)
        .bad(1, &["row 151 (/name): a person needs a name", "nothing was sent", "--continue-on-error"]);
    assert!(!ran.stderr.contains("created"));
    assert!(!project.path("o.ndjson").exists(), "no outcome, no file");
}

#[test]
fn with_continue_on_error_the_others_are_written() {
    let project = Project::with_people();
    let input =
        "{\"name\":\"A\"}\n{\"balance\":1}\n{\"name\":\"unknown\"}\n{\"id\":1,\"name\":\"B\"}\n{\"name\":\"C\"}\n";
    let ran = project.run_with(&["create", "people", "people", "--continue-on-error"], input);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let words: Vec<Value> = ran.lines().iter().map(|l| l["outcome"].clone()).collect();
    assert_eq!(words, ["applied", "failed", "unknown", "failed", "applied"]);
    assert_eq!(ran.lines()[2]["error"]["retry"], "outcome-unknown");
    assert_eq!(ran.lines()[3]["error"]["kind"], "conflict");
    ran.says(&[
        "2 records created, 2 failed, 1 unknown",
        "error: 2 records failed, 1 record may or may not have been done",
        "row 4 (/id)",
    ]);
}

#[test]
fn without_it_an_unknown_outcome_stops_and_says_where_to_go_on() {
    let project = Project::with_people();
    let input = "{\"name\":\"A\"}\n{\"name\":\"unknown\"}\n{\"name\":\"B\"}\n{\"name\":\"C\"}\n{\"name\":\"D\"}\n";
    let args = ["create", "people", "people", "--batch", "3", "--outcomes", "o.ndjson"];
    let ran = project.run_with(&args, input).bad_quietly(1);
    ran.says(&["go on with --from-row 3"]);
    let file = project.read("o.ndjson");
    let lines: Vec<Value> = file.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["sending"], json!({"first_row": 1, "last_row": 3}));
    assert_eq!(lines[0]["write"], json!({"activity": "create", "object": "people"}));
    assert_eq!(
        (&lines[0]["connection"]["name"], &lines[0]["connection"]["connector"]),
        (&json!("people"), &json!("fixed"))
    );
    assert_eq!(lines[0]["records"][1], json!({"name": "unknown"}));
    assert_eq!(lines[3], json!({"row": 3, "outcome": "skipped"}));
    assert_eq!(lines.len(), 4, "{file}");

    project.run_with(&args, input).bad(1, &["o.ndjson", "is there already", "go on with --from-row 3"]);
    let go_on = [&args[..], &["--from-row", "3"]].concat();
    project.run_with(&go_on, input).good().says(&["3 records created"]);
    let after = project.read("o.ndjson");
    assert!(after.starts_with(&file) && after.contains("{\"row\":5,\"outcome\":\"applied\""), "{after}");
}

#[test]
fn a_dry_run_checks_everything_and_sends_nothing() {
    let project = Project::with_people();
    let ran = project.run_with(&["create", "people", "people", "--dry-run"], &people(2)).good();
    assert_eq!(ran.lines(), [json!({"row": 1, "outcome": "skipped"}), json!({"row": 2, "outcome": "skipped"})]);
    ran.says(&["dry run: 2 valid, 0 not valid; nothing was sent"]);
    let ran = project.run_with(&["create", "people", "people", "--dry-run"], "{\"name\":\"A\"}\n{}\n{}\n");
    assert_eq!(ran.code, 1);
    assert_eq!(ran.lines()[2]["outcome"], "failed");
}

#[test]
fn update_and_upsert_differ_where_the_record_is_missing() {
    let project = Project::with_people();
    let record = "{\"id\":8,\"name\":\"X\"}\n";
    project.run_with(&["update", "people", "people"], record).bad(1, &["no person with this id"]);
    let ran = project.run_with(&["update", "people", "people", "--upsert", "--match-on", "id"], record).good();
    assert_eq!(ran.lines()[0]["record"]["id"], 8);
    project.run_with(&["update", "people", "people", "--match-on", "id"], record).says(&["--upsert"]);
}

#[test]
fn delete_takes_keys_and_refuses_to_delete_nothing() {
    let project = Project::with_people();
    let ran = project.run(&["delete", "people", "people", "--id", "1,2, 12345678901234567890"]);
    assert_eq!(ran.stdout.lines().count(), 3, "{ran:#?}");
    let ran = project.run_with(&["delete", "people", "people", "--input", "-"], "{\"id\":1}\n").good();
    assert_eq!(ran.lines()[0]["outcome"], "applied");
    project.run(&["delete", "people", "people"]).bad(1, &["--input"]);
    project.run(&["delete", "people", "people", "--id", ""]).bad(1, &["empty key"]);
    project.run(&["delete", "people", "people", "--id", "x"]).bad(1, &["takes an integer, not `x`"]);
    project.run_with(&["delete", "people", "people", "--input", "-"], "").bad(1, &["holds no records"]);
    project.run_with(&["delete", "people", "people", "--input", "-"], "[]").bad(1, &["--input-format json"]);
    project
        .run_with(&["delete", "people", "people", "--input", "-", "--input-format", "json"], "[]")
        .bad(1, &["no records"]);
    project.run(&["delete", "people", "trials", "--id", "1"]).bad(1, &["has no delete"]);
}

#[test]
fn a_crash_makes_the_records_of_its_call_unknown_and_stops() {
    let project = Project::with_people();
    let args =
        ["create", "people", "trials", "--continue-on-error", "--batch", "2", "--outcomes", "o.ndjson", "--quiet"];
    let ran = project.run_with(&args, &"{\"how\":\"trap\"}\n".repeat(5)).bad(2, &["crashed", "--from-row 3"]);
    assert!(ran.stderr.contains("row 1"), "{ran:#?}");
    let lines: Vec<Value> = project.read("o.ndjson").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let words: Vec<&str> = lines.iter().filter_map(|l| l["outcome"].as_str()).collect();
    assert_eq!(words, ["unknown", "unknown"]);
}

#[cfg(unix)]
#[test]
fn a_killed_write_says_which_rows_were_under_way() {
    let project = Project::with_people();
    let input = project.write("in.ndjson", "{\"how\":\"wait\"}\n".repeat(5));
    let args = [
        "create",
        "people",
        "trials",
        "--continue-on-error",
        "--batch",
        "2",
        "--outcomes",
        "o.ndjson",
        "--input",
        &input,
    ];
    let mut child = project.start(&args);
    // The announcement is on disk before the call, which waits for ever.
    let began = std::time::Instant::now();
    while !project.path("o.ndjson").exists() || project.read("o.ndjson").is_empty() {
        assert!(began.elapsed().as_secs() < 60, "nothing was announced");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let announced: Value = serde_json::from_str(project.read("o.ndjson").lines().next().unwrap()).unwrap();
    assert_eq!(announced["sending"], json!({"first_row": 1, "last_row": 2}));
    assert_eq!(announced["records"], json!([{"how": "wait"}, {"how": "wait"}]));
    project.run(&args).bad(1, &["rows 1 to 2 were under way", "--from-row 3"]);
}

#[test]
fn unknown_rows_are_looked_up_and_the_others_stay_as_they_were() {
    let project = Project::with_people();
    let input = "{\"name\":\"A\"}\n{\"name\":\"unknown\"}\n{\"id\":1,\"name\":\"B\"}\n";
    let args = ["create", "people", "people", "--outcomes", "o.ndjson", "--continue-on-error"];
    let ran = project.run_with(&args, input).bad_quietly(1);
    ran.says(&["`connector resolve people o.ndjson` looks them up"]);
    // The fixed connector never knows what became of it.
    let ran = project.run(&["resolve", "people", "o.ndjson"]).bad_quietly(1);
    let words: Vec<Value> = ran.lines().iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(words, ["applied", "unknown", "failed"], "{ran:#?}");
    assert!(project.read("o.ndjson").contains(ran.stdout.lines().next().unwrap()), "{ran:#?}");
    ran.says(&["1 row looked up: 0 applied, 0 not, 1 still unknown", "1 record failed, 1 record may or may not"]);

    let before = project.read("o.ndjson");
    project.write("o.ndjson", before.replace("\"name\":\"unknown\"", "\"name\":\"found\""));
    let ran = project.run(&["resolve", "people", "o.ndjson"]).bad_quietly(1);
    assert_eq!(ran.lines()[1]["outcome"], "applied", "{ran:#?}");
    assert_eq!(ran.lines()[1]["record"]["name"], "found");

    project.write("none.ndjson", "");
    project.run(&["resolve", "people", "none.ndjson"]).bad(1, &["holds no outcomes", "--outcomes"]);
    project.run(&["resolve", "people", "nowhere.ndjson"]).bad(1, &["cannot read the outcomes file"]);
    project.write("plain.ndjson", "{\"row\":1,\"outcome\":\"unknown\",\"error\":{}}\n");
    project.run(&["resolve", "people", "plain.ndjson"]).bad(1, &["does not say what was sent", "stdout"]);
}

/// The connection `people` as outcomes files name it.
fn connection(project: &Project) -> Value {
    let args = ["create", "people", "people", "--outcomes", "one.ndjson"];
    project.run_with(&args, "{\"name\":\"A\"}\n").good();
    let line: Value = serde_json::from_str(project.read("one.ndjson").lines().next().unwrap()).unwrap();
    line["connection"].clone()
}

#[test]
fn skipped_rows_in_front_of_others_are_named_and_sent_by_themselves() {
    let project = Project::with_people();
    let connection = connection(&project);
    let sending = |first: u64, last: u64| {
        format!(
            "{{\"sending\":{{\"first_row\":{first},\"last_row\":{last}}},\"connection\":{},\
             \"write\":{{\"activity\":\"create\",\"object\":\"people\"}},\"records\":[]}}\n",
            connection
        )
    };
    let line = |row: u64, word: &str| format!("{{\"row\":{row},\"outcome\":\"{word}\"}}\n");
    // As a connector leaves it that sends in another order than that of the rows: 1, 3 and 5 were not sent, 6 not looked at.
    let file = [
        sending(1, 3),
        line(1, "skipped"),
        line(2, "applied"),
        line(3, "skipped"),
        sending(4, 5),
        line(4, "failed"),
        line(5, "skipped"),
    ]
    .concat();
    project.write("o.ndjson", &file);
    let input = project.write("in.ndjson", people(6));
    let args = ["create", "people", "people", "--input", &input, "--outcomes", "o.ndjson"];
    project
        .run(&args)
        .bad(1, &["rows 1, 3, 5 were not sent: send them with --only-skipped, then go on with --from-row 6"]);
    let rest = project.run(&[&args[..], &["--only-skipped"]].concat()).good();
    rest.says(&["3 records created", "row 6 and what follows was not sent yet: --from-row 6"]);
    let after = project.read("o.ndjson");
    let sent: Vec<Value> = after[file.len()..].lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<&Value> =
        sent.iter().filter_map(|l| l["records"].as_array()).flatten().map(|r| &r["name"]).collect();
    assert_eq!(names, ["P 1", "P 3", "P 5"]);
    let rows: Vec<u64> = sent.iter().filter_map(|l| l["row"].as_u64()).collect();
    assert_eq!(rows, [1, 3, 5]);
    project.run(&args).bad(1, &["go on with --from-row 6"]);
    project.run(&[&args[..], &["--only-skipped"]].concat()).good().says(&["no row that was skipped"]);
    project.run(&["create", "people", "people", "--only-skipped"]).bad(1, &["--outcomes"]);
    let nowhere = ["create", "people", "people", "--input", &input, "--outcomes", "no.ndjson", "--only-skipped"];
    project.run(&nowhere).bad(1, &["no outcomes file `no.ndjson`"]);
    assert!(!project.path("no.ndjson").exists());
}

#[test]
fn going_on_from_the_first_row_adds_to_the_file() {
    let project = Project::with_people();
    let args = ["create", "people", "people", "--outcomes", "o.ndjson"];
    project.run_with(&args, &people(1)).good();
    let before = project.read("o.ndjson");
    project.run_with(&[&args[..], &["--from-row", "1"]].concat(), &people(2)).good().says(&["2 records created"]);
    assert!(project.read("o.ndjson").starts_with(&before));
    project.run_with(&[&args[..], &["--from-row", "3"]].concat(), &people(2)).bad(1, &["behind the last record"]);
}

#[test]
fn a_dry_run_leaves_nothing_that_looks_like_a_run() {
    let project = Project::with_people();
    let args = ["create", "people", "people", "--dry-run", "--outcomes", "o.ndjson"];
    project.run_with(&args, &people(1)).bad(1, &["--dry-run", "--outcomes"]);
    assert!(!project.path("o.ndjson").exists());
}

#[test]
fn a_batch_has_a_bound() {
    let project = Project::with_people();
    project.run_with(&["create", "people", "people", "--batch", "1001"], &people(1)).bad(1, &["1001", "1..=1000"]);
    let huge = format!("{{\"name\":\"{}\"}}\n", "x".repeat(8 << 20));
    project.run_with(&["create", "people", "people"], &huge).bad(1, &["stdin", "row 1", "at most 8 MiB"]);
}

#[test]
fn outcomes_are_looked_up_over_the_connection_that_wrote_them() {
    let project = Project::with_people();
    let both = "[connections.people]\nconnector = \"fixed\"\n[connections.others]\nconnector = \"fixed\"\n";
    project.import(both);
    let input = "{\"name\":\"unknown\"}\n";
    project.run_with(&["create", "people", "people", "--outcomes", "o.ndjson"], input).bad_quietly(1);
    project.run(&["resolve", "others", "o.ndjson"]).bad(1, &["`o.ndjson` are of the connection `people`"]);
    let go_on = ["create", "others", "people", "--outcomes", "o.ndjson", "--from-row", "1"];
    project.run_with(&go_on, input).bad(1, &["are of the connection `people`", "another file"]);
    project.import(
        "[connections.people]\nconnector = \"fixed\"\ngrant = [\"https://fixed.example\"]\n\
         [connections.people.settings]\naddress = \"https://fixed.example\"\n",
    );
    project.run(&["resolve", "people", "o.ndjson"]).bad(1, &["another store"]);
    project.import("[connections.people]\nconnector = \"fixed\"\n[connections.people.settings]\ngreeting = \"hi\"\n");
    project.run(&["resolve", "people", "o.ndjson"]).says(&["1 row looked up"]);
}

#[test]
fn rows_under_way_in_a_killed_run_are_looked_up_too() {
    let project = Project::with_people();
    let announced = format!(
        "{{\"sending\":{{\"first_row\":1,\"last_row\":2}},\"connection\":{},\
         \"write\":{{\"activity\":\"update\",\"object\":\"people\"}},\
         \"records\":[{{\"id\":1,\"name\":\"A\"}},{{\"id\":2,\"name\":\"B\"}}]}}\n{{\"row\":1,\"outc",
        connection(&project)
    );
    project.write("o.ndjson", &announced);
    let ran = project.run(&["resolve", "people", "o.ndjson"]).good();
    let rows: Vec<(u64, &str)> = vec![(1, "applied"), (2, "applied")];
    let lines = ran.lines();
    let got: Vec<(u64, &str)> =
        lines.iter().map(|line| (line["row"].as_u64().unwrap(), line["outcome"].as_str().unwrap())).collect();
    assert_eq!(got, rows, "{ran:#?}");
    assert_eq!(project.read("o.ndjson"), announced, "the file stays as it is");
}

#[test]
fn with_json_errors_are_one_object_on_stderr() {
    let project = Project::with_people();
    let ran =
        project.run_with(&["update", "people", "people", "--continue-on-error", "--json"], "{\"id\":8}\n{\"id\":1}\n");
    let errors = ran.error_json();
    assert_eq!(errors["errors"][0]["outcomes"], json!({"applied": 1, "failed": 1, "unknown": 0, "skipped": 0}));
    assert_eq!(errors["errors"][0]["rows"][0]["error"]["kind"], "not-found");
    assert_eq!(ran.lines().len(), 2);
    let ran = run(&mut project.bare(&["create", "--nonsense", "--json"]));
    assert_eq!((ran.code, ran.error_json()["exit"].as_u64()), (1, Some(1)));
    let ran = run(&mut project.bare(&["query", "--json"]));
    assert!(ran.error_json()["errors"][0]["message"].as_str().unwrap().contains("<NAME> <OBJECT>"), "{ran:#?}");
}

impl crate::support::Ran {
    /// Failed with this exit code; notes may precede the error.
    #[track_caller]
    fn bad_quietly(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.stderr.contains("error: "), "{self:#?}");
        self
    }
}
