//! The connector command line: data on stdout, everything else on stderr, exit code 0, 1 (the input, the remote, a record) or 2
//! (a defect).

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

mod args;
mod commands;
mod condition;
mod error;
mod input;
mod interrupt;
mod json;
mod outcomes;
mod output;
mod progress;
mod project;
mod remote;
mod schema;
mod session;
mod since;
mod toml_file;
mod unsettled;
mod variables;

use args::{Cli, Global};
use error::{Failure, Failures};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let as_json = cli.global.json;
    log_to_stderr(&cli.global);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(commands::run(cli));
            // A signal listener or a read of stdin may still wait; nothing that matters does.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::defect("cannot start").causes_of(&error).into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => {
            failures.tell(as_json);
            ExitCode::from(failures.exit_code())
        }
    }
}

/// Help goes to stdout; a command line that makes no sense is the caller's mistake, so the exit code is 1.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if std::env::args_os().any(|arg| arg == "--json") {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or("").trim_start_matches("error: ");
        Failures::from(Failure::new(message)).tell(true);
    } else {
        let _ = error.print();
    }
    ExitCode::from(1)
}

fn log_to_stderr(global: &Global) {
    let default = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info,connector=debug,connector_host=debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(progress::LogWriter::default);
    let result = if global.json { builder.json().try_init() } else { builder.try_init() };
    if let Err(error) = result {
        eprintln!("warning: no log: {error}");
    }
}
