//! What variables promise.
#![allow(clippy::unwrap_used)]

use connector_host::Variables as _;
use connector_store::{KeySources, Name, NewVariable};

use super::*;

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(variables: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("variables.toml"), variables).unwrap();
        Self { folder }
    }

    fn store(&self) -> Arc<Store> {
        let keys = KeySources { folder: Some(self.folder.path().join("keys")), ..KeySources::default() };
        Arc::new(Store::open(&self.folder.path().join("connector.db"), keys).unwrap())
    }

    fn load(
        &self,
        environment: Option<&str>,
        process: &[(&str, &str)],
        line: &[&str],
    ) -> Result<Variables, Vec<Failure>> {
        let line: Vec<String> = line.iter().map(|s| (*s).to_owned()).collect();
        Variables::load(Sources {
            file: &self.folder.path().join("variables.toml"),
            file_required: false,
            store: Some(self.store()),
            environment,
            process: process.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            command_line: &line,
            run: &Run::begin(),
        })
    }
}

fn value(variables: &Variables, name: &str) -> String {
    variables.get(name).map(|s| s.reveal().to_owned()).unwrap_or_else(|e| e.to_string())
}

fn found(variables: &Variables, name: &str) -> Variable {
    variables.find(name).unwrap().unwrap()
}

/// Keeps a value in the store.
fn keep(store: &Store, value: &str, of: Option<&Saved>, environment: Option<&str>, hidden: bool) {
    let connection = of.and_then(|saved| saved.kept);
    let value = Secret::new(value);
    store.set(&NewVariable { name: "x", connection, environment, hidden, description: None, value }).unwrap();
}

#[test]
fn the_first_place_that_has_a_value_gives_it() {
    let project = Project::new("[variables]\nx = \"file\"\n[environments.live.variables]\nx = \"file live\"\n");
    let store = project.store();
    store.save(&["a", "b"].map(|name| (Saved::new("fixed", name), Vec::new()))).unwrap();
    let a = store.connection(&Name::from("a")).unwrap();
    let b = store.connection(&Name::from("b")).unwrap();
    let of = |saved: &Saved, environment, process: &[(&str, &str)], line: &[&str]| {
        value(&project.load(environment, process, line).unwrap().of(saved), "x")
    };
    assert_eq!(of(&a, None, &[], &[]), "file");
    keep(&store, "store", None, None, false);
    assert_eq!(of(&a, None, &[], &[]), "store");
    assert_eq!(of(&a, Some("live"), &[], &[]), "file live");
    keep(&store, "store live", None, Some("live"), false);
    assert_eq!(of(&a, Some("live"), &[], &[]), "store live");
    keep(&store, "own", Some(&a), None, true);
    assert_eq!((of(&a, None, &[], &[]), of(&a, Some("live"), &[], &[])), ("own".to_owned(), "own".to_owned()));
    keep(&store, "own live", Some(&a), Some("live"), true);
    assert_eq!(of(&a, Some("live"), &[], &[]), "own live");
    assert_eq!(of(&b, Some("live"), &[], &[]), "store live", "what belongs to one connection no other one sees");
    let process = [("CONNECTOR_VAR_X", "process")];
    assert_eq!(of(&a, Some("live"), &process, &[]), "process");
    assert_eq!(of(&a, Some("live"), &process, &["x=line=1"]), "line=1");
}

#[test]
fn what_this_program_says_of_itself_nobody_else_can_set() {
    let project = Project::new("[variables]\n\"run.id\" = \"x\"\n");
    let failures = project.load(None, &[], &["connection.name=x"]).unwrap_err();
    assert_eq!(failures.len(), 2, "{failures:#?}");
    let variables = Project::new("").load(None, &[("CONNECTOR_VAR_RUN_ID", "x")], &[]).unwrap();
    let variables = variables.of(&Saved::new("fixed", "my shop"));
    assert_eq!(value(&variables, "connection.name"), "my shop");
    assert_eq!(value(&variables, "connection.connector"), "fixed");
    assert_ne!(value(&variables, "run.id"), "x");
    assert!(value(&variables, "run.started").ends_with('Z') && !variables.get("host.name").unwrap().is_hidden());
}

#[test]
fn an_environment_is_known_if_the_file_or_the_store_has_a_value_for_it() {
    let project = Project::new("");
    assert!(project.load(Some("live"), &[], &[]).is_err());
    keep(&project.store(), "store", None, Some("live"), false);
    assert!(project.load(Some("live"), &[], &[]).is_ok());
}

