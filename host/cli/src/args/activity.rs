//! What can be typed behind `activity`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Activity as Kind;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Activities {
    /// List the activities of a connection, or of all.
    List {
        /// Name of the connection, or connector:name.
        connection: Option<String>,
    },
    /// Keep a new activity under a connection.
    Add {
        /// The connection and the activity's name: CONNECTION/ACTIVITY.
        name: String,
        /// What it does.
        #[arg(long, value_name = "VERB", default_value = "query")]
        verb: Kind,
        /// Name of the object.
        #[arg(long, value_name = "OBJECT")]
        object: String,
        #[command(flatten)]
        changes: Box<Changes>,
    },
    /// Show one activity.
    Show {
        /// CONNECTION/ACTIVITY.
        name: String,
    },
    /// Change an activity; what is not named stays.
    Edit {
        /// CONNECTION/ACTIVITY.
        name: String,
        /// Another object.
        #[arg(long, value_name = "OBJECT")]
        object: Option<String>,
        #[command(flatten)]
        changes: Box<Changes>,
        /// Take a member away, `where` for example. May be repeated.
        #[arg(long, value_name = "MEMBER")]
        unset: Vec<String>,
    },
    /// Make a second activity like this one, under the same connection.
    Copy {
        /// CONNECTION/ACTIVITY.
        name: String,
        /// Name of the copy.
        new_name: String,
    },
    /// Give an activity another name.
    Rename {
        /// CONNECTION/ACTIVITY.
        name: String,
        /// Its new name.
        new_name: String,
    },
    /// Delete an activity.
    Delete {
        /// CONNECTION/ACTIVITY.
        name: String,
    },
    /// Run an activity, as `query`, `create`, `update` and `delete` do.
    Run {
        /// CONNECTION/ACTIVITY.
        name: String,
        #[command(flatten)]
        how: How,
    },
}

/// What an activity asks for.
#[derive(Args, Debug)]
pub(crate) struct Changes {
    /// Of a query: fields to return; all if there are none.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// Of a query: a condition, `price >= 10`. All of them must hold. May be repeated.
    #[arg(long = "where", value_name = "CONDITION")]
    pub conditions: Vec<String>,
    /// Of a query: order, FIELD, FIELD asc or FIELD desc.
    #[arg(long, value_name = "FIELD [desc]", value_delimiter = ',')]
    pub order: Vec<String>,
    /// Of a query: related data to bring along.
    #[arg(long, value_name = "X,Y", value_delimiter = ',')]
    pub include: Vec<String>,
    /// Of a query: read what was modified since the last time.
    #[arg(long)]
    pub incremental: bool,
    /// Of a query: records to ask for at a time.
    #[arg(long, value_name = "N")]
    pub page_size: Option<u32>,
    /// Of a query: stop after this many records.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Of a create or update: create records that are missing and update those that are there.
    #[arg(long)]
    pub upsert: bool,
    /// Fields by which --upsert finds a record.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub match_on: Vec<String>,
    /// Of a write: go on after a failed record.
    #[arg(long)]
    pub continue_on_error: bool,
    /// Of a write: records per call.
    #[arg(long, value_name = "N")]
    pub batch: Option<u64>,
}

/// Where the records of a run come from or go.
#[derive(Args, Debug)]
pub(crate) struct How {
    /// Of a write: the records, NDJSON, JSON or CSV; `-` is stdin.
    #[arg(long, short, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Of a write: outcomes go to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    pub outcomes: Option<PathBuf>,
    /// Of a write: check the records and send nothing.
    #[arg(long, conflicts_with = "outcomes")]
    pub dry_run: bool,
    /// Of a query: write to a file, which appears under this name only when it is complete.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Of a query: how to write records.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<output::Format>,
    /// Of an incremental query: the file that holds the state.
    #[arg(long, value_name = "STATE-FILE")]
    pub since: Option<PathBuf>,
    /// Of a query: say how it would be run, and send nothing.
    #[arg(long, conflicts_with_all = ["format", "output"])]
    pub explain: bool,
}
