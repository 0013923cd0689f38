//! `cargo xtask soak`: what takes longer than a test may. Stages run one after another, all of them even if one finds something,
//! and the last lines say what was found and how to see it again.

use std::fmt::Write as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Result, bail};
use clap::Args;

use crate::hosts::Ran;
use crate::test::names_a_test;
use crate::wasm_std::Route;
use crate::{components, fuzz, process};

/// Options of the soak.
#[derive(Args)]
pub(crate) struct Options {
    /// Executions of each fuzz target.
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    pub(crate) runs: u64,
    /// Fuzz only these targets; all when none is named.
    #[arg(long = "target", value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Fuzz targets that run at the same time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) jobs: usize,
    /// Let the compiler watch every memory access: for targets with unsafe code below them, two to three times slower.
    #[arg(long)]
    pub(crate) address_sanitizer: bool,
    /// Random stores, with their queries or writes, that each property test goes through; kills of the program; swaps under load.
    #[arg(long, value_name = "N", default_value_t = CASES, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) cases: u64,
    /// Run only these stages.
    #[arg(long = "stage", value_name = "STAGE", value_parser = STAGES.map(|stage| stage.name))]
    pub(crate) stages: Vec<String>,
}

/// What the stages need to know.
pub(crate) struct Context<'a> {
    pub(crate) root: &'a Path,
    pub(crate) route: Route,
    pub(crate) options: &'a Options,
}

/// A stage by name. An error says what was found.
struct Stage {
    name: &'static str,
    run: fn(&Context<'_>) -> Result<Ran>,
}

const STAGES: [Stage; 4] = [
    Stage { name: "fuzz", run: fuzz::run },
    Stage { name: "properties", run: |context| rounds(context, PROPERTIES) },
    Stage { name: "kills", run: |context| rounds(context, KILLS) },
    Stage { name: "swaps", run: |context| rounds(context, SWAPS) },
];

/// The property tests, by a part of their names.
const PROPERTIES: &str = "model";

/// The tests that kill the program at random moments.
const KILLS: &str = "kills";

/// The test that changes versions under load.
const SWAPS: &str = "while_versions_change";

/// The variable that tells those tests how many cases to go through.
const ROUNDS: &str = "CONNECTOR_TEST_ROUNDS";

/// The variable that tells them the seed of the first case.
const SEED: &str = "CONNECTOR_TEST_SEED";

/// Cases of each property test unless told otherwise. Of a debug build on two cores a case takes one second (deleting, writing) to
/// two and a half (reading): a quarter of an hour in all.
const CASES: u64 = 300;

/// Runs the stages. The error names those that found something.
pub(crate) fn run(root: &Path, route: Route, options: &Options) -> Result<()> {
    let context = Context { root, route, options };
    let mut summary = String::new();
    let mut failed = Vec::new();
    for stage in &STAGES {
        if !options.stages.is_empty() && !options.stages.iter().any(|name| name == stage.name) {
            continue;
        }
        eprintln!("\n=== {}", stage.name);
        let outcome = match (stage.run)(&context) {
            Ok(Ran::Yes) => "nothing found".to_owned(),
            Ok(Ran::Skipped(reason)) => format!("skipped: {reason}"),
            Err(error) => {
                failed.push(stage.name);
                format!("{error:#}")
            }
        };
        let _ = writeln!(summary, "{:<12} {outcome}", stage.name);
    }
    println!("\n{}", summary.trim_end());
    if failed.is_empty() { Ok(()) } else { bail!("found something in: {}", failed.join(", ")) }
}

/// Tests with random cases, with many more of them than `cargo xtask test` gives them.
fn rounds(context: &Context<'_>, name: &str) -> Result<Ran> {
    components::build(context.root, &components::GUESTS, context.route)?;
    // The tests start them; a test that is chosen by its name builds no program of another package.
    let programs = ["build", "--workspace", "--bin", "connector", "--bin", "bigcommerce-emulator"];
    process::show(process::cargo().current_dir(context.root).args(programs))?;
    // Other cases than last time, unless somebody wants to see some again.
    let clock = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() % 1_000_000_000;
    let seed = std::env::var(SEED).unwrap_or_else(|_| clock.to_string());
    let tests = |last: &[&str]| {
        let mut cargo = process::cargo();
        cargo.current_dir(context.root).env(ROUNDS, context.options.cases.to_string()).env(SEED, &seed);
        cargo.args(["test", "--workspace", "--test", "promises", "--", name]).args(last);
        cargo
    };
    let list = process::capture(&mut tests(&["--list", "--format", "terse"]), fuzz::MOST_BUILD)?;
    if !names_a_test(&list) {
        bail!("no test has `{name}` in its name: nothing would be tested");
    }
    process::show(&mut tests(&["--nocapture"]))?;
    Ok(Ran::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_property_tests_read_the_variables_that_the_soak_sets() {
        let tests = crate::workspace().join("tests/end-to-end/tests/promises").join(PROPERTIES).join("mod.rs");
        let source = std::fs::read_to_string(tests).unwrap();
        for name in [ROUNDS, SEED] {
            assert!(source.contains(&format!("number(\"{name}\")")), "{name}");
        }
    }

    #[test]
    fn a_soak_runs_each_target_five_million_times_unless_told_otherwise() {
        let line = <Line as clap::Parser>::try_parse_from(["soak"]).unwrap();
        assert_eq!(line.options.runs, 5_000_000);
        let line = <Line as clap::Parser>::try_parse_from(["soak", "--stage", "fuzz", "--runs", "7"]).unwrap();
        assert_eq!((line.options.runs, line.options.stages), (7, vec!["fuzz".to_owned()]));
        assert!(<Line as clap::Parser>::try_parse_from(["soak", "--stage", "fuss"]).is_err());
    }
}
