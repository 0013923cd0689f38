//! Versions as a user manages them: installed, switched, pinned, rolled back; and what `connector test` does about newer ones.

use std::process::Command;

use connector_fixed::variant::{Variant, Way};
use serde_json::{Value, json};

use crate::support::{Project, Ran, fixed, run};

/// The fixed connector as this variant.
pub(crate) fn component(variant: Variant<'_>) -> Vec<u8> {
    variant.of(&std::fs::read(fixed()).unwrap()).unwrap()
}

/// Runs without `--connector`: what the project has serves.
fn versions(project: &Project, args: &[&str]) -> Ran {
    run(&mut plain(project, args))
}

fn plain(project: &Project, args: &[&str]) -> Command {
    let mut command = project.bare(args);
    // No credentials of this machine's user.
    command.env("DOCKER_CONFIG", project.path("docker"));
    command
}

/// A project with the connection `people`, where these versions are installed and the first one serves.
fn project_with(installed: &[&str]) -> Project {
    let project = Project::with_people();
    for version in installed {
        let file = project.write(&format!("fixed-{version}.wasm"), component(Variant::version(version)));
        versions(&project, &["versions", "install", &file]).good();
        std::fs::remove_file(file).unwrap();
    }
    if let Some(first) = installed.first() {
        versions(&project, &["versions", "use", first]).good();
    }
    project
}

/// A project where 1.0.0 serves, with a source, a folder, from which it takes what nobody has signed.
fn project_with_source() -> Project {
    let project = project_with(&["1.0.0"]);
    std::fs::create_dir(project.path("source")).unwrap();
    versions(&project, &["versions", "sources", "add", "source"]).good();
    versions(&project, &["versions", "policy", "--auto-update", "unsigned"]).good();
    project
}

/// The version that serves, by what a test of the connection says.
#[track_caller]
fn serves(project: &Project, version: &str) {
    let ran = versions(project, &["test", "people", "--json"]);
    let steps = ran.json()["steps"].to_string();
    assert!(steps.contains(&format!("connector fixed {version} (installed, ")), "{version}: {ran:#?}");
}

#[test]
fn a_version_serves_once_it_is_switched_to_and_the_one_before_comes_back_by_one_call() {
    let project = Project::with_people();
    for version in ["1.0.0", "2.0.0"] {
        let file = project.write("any.wasm", component(Variant::version(version)));
        let ran = versions(&project, &["versions", "install", &file]).good();
        assert!(
            ran.stdout.contains(&format!("fixed {version} (sha256:")) && ran.stdout.contains("is installed"),
            "{ran:#?}"
        );
        assert!(
            ran.stderr.contains("unsigned") && ran.stderr.contains("asks to reach https://fixed.example"),
            "{ran:#?}"
        );
        std::fs::remove_file(file).unwrap();
    }
    versions(&project, &["versions", "use", "1.0.0"]).good();
    serves(&project, "1.0.0");
    versions(&project, &["versions", "use", "2.0.0"]).good();
    serves(&project, "2.0.0");
    let queried = versions(&project, &["query", "people", "people", "--limit", "1"]).good();
    assert_eq!(queried.lines().len(), 1, "every command takes what serves");

    let list = versions(&project, &["versions", "list", "--json"]).good().json();
    let told =
        |row: &Value| [row["version"].clone(), row["state"].clone(), row["pinned"].clone(), row["signature"].clone()];
    let rows: Vec<_> = list.as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        rows,
        [
            [json!("2.0.0"), json!("in use"), json!(false), json!("unsigned")],
            [json!("1.0.0"), json!("before"), json!(false), json!("unsigned")]
        ]
    );
    assert_eq!(list[0]["world"], "ipaas:connector/connector@0.1.0");
    let table = versions(&project, &["versions", "list"]).good();
    assert!(table.stdout.contains("in use") && table.stdout.contains("any.wasm"), "{table:#?}");

    versions(&project, &["versions", "rollback"]).good();
    serves(&project, "1.0.0");
    versions(&project, &["versions", "remove", "1.0.0"]).bad(1, &["fixed 1.0.0", "in use"]);
    versions(&project, &["versions", "remove", "2.0.0"]).good();
    versions(&project, &["versions", "use", "2.0.0"])
        .bad(1, &["no installed version of `fixed` is 2.0.0", "1.0.0 (sha256:"]);
    versions(&project, &["versions", "rollback"]).bad(1, &["no other version"]);
    serves(&project, "1.0.0");
}

