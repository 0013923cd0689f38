//! Set-up and orchestration: `cargo xtask COMMAND`. Holds nothing that the product needs at run time.
//!
//! Everything it makes lies below `target/`.

mod bench;
mod book;
mod components;
mod debian;
mod debian_rustc;
mod demo;
mod dependencies;
mod dist;
mod facts;
mod files;
mod foreign;
mod fuzz;
mod hosts;
mod page;
mod process;
#[cfg(test)]
mod readme;
mod runtimes;
mod scenarios;
mod servers;
mod soak;
mod test;
mod tools;
mod vendor_wit;
mod wasm_std;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hosts::Ran;
use vendor_wit::Checked;
use wasm_std::Route;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up and orchestration", disable_help_subcommand = true)]
struct Arguments {
    /// Where the standard library for wasm32 comes from.
    #[arg(long, global = true, env = "XTASK_WASM_STD", value_enum, default_value_t = Route::Auto, value_name = "ROUTE")]
    wasm_std: Route,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the components: target/components/NAME.wasm.
    Components {
        /// Which; all when none is named.
        names: Vec<String>,
    },
    /// Derive component/bigcommerce/facts.json from an extract of the API's documents.
    Facts {
        /// The extract, a JSON file.
        extract: PathBuf,
    },
    /// Write docs/coverage.md anew from the connector's table.
    Coverage,
    /// Take the WASI interfaces over into wit/deps.
    VendorWit {
        /// Change nothing; fail if they differ.
        #[arg(long)]
        check: bool,
    },
    /// Fetch the real servers that some tests run against (proxies, registries) into target/servers.
    Servers,
    /// Run the components in Node and in Python, and the scenarios on every host.
    Hosts {
        /// Measure the hosts, and put the table of scenarios into this Markdown file, between the lines that mark its place.
        #[arg(long, value_name = "FILE")]
        markdown: Option<PathBuf>,
    },
    /// Run a connector in stock runtimes, which are installed first.
    Runtimes,
    /// Make a connector in Python, and run it in the host.
    Guests,
    /// Check the page's types, and run its tests in Chromium, which is fetched first.
    Page,
    /// Do the main job on an emulated store.
    Demo,
    /// Run what CI runs.
    Test,
    /// Check the dependencies' licences, sources and known defects with cargo-deny, which is installed first.
    Deny,
    /// Measure the host beside native loops, in release.
    Bench(bench::Options),
    /// Make what a release consists of: target/dist.
    Dist(dist::Options),
    /// Run what takes longer than a test may: fuzzing, and the property tests with many cases.
    Soak(soak::Options),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = workspace();
    match &arguments.task {
        Task::Components { names } => components::build(&root, &components::select(names)?, arguments.wasm_std),
        Task::Facts { extract } => facts::derive(extract, &root.join(facts::FACTS)),
        // The page is written by the test that checks it, which has the table at hand.
        Task::Coverage => process::show(
            process::cargo()
                .current_dir(&root)
                .args(["test", "--workspace", "--test", "coverage", "the_page_of_coverage_is_current"])
                .env("COVERAGE_WRITE", "1"),
        ),
        Task::VendorWit { check: false } => vendor_wit::vendor(&root),
        Task::VendorWit { check: true } => match vendor_wit::check(&root)? {
            Checked::Same => {
                println!("wit/deps is current");
                Ok(())
            }
            Checked::Offline => anyhow::bail!("the crate that holds the WASI interfaces cannot be fetched"),
        },
        Task::Hosts { markdown } => {
            let ran = [
                ("Node", hosts::node(&root)?),
                ("Python", hosts::python(&root)?),
                ("scenarios", scenarios::run(&root, markdown.as_deref())?),
            ];
            for (name, ran) in ran {
                if let Ran::Skipped(reason) = ran {
                    eprintln!("{name}: skipped: {reason}");
                }
            }
            Ok(())
        }
        Task::Servers => servers::fetch(&root),
        Task::Runtimes => {
            if let Ran::Skipped(reason) = runtimes::test(&root)? {
                eprintln!("skipped: {reason}");
            }
            Ok(())
        }
        Task::Guests => {
            if let Ran::Skipped(reason) = foreign::run(&root)? {
                eprintln!("skipped: {reason}");
            }
            Ok(())
        }
        Task::Page => {
            if let Ran::Skipped(reason) = page::test(&root)? {
                eprintln!("skipped: {reason}");
            }
            Ok(())
        }
        Task::Demo => demo::run(&root, arguments.wasm_std),
        Task::Test => test::run(&root, arguments.wasm_std),
        Task::Deny => dependencies::deny(&root),
        Task::Bench(options) => bench::run(&root, arguments.wasm_std, options),
        Task::Dist(options) => dist::run(&root, arguments.wasm_std, options),
        Task::Soak(options) => soak::run(&root, arguments.wasm_std, options),
    }
}

/// The workspace's root, which is where this crate's folder is.
fn workspace() -> PathBuf {
    // The variable at run time, because a checkout may have been moved since this was built.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    own.parent().map_or(own.clone(), PathBuf::from)
}
