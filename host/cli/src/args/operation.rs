//! What can be typed of operations and their runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// Name of the operation.
    #[arg(required_unless_present_any = ["resume", "resolve"])]
    pub name: Option<String>,
    /// Read, map and check the records, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with this run, as it was started.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["name", "dry_run", "input"])]
    pub resume: Option<String>,
    /// Look up what became of the unknown records of this run, and bring its report and its rejected records up to date.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["name", "dry_run", "input", "resume"])]
    pub resolve: Option<String>,
    /// Read this file instead of the source: rejected records that were mended, or any other records.
    #[arg(long, short, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Send the input's records that are `unknown`, too: those that are in the target already may be there twice then.
    #[arg(long, requires = "input")]
    pub send_unknown: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Operation {
    /// List the operations of the project.
    List,
    /// Show an operation as JSON.
    Show {
        /// Name of the operation.
        name: String,
    },
    /// Tell everything that is wrong with an operation. Writes nothing.
    Check {
        /// Name of the operation; all if this is missing.
        name: Option<String>,
    },
    /// Show what the mapping makes of the first rows. Writes nothing.
    Preview {
        /// Name of the operation.
        name: String,
        /// Rows to show.
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
        limit: u64,
    },
    /// Delete an operation. Its runs stay.
    Delete {
        /// Name of the operation.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List runs, the newest first.
    List {
        /// Only those of this operation.
        operation: Option<String>,
    },
    /// Show the report of a run.
    Show {
        /// The run.
        id: String,
    },
    /// Remove runs that are not at work, with all that is kept of them.
    Remove {
        /// The run.
        #[arg(required_unless_present = "older_than")]
        id: Option<String>,
        /// All that began longer ago than this: 15m, 1h, 30d. Those with rejected records stay, and are named.
        #[arg(long, value_name = "PERIOD", conflicts_with = "id", value_parser = crate::operation::schedule::period)]
        older_than: Option<i64>,
        /// Also those with records that failed or are unknown, which nothing else has.
        #[arg(long)]
        rejected: bool,
    },
    /// Let a run that is at work in any process stop in good order. It can go on with `run --resume`.
    Cancel {
        /// The run.
        id: String,
    },
}