#[test]
fn a_pinned_version_stays_whatever_is_tried() {
    let project = project_with(&["1.0.0", "2.0.0"]);
    let ran = versions(&project, &["versions", "pin"]).good();
    assert!(ran.stdout.contains("fixed 1.0.0") && ran.stdout.contains("pinned"), "{ran:#?}");
    for args in [&["versions", "use", "2.0.0"][..], &["versions", "pin", "2.0.0"]] {
        versions(&project, args).bad(1, &["pinned to fixed 1.0.0", "unpin"]);
        serves(&project, "1.0.0");
    }
    assert_eq!(versions(&project, &["versions", "list", "--json"]).json()[1]["pinned"], true);
    versions(&project, &["versions", "unpin"]).good();
    versions(&project, &["versions", "pin", "2.0.0"]).good();
    serves(&project, "2.0.0");
}

#[test]
fn where_nothing_serves_a_version_that_fails_leaves_it_so_and_says_so() {
    let project = project_with(&[]);
    let file = project.write("new.wasm", component(Variant::version("1.0.0").with(Way::Trap, "test")));
    versions(&project, &["versions", "install", &file]).good();
    versions(&project, &["versions", "use", "1.0.0", "--test", "people"])
        .bad(2, &["fixed 1.0.0", "does not serve; nothing does, as before"]);
}

