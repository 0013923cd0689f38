//! The program is ended at each write, sync, rename and removal of every change of versions. Whenever it ends, the store opens,
//! what was confirmed is there whole, and what serves is one of the versions that were meant.
#![cfg(target_os = "linux")]

use std::process::Command;

use connector_fixed::variant::Variant;
use crash_points::{Ended, at_every_point};
use serde_json::Value;

use crate::support::{Project, run};
use crate::versions::component;

fn command(project: &Project, args: &[&str]) -> Command {
    project.bare(args)
}

fn done(project: &Project, args: &[&str]) {
    run(&mut command(project, args)).good();
}

/// A project where 1.0.0 and 2.0.0 are installed and 2.0.0 serves.
fn prepared() -> Project {
    let project = Project::with_people();
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        project.write(&format!("{version}.wasm"), component(Variant::version(version)));
    }
    for version in ["1.0.0", "2.0.0"] {
        done(&project, &["versions", "install", &format!("{version}.wasm"), "--use"]);
    }
    project
}

/// Version and state of each installed version; each of them is whole.
fn installed(project: &Project) -> Vec<(String, String)> {
    let list = run(&mut command(project, &["versions", "list", "--json"])).good().json();
    let rows = list.as_array().unwrap().iter().map(|row| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let file = project.path(&format!("connectors/{}.wasm", text("digest").replace(':', "-")));
        let expected = component(Variant::version(&text("version")));
        assert!(std::fs::read(file).unwrap() == expected, "{} is not whole", text("version"));
        (text("version"), text("state"))
    });
    rows.collect()
}

/// The version that a test of the connection uses.
fn serves(project: &Project) -> String {
    let json: Value = run(&mut command(project, &["test", "people", "--json"])).good().json();
    let steps = json["steps"].to_string();
    let after = steps.split("connector fixed ").nth(1).unwrap_or_else(|| panic!("{json}"));
    after.split(' ').next().unwrap().to_owned()
}

/// Ends this command at every point. Afterwards the versions are as `before` or as `after`, and as `after` if it completed; and
/// the same command, or what it was for, can be done.
fn at_each(args: &[&str], before: &[(&str, &str)], after: &[(&str, &str)]) {
    let points = at_every_point(
        prepared,
        |project| project.path("."),
        |project| command(project, args),
        |project, ended| {
            let found = installed(project);
            let is = |wanted: &[(&str, &str)]| {
                found.iter().map(|(version, state)| (version.as_str(), state.as_str())).eq(wanted.iter().copied())
            };
            let confirmed = matches!(ended, Ended::Completed(_));
            assert!(is(after) || is(before) && !confirmed, "{args:?} {ended}: {found:?}");
            let in_use = found.iter().find(|(_, state)| state == "in use").unwrap();
            assert_eq!(serves(project), in_use.0, "{args:?} {ended}");
            // Whoever is next finds nothing in the way, and leaves nothing behind.
            done(project, &["versions", "install", "3.0.0.wasm"]);
            let files = std::fs::read_dir(project.path("connectors")).unwrap().count();
            assert_eq!(files, installed(project).len(), "{args:?} {ended}: files without a version");
        },
    );
    assert!(points >= 3, "{args:?} changes files: {points}");
}

const BEFORE: [(&str, &str); 2] = [("2.0.0", "in use"), ("1.0.0", "before")];

#[test]
fn an_install_is_whole_or_not_there() {
    at_each(
        &["versions", "install", "3.0.0.wasm"],
        &BEFORE,
        &[("3.0.0", ""), ("2.0.0", "in use"), ("1.0.0", "before")],
    );
}

#[test]
fn a_switch_is_made_or_not() {
    at_each(&["versions", "use", "1.0.0"], &BEFORE, &[("2.0.0", "before"), ("1.0.0", "in use")]);
}

#[test]
fn a_rollback_is_made_or_not() {
    at_each(&["versions", "rollback"], &BEFORE, &[("2.0.0", "before"), ("1.0.0", "in use")]);
}

#[test]
fn a_removed_version_is_gone_or_whole() {
    at_each(&["versions", "remove", "1.0.0"], &BEFORE, &[("2.0.0", "in use")]);
}
