//! Ends a program at each of its writes, syncs and renames in turn, and lets a test look at what that leaves: [`at_every_point`].
//! Or at any moment: [`kill_after`].
//!
//! ```no_run
//! # use std::process::Command;
//! // A fresh folder for each run; what the program does in it; what must hold after each end.
//! let points = crash_points::at_every_point(
//!     || tempfile::tempdir().unwrap(),
//!     |folder| folder.path().to_owned(),
//!     |folder| { let mut c = Command::new("program"); c.arg("save").current_dir(folder.path()); c },
//!     |folder, ended| {
//!         let saved = std::fs::read(folder.path().join("saved"));
//!         assert!(saved.is_ok() || !ended.completed(), "{ended}: what was confirmed is lost");
//!     },
//! );
//! assert!(points > 2, "the program changes files, so something was tried");
//! ```
//!
//! What ends is the process, as by `kill -9`: what it had written is there, synced or not. So this finds changes that are there by
//! half, and not a missing sync; that each sync is a point shows at least where they are. Calls are seen in the C library, which
//! SQLite and `std` use; a rename by `rustix` (`tempfile`'s `persist`) is a system call of its own and is not seen. Each process
//! counts for itself.
#![allow(clippy::panic, clippy::expect_used, reason = "a test bench fails loudly")]

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Points after which a program is taken to do the same thing for ever.
const MOST_POINTS: u64 = 2000;

/// How a run came to its end.
#[derive(Debug)]
pub enum Ended {
    /// At a point.
    At {
        /// The call, counted from 1.
        number: u64,
        /// The function of the C library.
        call: String,
        /// Whether half of a write was written.
        torn: bool,
    },
    /// At some moment, by [`kill_after`].
    Killed(Duration),
    /// By itself.
    Completed(Output),
}

impl Ended {
    /// Whether the program came to its own end, and said that all went well.
    pub fn completed(&self) -> bool {
        matches!(self, Self::Completed(output) if output.status.success())
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { number, call, torn: false } => write!(f, "ended before call {number}, {call}"),
            Self::At { number, call, torn: true } => write!(f, "ended in the middle of call {number}, {call}"),
            Self::Killed(after) => write!(f, "killed after {after:?}"),
            Self::Completed(output) => {
                write!(f, "completed with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
            }
        }
    }
}

/// Runs a program with its end at the first call that changes a file, then at the second, until it completes; each write also with
/// its end in the middle. `prepare` makes the world of one run, `under` names the folder in which changes count, `command` the
/// program; `check` sees the world afterwards, also that of the run that completed. Returns how many calls there were.
///
/// # Panics
/// If the program fails by itself, never completes, or the library that ends it was not built.
pub fn at_every_point<W>(
    prepare: impl Fn() -> W,
    under: impl Fn(&W) -> PathBuf,
    command: impl Fn(&W) -> Command,
    check: impl Fn(&W, &Ended),
) -> u64 {
    let run = |number: u64, torn: bool| {
        let world = prepare();
        let ended = run_to(&mut command(&world), &under(&world), number, torn);
        check(&world, &ended);
        ended
    };
    for number in 1..=MOST_POINTS {
        match run(number, false) {
            Ended::At { call, .. } if call.contains("write") => drop(run(number, true)),
            Ended::Completed(_) => return number - 1,
            _ => {}
        }
    }
    panic!("the program changes files more than {MOST_POINTS} times");
}

fn run_to(command: &mut Command, under: &Path, number: u64, torn: bool) -> Ended {
    let under = under.canonicalize().expect("the folder in which changes count exists");
    command.env("LD_PRELOAD", preload()).env("CRASH_POINTS_AT", number.to_string()).env("CRASH_POINTS_UNDER", under);
    if torn {
        command.env("CRASH_POINTS_TORN", "1");
    }
    let output = command.output().expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    if let Some(call) = told.lines().rev().find_map(|line| line.strip_prefix("crash point: ")) {
        return Ended::At { number, call: call.to_owned(), torn };
    }
    let ended = Ended::Completed(output);
    assert!(ended.completed(), "{ended}");
    ended
}

/// Runs a program and kills it after this time, unless it is done by then.
///
/// # Panics
/// If it cannot be started.
pub fn kill_after(command: &mut Command, after: Duration) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    std::thread::sleep(after);
    // A program that is done is not there any more: its status says so.
    let _ = child.kill();
    let output = child.wait_with_output().expect("the program was started");
    if output.status.code().is_some() { Ended::Completed(output) } else { Ended::Killed(after) }
}

/// The library beside this program's folder, where cargo puts examples.
fn preload() -> PathBuf {
    let program = std::env::current_exe().expect("a program has a path");
    let target = program.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    let path = target.join("examples/libcrash_points_preload.so");
    assert!(path.is_file(), "{} is missing: `cargo build -p crash-points --examples` makes it", path.display());
    path
}
