//! What can be typed after `connector versions`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Versions {
    /// List the installed versions: which serves, which served before, who signed them, where they came from.
    List {
        #[command(flatten)]
        name: Name,
    },
    /// Ask the sources which versions they have.
    Available {
        #[command(flatten)]
        name: Name,
    },
    /// Check a version and keep it. It serves once `use` switches to it.
    ///
    /// What is fetched is verified by its digest and its signatures, must be a connector for this host, and must describe itself
    /// without a crash. Nothing else of it runs.
    Install {
        /// A file, a folder of NAME-VERSION.wasm (the newest of them), or `oci://HOST/REPOSITORY[:TAG][@sha256:DIGEST]`.
        place: String,
        /// Switch to it at once, as `use` does.
        #[arg(long = "use")]
        switch: bool,
        #[command(flatten)]
        network: Network,
    },
    /// Put a version to a folder or a registry. What is there already stays, and is signed if there is a key.
    Push {
        /// A file, or an installed version or digest.
        #[arg(value_name = "VERSION")]
        wanted: String,
        /// A folder, or `oci://HOST/REPOSITORY[:TAG]`; the tag is the version, if it is not named.
        place: String,
        /// Sign it with this private key, as cosign does: ECDSA P-256, PEM, not encrypted.
        #[arg(long, value_name = "FILE")]
        sign_key: Option<PathBuf>,
        /// Who made it, noted in the artifact.
        #[arg(long, value_name = "TEXT")]
        author: Option<String>,
        /// Take the place of another component that is there, or of a file's signature by another key.
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        network: Network,
    },
    /// Switch to an installed version, after a self-test. The version before it stays, for `rollback`.
    ///
    /// The self-test loads it and opens the connections of the project that open with the present version, of more than 100 a
    /// hundred; nothing is sent.
    Use {
        /// A version, a digest or the beginning of one, or `bundled`: the version that this program brings along.
        #[arg(value_name = "VERSION")]
        wanted: String,
        /// The self-test also tests this connection, over the network.
        #[arg(long, value_name = "CONNECTION")]
        test: Option<String>,
        #[command(flatten)]
        name: Name,
    },
    /// Keep a connector on one version, by its digest, until `unpin`: the one that serves, or the one that is named.
    Pin {
        /// A version, or a digest or the beginning of one. Default: the one that serves.
        #[arg(value_name = "VERSION")]
        wanted: Option<String>,
        #[command(flatten)]
        name: Name,
    },
    /// Let a connector be switched again.
    Unpin {
        #[command(flatten)]
        name: Name,
    },
    /// Switch back to the version that served before.
    Rollback {
        #[command(flatten)]
        name: Name,
    },
    /// Remove an installed version that does not serve.
    Remove {
        /// A version, or a digest or the beginning of one.
        #[arg(value_name = "VERSION")]
        wanted: String,
        #[command(flatten)]
        name: Name,
    },
    /// Where `available` and `connector test` look for newer versions.
    #[command(subcommand)]
    Sources(Sources),
    /// Show and change what the project demands of versions.
    Policy(Policy),
}

/// Of which connector.
#[derive(Args, Debug)]
pub(crate) struct Name {
    /// The connector's name, where the project has versions of several.
    #[arg(long = "of", value_name = "CONNECTOR")]
    pub of: Option<String>,
}

/// How a registry is reached. What is not named is as the source on the same registry has it.
#[derive(Args, Debug)]
pub(crate) struct Network {
    /// Reach the registry without TLS; one on this machine always is, unless --ca-file is given.
    #[arg(long)]
    pub plain_http: bool,
    /// Certificate authorities to trust besides the system's, as PEM.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The variables that hold user and password. Default: what docker login has kept for the registry.
    #[arg(long, value_name = "[USER]:[PASSWORD]")]
    pub credentials: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sources {
    /// List the sources.
    List,
    /// Add a source, or change how it is reached.
    Add {
        /// A folder of NAME-VERSION.wasm, or oci://HOST/REPOSITORY.
        place: String,
        /// What signatures must be of versions that come from it: `require`, `warn` or `off`. Default: as `versions policy` says.
        #[arg(long, value_name = "POLICY")]
        signatures: Option<connector_versions::SignaturePolicy>,
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        network: Network,
    },
    /// Remove a source.
    Remove {
        /// The source, as `list` shows it.
        place: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Policy {
    /// What signatures must be: `require` (only what a trusted key signed serves), `warn` or `off`. Holds for installed versions too.
    #[arg(long, value_name = "POLICY")]
    pub signatures: Option<connector_versions::SignaturePolicy>,
    /// Trust this public key: ECDSA P-256, PEM. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
    /// Trust the key of this name or digest no longer. May be repeated.
    #[arg(long, value_name = "KEY")]
    pub distrust: Vec<String>,
    /// Whether `connector test` may look for a newer version and switch to it: `on` takes what a trusted key has signed (with
    /// signatures `off`, everything), `unsigned` takes whatever the policy for signatures lets pass, `off` takes nothing.
    #[arg(long, value_name = "POLICY")]
    pub auto_update: Option<connector_versions::AutoUpdate>,
}
