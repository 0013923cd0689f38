//! The driver, tried on programs whose calls are known.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crash_points::{Ended, at_every_point, kill_after};

fn shell(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).current_dir(folder);
    command
}

#[test]
fn a_program_is_ended_before_and_in_the_middle_of_each_of_its_writes_and_then_completes() {
    let seen = RefCell::new(Vec::new());
    let points = at_every_point(
        || tempfile::tempdir().unwrap(),
        |folder| folder.path().to_owned(),
        |folder| shell(folder.path(), "printf 12345678 > a; printf 90 > b"),
        |folder, ended| {
            let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap_or_else(|_| "-".into());
            seen.borrow_mut().push(format!("{} {} {}", read("a"), read("b"), ended.completed()));
        },
    );
    assert_eq!(points, 2);
    assert_eq!(
        seen.into_inner(),
        [" - false", "1234 - false", "12345678  false", "12345678 9 false", "12345678 90 true"]
    );
}

#[test]
fn removals_are_points_and_changes_elsewhere_are_none() {
    let calls = RefCell::new(Vec::new());
    let points = at_every_point(
        || {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join("in/deep")).unwrap();
            folder
        },
        |folder| folder.path().join("in"),
        |folder| shell(folder.path(), "printf x > out; exec rm -r in/deep"),
        |folder, ended| {
            if let Ended::At { call, .. } = ended {
                calls.borrow_mut().push(call.clone());
            } else {
                assert!(!folder.path().join("in/deep").exists());
            }
        },
    );
    let calls = calls.into_inner();
    assert_eq!(points, 1, "{calls:?}");
    assert!(calls[0].starts_with("unlink") || calls[0] == "rmdir", "{calls:?}");
}

#[test]
fn a_program_that_is_killed_is_told_from_one_that_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let killed = kill_after(&mut shell(folder.path(), "exec sleep 60"), Duration::from_millis(50));
    assert!(matches!(killed, Ended::Killed(_)), "{killed}");
    let done = kill_after(&mut shell(folder.path(), "true"), Duration::from_secs(3));
    assert!(done.completed(), "{done}");
}
