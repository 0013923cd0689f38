//! `cargo xtask bench`: builds what is measured, in release, and starts the measurements.
//!
//! The emulated store is built apart: together with it, the native loops would get the features that it wants of the libraries
//! they share (serde_json parses numbers more slowly then). Host and loops want the same of them.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::components::{self, GUESTS};
use crate::process;
use crate::wasm_std::Route;

/// Where cargo builds them, whatever folder the environment names: the component that is bundled lies here too.
const TARGET_FOLDER: &str = "target";

/// Packages that are built together.
const PACKAGES: [&[&str]; 2] = [&["connector-cli", "bench"], &["bigcommerce-emulator"]];

/// Options of the measurements.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each process.
    #[arg(long, value_name = "N")]
    runs: Option<u16>,
    /// A quick look: fewer runs.
    #[arg(long)]
    quick: bool,
    /// Measure only these: cpu, wall, start, quota, idle.
    #[arg(long, value_name = "PART,PART")]
    only: Option<String>,
}

/// Builds and measures. The figures go to stdout, as JSON to `target/bench.json`.
pub(crate) fn run(root: &Path, route: Route, options: &Options) -> Result<()> {
    let component = components::select(&["bigcommerce".to_owned()])?;
    components::build(root, &component, route)?;
    for packages in PACKAGES {
        let mut cargo = process::cargo();
        cargo.current_dir(root).env_remove("CARGO_TARGET_DIR");
        cargo.args(["build", "--release", "--target-dir", TARGET_FOLDER]);
        packages.iter().for_each(|package| {
            cargo.args(["--package", package]);
        });
        process::show(&mut cargo)?;
    }
    process::show(&mut command(root, options))
}

/// The measuring program with its arguments.
fn command(root: &Path, options: &Options) -> Command {
    let program = |name: &str| root.join(TARGET_FOLDER).join("release").join(name);
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
