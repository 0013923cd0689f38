//! Variables on the command line, in the store and with their key.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Project, run};

/// A project whose connection `a` takes its token from the variable `who`.
fn project() -> Project {
    let project = Project::empty();
    project.import("[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\ntoken = \"[who]\"\n");
    project
}

/// The connector tells how long the value is that reaches it.
fn says(project: &Project, args: &[&str], environment: Option<&str>, length: u32) {
    let mut command = project.command(&[&["test", "a"], args].concat());
    if let Some(value) = environment {
        command.env("CONNECTOR_VAR_WHO", value);
    }
    let ran = run(&mut command).good();
    assert!(ran.stdout.contains(&format!("the token has {length} characters")), "{ran:#?}");
}

#[test]
fn a_value_comes_from_the_nearest_source() {
    let project = project();
    project.write("variables.toml", "[variables]\nwho = \"f\"\n[environments.live.variables]\nwho = \"333\"\n");
    says(&project, &[], None, 1);
    project.run(&["variables", "set", "who", "22"]).good();
    says(&project, &[], None, 2);
    says(&project, &["--environment", "live"], None, 3);
    project.run(&["variables", "set", "who", "4444", "--environment", "live"]).good();
    says(&project, &["--environment", "live"], None, 4);
    project.run_with(&["variables", "set", "who", "--connection", "a"], "55555\n").good();
    says(&project, &["--environment", "live"], None, 5);
    says(&project, &["--environment", "live"], Some("666666"), 6);
    says(&project, &["--environment", "live", "--var", "who=7777777"], Some("666666"), 7);
    project.run(&["variables", "unset", "who", "--connection", "a"]).good();
    project.run(&["variables", "unset", "who", "--environment", "live"]).good();
    project.run(&["variables", "unset", "who"]).good();
    project.run(&["variables", "unset", "who"]).bad(1, &["no variable `who`"]);
    says(&project, &[], None, 1);
    project
        .run(&["variables", "list", "--environment", "lve"])
        .bad(1, &["no environment `lve`", "did you mean `live`?"]);
}

#[test]
fn the_list_says_scope_source_default_and_value_but_no_hidden_one() {
    let project = Project::empty();
    project.write("variables.toml", "[variables]\nopen = { value = \"o\", description = \"for all to see\" }\n");
    let settings = "greeting = \"[open] [absent{nobody}] [hidden]\"\ntoken = \"s3cret-own\"\n";
    let set = ["variables", "set", "hidden", "--hidden", "--description", "what for"];
    project.run_with(&set, "s3cret-stored\n").good();
    project.import(&format!("[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\n{settings}"));
    let args = ["variables", "list", "--json", "--var", "typed=s3cret-typed"];
    let list = project.run(&args).good().json();
    let row = |name: &str| list.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    let want = |name: &str, scope: Value, source: Value, value: Value, default: Value| {
        let row = row(name);
        let got = (&row["scope"], &row["source"], &row["value"], &row["default"], &row["set"]);
        assert_eq!(got, (&scope, &source, &value, &default, &json!(!value.is_null())), "{name}");
    };
    want("open", json!("project"), json!("variables.toml:2"), json!("o"), Value::Null);
    want("absent", Value::Null, Value::Null, Value::Null, json!("nobody"));
    want("hidden", json!("project"), json!("store"), json!("****"), Value::Null);
    want("typed", json!("global"), json!("command line"), json!("****"), Value::Null);
    want("secret.token", json!("connection"), json!("store"), json!("****"), Value::Null);
    assert_eq!(row("run.id")["scope"], "predefined");
    assert_eq!(row("hidden")["description"], "what for");
    assert_eq!(row("open")["connections"], json!(["a"]));
    let people = project.run(&["variables", "list"]).good();
    assert!(!format!("{list}{people:?}").contains("s3cret"), "{people:#?}");
}