#[test]
fn secrets_are_hidden_and_a_variable_that_is_hidden_once_stays_hidden() {
    let project = Project::new(
        "[variables]\ntoken = { hidden = true, description = \"of the shop\" }\nplain = \"p\"\n[environments.e.variables]\ntoken = \"t\"\n",
    );
    keep(&project.store(), "s", None, None, true);
    let variables = project.load(Some("e"), &[], &["typed=x"]).unwrap();
    for (name, want) in [("token", "t"), ("x", "s"), ("typed", "x")] {
        assert_eq!(value(&variables, name), want);
        assert!(found(&variables, name).hidden, "{name}");
    }
    assert_eq!(found(&variables, "token").description.as_deref(), Some("of the shop"));
    assert!(!format!("{variables:?}").contains("\"s\""), "a debug print shows no secret");
    let open = project.load(None, &[("CONNECTOR_VAR_NEW_ONE", "v"), ("OTHER", "v")], &[]).unwrap();
    assert!(found(&open, "new_one").hidden, "nobody said that it may be seen");
    let names = |mentioned: &[String]| Vec::from_iter(open.names(mentioned)).join(" ");
    assert_eq!(names(&[]), "host.name new_one plain run.id run.started token");
    let mentioned = ["new-one".to_owned(), "token".to_owned()];
    assert_eq!(names(&mentioned), "host.name new-one plain run.id run.started token", "by the name that settings use");
    assert!(found(&open, "token").value.is_none(), "declared and not set");
    assert!(open.get("token").is_err());
}

#[test]
fn a_variable_that_is_not_hidden_is_given_out_as_one_that_may_be_seen() {
    let project = Project::new("[variables]\nopen = \"o\"\nclosed = { value = \"c\", hidden = true }\n");
    let variables = project.load(None, &[], &["typed=x"]).unwrap();
    let hidden = |variables: &Variables, name: &str| variables.get(name).unwrap().is_hidden();
    assert!(!hidden(&variables, "open"));
    assert!(hidden(&variables, "closed") && hidden(&variables, "typed"));
}

#[test]
fn a_name_with_dashes_can_be_set_in_a_shell() {
    let project = Project::new("");
    let variables = project.load(None, &[("CONNECTOR_VAR_STORE_HASH", "h")], &[]).unwrap();
    assert_eq!(value(&variables, "store-hash"), "h");
    assert_eq!(value(&variables, "store.hash"), "h");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let project = Project::new(
        "[variable]\n[variables]\nok = \"x\"\n\"a b\" = \"x\"\nlist = [1]\nt = { value = 1, hiden = true }\n[environments.e]\nvars = {}\n",
    );
    let failures = project.load(Some("live"), &[], &["novalue", "1x=2"]).unwrap_err();
    let lines: Vec<u64> = failures.iter().filter_map(|f| f.detail.get("line")?.as_u64()).collect();
    assert_eq!(lines, [1, 4, 5, 6, 8], "{failures:#?}");
    assert_eq!(failures.len(), 8, "and the environment, and both --var: {failures:#?}");
    assert!(failures.iter().any(|f| f.hint.as_deref() == Some("did you mean `variables`?")));
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let failures = Project::new("[variables]\na = \n").load(None, &[], &[]).unwrap_err();
    assert!(failures[0].message.contains("variables.toml:2:"), "{failures:?}");
}

#[test]
fn a_value_that_is_changed_in_the_file_is_read_by_whoever_has_it_open_and_one_of_a_broken_file_is_not_kept() {
    let project = Project::new("[variables]\ntoken = \"old\"\n");
    let variables = project.load(None, &[], &["given=line"]).unwrap();
    let open = variables.clone();
    let becomes = |content: &str, token: &str| {
        std::fs::write(project.folder.path().join("variables.toml"), content).unwrap();
        let begun = std::time::Instant::now();
        while !value(&open, "token").contains(token) {
            assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{}", value(&open, "token"));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    assert_eq!(value(&open, "token"), "old");
    // Of the same length, and perhaps within the same step of the file system's clock.
    becomes("[variables]\ntoken = \"new\"\n", "new");
    becomes("[variables\n", "variables.toml");
    assert_eq!(value(&open, "given"), "line");
    becomes("[variables]\ntoken = \"newer\"\n", "newer");
    becomes("", "there is no variable");
}
