//! `cargo xtask test`: the steps that decide whether a change is good, the same on a desk and in CI.
//!
//! They run one after another and stop at the first that fails. All in the dev profile: what one step compiles the next ones use.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::components::{self, GUESTS};
use crate::demo::Store;
use crate::hosts::Ran;
use crate::vendor_wit::Checked;
use crate::wasm_std::Route;
use crate::{book, dependencies, dist, foreign, hosts, page, process, runtimes, scenarios, servers, vendor_wit};

/// What the steps need to know.
struct Context<'a> {
    root: &'a Path,
    route: Route,
}

/// A step by name.
struct Step {
    name: &'static str,
    run: fn(&Context<'_>) -> Result<Ran>,
}

const STEPS: [Step; 20] = [
    Step { name: "fmt", run: |context| cargo(context, &["fmt", "--all", "--check"]) },
    // A workspace of its own. Compiling it takes a nightly compiler and one for C++; `cargo xtask soak` does.
    Step { name: "fmt of fuzz targets", run: |context| cargo(context, FUZZ_FMT) },
    Step { name: "components", run: build_components },
    Step { name: "reproducible", run: reproducible },
    Step { name: "clippy", run: |context| cargo(context, CLIPPY) },
    Step { name: "clippy for wasm32", run: |context| components::lint(context.root, context.route) },
    Step { name: "test", run: |context| cargo(context, &["test", "--workspace", "--no-fail-fast"]) },
    Step { name: "real servers", run: |context| servers::test(context.root) },
    Step { name: "API documents", run: api_documents },
    Step { name: "doc", run: |context| cargo(context, &["doc", "--workspace", "--no-deps"]) },
    Step { name: "vendored WIT", run: vendored_wit },
    Step { name: "Node host", run: |context| hosts::node(context.root) },
    Step { name: "Python host", run: |context| hosts::python(context.root) },
    Step { name: "scenarios", run: |context| scenarios::run(context.root, None) },
    Step { name: "stock runtimes", run: |context| runtimes::test(context.root) },
    Step { name: "Python guest", run: |context| foreign::run(context.root) },
    Step { name: "a connector by the book", run: |context| book::write_a_connector(context.root, context.route) },
    Step { name: "page", run: |context| page::test(context.root) },
    Step { name: "unused dependencies", run: |context| dependencies::unused(context.root) },
    Step { name: "deny", run: |context| dependencies::deny_if_installed(context.root) },
];

const FUZZ_FMT: &[&str] = &["fmt", "--check", "--manifest-path", "tests/fuzz/Cargo.toml"];
const CLIPPY: &[&str] = &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];

/// How a step ended.
struct Ended {
    name: &'static str,
    took: Duration,
    ran: Ran,
}

/// Runs every step. The error names the one that failed.
pub(crate) fn run(root: &Path, route: Route) -> Result<()> {
    let context = Context { root, route };
    let started = Instant::now();
    let mut ended = Vec::new();
    for step in &STEPS {
        eprintln!("\n=== {} ({} of {})", step.name, ended.len() + 1, STEPS.len());
        let step_started = Instant::now();
        let outcome = (step.run)(&context);
        let took = step_started.elapsed();
        match outcome {
            Ok(ran) => {
                if let Ran::Skipped(reason) = &ran {
                    eprintln!("skipped: {reason}");
                }
                ended.push(Ended { name: step.name, took, ran });
            }
            Err(error) => {
                eprintln!("\n{}", summary(&ended));
                return Err(error.context(format!("`{}` failed after {}", step.name, seconds(took))));
            }
        }
    }
    eprintln!("\n{}all good in {}", summary(&ended), seconds(started.elapsed()));
    Ok(())
}

fn cargo(context: &Context<'_>, arguments: &[&str]) -> Result<Ran> {
    let mut cargo = process::cargo();
    cargo.current_dir(context.root).args(arguments).env("RUSTDOCFLAGS", "-D warnings");
    process::show(&mut cargo)?;
    Ok(Ran::Yes)
}

