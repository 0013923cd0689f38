//! `cargo xtask bench`: builds what is measured, in release, and starts the measurements.
//!
//! The emulated store is built apart: together with it, the native loops would get the features that it wants of the libraries
//! they share (serde_json parses numbers more slowly then). Host and loops want the same of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::components::{self, GUESTS};
use crate::process;
use crate::wasm_std::Route;

/// Packages that are built together.
const PACKAGES: [&[&str]; 2] = [&["connector-cli", "bench"], &["bigcommerce-emulator"]];

/// Asking for the day and the commit.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// Options of the measurements.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each process.
    #[arg(long, value_name = "N")]
    runs: Option<u16>,
    /// A quick look: fewer runs.
    #[arg(long)]
    quick: bool,
    /// Measure only these: cpu, wall, start, quota, idle, swap, slice.
    #[arg(long, value_name = "PART,PART")]
    only: Option<String>,
    /// Write the table into this Markdown file, between its lines that mark the place; rows that were not measured stay.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Fail if a figure does not reach its goal.
    #[arg(long)]
    check: bool,
}

/// Builds and measures. The figures go to stdout, as JSON to `target/bench.json`.
pub(crate) fn run(root: &Path, route: Route, options: &Options) -> Result<()> {
    let component = components::select(&["bigcommerce".to_owned()])?;
    components::build(root, &component, route)?;
    for packages in PACKAGES {
        let mut cargo = process::cargo();
        cargo.current_dir(root).args(["build", "--release"]);
        packages.iter().for_each(|package| {
            cargo.args(["--package", package]);
        });
        process::show(&mut cargo)?;
    }
    let slicers = components::build_slicers(root, route)?;
    process::show(&mut command(root, options, &slicers))
}

/// The day, and the state of the sources: `2026-11-23, 1a2b3c4`, with `+` if they differ from that.
fn taken(root: &Path) -> String {
    let say = |program: &str, words: &[&str]| {
        let said = process::capture(Command::new(program).args(words).current_dir(root), ASK_LIMIT);
        said.map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let changed = !say("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    let commit = say("git", &["rev-parse", "--short", "HEAD"]);
    format!("{}, {commit}{}", say("date", &["-u", "+%F"]), if changed { "+" } else { "" })
}

/// The measuring program with its arguments.
fn command(root: &Path, options: &Options, [simd, plain]: &[PathBuf; 2]) -> Command {
    let program = |name: &str| root.join("target/release").join(name);
    let mut bench = Command::new(program("bench"));
    bench.current_dir(root).arg("run");
    for (option, name) in [("--connector", "connector"), ("--native", "native"), ("--emulator", "bigcommerce-emulator")]
    {
        bench.arg(option).arg(program(name));
    }
    for guest in GUESTS.iter().filter(|guest| guest.name == "bigcommerce") {
        bench.arg("--component").arg(guest.component(root));
    }
    bench.args(["--json", "target/bench.json", "--folder", "target/bench"]);
    bench.arg("--slice-simd").arg(simd).arg("--slice-plain").arg(plain);
    if let Some(file) = &options.markdown {
        bench.args(["--taken", &taken(root), "--markdown"]).arg(file);
    }
    if options.check {
        bench.arg("--check");
    }
    if let Some(runs) = options.runs {
        bench.args(["--runs", &runs.to_string()]);
    }
    if options.quick {
        bench.arg("--quick");
    }
    if let Some(only) = &options.only {
        bench.args(["--only", only]);
    }
    bench
}
