//! What can be typed behind `connection`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Connection {
    /// Check a new connection and save it.
    ///
    /// A secret that is typed in does not go into the settings: it is kept as a hidden variable of that connection, encrypted, and
    /// the setting refers to it. Others can see the command line: `--set access_token=-` asks for it or reads it from stdin,
    /// `--set access_token=@FILE` takes it from a file, and `--set access_token=[token]` refers to a variable of your own.
    Add {
        /// Name: unique among the connections of the connector, without `/` and `:`.
        name: String,
        /// The connector, one that `versions install` has brought. Default: the bundled one.
        #[arg(long, value_name = "CONNECTOR", conflicts_with = "connector")]
        using: Option<String>,
        #[command(flatten)]
        changes: Changes,
        /// Replace the connection of this name.
        #[arg(long)]
        replace: bool,
    },
    /// Change a connection; what is not named stays. The result is checked as a whole before it is saved.
    Edit {
        /// Name of the connection, or connector:name.
        name: String,
        #[command(flatten)]
        changes: Changes,
        /// Take a setting away. May be repeated.
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
        /// Take a granted origin away. May be repeated.
        #[arg(long, value_name = "ORIGIN")]
        revoke: Vec<String>,
        /// Trust no certificate authorities besides the system's.
        #[arg(long, conflicts_with = "ca_file")]
        no_ca_file: bool,
    },
    /// List the connections.
    List,
    /// Show one connection, secrets as ****.
    Show {
        /// Name of the connection, or connector:name.
        name: String,
    },
    /// Make a second connection like this one, with copies of its own hidden variables.
    Copy {
        /// Name of the connection, or connector:name.
        name: String,
        /// Name of the copy.
        new_name: String,
    },
    /// Give a connection another name. Its own hidden variables stay with it.
    Rename {
        /// Name of the connection, or connector:name.
        name: String,
        /// Its new name.
        new_name: String,
    },
    /// Delete a connection and what belongs to it, after asking.
    Delete {
        /// Name of the connection, or connector:name.
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Write connections as TOML, to be read, compared and imported elsewhere. Variables are named; no secret is in it.
    Export {
        /// Names of the connections; all if none is named.
        names: Vec<String>,
        /// Write to this file instead of stdout.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check the connections of a TOML file and save them, all or none.
    ///
    /// Secrets in it are kept as hidden variables. The values of a secrets.toml beside the file come along where a setting
    /// mentions them. Variables that are not defined yet are named at the end. What the file lets its connections reach beyond what
    /// their connector asks for is to be confirmed.
    Import {
        /// The file.
        file: PathBuf,
        /// Names of the connections; all of the file if none is named.
        names: Vec<String>,
        /// Replace connections that are there already.
        #[arg(long)]
        replace: bool,
        /// Take the origins that the file grants without asking.
        #[arg(long)]
        allow_grants: bool,
    },
    /// Check every connection without a request; tells everything that is wrong at once.
    Check,
}

/// What both a new connection and a change take.
#[derive(Args, Debug)]
pub(crate) struct Changes {
    /// A setting of the connector. May be repeated. A VALUE of `-` is asked for or read from stdin, `@FILE` stands for what is in
    /// the file, `@@TEXT` for TEXT, whatever that begins with.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// An origin (https://host:port) that may be reached beyond those of the connector. May be repeated.
    #[arg(long = "grant", value_name = "ORIGIN")]
    pub grants: Vec<String>,
    /// Certificate authorities to trust besides the system's, as PEM.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}
