//! Bad input: a clear error, exit code 1, nothing on stdout, nothing sent.

use crate::support::{Project, fixed, run};

#[test]
fn an_object_that_is_not_there() {
    let project = Project::with_people();
    for command in [
        &["describe", "people", "poeple"][..],
        &["query", "people", "poeple"],
        &["delete", "people", "poeple", "--id", "1"],
    ] {
        project.run(command).bad(1, &["`poeple`", "did you mean `people`?"]);
    }
}

#[test]
fn a_field_that_is_not_there() {
    let project = Project::with_people();
    project.run(&["query", "people", "people", "--fields", "id,nmae"]).bad(1, &["field", "did you mean `name`?"]);
    project.run(&["query", "people", "people", "--where", "nmae = x"]).bad(1, &["`nmae`", "did you mean `name`?"]);
    let csv = project.write("a.csv", "nmae\nX\n");
    project.run(&["create", "people", "people", "-i", &csv]).bad(1, &["`nmae`", "did you mean `name`?"]);
}

#[test]
fn a_condition_on_a_field_that_has_none() {
    let project = Project::with_people();
    project.run(&["query", "people", "people", "--where", "born > 2000-01-01"]).bad(1, &["born"]);
}

#[test]
fn conditions_that_cannot_be_read_are_all_told_with_their_place() {
    let project = Project::with_people();
    let ran = project.run(&["query", "people", "people", "--where", "id >", "--where", "name ~ x"]);
    ran.bad(1, &["`id >`", "column 5: a value is missing", "`name ~ x`", "column 6"]);
}

#[test]
fn a_malformed_csv_row() {
    let project = Project::with_people();
    let good: String = (1..=16).map(|i| format!("{i},n\n")).collect();
    for bad in ["17,n,1\n", "17\n", "x,n\n", "17,\"n\n", "17,n\"n\n"] {
        let csv = project.write("a.csv", format!("id,name\n{good}{bad}"));
        project.run(&["create", "people", "people", "-i", &csv]).bad(1, &["a.csv", "row 17", "line 18"]);
    }
}

#[test]
fn text_that_is_not_utf8_and_files_without_records() {
    let project = Project::with_people();
    for name in ["a.csv", "a.ndjson", "a.json"] {
        let file = project.write(name, b"name\ncaf\xe9\n");
        project.run(&["create", "people", "people", "-i", &file]).bad(1, &[name]);
        let file = project.write(name, "");
        project.run(&["create", "people", "people", "-i", &file]).bad(1, &[name, "holds no records"]);
    }
    let file = project.write("a.ndjson", b"{\"name\":\"x\"}\n{\"name\":\"caf\xe9\"}\n");
    project.run(&["create", "people", "people", "-i", &file]).bad(1, &["not UTF-8", "line 2", "column 13"]);
    project.run(&["create", "people", "people", "-i", "missing.csv"]).bad(1, &["missing.csv"]);
}

#[test]
fn json_that_is_no_object() {
    let project = Project::with_people();
    project.run_with(&["create", "people", "people"], "{\"name\":\"x\"}\n3\n").bad(1, &["stdin", "row 2", "line 2"]);
    project.run_with(&["create", "people", "people"], "{\"name\":\"x\"}\n{name:1}\n").bad(1, &["row 2", "column 2"]);
}

#[test]
fn names_that_a_connection_cannot_have() {
    let project = Project::empty();
    for name in ["a/b", "a:b", ""] {
        project.run(&["connection", "add", name]).bad(1, &["cannot be named"]);
    }
    project.run(&["query", "a/b", "people"]).bad(1, &["cannot be named"]);
    project.run(&["query", "fixed:b", "people"]).bad(1, &["connector `fixed` has no connection `b`"]);
    project.run(&["query", "nobody", "people"]).bad(1, &["no connection `nobody`"]);
    assert!(project.files().is_empty());
}

