//! Measures everything: W with and without latency, interleaved, then the library's figures in processes of their own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use traffic::{Emulator, TOKEN};

use crate::figures::{self, Samples};
use crate::work::{Bench, Native, PRODUCTS, exists};
use crate::{markdown, slice};

/// Requests per window of milliseconds in the quota figure: the Standard plan with a tenth of its window.
const QUOTA: &str = "150/3000";
/// Records per request in the quota figure: few, so that there are many requests.
const QUOTA_PAGE: &str = "5";
/// Runs and starts of a quick look.
const QUICK: (usize, usize) = (2, 300);

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Runs of each process.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: u16,
    /// A quick look: fewer runs.
    #[arg(long)]
    quick: bool,
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,PART")]
    only: Vec<Part>,
    /// The command line.
    #[arg(long)]
    connector: PathBuf,
    /// The native loops.
    #[arg(long)]
    native: PathBuf,
    /// The emulated store.
    #[arg(long)]
    emulator: PathBuf,
    /// The component.
    #[arg(long)]
    component: PathBuf,
    /// Where the figures go, as JSON.
    #[arg(long)]
    json: PathBuf,
    /// Write the table into this Markdown file too, between its lines that mark the place.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// When this is measured and on what state of the sources, for that table.
    #[arg(long, default_value = "")]
    taken: String,
    /// Fail if a figure does not reach its goal.
    #[arg(long)]
    check: bool,
    /// The slicer as a core module with simd128.
    #[arg(long)]
    slice_simd: PathBuf,
    /// The slicer as a core module without.
    #[arg(long)]
    slice_plain: PathBuf,
    /// Folder for projects, compiled components and outputs.
    #[arg(long)]
    folder: PathBuf,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// CPU time of W.
    Cpu,
    /// Time of W at 100 ms per request.
    Wall,
    /// Activities, loads, component.
    Start,
    /// Use of a quota.
    Quota,
    /// Idle connections.
    Idle,
    /// Versions that change under load.
    Swap,
    /// The slicer alone, natively and in WebAssembly.
    Slice,
}

/// Runs the parts that were asked for.
pub(crate) fn run(options: &Options) -> Result<()> {
    for program in [&options.connector, &options.native, &options.emulator, &options.component] {
        exists(program)?;
    }
    std::fs::create_dir_all(&options.folder)?;
    let bench = Bench {
        connector: options.connector.clone(),
        native: options.native.clone(),
        folder: std::path::absolute(&options.folder)?,
    };
    let parts = if options.only.is_empty() { Part::value_variants() } else { &options.only };
    let mut samples = Vec::new();
    for part in parts {
        samples.extend(match part {
            Part::Cpu => cpu(options, &bench)?,
            Part::Wall => wall(options, &bench)?,
            Part::Start => {
                let starts = if options.quick { QUICK.1 } else { 2000 };
                eprintln!("{starts} activities, loads");
                library(options, &bench, &["start", "--starts", &starts.to_string()])?
            }
            Part::Quota => quota(options, &bench)?,
            Part::Idle => {
                eprintln!("10,000 connections");
                library(options, &bench, &["idle"])?
            }
            Part::Swap => swap(options, &bench)?,
            Part::Slice => {
                eprintln!("the slicer alone");
                slice::slice(&options.slice_simd, &options.slice_plain, rounds(options))?
            }
        });
    }
    bench.clean();
    let figures = figures::figures(&samples);
    let json = serde_json::to_string_pretty(&figures)?;
    std::fs::write(&options.json, json + "\n").with_context(|| format!("cannot write {}", options.json.display()))?;
    print!("{}", figures::table(&figures));
    if let Some(file) = &options.markdown {
        markdown::write(file, &figures, &options.taken)?;
    }
    let missed = figures::missed(&figures);
    if options.check && !missed.is_empty() {
        bail!("not reached: {}", missed.join("; "));
    }
    Ok(())
}

fn rounds(options: &Options) -> usize {
    if options.quick { QUICK.0 } else { options.runs.into() }
}

