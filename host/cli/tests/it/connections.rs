//! Connections, variables, discovery.

use serde_json::json;

use crate::support::{Project, run};

#[test]
fn a_secret_that_is_typed_in_is_kept_apart_and_never_shown() {
    let project = Project::empty();
    let ran = project
        .run(&[
            "connection",
            "add",
            "my shop",
            "--set",
            "token=s3cret-value",
            "--set",
            "greeting=hi",
            "--set",
            "useProxy=false",
        ])
        .good();
    assert!(!format!("{ran:?}").contains("s3cret"));
    let file = project.read("connections.toml");
    assert!(file.contains("token = \"[connection-my_shop-token]\"") && file.contains("useProxy = false"), "{file}");
    assert!(!file.contains("s3cret"));
    assert!(project.read("secrets.toml").contains("s3cret-value"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(project.path("secrets.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for args in [
        &["connection", "show", "my shop"][..],
        &["connection", "list"],
        &["variables", "list"],
        &["connection", "show", "my shop", "--json"],
        &["variables", "list", "--json"],
        &["connection", "check"],
        &["test", "my shop", "-vv"],
    ] {
        let ran = project.run(args).good();
        assert!(!format!("{ran:?}").contains("s3cret"), "{args:?}: {ran:#?}");
    }
    let ran = project.run(&["test", "my shop"]).good();
    assert!(
        ran.stdout.contains("answered as hi") && ran.stdout.contains("has 12 characters"),
        "the secret arrives: {ran:#?}"
    );

    project.run(&["connection", "remove", "my shop"]).good();
    assert!(!project.read("secrets.toml").contains("s3cret"), "a removed connection leaves no secret");
    assert!(!project.read("connections.toml").contains("my shop"));
}

#[test]
fn a_connection_that_is_replaced_leaves_no_secret_behind() {
    let project = Project::empty();
    project.write("secrets.toml", "[variables]\nmine = \"kept\"\n");
    project.run(&["connection", "add", "a", "--set", "token=s3cret-one", "--set", "greeting=[mine]"]).good();
    assert!(project.read("secrets.toml").contains("s3cret-one"));
    let replace = ["connection", "add", "a", "--replace", "--set", "token=[own]", "--var", "own=x"];
    project.run(&replace).good();
    assert!(!project.read("secrets.toml").contains("s3cret-one"), "{}", project.read("secrets.toml"));
    assert!(project.read("secrets.toml").contains("kept"), "what the program did not make is not its to remove");
    project.run(&["connection", "add", "a", "--replace", "--set", "token=s3cret-two"]).good();
    project.run(&["connection", "add", "a", "--replace", "--set", "token=s3cret-three"]).good();
    let secrets = project.read("secrets.toml");
    assert!(secrets.contains("s3cret-three") && !secrets.contains("s3cret-two"), "{secrets}");
}

#[test]
fn a_literal_secret_in_the_file_is_shown_as_stars_and_warned_about() {
    let project = Project::empty();
    project.write(
        "connections.toml",
        "[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\ntoken = \"s3cret\"\n",
    );
    let shown = project.run(&["connection", "show", "a"]).good();
    assert!(shown.stdout.contains("****") && !shown.stdout.contains("s3cret"));
    let checked = project.run(&["connection", "check"]).good().says(&["connections.toml:4", "plain text"]);
    assert!(!checked.stderr.contains("s3cret"));
}

#[test]
fn a_connection_is_saved_only_if_it_is_valid() {
    let project = Project::empty();
    project.run(&["connection", "add", "a", "--set", "tokn=x"]).bad(1, &["no setting `tokn`", "did you mean `token`?"]);
    project
        .run(&["connection", "add", "a", "--set", "keepAliveSeconds=12x"])
        .bad(1, &["keepAliveSeconds", "an integer"]);
    project
        .run(&["connection", "add", "a", "--set", "greeting=[who]"])
        .bad(1, &["`who`", "CONNECTOR_VAR_WHO", "--var who="]);
    project.run(&["connection", "add", "a", "--grant", "nonsense"]).bad(1, &["cannot grant `nonsense`"]);
    assert!(project.files().is_empty(), "{:?}", project.files());
    project.run(&["connection", "add", "a"]).good();
    project.run(&["connection", "add", "a"]).bad(1, &["already", "--replace"]);
    project.run(&["connection", "add", "a", "--replace", "--grant", "https://gateway.example.com"]).good();
    assert!(project.read("connections.toml").contains("gateway.example.com"));
}

#[test]
fn check_tells_everything_that_is_wrong_with_every_connection_at_once() {
    let project = Project::empty();
    project.write(
        "connections.toml",
        "[connections.good]\nconnector = \"fixed\"\n\n\
         [connections.first]\nconnector = \"fixed\"\n[connections.first.settings]\ngreeting = 1\nnope = 2\n\n\
         [connections.second]\nconnector = \"fixed\"\nca-file = \"missing.pem\"\n[connections.second.settings]\ntoken = \"[absent]\"\n\n\
         [connections.third]\nconnector = \"other\"\n",
    );
    let ran = project.run(&["connection", "check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("ok   good") && ran.stdout.contains("FAIL first"), "{ran:#?}");
    let ran = ran.says(&[
        "connections.toml:7: connection `first`",
        "connections.toml:8: connection `first`",
        "connections.toml:14: connection `second`",
        "mentions the variable `absent`",
        "missing.pem",
        "connections.toml:16: connection `third`",
        "`other`",
    ]);
    assert_eq!(ran.stderr.matches("error: ").count(), 5, "{}", ran.stderr);
}

#[test]
fn variables_come_from_the_nearest_source() {
    let project = Project::empty();
    project.write(
        "connections.toml",
        "[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\ntoken = \"[who]\"\n",
    );
    project.write("variables.toml", "[variables]\nwho = \"f\"\n[environments.live.variables]\nwho = \"ll\"\n");
    // The connector tells how long the value is that reaches it, and the values differ in that.
    let says = |args: &[&str], environment: Option<&str>, length: u32| {
        let mut command = project.command(&[&["test", "a"], args].concat());
        if let Some(value) = environment {
            command.env("CONNECTOR_VAR_WHO", value);
        }
        let ran = run(&mut command).good();
        assert!(ran.stdout.contains(&format!("the token has {length} characters")), "{ran:#?}");
    };
    says(&[], None, 1);
    says(&["--environment", "live"], None, 2);
    says(&["--environment", "live"], Some("ppp"), 3);
    says(&["--environment", "live", "--var", "who=cccc"], Some("ppp"), 4);

    let list = project.run(&["variables", "list", "--json"]).good().json();
    assert_eq!(list[0]["name"], "who");
    assert_eq!(list[0]["connections"], json!(["a"]));
    assert_eq!(list[0]["value"], "f");
    project
        .run(&["variables", "list", "--environment", "lve"])
        .bad(1, &["no environment `lve`", "did you mean `live`?"]);
}

#[test]
fn objects_and_their_fields_are_told_to_people_and_to_programs() {
    let project = Project::with_people();
    let ran = project.run(&["objects", "people"]).good();
    assert!(ran.stdout.contains("people") && ran.stdout.contains("trials"), "{ran:#?}");
    let list = project.run(&["objects", "people", "--search", "PEOP", "--json"]).good().json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["activities"], json!(["query", "create", "update", "delete"]));

    let ran = project.run(&["describe", "people", "people"]).good();
    assert!(ran.stdout.contains("= != in contains") && ran.stdout.contains("stable"), "{ran:#?}");
    let described = project.run(&["describe", "people", "people", "--json"]).good().json();
    assert_eq!(described["key"], json!(["id"]));
    let schema = project.run(&["describe", "people", "people", "--schema", "create"]).good().json();
    assert_eq!(schema["request"]["properties"]["id"]["type"], "integer");
    project
        .run(&["describe", "people", "trials", "--schema", "delete"])
        .bad(1, &["has no delete", "it offers: query, create"]);
}

#[test]
fn test_ends_with_a_plain_verdict() {
    let project = Project::with_people();
    let ran = project.run(&["test", "people"]).good();
    assert!(ran.stdout.ends_with("Connection `people` works.\n"), "{ran:#?}");
    let json = project.run(&["test", "people", "--json"]).good().json();
    assert_eq!(json["ok"], true);

    project.write(
        "connections.toml",
        "[connections.people]\nconnector = \"fixed\"\n[connections.people.settings]\nnope = 1\n",
    );
    let ran = project.run(&["test", "people"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.ends_with("Connection `people` does not work.\n"), "{ran:#?}");
    let ran = ran.says(&["error: connections.toml:4: connection `people`: "]);
    assert!(ran.stderr.contains("nope"));
    let ran = project.run(&["test", "people", "--json"]);
    assert_eq!((ran.code, &ran.json()["ok"]), (1, &json!(false)));
    assert_eq!(ran.error_json()["errors"][0]["pointer"], "/nope");
}
