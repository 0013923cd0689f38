//! Connections, variables, discovery.

use serde_json::json;

use crate::support::{Project, fixed, run};

#[test]
fn a_secret_that_is_typed_in_is_encrypted_and_never_shown() {
    let project = Project::empty();
    let add = ["connection", "add", "my shop", "--set", "token=s3cret-value", "--set", "greeting=hi"];
    let ran = project.run(&[&add[..], &["--set", "useProxy=false"]].concat()).good();
    assert!(!format!("{ran:?}").contains("s3cret"));
    let shown = project.run(&["connection", "show", "my shop"]).good().stdout;
    assert!(shown.contains("[secret.token]") && shown.contains("false"), "{shown}");
    let holds = |path: &std::path::Path| std::fs::read(path).unwrap().windows(6).any(|piece| piece == b"s3cret");
    assert!(!holds(&project.path("connector.db")) && !holds(&project.key_file()));
    for args in [
        &["connection", "show", "my shop"][..],
        &["connection", "list"],
        &["variables", "list"],
        &["connection", "show", "my shop", "--json"],
        &["variables", "list", "--json"],
        &["connection", "check"],
        &["connection", "export"],
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
    let deleted = project.run(&["connection", "delete", "my shop", "--yes", "--json"]).good().json();
    assert_eq!(deleted["with"], json!([{ "kind": "hidden variable", "name": "secret.token" }]));
    assert_eq!(project.run(&["connection", "list", "--json"]).good().json(), json!([]));
}

#[test]
fn a_secret_is_a_value_or_one_variable_and_nothing_between() {
    let project = Project::empty();
    let ran = project.run(&["connection", "add", "a", "--set", "token=s3cret[who]"]);
    let ran = ran.bad(1, &["`token` is a secret", "token=[name]"]);
    assert!(!ran.stderr.contains("s3cret"));
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
    assert!(project.run(&["connection", "list"]).good().stdout.contains("gateway.example.com"));
}

#[test]
fn an_edit_changes_what_it_names_and_is_checked_as_a_whole() {
    let project = Project::empty();
    let add =
        ["connection", "add", "a", "--set", "token=s3cret-one", "--set", "greeting=hi", "--grant", "https://a.example"];
    project.run(&add).good();
    let show = || project.run(&["connection", "show", "a", "--json"]).good().json();
    project.run(&["connection", "edit", "a", "--set", "useProxy=false", "--grant", "https://b.example"]).good();
    assert_eq!(show()["settings"], json!({ "token": "[secret.token]", "greeting": "hi", "useProxy": false }));
    assert_eq!(show()["grant"], json!(["https://a.example", "https://b.example"]));
    project.run(&["connection", "edit", "a", "--set", "token=s3cret-two-longer"]).good();
    assert!(project.run(&["test", "a"]).good().stdout.contains("has 17 characters"), "another value");
    let before = show();
    project.run(&["connection", "edit", "a", "--set", "address=https://c.example"]).bad(1, &["https://c.example"]);
    project.run(&["connection", "edit", "a", "--unset", "greting"]).bad(1, &["no setting `greting`", "`greeting`"]);
    project.run(&["connection", "edit", "a", "--revoke", "https://c.example"]).bad(1, &["no grant", "c.example"]);
    project.run(&["connection", "edit", "a"]).bad(1, &["nothing to change"]);
    assert_eq!(show(), before);
    let edit =
        ["connection", "edit", "a", "--unset", "greeting", "--revoke", "https://a.example", "--set", "token=[own]"];
    project.run(&[&edit[..], &["--var", "own=x"]].concat()).good();
    assert_eq!(show()["settings"], json!({ "token": "[own]", "useProxy": false }));
    assert_eq!(show()["grant"], json!(["https://b.example"]));
    let list = project.run(&["variables", "list"]).good().stdout;
    assert!(!list.contains("secret.token"), "a secret that nothing mentions is gone: {list}");
}

#[test]
fn a_copy_and_a_new_name_take_the_connections_own_secret_along() {
    let project = Project::empty();
    project.run(&["connection", "add", "a", "--set", "token=s3cret-value"]).good();
    project.run(&["connection", "rename", "a", "b"]).good();
    project.run(&["connection", "copy", "b", "c"]).good();
    project.run(&["connection", "copy", "b", "c"]).bad(1, &["has a connection `c` already", "another name"]);
    project.run(&["connection", "rename", "b", "x/y"]).bad(1, &["cannot be named"]);
    project.run(&["connection", "delete", "b"]).bad(1, &["`secret.token` goes with it", "--yes"]);
    project.run(&["connection", "delete", "b", "--yes"]).good();
    project.run(&["query", "b", "people"]).bad(1, &["no connection `b`"]);
    assert!(project.run(&["test", "c"]).good().stdout.contains("has 12 characters"));
    assert!(project.run(&["test", "fixed:c"]).good().stdout.contains("has 12 characters"), "by its full name");
}

#[test]
fn an_export_names_the_variables_holds_no_secret_and_is_read_back() {
    let project = Project::empty();
    project.write("variables.toml", "[variables]\nwho = \"me\"\n");
    let add = ["connection", "add", "a", "--set", "token=s3cret-value", "--set", "greeting=[who] [missing{!}]"];
    project.run(&add).good();
    let text = project.run(&["connection", "export"]).good().stdout;
    for line in [
        "# [secret.token]: hidden, scope connection, from store",
        "# [who]: scope project, from variables.toml:2",
        "# [missing]: not set",
        "token = \"[secret.token]\"",
    ] {
        assert!(text.contains(line), "{line:?} is missing: {text}");
    }
    let other = Project::empty();
    other.write("a.toml", &text);
    let ran = other.run(&["connection", "import", "a.toml"]).good();
    ran.says(&["`secret.token` is not defined yet", "`who` is not defined yet"]);
    other.run_with(&["variables", "set", "secret.token", "--hidden", "--connection", "a"], "value\n").good();
    let ran = other.run(&["test", "a", "--var", "who=you"]).good();
    assert!(ran.stdout.contains("answered as you !") && ran.stdout.contains("has 5 characters"), "{ran:#?}");
    other.run(&["connection", "import", "a.toml"]).bad(1, &["a.toml:", "`a` already", "--replace"]);
    project.run(&["connection", "export", "a", "--output", "out.toml"]).good();
    assert_eq!(project.read("out.toml"), text);
}

#[test]
fn an_older_file_of_connections_is_taken_over_with_its_secrets() {
    let project = Project::empty();
    project.write(
        "connections.toml",
        "[connections.a]\nconnector = \"fixed\"\n[connections.a.settings]\ntoken = \"[connection-a-token]\"\n\
         [connections.b]\nconnector = \"fixed\"\n[connections.b.settings]\ntoken = \"s3cret-in-plain\"\n",
    );
    project.write("secrets.toml", "[variables]\nconnection-a-token = \"s3cret\"\nunused = \"x\"\n");
    project.run(&["connection", "list"]).says(&["connector connection import connections.toml"]);
    project.run(&["test", "a"]).says(&["connector connection import connections.toml"]);
    let ran = project.run(&["connection", "import", "connections.toml"]).good();
    assert!(ran.stdout.contains("2 connections and 2 secrets"), "{ran:#?}");
    let ran = ran.says(&["still hold secrets as plain text"]);
    assert!(!format!("{ran:?}").contains("s3cret"));
    assert!(project.run(&["test", "a"]).good().stdout.contains("has 6 characters"));
    assert!(project.run(&["test", "b"]).good().stdout.contains("has 15 characters"));
    let list = project.run(&["variables", "list", "--json"]).good().json();
    let names: Vec<&str> = list.as_array().unwrap().iter().filter_map(|row| row["connection"].as_str()).collect();
    assert_eq!(names, ["fixed:a", "fixed:b"], "{list:#}");
}

#[test]
fn an_import_tells_everything_that_is_wrong_with_every_connection_at_once_and_takes_none() {
    let project = Project::empty();
    project.write(
        "connections.toml",
        "[connections.good]\nconnector = \"fixed\"\n\n\
         [connections.first]\nconnector = \"fixed\"\n[connections.first.settings]\ngreeting = 1\nnope = 2\n\n\
         [connections.second]\nconnector = \"fixed\"\nca-file = \"missing.pem\"\n[connections.second.settings]\ntoken = \"[absent]\"\n\n\
         [connections.third]\nconnector = \"other\"\n",
    );
    let ran = project.run(&["connection", "import", "connections.toml"]).bad(
        1,
        &[
            "connections.toml:7: connection `first`",
            "connections.toml:8: connection `first`",
            "connections.toml:10: connection `second`",
            "missing.pem",
            "connections.toml:16: connection `third`",
            "`other`",
        ],
    );
    assert_eq!(ran.stderr.matches("error: ").count(), 4, "{}", ran.stderr);
    assert_eq!(project.files(), ["connections.toml"]);
    project.run(&["connection", "import", "connections.toml", "goood"]).bad(1, &["`goood`", "`good`"]);
    project.run(&["connection", "import", "connections.toml", "good"]).good();
}

#[test]
fn check_tells_what_is_wrong_with_every_connection() {
    let project = Project::empty();
    project.run(&["connection", "add", "good"]).good();
    project.run(&["connection", "add", "bad", "--set", "token=[absent]", "--var", "absent=x"]).good();
    let ran = project.run(&["connection", "check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("ok   good") && ran.stdout.contains("FAIL bad"), "{ran:#?}");
    let ran = ran.says(&["connection `bad`", "mentions the variable `absent`"]);
    assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
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

    project
        .import("[connections.people]\nconnector = \"fixed\"\n[connections.people.settings]\naddress = \"[where]\"\n");
    project.write("variables.toml", "[variables]\nwhere = \"https://elsewhere.example\"\n");
    let ran = project.run(&["test", "people"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.ends_with("Connection `people` does not work.\n"), "{ran:#?}");
    ran.says(&["error: connection `people`: ", "https://elsewhere.example"]);
    let ran = project.run(&["test", "people", "--json"]);
    assert_eq!((ran.code, &ran.json()["ok"]), (1, &json!(false)));
    assert_eq!(ran.error_json()["errors"][0]["pointer"], "/address");
}

#[test]
fn a_secret_comes_from_stdin_or_a_file_and_one_on_the_command_line_is_remarked_on() {
    let project = Project::empty();
    let remark = "others can see the command line";
    let ran = project.run_with(&["connection", "add", "a", "--set", "token=-"], "[s3cret]\r\n").good();
    assert!(!ran.stderr.contains(remark), "{ran:#?}");
    assert!(project.run(&["test", "a"]).good().stdout.contains("has 8 characters"), "no variable is meant by `[`");
    project.write("token", "s3cret-of-file\n");
    let ran = project.run(&["connection", "edit", "a", "--set", "token=@token"]).good();
    assert!(!ran.stderr.contains(remark), "{ran:#?}");
    assert!(project.run(&["test", "a"]).good().stdout.contains("has 14 characters"));
    let ran = project.run(&["connection", "edit", "a", "--set", "token=@@@x", "--set", "greeting=@@-"]).good();
    let ran = ran.says(&[remark, "--set token=-"]);
    assert_eq!(ran.stderr.matches(remark).count(), 1, "{ran:#?}");
    assert!(project.run(&["test", "a"]).good().stdout.contains("has 2 characters"));
    assert_eq!(project.run(&["connection", "show", "a", "--json"]).good().json()["settings"]["greeting"], "-");
    let ran = project.run(&["connection", "edit", "a", "--set", "token=[own]", "--var", "own=x"]).good();
    assert!(!ran.stderr.contains(remark), "{ran:#?}");
    for (set, told) in [("token=@nothing", "`nothing`"), ("token=-", "no value on stdin")] {
        project.run(&["connection", "edit", "a", "--set", set]).bad(1, &[told]);
    }
    let both = ["connection", "edit", "a", "--set", "token=-", "--set", "greeting=-"];
    project.run_with(&both, "x").bad(1, &["both `token` and `greeting`", "--set KEY=@FILE"]);
}

#[test]
fn what_an_import_grants_is_confirmed_with_the_hidden_variables_that_could_go_there() {
    let project = Project::empty();
    project.run_with(&["variables", "set", "mine", "--hidden"], "s3cret").good();
    let file = |origin: &str| {
        let settings = "[connections.a.settings]\ntoken = \"[mine]\"\n";
        project.write("a.toml", format!("[connections.a]\nconnector = \"fixed\"\ngrant = [\"{origin}\"]\n{settings}"))
    };
    file("https://10.0.0.1");
    let import = ["connection", "import", "a.toml"];
    project
        .run(&import)
        .bad(1, &["to be confirmed", "`a` may reach https://10.0.0.1", "variables mine", "--allow-grants"]);
    assert_eq!(project.run(&["connection", "list", "--json"]).good().json(), json!([]));
    project.run(&[&import[..], &["--allow-grants"]].concat()).good();
    project.run(&[&import[..], &["--replace"]].concat()).good();
    file("https://10.0.0.2");
    project.run(&[&import[..], &["--replace"]].concat()).bad(1, &["may reach https://10.0.0.2"]);
}

#[test]
fn a_connection_of_an_installed_connector_is_made_by_its_name() {
    let project = Project::empty();
    let bare = |args: &[&str]| run(&mut project.bare(args));
    let add = ["connection", "add", "a", "--using", "fixed"];
    bare(&add).bad(1, &["no version of the connector `fixed` is in use", "versions install"]);
    bare(&["versions", "install", fixed().to_str().unwrap()]).good();
    bare(&add).bad(1, &["no version of the connector `fixed` is in use", "versions use"]);
    bare(&["versions", "use", "0.1.0", "--of", "fixed"]).good();
    bare(&["connection", "add", "a", "--using", "fxied"]).bad(1, &["did you mean `fixed`?"]);
    bare(&add).good();
    bare(&["connection", "add", "b", "--set", "store_hash=abc123", "--set", "access_token=[t]", "--var", "t=x"]).good();
    let checked = bare(&["connection", "check", "--var", "t=x"]).good();
    assert_eq!(checked.stdout.matches("ok  ").count(), 2, "each by its own connector: {checked:#?}");
    let text = bare(&["connection", "export"]).good().stdout;
    project.write("both.toml", text);
    bare(&["connection", "import", "both.toml", "--replace", "--var", "t=x"]).good();
    assert!(bare(&["test", "a"]).good().stdout.contains("connector fixed"));
}

/// As a user who may read the project and not write it. Root may write everything, and becomes nobody.
#[cfg(unix)]
#[test]
fn a_project_that_can_only_be_read_is_read_and_a_change_is_refused_with_the_reason() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    let project = Project::with_people();
    project.run(&["variables", "set", "plain", "seen"]).good();
    project.run(&["versions", "policy", "--auto-update", "off"]).good();
    let folder = project.path(".");
    let root = std::fs::metadata(&folder).unwrap().uid() == 0;
    let mode = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o555);
    for file in project.files() {
        std::fs::set_permissions(project.path(&file), std::fs::Permissions::from_mode(0o444)).unwrap();
    }
    let reader = |args: &[&str]| {
        let mut command = project.command(args);
        command.env_remove("XDG_CONFIG_HOME").env_remove("CONNECTOR_CACHE_DIR").env("HOME", "/nonexistent");
        if root {
            command.uid(65534).gid(65534);
        }
        run(&mut command)
    };
    assert!(reader(&["connection", "list"]).good().stdout.contains("people"));
    assert!(reader(&["variables", "list"]).good().stdout.contains("seen"));
    reader(&["versions", "list"]).good();
    assert!(reader(&["test", "people"]).good().stdout.contains("works"));
    for change in [
        &["variables", "set", "plain", "other"][..],
        &["connection", "delete", "people", "--yes"],
        &["versions", "policy", "--auto-update", "on"],
    ] {
        reader(change).bad(1, &["can only be read here: Permission denied", "may write the file"]);
    }
    let beside: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    mode(0o755);
    assert!(!beside.iter().any(|name| name.to_string_lossy().contains("-wal")), "{beside:?}");
}
