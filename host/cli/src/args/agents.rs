//! What can be typed behind `environments` and `agents`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Environments {
    /// List the environments: how many variables have a value for each, and its group of agents.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List the agents as they answer now: version, connectors with their digests, how fast they answered.
    List,
}