fn build_components(context: &Context<'_>) -> Result<Ran> {
    components::build(context.root, &GUESTS, context.route)?;
    Ok(Ran::Yes)
}

/// The small component stands for all: they are made in the same way. `cargo xtask dist --check-reproducible` takes the large one.
fn reproducible(context: &Context<'_>) -> Result<Ran> {
    let [_, fixed, ..] = GUESTS;
    dist::reproducible(context.root, fixed, context.route)?;
    Ok(Ran::Yes)
}

fn vendored_wit(context: &Context<'_>) -> Result<Ran> {
    Ok(match vendor_wit::check(context.root)? {
        Checked::Same => Ran::Yes,
        Checked::Offline => Ran::Skipped("the crate that holds the WASI interfaces cannot be fetched".into()),
    })
}

/// Says whether the tests held every request against the API's own documents, which are not part of this repository: only the
/// emulated store knows whether it could read them.
fn api_documents(context: &Context<'_>) -> Result<Ran> {
    let store = Store::start(&context.root.join("target/debug/bigcommerce-emulator"), &[])?;
    judge_documents(std::env::var_os("BIGCOMMERCE_OPENAPI").is_some(), &store.openapi)
}

fn judge_documents(named: bool, status: &str) -> Result<Ran> {
    match status.strip_prefix("skipped: ") {
        None => {
            println!("requests were {status}");
            Ok(Ran::Yes)
        }
        Some(reason) if named => bail!("BIGCOMMERCE_OPENAPI is set, but: {reason}"),
        Some(_) => Ok(Ran::Skipped(
            "no request was held against the API's OpenAPI documents, BIGCOMMERCE_OPENAPI names no folder of them"
                .into(),
        )),
    }
}

/// One line per step: name, time, outcome.
fn summary(ended: &[Ended]) -> String {
    let mut text = String::new();
    for Ended { name, took, ran } in ended {
        let outcome = match ran {
            Ran::Yes => "ok".to_owned(),
            Ran::Skipped(reason) => format!("skipped: {reason}"),
        };
        let _ = writeln!(text, "{name:<24} {:>9}  {outcome}", seconds(*took));
    }
    text
}

/// Whether a list of tests, as `--list --format terse` prints it, holds any.
pub(crate) fn names_a_test(list: &str) -> bool {
    list.lines().any(|line| line.ends_with(": test"))
}

/// A time for people: `0.4 s`, `83 s`, `12 min 5 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(83)), "83 s");
        assert_eq!(seconds(Duration::from_secs(725)), "12 min 5 s");
    }

    #[test]
    fn a_list_without_tests_is_told_from_one_with_tests() {
        assert!(names_a_test("model::reading::reads_hold: test\n"));
        assert!(!names_a_test("") && !names_a_test("0 tests, 0 benchmarks\n"));
    }

    #[test]
    fn a_skipped_step_does_not_pass_for_a_good_one() {
        let ended = [
            Ended { name: "fmt", took: Duration::from_secs(1), ran: Ran::Yes },
            Ended { name: "Node host", took: Duration::ZERO, ran: Ran::Skipped("no node".into()) },
        ];
        let text = summary(&ended);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("fmt") && lines[0].ends_with("ok"), "{text}");
        assert!(lines[1].starts_with("Node host") && lines[1].ends_with("skipped: no node"), "{text}");
    }

    #[test]
    fn documents_that_are_missing_are_told_and_those_that_cannot_be_read_are_an_error() {
        assert_eq!(judge_documents(true, "checked against 51 OpenAPI documents").unwrap(), Ran::Yes);
        let skipped = judge_documents(false, "skipped: BIGCOMMERCE_OPENAPI is not set").unwrap();
        assert!(matches!(&skipped, Ran::Skipped(reason) if reason.contains("BIGCOMMERCE_OPENAPI")), "{skipped:?}");
        assert!(judge_documents(true, "skipped: no such folder").unwrap_err().to_string().contains("no such folder"));
    }

    #[test]
    fn no_two_steps_share_a_name() {
        let mut names = STEPS.map(|step| step.name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
