//! Measures what the host costs beside native loops that do the same work. `cargo xtask bench` builds and starts it.
//!
//! What has a process of its own in real life has one here: the emulated store, the command line and the native loops are
//! separate programs, and each figure about the embedding library comes from a fresh process of this program.

mod figures;
mod library;
mod markdown;
mod measure;
mod run;
mod slice;
mod swap;
mod work;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures the host beside native loops")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure everything, print a table and write the figures as JSON.
    Run(run::Options),
    /// In this process: start activities, load a compiled version.
    Start(library::Start),
    /// In this process: queries side by side under a quota.
    Quota(library::Quota),
    /// In this process: connections that do nothing.
    Idle(library::Idle),
    /// In this process: versions that change while callers query and write.
    Swap(swap::Swap),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Start(options) => library::report(library::start(options)),
        Command::Quota(options) => library::report(library::quota(options)),
        Command::Idle(options) => library::report(library::idle(options)),
        Command::Swap(options) => library::report(swap::swap(options)),
    }
}
