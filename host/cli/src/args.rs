//! The command line: what can be typed. Nothing is decided here.

pub(crate) mod versions;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{input, output, serve, telemetry};

mod activity;
mod agents;
mod connection;
mod operation;
mod variables;

pub(crate) use activity::{Activities, Changes as ActivityChanges, How};
pub(crate) use agents::{Agents, Environments};
pub(crate) use connection::{Changes, Connection};
pub(crate) use operation::{Operation, Run, Runs};
pub(crate) use variables::Variables;

/// Query, create, update and delete the records of a store through a sandboxed connector.
#[derive(Debug, Parser)]
#[command(name = "connector", version, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 the input, the remote or a record failed, 2 a defect of this program or of the connector."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Folder with the project: its connector.db and variables.toml.
    #[arg(long, global = true, value_name = "DIR", default_value = ".", env = "CONNECTOR_PROJECT")]
    pub project: PathBuf,
    /// Use this component instead of the bundled one.
    #[arg(long, global = true, value_name = "FILE.wasm", env = "CONNECTOR_FILE")]
    pub connector: Option<PathBuf>,
    /// Results and errors as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say more on stderr; twice says all that this program itself has to say. RUST_LOG says it in detail, of its libraries too.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// How log lines on stderr look. Default: text, and json with --json.
    #[arg(long, global = true, value_name = "FORMAT", env = "CONNECTOR_LOG_FORMAT")]
    pub log_format: Option<telemetry::LogFormat>,
    /// Folder for compiled components. Default: the user's cache folder.
    #[arg(long, global = true, value_name = "DIR", env = "CONNECTOR_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
    /// The proxy of connections that use one: `http://`, `https://` or `socks5://[USER:PASSWORD@]HOST[:PORT]`; `none` for
    /// none. USER and PASSWORD may be variables, written `[name]`. Default: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.
    #[arg(long, global = true, value_name = "URL", env = "CONNECTOR_PROXY", hide_env_values = true)]
    pub proxy: Option<String>,
    /// Targets that do without --proxy: names, with all below them, addresses and ranges (10.0.0.0/8), separated by commas.
    /// Default: NO_PROXY.
    #[arg(long, global = true, value_name = "LIST", env = "CONNECTOR_PROXY_BYPASS")]
    pub proxy_bypass: Option<String>,
    /// Set a variable, before all other sources. May be repeated.
    #[arg(long = "var", global = true, value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// Read variables from this file instead of the project's variables.toml.
    #[arg(long, global = true, value_name = "FILE", env = "CONNECTOR_VARIABLES")]
    pub variables: Option<PathBuf>,
    /// Use the values of this environment: those of the store, and a section of the variables file.
    #[arg(long, global = true, value_name = "NAME", env = "CONNECTOR_ENVIRONMENT")]
    pub environment: Option<String>,
    /// The key file for hidden values. Default: one per project in the user's configuration folder.
    #[arg(long, global = true, value_name = "FILE", env = "CONNECTOR_KEY_FILE")]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add, change, look at, copy, delete, export and import connections.
    #[command(subcommand)]
    Connection(Connection),
    /// Keep queries and writes under their connections, look at them, and run them.
    #[command(subcommand)]
    Activity(Activities),
    /// Prove that a connection works, or say why it does not.
    Test {
        /// Name of the connection, or connector:name.
        name: String,
        /// Ask every agent of the environment's group to bring the newest allowed version of the connector, and to test there.
        #[arg(long)]
        agents: bool,
    },
    /// List the objects of a connection.
    Objects {
        /// Name of the connection, or connector:name.
        name: String,
        /// Only objects whose name or title holds all of these words.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Show the fields and abilities of an object.
    Describe {
        /// Name of the connection, or connector:name.
        name: String,
        /// Name of the object.
        object: String,
        /// Print the JSON Schemas of one activity instead.
        #[arg(long, value_name = "ACTIVITY")]
        schema: Option<Activity>,
    },
    /// Read records.
    Query(Query),
    /// Create records.
    Create(Write),
    /// Update records: each holds its key fields and the fields to change.
    Update(Write),
    /// Delete the records that are named, nothing else.
    Delete(Delete),
    /// Look up what became of the records of a write whose outcome is unknown. Changes nothing in the store.
    ///
    /// Prints all outcomes of the file again, in the order of the rows, the unknown ones and those that were under way when a run
    /// was killed as the store shows them: `applied`, `failed` (not done), or still `unknown`.
    Resolve {
        /// Name of the connection, or connector:name.
        name: String,
        /// The file that --outcomes of create, update or delete wrote.
        #[arg(value_name = "OUTCOMES-FILE")]
        outcomes: PathBuf,
    },
    /// Run an operation: read its source, map the records, write them to its target. Prints a report.
    ///
    /// An operation is a file of the project, operations/NAME.toml. A run is kept in runs/ID: after a crash or Ctrl-C it goes on where
    /// it was, with --resume.
    Run(Run),
    /// List, look at, check, try and delete operations.
    #[command(subcommand)]
    Operation(Operation),
    /// List, look at, cancel and remove runs of operations.
    #[command(subcommand)]
    Runs(Runs),
    /// The process that runs the program of a mapping.
    #[command(name = crate::operation::mapper::COMMAND, hide = true)]
    MapRecords,
    /// List the environments of the project.
    #[command(subcommand)]
    Environments(Environments),
    /// Look at the agents of the environment's group: processes that serve, each on its own host, named in agents.toml.
    #[command(subcommand)]
    Agents(Agents),
    /// List variables, and keep them in the store, hidden ones encrypted.
    #[command(subcommand)]
    Variables(Variables),
    /// Install versions of connectors, switch between them, and say where they come from.
    #[command(subcommand)]
    Versions(versions::Versions),
    /// Write the project of a new connector into a folder of its name: it compiles, and has the contract and tests.
    New {
        /// Name of the connector: lower-case letters, digits and `-`.
        name: String,
    },
    /// Compile the connector of a folder with cargo, and make the component that hosts run.
    Build {
        /// The folder with the connector's Cargo.toml.
        #[arg(default_value = ".", value_name = "DIR")]
        folder: PathBuf,
        /// Where the component goes. Default: NAME.wasm in the folder that cargo builds into.
        #[arg(long, short, value_name = "FILE.wasm")]
        output: Option<PathBuf>,
        /// What `cargo build` is told besides.
        #[arg(last = true, value_name = "CARGO-OPTION")]
        cargo: Vec<String>,
    },
    /// Keep the project's connections open and answer over HTTP, until Ctrl-C.
    ///
    /// Another version of a connector that is put in use takes over while calls run. `/metrics` is for Prometheus, `/v1/deployments`
    /// says which version serves.
    Serve(serve::Arguments),
    /// Make one component of the connector and a service around it, for runtimes that know only WASI.
    ///
    /// It exports wasi:http/incoming-handler, and answers the same requests as `connector serve`, for one connection, whose settings
    /// it reads from the environment: `wasmtime serve`, Spin and wasmCloud run it as it is. Prints what it imports.
    Compose {
        /// The component to write.
        #[arg(long, short, value_name = "FILE.wasm")]
        output: PathBuf,
    },
}

