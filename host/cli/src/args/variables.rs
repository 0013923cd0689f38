//! What can be typed behind `variables`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Variables {
    /// List the variables: scope, source, value if it may be seen, and which connections mention it.
    List,
    /// Keep a variable in the store, for all environments or for the one of --environment.
    ///
    /// The value is read from the terminal, or else from stdin. A hidden one is encrypted, and stays hidden.
    Set {
        /// Name of the variable.
        name: String,
        /// The value, if it is no secret: the command line can be seen by others.
        #[arg(conflicts_with = "hidden")]
        value: Option<String>,
        /// Never show the value.
        #[arg(long)]
        hidden: bool,
        /// What the variable is for.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Keep it for this connection alone.
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
    },
    /// Forget a variable of the store, for all environments or for the one of --environment.
    Unset {
        /// Name of the variable.
        name: String,
        /// The one that is kept for this connection alone.
        #[arg(long, value_name = "NAME")]
        connection: Option<String>,
    },
    /// Encrypt all hidden values of the store with a new key. The old key stays where it is: copies of the store may need it.
    RotateKey {
        /// Put the new key into the system's keyring.
        #[arg(long)]
        keyring: bool,
    },
}
