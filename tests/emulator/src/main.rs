//! The emulator as a program: prints one line of JSON with its addresses when it is ready, and ends when its standard input
//! closes or it is told to (SIGTERM, SIGINT).

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bigcommerce_emulator::{Config, Emulator, Quota, Sizes, Switches, Token};
use clap::Parser;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

/// Serves an emulated BigCommerce store on loopback.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port of the HTTP server; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Accepted access token; may be repeated. `TOKEN=scope,scope` limits what it may do.
    #[arg(long = "token", value_name = "TOKEN", default_value = "emulated-token")]
    tokens: Vec<String>,
    /// Store hash, part of every path.
    #[arg(long, default_value = "emu1ated")]
    store_hash: String,
    /// Seed of the sample data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Products.
    #[arg(long, default_value_t = Sizes::default().products)]
    products: usize,
    /// Brands.
    #[arg(long, default_value_t = Sizes::default().brands)]
    brands: usize,
    /// Categories.
    #[arg(long, default_value_t = Sizes::default().categories)]
    categories: usize,
    /// Customers.
    #[arg(long, default_value_t = Sizes::default().customers)]
    customers: usize,
    /// Orders.
    #[arg(long, default_value_t = Sizes::default().orders)]
    orders: usize,
    /// Coupons.
    #[arg(long, default_value_t = Sizes::default().coupons)]
    coupons: usize,
    /// Records per parent of every other object.
    #[arg(long, default_value_t = Sizes::default().others)]
    others: usize,
    /// Every answer comes so many milliseconds later.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Requests per window of milliseconds, as REQUESTS/MILLISECONDS (150/30000 is the Standard plan).
    #[arg(long, value_name = "N/MS", value_parser = quota)]
    quota: Option<Quota>,
    /// Windows of the quota slide.
    #[arg(long)]
    sliding: bool,
    /// Share of the quota that another consumer takes, 0.0 to 1.0.
    #[arg(long, default_value_t = 0.0)]
    others_share: f64,
    /// Answers JSON over many lines.
    #[arg(long)]
    pretty: bool,
    /// Closes idle connections after so many seconds.
    #[arg(long)]
    idle_timeout: Option<u64>,
    /// Writes the certificate of the HTTPS server's authority to this file.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Threads that serve.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Goes on when standard input closes.
    #[arg(long)]
    keep_running: bool,
}

fn quota(text: &str) -> Result<Quota> {
    let (requests, window) = text.split_once('/').context("expected REQUESTS/MILLISECONDS")?;
    let window = Duration::from_millis(window.parse().context("the window is no number of milliseconds")?);
    if window.is_zero() {
        bail!("the window must be longer than nothing");
    }
    Ok(Quota { requests: requests.parse().context("the requests are no number")?, window, ..Quota::default() })
}

fn token(text: &str) -> Token {
    match text.split_once('=') {
        Some((value, scopes)) => Token::with_scopes(value, &scopes.split(',').collect::<Vec<_>>()),
        None => Token::all(text),
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let quota = Quota {
        sliding: arguments.sliding,
        others_share: arguments.others_share,
        ..arguments.quota.unwrap_or_default()
    };
    let config = Config {
        port: arguments.port,
        store_hash: arguments.store_hash,
        tokens: arguments.tokens.iter().map(|t| token(t)).collect(),
        seed: arguments.seed,
        sizes: Sizes {
            products: arguments.products,
            brands: arguments.brands,
            categories: arguments.categories,
            customers: arguments.customers,
            orders: arguments.orders,
            coupons: arguments.coupons,
            others: arguments.others,
        },
        quota,
        switches: Switches {
            latency: Duration::from_millis(arguments.latency_ms),
            pretty: arguments.pretty,
            ..Switches::default()
        },
        idle_timeout: arguments.idle_timeout.map(Duration::from_secs),
        threads: arguments.threads,
        ..Config::default()
    };
    let emulator = Emulator::launch(config).context("cannot start the emulated store")?;
    if let Some(file) = &arguments.ca_file {
        std::fs::write(file, emulator.ca_pem()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let ready = serde_json::json!({
        "url": emulator.base_url(),
        "https_url": emulator.https_url(),
        "store_hash": emulator.store_hash(),
        "ca_file": arguments.ca_file,
        "openapi": emulator.openapi_status(),
        "pid": std::process::id(),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{ready}").and_then(|()| out.flush()).context("cannot write to standard output")?;
    drop(out);
    wait(arguments.keep_running)?;
    emulator.shutdown();
    // A read of standard input cannot be given up, so the threads are not waited for.
    std::process::exit(0)
}

/// Returns when the program shall end.
fn wait(keep_running: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let waited = runtime.block_on(async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let closed = async {
            if keep_running {
                std::future::pending::<()>().await;
            }
            let mut buffer = [0; 256];
            let mut stdin = tokio::io::stdin();
            while matches!(stdin.read(&mut buffer).await, Ok(n) if n > 0) {}
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = closed => {}
        }
        Ok(())
    });
    runtime.shutdown_background();
    waited
}