/// An activity of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Verb)]
pub(crate) enum Activity {
    Query,
    Create,
    Update,
    Delete,
}

impl Activity {
    /// For people: one such activity.
    pub(crate) fn article(self) -> &'static str {
        match self {
            Self::Query => "a query",
            Self::Create => "a create",
            Self::Update => "an update",
            Self::Delete => "a delete",
        }
    }
}

/// An activity that changes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
}

impl Verb {
    /// It among all activities.
    pub(crate) fn activity(self) -> Activity {
        match self {
            Self::Create => Activity::Create,
            Self::Update => Activity::Update,
            Self::Delete => Activity::Delete,
        }
    }

    /// For people: what is done.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// For people: what has been done.
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Update => "updated",
            Self::Delete => "deleted",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Query {
    /// Name of the connection, or connector:name.
    pub name: String,
    /// Name of the object.
    pub object: String,
    /// Fields to return; all if this is missing.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// A condition: FIELD OP VALUE with =, !=, <, <=, >, >=, in (A, B), contains. All of them must hold. May be repeated.
    #[arg(long = "where", value_name = "CONDITION")]
    pub conditions: Vec<String>,
    /// Order: FIELD, FIELD asc or FIELD desc.
    #[arg(long, value_name = "FIELD [desc]", value_delimiter = ',')]
    pub order: Vec<String>,
    /// Stop after this many records.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Related data to bring along.
    #[arg(long, value_name = "X,Y", value_delimiter = ',')]
    pub include: Vec<String>,
    /// Records to ask for at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub page_size: Option<u32>,
    /// Go on where an earlier query stopped, with all else unchanged. With the same --output, the records that the earlier query
    /// left beside that file come first.
    #[arg(long, value_name = "TOKEN")]
    pub cursor: Option<String>,
    /// Read what was modified since the last time: FILE holds the state, and is made by the first read, which delivers
    /// everything. It moves on once the output is complete; what a broken read has written to stdout as ndjson counts too.
    /// Deleted records cannot be seen.
    #[arg(long, value_name = "STATE-FILE", conflicts_with_all = ["limit", "cursor"])]
    pub since: Option<PathBuf>,
    /// Say how the query would be run, and send nothing.
    #[arg(long, conflicts_with_all = ["format", "output"])]
    pub explain: bool,
    /// How to write records. Default: by the output file's extension, or else ndjson.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<output::Format>,
    /// Write to a file, which appears under this name only when it is complete.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What all writes take.
#[derive(Args, Debug)]
pub(crate) struct WriteOptions {
    /// Name of the connection, or connector:name.
    pub name: String,
    /// Name of the object.
    pub object: String,
    /// The format of the input. Default: by the file's extension, or else ndjson.
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<input::Format>,
    /// Write outcomes, and which rows are under way, to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    pub outcomes: Option<PathBuf>,
    /// Go on after a failed record.
    #[arg(long)]
    pub continue_on_error: bool,
    /// Check the records and send nothing. What it finds goes to stdout: a file of outcomes tells what was sent.
    #[arg(long, conflicts_with = "outcomes")]
    pub dry_run: bool,
    /// Records per call, at most 1000; a call also ends at 8 MiB. After a crash of the connector, the outcome of one call's
    /// records is unknown.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub batch: u64,
    /// Begin at this record of the input, counted from 1; adds to an outcomes file that is there already.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub from_row: Option<u64>,
    /// Send those records of the same input that the outcomes file calls `skipped`, and no others; adds to the file.
    #[arg(long, requires = "outcomes", conflicts_with = "from_row")]
    pub only_skipped: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Write {
    #[command(flatten)]
    pub options: WriteOptions,
    /// The records, NDJSON, JSON or CSV; `-` is stdin.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub input: PathBuf,
    /// Create records that are missing and update those that are there; looks them up first, unless the API can do it in one.
    #[arg(long)]
    pub upsert: bool,
    /// Fields by which --upsert finds a record, `sku` or `email` for example; the key if this is missing. `describe --schema
    /// create` lists what is possible as `x-match-on`.
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "upsert")]
    pub match_on: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub options: WriteOptions,
    /// Records with the key fields, NDJSON, JSON or CSV; `-` is stdin.
    #[arg(long, short, value_name = "FILE", required_unless_present = "ids", conflicts_with = "ids")]
    pub input: Option<PathBuf>,
    /// Keys, for objects with one key field.
    #[arg(long = "id", value_name = "1,2,3", value_delimiter = ',')]
    pub ids: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_makes_sense() {
        super::Cli::command().debug_assert();
    }
}
