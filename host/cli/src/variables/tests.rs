//! What variables promise.
#![allow(clippy::unwrap_used)]

use connector_host::Variables as _;

use super::*;

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(variables: &str, secrets: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("variables.toml"), variables).unwrap();
        std::fs::write(folder.path().join("secrets.toml"), secrets).unwrap();
        Self { folder }
    }

    fn load(
        &self,
        environment: Option<&str>,
        process: &[(&str, &str)],
        line: &[&str],
    ) -> Result<Variables, Vec<Failure>> {
        let line: Vec<String> = line.iter().map(|s| (*s).to_owned()).collect();
        Variables::load(&Sources {
            file: &self.folder.path().join("variables.toml"),
            file_required: false,
            secrets: &self.folder.path().join("secrets.toml"),
            environment,
            process: process.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            command_line: &line,
        })
    }
}

fn value(variables: &Variables, name: &str) -> String {
    variables.get(name).map(|s| s.reveal().to_owned()).unwrap_or_else(|e| e.to_string())
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_section_over_the_file() {
    let project = Project::new("[variables]\na = \"file\"\n[environments.live.variables]\na = \"section\"\n", "");
    let environment = [("CONNECTOR_VAR_A", "process")];
    assert_eq!(value(&project.load(None, &[], &[]).unwrap(), "a"), "file");
    assert_eq!(value(&project.load(Some("live"), &[], &[]).unwrap(), "a"), "section");
    assert_eq!(value(&project.load(Some("live"), &environment, &[]).unwrap(), "a"), "process");
    assert_eq!(value(&project.load(Some("live"), &environment, &["a=line=1"]).unwrap(), "a"), "line=1");
}

#[test]
fn secrets_are_hidden_and_a_variable_that_is_hidden_once_stays_hidden() {
    let project = Project::new(
        "[variables]\ntoken = { hidden = true, description = \"of the shop\" }\nplain = \"p\"\n[environments.e.variables]\ntoken = \"t\"\n",
        "[variables]\nconnection-shop-token = \"s\"\nplain = \"other\"\n",
    );
    let variables = project.load(Some("e"), &[], &["typed=x"]).unwrap();
    for (name, want) in [("token", "t"), ("connection-shop-token", "s"), ("plain", "p"), ("typed", "x")] {
        assert_eq!(value(&variables, name), want);
        assert!(variables.find(name).unwrap().hidden, "{name}");
    }
    assert_eq!(variables.find("token").unwrap().description.as_deref(), Some("of the shop"));
    assert!(!format!("{variables:?}").contains("\"s\""), "a debug print shows no secret");
    let open = project.load(None, &[("CONNECTOR_VAR_NEW_ONE", "v"), ("OTHER", "v")], &[]).unwrap();
    assert!(open.find("new_one").unwrap().hidden, "nobody said that it may be seen");
    assert_eq!(open.names(&[]), ["connection-shop-token", "new_one", "plain", "token"]);
    let mentioned = ["new-one".to_owned(), "token".to_owned()];
    assert_eq!(
        open.names(&mentioned),
        ["connection-shop-token", "new-one", "plain", "token"],
        "by the name that settings use"
    );
    assert!(open.find("token").unwrap().value.is_none(), "declared and not set");
    assert!(open.get("token").is_err());
}

#[test]
fn a_variable_that_is_not_hidden_is_given_out_as_one_that_may_be_seen() {
    let project = Project::new("[variables]\nopen = \"o\"\nclosed = { value = \"c\", hidden = true }\n", "");
    let mut variables = project.load(None, &[], &["typed=x"]).unwrap();
    let hidden = |variables: &Variables, name: &str| variables.get(name).unwrap().is_hidden();
    assert!(!hidden(&variables, "open"));
    assert!(hidden(&variables, "closed") && hidden(&variables, "typed"));
    variables.hide("open");
    assert!(hidden(&variables, "open"), "a secret setting mentions it");
}

#[test]
fn a_name_with_dashes_can_be_set_in_a_shell() {
    let project = Project::new("", "");
    let variables = project.load(None, &[("CONNECTOR_VAR_STORE_HASH", "h")], &[]).unwrap();
    assert_eq!(value(&variables, "store-hash"), "h");
    assert_eq!(value(&variables, "store.hash"), "h");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let project = Project::new(
        "[variable]\n[variables]\nok = \"x\"\n\"a b\" = \"x\"\nlist = [1]\nt = { value = 1, hiden = true }\n[environments.e]\nvars = {}\n",
        "token = \"x\"\n",
    );
    let failures = project.load(Some("live"), &[], &["novalue", "1x=2"]).unwrap_err();
    let lines: Vec<u64> = failures.iter().filter_map(|f| f.detail.get("line")?.as_u64()).collect();
    assert_eq!(lines, [1, 4, 5, 6, 8, 1], "{failures:#?}");
    assert_eq!(failures.len(), 9, "and the environment, and both --var: {failures:#?}");
    assert!(failures.iter().any(|f| f.hint.as_deref() == Some("did you mean `variables`?")));
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let failures = Project::new("[variables]\na = \n", "").load(None, &[], &[]).unwrap_err();
    assert!(failures[0].message.contains("variables.toml:2:"), "{failures:?}");
}