#[test]
fn a_version_that_a_connection_could_not_use_is_not_switched_to() {
    let project = project_with(&["1.0.0"]);
    let install = |variant: Variant<'_>| {
        let file = project.write("new.wasm", component(variant));
        versions(&project, &["versions", "install", &file]).good();
    };
    install(Variant::version("2.0.0").with(Way::Fail, "configure"));
    versions(&project, &["versions", "use", "2.0.0"])
        .bad(1, &["this variant fails in `configure`", "fixed 2.0.0", "what served before goes on"]);
    serves(&project, "1.0.0");
    install(Variant::version("3.0.0").with(Way::Trap, "test"));
    versions(&project, &["versions", "use", "3.0.0", "--test", "people"]).bad(2, &["what served before goes on"]);
    serves(&project, "1.0.0");
    versions(&project, &["versions", "use", "3.0.0", "--test", "nobody"]).bad(1, &["no connection `nobody`"]);
    let file = project.write("new.wasm", component(Variant::version("4.0.0").with(Way::Fail, "configure")));
    let ran = versions(&project, &["versions", "install", &file, "--use"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:#?}");
    ran.says(&["fails in `configure`", "what served before goes on"]);
    serves(&project, "1.0.0");
}

#[test]
fn test_looks_for_the_newest_version_first_and_tells_each_step() {
    let project = project_with_source();
    let ran = versions(&project, &["test", "people"]).good();
    assert!(ran.stdout.contains("ok   no newer version of fixed in one source\n"), "{ran:#?}");
    for version in ["1.5.0", "1.10.0", "2.0.0-rc.1"] {
        project.write(&format!("source/fixed-{version}.wasm"), component(Variant::version(version)));
    }
    project.write("source/other-9.0.0.wasm", "not looked at");
    let ran = versions(&project, &["test", "people"]).good();
    let steps = [
        "found fixed 1.10.0 at ",
        "downloaded ",
        "installed sha256:",
        "passed its self-test (1 of 1 connections) and is in use",
        "connector fixed 1.10.0",
    ];
    let mut rest = ran.stdout.as_str();
    for step in steps {
        let at = rest.find(step).unwrap_or_else(|| panic!("{step} is missing or too early: {ran:#?}"));
        rest = &rest[at..];
    }
    assert!(ran.stdout.ends_with("Connection `people` works.\n"), "{ran:#?}");
    versions(&project, &["versions", "rollback"]).good();
    versions(&project, &["versions", "pin"]).good();
    let ran = versions(&project, &["test", "people"]).good();
    assert!(
        ran.stdout.contains("note no newer version was looked for: fixed 1.0.0") && ran.stdout.contains("is pinned"),
        "{ran:#?}"
    );
    versions(&project, &["versions", "unpin"]).good();
    let policy = versions(&project, &["versions", "policy", "--auto-update", "off"]).good();
    assert!(policy.stdout.contains("auto-update  off"), "{policy:#?}");
    let ran = versions(&project, &["test", "people", "--json"]).good().json();
    assert!(ran["notes"][0].as_str().unwrap().contains("automatic updates off"), "{ran}");
    serves(&project, "1.0.0");
    versions(&project, &["versions", "policy", "--auto-update", "unsigned"]).good();
    let ran = versions(&project, &["test", "people"]).good();
    assert!(ran.stdout.contains("note fixed 1.10.0 is newer, and was rolled back"), "{ran:#?}");
    serves(&project, "1.0.0");
    versions(&project, &["versions", "remove", "1.10.0"]).good();
    let ran = versions(&project, &["test", "people"]).good();
    assert!(
        ran.stdout.contains("note fixed 1.10.0 is newer, and was rolled back"),
        "removed is not forgotten: {ran:#?}"
    );
    serves(&project, "1.0.0");
    project.write("source/fixed-1.11.0.wasm", component(Variant::version("1.11.0")));
    serves(&project, "1.11.0");
}

#[test]
fn a_newer_version_that_no_trusted_key_has_signed_waits_for_somebody_to_ask_for_it() {
    let project = project_with_source();
    versions(&project, &["versions", "policy", "--auto-update", "on"]).good();
    project.write("source/fixed-2.0.0.wasm", component(Variant::version("2.0.0")));
    let ran = versions(&project, &["test", "people"]).good();
    for told in ["it is unsigned", "versions install", "--use", "--auto-update unsigned"] {
        assert!(ran.stdout.contains(told), "{told}: {ran:#?}");
    }
    serves(&project, "1.0.0");
    assert_eq!(versions(&project, &["versions", "list", "--json"]).good().json().as_array().unwrap().len(), 1);
    project.write("ours.key", OURS_PRIVATE);
    project.write("ours.pub", OURS_PUBLIC);
    let file = project.path("source/fixed-2.0.0.wasm");
    versions(&project, &["versions", "push", file.to_str().unwrap(), "source", "--sign-key", "ours.key"]).good();
    let ran = versions(&project, &["test", "people"]).good();
    assert!(ran.stdout.contains("it is signed by no trusted key"), "{ran:#?}");
    versions(&project, &["versions", "policy", "--trust", "ours.pub"]).good();
    serves(&project, "2.0.0");
}

#[test]
fn a_bad_newer_version_is_told_and_the_connection_is_tested_with_the_old_one() {
    let two = Variant::version("2.0.0");
    let good = component(two);
    let bad: [(&str, Vec<u8>, &str); 8] = [
        ("corrupt", b"\0asm\x0d\0\x01\0 nothing of the kind".to_vec(), "damaged"),
        ("cut off", good[..good.len() / 2].to_vec(), "damaged or cut off"),
        ("traps at start", component(two.with(Way::Trap, "describe")), "does not describe itself"),
        ("another connector", component(Variant { name: "other", ..two }), "`other`, expected `fixed`"),
        ("another version", component(Variant::version("1.9.0")), "it says it is version 1.9.0, expected 2.0.0"),
        ("refuses the settings", component(two.with(Way::Fail, "configure")), "fails in `configure`"),
        ("fails its test", component(two.with(Way::Fail, "test")), "fails in `test`"),
        ("traps in its test", component(two.with(Way::Trap, "test")), "test"),
    ];
    for (what, wasm, reason) in bad {
        let project = project_with_source();
        project.write("source/fixed-2.0.0.wasm", wasm);
        let ran = versions(&project, &["test", "people"]).good();
        let note = ran.stdout.lines().find(|line| line.starts_with("note the present version goes on: "));
        assert!(note.is_some_and(|note| note.contains(reason)), "{what}: {ran:#?}");
        assert!(ran.stdout.contains("ok   connector fixed 1.0.0 (installed"), "{what}: {ran:#?}");
        assert!(ran.stdout.ends_with("Connection `people` works.\n"), "{what}: {ran:#?}");
        let queried = versions(&project, &["query", "people", "people", "--limit", "1"]).good();
        assert_eq!(queried.lines().len(), 1, "{what}");
        if ["refuses the settings", "traps in its test"].contains(&what) {
            let ran = versions(&project, &["test", "people"]).good();
            assert!(ran.stdout.contains("note fixed 2.0.0 is newer, and failed its self-test"), "{what}: {ran:#?}");
        }
    }
    let project = project_with_source();
    std::fs::remove_dir(project.path("source")).unwrap();
    let ran = versions(&project, &["test", "people"]).good();
    assert!(ran.stdout.contains("note source was not looked at: "), "{ran:#?}");
}

#[test]
fn a_version_that_was_changed_on_disk_is_held_back_and_the_reason_is_told() {
    let project = project_with(&["1.0.0", "2.0.0"]);
    versions(&project, &["versions", "use", "2.0.0"]).good();
    let list = versions(&project, &["versions", "list", "--json"]).json();
    let file = format!("connectors/{}.wasm", list[0]["digest"].as_str().unwrap().replace(':', "-"));
    project.write(&file, component(Variant::version("6.6.6")));
    let ran = versions(&project, &["query", "people", "people", "--limit", "1"]);
    assert_eq!((ran.code, ran.lines().len()), (0, 1), "{ran:#?}");
    let ran = ran.says(&["fixed 2.0.0", "does not serve; 1.0.0 goes on", "its digest is sha256:"]);
    assert!(!ran.stderr.contains("6.6.6"), "{ran:#?}");
    versions(&project, &["versions", "pin", "2.0.0"]).bad(1, &["its digest is sha256:"]);
    let list = versions(&project, &["versions", "list", "--json"]).good().json();
    assert!(list[0]["refused"].as_str().unwrap().starts_with("its digest is sha256:"), "{list}");
    assert_eq!((&list[0]["state"], &list[1]["refused"]), (&json!("in use"), &Value::Null));
    let table = versions(&project, &["versions", "list"]).says(&["fixed 2.0.0 (sha256:", "is refused: its digest is"]);
    assert!(table.code == 0 && ["in use,", "refused"].iter().all(|word| table.stdout.contains(word)), "{table:#?}");
}

#[test]
fn signatures_are_required_warned_about_or_not_looked_at_as_the_policy_says() {
    let project = project_with(&["1.0.0"]);
    project.write("ours.key", OURS_PRIVATE);
    project.write("ours.pub", OURS_PUBLIC);
    std::fs::create_dir(project.path("out")).unwrap();
    let file = project.write("new.wasm", component(Variant::version("2.0.0")));
    let pushed = versions(&project, &["versions", "push", &file, "out", "--sign-key", "ours.key"]).good();
    assert!(pushed.stdout.contains("fixed-2.0.0.wasm, signed"), "{pushed:#?}");
    versions(&project, &["versions", "install", "out"]).good().says(&["signed by no trusted key"]);

    let policy = ["versions", "policy", "--signatures", "require"];
    versions(&project, &policy).good();
    for args in [&["versions", "install", "out"][..], &["versions", "use", "2.0.0"]] {
        versions(&project, args).bad(1, &["signed by no trusted key", "the policy requires"]);
    }
    // Who publishes under this policy makes the signature that it requires.
    std::fs::create_dir(project.path("published")).unwrap();
    let pushed = versions(&project, &["versions", "push", &file, "published", "--sign-key", "ours.key"]).good();
    assert!(pushed.stdout.contains("fixed-2.0.0.wasm, signed"), "{pushed:#?}");
    versions(&project, &["test", "people"]).bad_step("unsigned");
    let list = versions(&project, &["versions", "list", "--json"]).good().json();
    for (row, why) in [(0, "signed by no trusted key"), (1, "unsigned")] {
        let refused = list[row]["refused"].as_str().unwrap();
        assert!(refused.contains(why) && refused.contains("the policy requires"), "{list}");
    }
    versions(&project, &["versions", "policy", "--trust", "ours.pub"]).good();
    versions(&project, &["versions", "use", "2.0.0"]).good();
    serves(&project, "2.0.0");
    let list = versions(&project, &["versions", "list", "--json"]).good().json();
    assert_eq!((&list[0]["signature"], &list[0]["refused"]), (&json!("signed by ours.pub"), &Value::Null));
    versions(&project, &["versions", "install", &file]).bad(1, &["unsigned"]);
    versions(&project, &["versions", "policy", "--distrust", "ours.pub", "--signatures", "off"]).good();
    versions(&project, &["versions", "install", &file]).good();
    let policy = versions(&project, &["versions", "policy", "--json"]).good().json();
    assert_eq!(policy, json!({ "signatures": "off", "auto_update": "on", "trusted": [] }));
    versions(&project, &["versions", "policy", "--trust", "new.wasm"]).bad(1, &["new.wasm"]);
    versions(&project, &["versions", "push", &file, "out", "--sign-key", "ours.pub"]).bad(1, &["private key"]);
}

/// A key pair of these tests; `openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt` made it.
const OURS_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgk8CdAHOJZBsa3oNB
4RzrzLK7qjPYRZXljKRJAw7LuT+hRANCAAR/i/zfAu1Vma9W2j2NWldqbt4ye2b6
B428IEg18eL/cFeTmt/CDS4SA4cp1PCW669IqQYlI1efreXOyulo9vTz
-----END PRIVATE KEY-----
";
const OURS_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf4v83wLtVZmvVto9jVpXam7eMntm
+geNvCBINfHi/3BXk5rfwg0uEgOHKdTwluuvSKkGJSNXn63lzsrpaPb08w==
-----END PUBLIC KEY-----
";

#[test]
fn looking_makes_no_files_and_mistakes_are_told() {
    let project = Project::empty();
    for args in [&["versions", "list"][..], &["versions", "available"], &["versions", "sources", "list"]] {
        versions(&project, args).good();
        assert_eq!(versions(&project, &[args, &["--json"]].concat()).good().json(), json!([]));
    }
    assert!(project.files().is_empty(), "{:?}", project.files());
    let missing = project.path("missing").to_str().unwrap().to_owned();
    versions(&project, &["versions", "install", &missing]).bad(1, &["missing"]);
    versions(&project, &["versions", "install", "oci://"]).bad(1, &["oci://HOST[:PORT]/REPOSITORY"]);
    versions(&project, &["versions", "install", "x", "--project", "nowhere"]).bad(1, &["no folder `nowhere`"]);
    let source = ["versions", "sources", "add", "oci://localhost:1/fixed", "--credentials"];
    for typed in ["ada:s3cret", "[ada]:s3cret", "[ada]"] {
        let ran = versions(&project, &[&source[..], &[typed]].concat()).bad(1, &["[USER]:[PASSWORD]"]);
        assert!(!ran.stderr.contains("s3cret"), "{ran:#?}");
    }
    versions(&project, &["versions", "sources", "add", "oci://localhost:1/fixed:1.0.0"]).bad(1, &["whole repository"]);
    versions(&project, &[&source[..], &["[ada]:[token]"]].concat()).good();
    let list = versions(&project, &["versions", "sources", "list", "--json"]).good().json();
    assert_eq!(list[0]["credentials"], "[ada]:[token]");
    let failed = versions(&project, &["versions", "available"]);
    assert_eq!(failed.code, 1);
    failed.says(&["oci://localhost:1/fixed", "no variable `ada`"]);
    versions(&project, &["versions", "sources", "remove", "oci://localhost:1/fixd"]).bad(1, &["did you mean"]);
    versions(&project, &["versions", "sources", "remove", "oci://localhost:1/fixed"]).good();
}

impl Ran {
    /// The connection could not be tested, and this is why.
    #[track_caller]
    fn bad_step(self, reason: &str) {
        assert_eq!(self.code, 1, "{self:#?}");
        assert!(self.stderr.contains(reason), "{self:#?}");
    }
}