#[test]
fn an_undefined_variable() {
    let project = Project::empty();
    project.import("[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\ngreeting = \"[who-is-it]\"\n");
    let ran = project.run(&["query", "a", "people"]).bad(
        1,
        &[
            "connection `a`",
            "`greeting`",
            "`who-is-it`",
            "variables.toml",
            "variables set who-is-it",
            "CONNECTOR_VAR_WHO_IS_IT",
            "--var who-is-it=",
        ],
    );
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "told once: {}", ran.stderr);
}

#[test]
fn settings_that_make_no_sense() {
    let project = Project::empty();
    let file = "[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\nkeepAliveSeconds = \"12x\"\nuseProxy = true\n";
    project.write("bad.toml", file);
    project.run(&["connection", "import", "bad.toml"]).bad(1, &["bad.toml:4", "keepAliveSeconds"]);
    // What a variable holds shows only when the connection is used.
    project.import("[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\naddress = \"[where]\"\n");
    project.write("variables.toml", "[variables]\nwhere = \"https://elsewhere.example\"\n");
    project.run(&["query", "a", "people"]).bad(1, &["connection `a`", "https://elsewhere.example"]);
    // One that nobody declared to be plain may be a secret.
    let given = ["query", "a", "people", "--var", "other=https://secret.example"];
    project.import("[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\naddress = \"[other]\"\n");
    let ran = project.run(&given).bad(1, &["connection `a`", "not allowed"]);
    assert!(!ran.stderr.contains("secret.example"), "{ran:#?}");
}

#[test]
fn a_component_that_is_no_connector() {
    let project = Project::with_people();
    let bytes = std::fs::read(fixed()).unwrap();
    let half = project.write("half.wasm", &bytes[..bytes.len() / 2]);
    let mut damaged = bytes.clone();
    damaged.truncate(200);
    damaged.extend_from_slice(&[0xff; 64]);
    let damaged = project.write("damaged.wasm", &damaged);
    let module = project.write("module.wasm", b"\0asm\x01\0\0\0");
    let component = project.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    let text = project.write("text.wasm", "hello");
    for (file, words) in [
        (&half, "damaged or cut off"),
        (&damaged, "damaged or cut off"),
        (&module, "not a component"),
        (&component, "no connector"),
        (&text, "not a WebAssembly file"),
        (&"missing.wasm".to_owned(), "cannot read"),
    ] {
        run(&mut project.bare(&["query", "people", "people", "--connector", file])).bad(1, &[file, words]);
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_exit_code_1_and_help_is_0() {
    let project = Project::empty();
    run(&mut project.bare(&["qurey", "a", "b"])).bad(1, &["query"]);
    run(&mut project.bare(&["query"])).bad(1, &["NAME"]);
    let help = run(&mut project.bare(&["--help"])).good();
    assert!(help.stdout.contains("connection"));
    project.run(&["connection", "list", "--project", "nowhere"]).bad(1, &["no folder `nowhere`"]);
}

#[test]
fn a_store_that_is_damaged_or_something_else_is_told_with_the_cause_and_what_to_do() {
    let project = Project::empty();
    std::fs::create_dir(project.path("connector.db")).unwrap();
    let hint = ["hint: move it away and put a copy", "connection import"];
    project.run(&["connection", "list"]).bad(1, &["connector.db", "caused by: ", "directory", hint[0], hint[1]]);
    std::fs::create_dir(project.path("versions.db")).unwrap();
    project
        .run(&["versions", "list"])
        .bad(1, &["versions.db", "caused by: ", "directory", "install the versions again"]);

    let project = Project::with_people();
    let file = project.path("connector.db");
    let mut pages = std::fs::read(&file).unwrap();
    pages[4096..].fill(0xff);
    std::fs::write(&file, pages).unwrap();
    project.run(&["connection", "list"]).bad(1, &["connector.db", "malformed", hint[0], hint[1]]);
}
