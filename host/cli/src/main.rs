//! The connector command line: data on stdout, everything else on stderr, exit code 0, 1 (the input, the remote, a record) or 2
//! (a defect).

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use clap::error::ErrorKind;

mod activities;
mod activity;
mod agents;
mod args;
mod commands;
mod condition;
mod connections_file;
mod dependents;
mod draft;
mod error;
mod error_schema;
mod files;
mod folders;
mod input;
mod interrupt;
mod json;
mod looking_up;
mod operation;
mod outcomes;
mod output;
mod paths;
mod progress;
mod project;
mod proxy;
mod remote;
mod request;
mod schema;
mod sending;
mod serve;
mod session;
mod settings;
mod since;
mod store;
mod telemetry;
mod terminal;
mod testing;
mod toml_file;
mod unsent;
mod unsettled;
mod value;
mod variables;

use args::{Cli, Command};
use error::{Failure, Failures};
use telemetry::Telemetry;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if matches!(cli.command, Command::MapRecords) {
        // Its parent looks at what it answers, and at nothing else.
        let served = operation::jq::serve(std::io::stdin().lock(), std::io::BufWriter::new(std::io::stdout().lock()));
        return if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let as_json = cli.global.json;
    // A panic has told where it is by then; what is left is that it is nobody's mistake but ours.
    let result = std::panic::catch_unwind(|| run(cli)).unwrap_or_else(|_| {
        Err(Failure::defect("this program has come to an end that nobody expected").hint("please report it").into())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => {
            failures.tell(as_json);
            ExitCode::from(failures.exit_code())
        }
    }
}

/// How long tasks have to come to their end, so that their spans are sent.
const CLOSING_SPANS: Duration = Duration::from_millis(500);

fn run(cli: Cli) -> error::Result<()> {
    let telemetry = Arc::new(Telemetry::start(&cli.global, matches!(cli.command, Command::Serve(_)))?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::defect("cannot start").causes_of(&e))?;
    let result = runtime.block_on(commands::run(cli, &telemetry));
    // A signal listener or a read of stdin may still wait; nothing that matters does, but for the spans of activities that have just
    // been dropped.
    runtime.shutdown_timeout(if telemetry.traces() { CLOSING_SPANS } else { Duration::ZERO });
    telemetry.stop();
    result
}

/// Help goes to stdout; a command line that makes no sense is the caller's mistake, so the exit code is 1.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if std::env::args_os().any(|arg| arg == "--json") {
        Failures::from(mistake(&error.render().to_string())).tell(true);
    } else {
        let _ = error.print();
    }
    ExitCode::from(1)
}

/// A command line's mistake from the text for people, without its `Usage` part: what is wrong and with which arguments, then tips.
fn mistake(text: &str) -> Failure {
    let mut parts = text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut failure = Failure::new(parts.next().unwrap_or_default().trim_start_matches("error: "));
    for tip in parts.filter_map(|part| part.strip_prefix("tip: ").map(str::to_owned)) {
        failure.and_hint(tip);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_on_the_command_line_keeps_its_names_and_its_tip() {
        let of = |arguments: &[&str]| match Cli::try_parse_from(arguments) {
            Err(error) => mistake(&error.render().to_string()),
            Ok(_) => Failure::new("no mistake"),
        };
        let missing = of(&["connector", "query", "--json"]);
        assert!(missing.message.contains("<NAME> <OBJECT>"), "{missing:?}");
        assert!(!missing.message.contains("Usage"), "{missing:?}");
        let misspelt = of(&["connector", "qurey", "a", "b"]);
        assert!(misspelt.message.contains("qurey"), "{misspelt:?}");
        assert!(misspelt.hint.as_deref().is_some_and(|hint| hint.contains("query")), "{misspelt:?}");
    }
}
