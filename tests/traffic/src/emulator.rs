//! The emulated store as a separate process, so that its CPU time and its memory are not counted: it remembers every request.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// Access token of every emulated store here.
pub const TOKEN: &str = "emulated-token";

/// A running store. Ends when dropped.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    ready: Ready,
}

/// The line that the program prints when it is ready.
#[derive(Debug, Deserialize)]
struct Ready {
    url: String,
    store_hash: String,
}

impl Emulator {
    /// Starts a store with so many products and little else.
    ///
    /// # Errors
    /// As [`Emulator::start`].
    pub fn of_products(program: &Path, products: u32, more: &[&str]) -> Result<Self> {
        let products = products.to_string();
        let sizes = ["--products", &products, "--brands", "10", "--categories", "10", "--customers", "0"];
        let none = ["--orders", "0", "--coupons", "0", "--others", "0"];
        Self::start(program, &[&sizes[..], &none[..], more].concat())
    }

    /// Starts a store with these options and nothing that slows it down.
    ///
    /// # Errors
    /// The program cannot be started, or does not tell its address.
    pub fn start(program: &Path, options: &[&str]) -> Result<Self> {
        let mut process = Command::new(program)
            .args(["--token", TOKEN])
            .args(options)
            // The documents would check every request, at the price of latency.
            .env_remove("BIGCOMMERCE_OPENAPI")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match serde_json::from_str(&line) {
            Ok(ready) => Ok(Self { process, ready }),
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                bail!("the emulated store said {line:?} instead of its address ({error})")
            }
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.ready.url
    }

    /// The store's hash.
    pub fn store_hash(&self) -> &str {
        &self.ready.store_hash
    }

    /// Address of the collection of products.
    pub fn products(&self) -> String {
        format!("{}/stores/{}/v3/catalog/products", self.url(), self.store_hash())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