/// CPU time of W, whole processes, one after another in turns. The first turn warms up and is checked, not counted.
fn cpu(options: &Options, bench: &Bench) -> Result<Vec<Samples>> {
    let store = Emulator::of_products(&options.emulator, PRODUCTS, &[])?;
    bench.connect("store", &store, 4)?;
    let (mut slices, mut values, mut host) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds(options) {
        eprintln!("CPU: round {round} of {}", rounds(options));
        let costs =
            [bench.native(Native::Slices, &store)?, bench.native(Native::Values, &store)?, bench.host("store")?];
        bench.check_host()?;
        if round == 0 {
            bench.check_values()?;
            continue;
        }
        for (cost, all) in costs.iter().zip([&mut slices, &mut values, &mut host]) {
            all.push(cost.cpu.as_secs_f64());
        }
    }
    Ok(vec![
        Samples::new("cpu-native-slices", "s", slices),
        Samples::new("cpu-native-values", "s", values),
        Samples::new("cpu-host", "s", host),
    ])
}

/// Time of W where every answer takes 100 ms.
fn wall(options: &Options, bench: &Bench) -> Result<Vec<Samples>> {
    let store = Emulator::of_products(&options.emulator, PRODUCTS, &["--latency-ms", "100"])?;
    bench.connect("slow-4", &store, 4)?;
    bench.connect("slow-8", &store, 8)?;
    let (mut native, mut four, mut eight) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds(options) {
        eprintln!("wall: round {round} of {}", rounds(options));
        let raw = bench.native(Native::Slices, &store)?;
        let ours = bench.host("slow-4")?;
        bench.check_host()?;
        let wider = bench.host("slow-8")?;
        bench.check_host()?;
        if round > 0 {
            for (cost, all) in [raw, ours, wider].iter().zip([&mut native, &mut four, &mut eight]) {
                all.push(cost.wall.as_secs_f64());
            }
        }
    }
    Ok(vec![
        Samples::new("wall-native-4", "s", native),
        Samples::new("wall-host-4", "s", four),
        Samples::new("wall-host-8", "s", eight),
    ])
}

fn quota(options: &Options, bench: &Bench) -> Result<Vec<Samples>> {
    eprintln!("8 queries under a quota of {QUOTA} ms");
    let store = Emulator::start(&options.emulator, &["--quota", QUOTA])?;
    let windows = if options.quick { "3" } else { "7" };
    let words = [
        "quota",
        "--url",
        store.url(),
        "--store-hash",
        store.store_hash(),
        "--token",
        TOKEN,
        "--page-size",
        QUOTA_PAGE,
        "--windows",
        windows,
    ];
    library(options, bench, &words)
}

/// Three runs of a minute without swaps and one with a hundred.
fn swap(options: &Options, bench: &Bench) -> Result<Vec<Samples>> {
    let (seconds, swaps) = if options.quick { ("10", "20") } else { ("60", "100") };
    let mut all: Vec<Samples> = Vec::new();
    for run in 1..=3 {
        eprintln!("{swaps} swaps: run {run} of 3");
        // A store of its own: what a run has written would make the next one slower.
        let store = Emulator::start(&options.emulator, &["--latency-ms", "20"])?;
        let (url, hash) = (store.url(), store.store_hash());
        let words =
            ["swap", "--url", url, "--store-hash", hash, "--token", TOKEN, "--seconds", seconds, "--swaps", swaps];
        for samples in library(options, bench, &words)? {
            match all.iter_mut().find(|known| known.name == samples.name) {
                Some(known) => known.values.extend(samples.values),
                None => all.push(samples),
            }
        }
    }
    // No run may hide behind the median of the others.
    for counted in
        all.iter_mut().filter(|samples| ["swap-failed", "swap-lost", "swap-doubled"].contains(&&*samples.name))
    {
        counted.values = vec![counted.values.iter().sum()];
    }
    Ok(all)
}

/// Samples of a sub-command of this program.
fn library(options: &Options, bench: &Bench, words: &[&str]) -> Result<Vec<Samples>> {
    let output = Command::new(std::env::current_exe()?)
        .args(words)
        .arg("--component")
        .arg(&options.component)
        .arg("--cache")
        .arg(bench.cache())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("`bench {}` failed ({})", words.first().unwrap_or(&""), output.status);
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
