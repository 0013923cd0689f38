//! `build`: compiles the connector of a folder, and wraps what cargo made into a component that this host runs.
//!
//! Compiler and flags are cargo's own matter: `RUSTC`, `RUSTFLAGS`, configuration files and arguments behind `--` hold as they do
//! for `cargo build`.

use std::path::Path;
use std::process::{Command, Stdio};

use connector_package::{Crate, TARGET, componentize, path_flags};
use serde_json::json;

use super::{print, print_json};
use crate::error::{Failure, Result};
use crate::files::{Access, replace};
use crate::remote::load_failed;
use crate::session::Session;

/// The profile of the template that makes small components.
const PROFILE: &str = "release";

/// Builds the connector whose Cargo.toml lies in `folder`. `more` goes to cargo.
pub(super) async fn run(session: &Session, folder: &Path, output: Option<&Path>, more: &[String]) -> Result<()> {
    let absolute = std::fs::canonicalize(folder)
        .map_err(|error| Failure::new(format!("there is no folder `{}`", folder.display())).causes_of(&error))?;
    if !absolute.join("Cargo.toml").is_file() {
        let failure = Failure::new(format!("there is no Cargo.toml in `{}`", folder.display()));
        return Err(failure.hint("go to a connector's folder, or make one with `connector new NAME`").into());
    }
    let of = described(&absolute)?;
    compile(session, &absolute, &of, more)?;
    let module = of.module(PROFILE);
    let bytes = std::fs::read(&module).map_err(|error| {
        Failure::new(format!("cannot read what cargo built, `{}`", module.display())).causes_of(&error)
    })?;
    let component = componentize(&bytes, &of).map_err(|error| {
        Failure::new("what cargo built is no connector")
            .causes_of(&error)
            .hint("the version of wit-bindgen in Cargo.toml must be the one that `connector new` writes")
    })?;
    let path = output.map_or_else(|| of.target_folder.join(format!("{}.wasm", of.name)), Path::to_owned);
    // What this host would not load is not left lying about as a connector.
    let source = path.display().to_string();
    let connector = session.host()?.load(&component).await.map_err(|error| load_failed(&source, &error))?;
    replace(&path, &component, Access::Usual)?;
    let info = connector.info();
    if session.global.json {
        return print_json(&json!({
            "connector": info.name, "version": info.version, "digest": connector.digest(), "bytes": component.len(), "file": source,
        }));
    }
    print(&format!("{} {} is {source}: {} bytes, {}.\n", info.name, info.version, component.len(), connector.digest()))
}

/// What cargo says about the crate in this folder.
fn described(folder: &Path) -> Result<Crate, Failure> {
    let mut ask = cargo();
    ask.current_dir(folder).args(["metadata", "--no-deps", "--format-version", "1"]).stderr(Stdio::inherit());
    let answer = ask.output().map_err(|error| no_cargo(&error))?;
    if !answer.status.success() {
        return Err(Failure::new("cargo cannot read the Cargo.toml"));
    }
    let told = Failure::new("this is no connector's crate");
    Crate::in_folder(&String::from_utf8_lossy(&answer.stdout), folder).map_err(|error| told.causes_of(&error))
}

fn compile(session: &Session, folder: &Path, of: &Crate, more: &[String]) -> Result<(), Failure> {
    let mut build = cargo();
    build.current_dir(folder).args(["build", "--lib", "--release", "--target", TARGET]);
    build.args(["--package", of.name.as_str()]).args(more);
    if !session.chatty() {
        build.arg("--quiet");
    }
    // Stdout is for the result alone.
    build.stdout(Stdio::null());
    if std::env::var_os("RUSTFLAGS").is_none() && std::env::var_os("CARGO_ENCODED_RUSTFLAGS").is_none() {
        build.env("CARGO_ENCODED_RUSTFLAGS", path_flags(&of.root).join(std::ffi::OsStr::new("\x1f")));
    }
    let status = build.status().map_err(|error| no_cargo(&error))?;
    if status.success() {
        return Ok(());
    }
    let failure = Failure::new("cargo could not build the connector");
    Err(failure.hint(format!("where it misses `core` or `std`, run `rustup target add {TARGET}`")))
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn no_cargo(error: &std::io::Error) -> Failure {
    Failure::new("cannot start cargo").causes_of(error).hint("connectors are compiled with Rust: https://rustup.rs")
}