#[test]
fn a_variable_of_the_project_is_not_used_by_connections_that_have_their_own() {
    let project = project();
    project.import("[connections.b]\nconnector = \"fixed\"\n[connections.b.settings]\ntoken = \"[who]\"\n");
    project.run(&["variables", "set", "who", "of the project"]).good();
    project.run_with(&["variables", "set", "who", "--connection", "b"], "of b\n").good();
    let rows = |args: &[&str]| -> Vec<(Value, Value)> {
        let list = project.run(&[&["variables", "list", "--json"], args].concat()).good().json();
        let rows = list.as_array().unwrap().iter().filter(|row| row["name"] == "who");
        rows.map(|row| (row["scope"].clone(), row["connections"].clone())).collect()
    };
    let own = (json!("connection"), json!(["fixed:b"]));
    assert_eq!(rows(&[]), [(json!("project"), json!(["a"])), own.clone()]);
    assert_eq!(rows(&["--var", "who=x"]), [(json!("global"), json!(["a", "b"])), own.clone()], "it comes first");
    project.run(&["connection", "delete", "a", "--yes"]).good();
    assert_eq!(rows(&[]), [(json!("project"), json!([])), own.clone()]);
    project.run(&["variables", "unset", "who"]).good();
    assert_eq!(rows(&[]), [own], "nobody lacks it");
}

#[test]
fn a_hidden_value_is_never_taken_from_the_command_line() {
    let project = Project::empty();
    project.run(&["variables", "set", "who", "s3cret", "--hidden"]).bad(1, &["--hidden"]);
    project.run(&["variables", "set", "who", "--hidden"]).bad(1, &["no value on stdin"]);
    project.run(&["variables", "set", "run.id", "x"]).bad(1, &["`run.id` is predefined"]);
    assert!(project.files().is_empty(), "{:?}", project.files());
    project.run_with(&["variables", "set", "who", "--hidden", "--environment", "live"], "s3cret").good();
    let ran = project.run(&["variables", "set", "who", "s3cret"]);
    ran.bad(1, &["`who` is hidden", "`connector variables set who`", "stdin"]);
    project.run_with(&["variables", "set", "who"], "s3cret").good();
    assert!(!project.run(&["variables", "list"]).good().stdout.contains("s3cret"));
}

#[test]
fn a_key_that_is_missing_is_told_with_every_place_and_what_is_not_hidden_goes_on() {
    let project = project();
    project.run_with(&["variables", "set", "who", "--hidden"], "value").good();
    says(&project, &[], None, 5);
    let (key, away) = (project.key_file(), project.path("away.key"));
    std::fs::rename(&key, &away).unwrap();
    // Whoever asks is told the same as the log.
    let ran = crate::support::run(project.command(&["query", "a", "people"]).env("RUST_LOG", "error"));
    ran.bad(
        1,
        &["connection `a`: setting `token`: the key ", "CONNECTOR_KEY: not set", "keys/", "keyring", "--key-file"],
    );
    project.run(&["connection", "list"]).good();
    project.run(&["variables", "list"]).good();
    says(&project, &["--key-file", "away.key"], None, 5);
    let keys = std::fs::read_to_string(&away).unwrap();
    let with = |keys: &str, file: &Path| {
        run(project.command(&["test", "a"]).env("CONNECTOR_KEY", keys).env("CONNECTOR_KEY_FILE", file))
    };
    with(keys.trim(), Path::new("nowhere")).good();
    let ran = with("nonsense", Path::new("nowhere"));
    assert!(
        ran.stderr.contains("CONNECTOR_KEY holds something that is no key") && !ran.stderr.contains("nonsense"),
        "{ran:#?}"
    );
}

#[test]
fn a_rotated_key_is_a_new_one_and_all_values_are_still_there() {
    let project = project();
    project.run_with(&["variables", "set", "who", "--hidden"], "value").good();
    let before = std::fs::read_to_string(project.key_file()).unwrap();
    let told = project.run(&["variables", "rotate-key", "--json"]).good().json();
    assert_eq!(told["values"], 1);
    let after = std::fs::read_to_string(project.key_file()).unwrap();
    std::fs::write(project.key_file(), after.strip_prefix(&before).unwrap()).unwrap();
    says(&project, &[], None, 5);
}

#[test]
fn without_a_session_there_is_no_keyring_and_that_is_said() {
    let project = project();
    project.run_with(&["variables", "set", "who", "--hidden"], "value").good();
    let mut command = project.command(&["variables", "rotate-key", "--keyring"]);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus").env("XDG_RUNTIME_DIR", "/nowhere");
    run(&mut command).bad(1, &["cannot use the system's keyring"]);
    says(&project, &[], None, 5);
}

#[test]
fn settings_may_mention_what_this_program_knows_itself() {
    let project = Project::empty();
    let greeting = "greeting=[connection.connector]/[connection.name]";
    project.run(&["connection", "add", "a", "--set", greeting]).good();
    let ran = project.run(&["test", "a"]).good();
    assert!(ran.stdout.contains("answered as fixed/a"), "{ran:#?}");
}
