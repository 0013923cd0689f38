//! One file per command. Each takes what was typed and leaves its result on stdout.

use std::sync::Arc;

use serde_json::Value;

use crate::args::{Agents, Cli, Command, Environments, Verb};
use crate::error::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::session::Session;
use crate::telemetry::Telemetry;

mod activity;
mod agents;
mod build;
mod compose;
pub(crate) mod connection;
pub(crate) mod describe;
pub(crate) mod environments;
mod new;
pub(crate) mod objects;
mod operation;
mod query;
mod resolve;
mod run;
mod test;
pub(crate) mod variables;
pub(crate) mod versions;
mod write;

/// Runs the command.
pub(crate) async fn run(cli: Cli, telemetry: &Arc<Telemetry>) -> Result<()> {
    let interrupt = Interrupt::install(cli.global.quiet || cli.global.json);
    let mut session = Session::new(cli.global, interrupt);
    session.observer = telemetry.observer();
    match cli.command {
        Command::Connection(command) => connection::run(&session, command).await,
        Command::Activity(command) => activity::run(&session, command).await,
        Command::Test { name, agents: false } => test::run(&session, &name).await,
        Command::Test { name, agents: true } => agents::test(&session, &name).await,
        Command::Objects { name, search } => objects::run(&session, &name, search.as_deref()).await,
        Command::Describe { name, object, schema } => describe::run(&session, &name, &object, schema).await,
        Command::Query(query) => query::run(&session, query).await,
        Command::Create(write) => write::create_or_update(&session, write, Verb::Create).await,
        Command::Update(write) => write::create_or_update(&session, write, Verb::Update).await,
        Command::Delete(delete) => write::delete(&session, delete).await,
        Command::Resolve { name, outcomes } => resolve::run(&session, &name, &outcomes).await,
        Command::Run(arguments) => run::run(&session, arguments).await,
        Command::Operation(command) => operation::run(&session, command).await,
        Command::Runs(command) => run::runs(&session, &command),
        // `main` runs it without any of this.
        Command::MapRecords => Ok(()),
        Command::Environments(Environments::List) => environments::list(&session),
        Command::Agents(Agents::List) => agents::list(&session).await,
        Command::Variables(command) => variables::run(&session, command),
        Command::Versions(command) => versions::run(&session, command).await,
        Command::Compose { output } => compose::run(&session, &output),
        Command::New { name } => new::run(&session, &name),
        Command::Build { folder, output, cargo } => build::run(&session, &folder, output.as_deref(), &cargo).await,
        Command::Serve(arguments) => crate::serve::run(session, arguments, Arc::clone(telemetry)).await,
    }
}

/// Writes a result for a person to stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    print_raw(&crate::terminal::clean(text))
}

/// Writes a result for a program to stdout, as it is.
fn print_raw(text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads the output has had enough: that is no failure.
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new("cannot write stdout").causes_of(&e).into())
        }
        _ => Ok(()),
    }
}

/// Writes a result to stdout as JSON.
fn print_json(value: &Value) -> Result<()> {
    print_raw(&format!("{value:#}\n"))
}
