//! The loops that a program would write without a connector: page by page with reqwest and serde_json to standard output, a
//! record per line. A program of its own, so that whole processes are compared and neither carries the other's weight.
//!
//! They are given what a real program would have to find out (how many pages there are), read by page numbers, which may miss or
//! double records while others write, and neither wait for a quota nor try again.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Writes the products of a store to standard output, a record per line.
#[derive(Debug, Parser)]
struct Arguments {
    /// What a page becomes on the way.
    #[arg(value_enum)]
    how: How,
    /// Address of the collection, without a query.
    #[arg(long)]
    url: String,
    /// Access token.
    #[arg(long)]
    token: String,
    /// Pages.
    #[arg(long, default_value_t = 80)]
    pages: u32,
    /// Records per page.
    #[arg(long, default_value_t = 250)]
    page_size: u32,
    /// Requests under way at once.
    #[arg(long, default_value_t = 4)]
    in_flight: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    /// Values, written out again.
    Values,
    /// Slices of the page's bytes.
    Slices,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // Features that another program wants of serde_json would make these loops slower than they need be.
    if serde_json::from_str::<Value>("1e400").is_ok() {
        bail!("built with `arbitrary_precision`: build this package without the others");
    }
    // The file behind standard output itself: Rust's own handle would look for line ends in everything that goes through it.
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut out = BufWriter::with_capacity(1 << 16, stdout);
    // reqwest brings no provider here: another crate of the workspace turns its feature `rustls-no-provider` on.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let pages = stream::iter(1..=arguments.pages).map(|page| fetch(&client, &arguments, page));
    let mut pages = pages.buffered(arguments.in_flight);
    while let Some(body) = pages.next().await {
        let body = body?;
        match arguments.how {
            How::Values => values(&body, &mut out)?,
            How::Slices => slices(&body, &mut out)?,
        }
    }
    out.flush()?;
    Ok(())
}

async fn fetch(client: &reqwest::Client, arguments: &Arguments, page: u32) -> Result<impl AsRef<[u8]> + use<>> {
    let url = format!("{}?limit={}&page={page}&sort=id&direction=asc", arguments.url, arguments.page_size);
    let request = client.get(url).header("accept", "application/json").header("x-auth-token", &arguments.token);
    let answer = request.send().await?.error_for_status()?;
    Ok(answer.bytes().await?)
}

fn values(body: impl AsRef<[u8]>, out: &mut impl io::Write) -> Result<()> {
    let page: Value = serde_json::from_slice(body.as_ref())?;
    let Some(records) = page.get("data").and_then(Value::as_array) else {
        bail!("a page has no data");
    };
    for record in records {
        serde_json::to_writer(&mut *out, record)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn slices(body: impl AsRef<[u8]>, out: &mut impl io::Write) -> Result<()> {
    let page: Page<'_> = serde_json::from_slice(body.as_ref()).context("a page has no data")?;
    for record in page.data {
        out.write_all(record.get().as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
