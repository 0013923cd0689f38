//! The fuzz targets: builds them with cargo-fuzz and a nightly compiler, runs each as often as asked, and tells what was found.
//!
//! The inputs that libFuzzer collects lie in `target/fuzz/corpus/TARGET` and serve the next run; those that are kept, in
//! `tests/fuzz/corpus/TARGET`, are only read. An input that breaks a promise is left in `target/fuzz/findings/TARGET`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::hosts::Ran;
use crate::process;
use crate::soak::{Context, Options};
use crate::test::seconds;

/// Version of cargo-fuzz that is set up.
const CARGO_FUZZ: &str = "0.13.2";
/// Where it goes.
const TOOLS: &str = "target/tools";
/// The crate of the targets.
const CRATE: &str = "tests/fuzz";
/// What is built and found.
const FOLDER: &str = "target/fuzz";
/// The compiler that has libFuzzer's instrumentation.
const TOOLCHAIN: &str = "nightly";

/// Longest time that building one thing may take.
pub(crate) const MOST_BUILD: Duration = Duration::from_secs(3600);
/// Longest time that asking a tool for its version may take.
const MOST_ANSWER: Duration = Duration::from_secs(60);
/// Memory of one target, in MiB.
const MOST_MEMORY: u32 = 1024;
/// Seconds that one execution may take.
const MOST_SECONDS: u32 = 20;
/// Longest input, in bytes: a few blocks of what is classified 64 bytes at a time, many lines of what is typed.
const MOST_INPUT: u32 = 1024;
/// How often targets under way are looked at.
const POLL: Duration = Duration::from_millis(200);

/// How the run of a target ended.
struct Ended {
    target: String,
    executions: u64,
    took: Duration,
    /// The input that broke a promise, or where the log is if there is no such input.
    finding: Option<PathBuf>,
}

/// Builds and runs the targets.
pub(crate) fn run(context: &Context<'_>) -> Result<Ran> {
    let Context { root, options, .. } = *context;
    let cargo_fuzz = set_up(root)?;
    let mut build = nightly(&cargo_fuzz);
    build.current_dir(root).args(["fuzz", "build", "--fuzz-dir", CRATE, "--target-dir", FOLDER]);
    build.args(["--sanitizer", if options.address_sanitizer { "address" } else { "none" }]);
    process::show(&mut build)?;

    let targets = select(root, &options.targets)?;
    let mut waiting = targets.into_iter();
    let mut under_way: Vec<Running> = Vec::new();
    let mut ended = Vec::new();
    loop {
        while under_way.len() < options.jobs.max(1) {
            let Some(target) = waiting.next() else { break };
            under_way.push(Running::start(root, target, options)?);
        }
        if under_way.is_empty() {
            break;
        }
        std::thread::sleep(POLL);
        let mut still = Vec::new();
        for mut running in under_way {
            match running.child.try_wait()? {
                Some(status) => {
                    let end = running.end(status.success());
                    eprintln!("{}", row(&end));
                    ended.push(end);
                }
                None => still.push(running),
            }
        }
        under_way = still;
    }
    println!("\n{}", table(&ended));
    let found: Vec<String> = ended.iter().filter_map(reproduce).collect();
    if found.is_empty() { Ok(Ran::Yes) } else { bail!("{}", found.join("\n")) }
}

/// A target that is running.
struct Running {
    target: String,
    child: Child,
    log: PathBuf,
    findings: PathBuf,
    started: Instant,
}

impl Running {
    fn start(root: &Path, target: String, options: &Options) -> Result<Self> {
        let folder = |kind: &str| root.join(FOLDER).join(kind).join(&target);
        let (collected, findings) = (folder("corpus"), folder("findings"));
        for folder in [&collected, &findings] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let log = findings.with_extension("log");
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = program(root, &target)?;
        let mut prefix = OsString::from("-artifact_prefix=");
        prefix.push(&findings);
        prefix.push("/");
        let mut command = Command::new(program);
        command
            .arg(format!("-runs={}", options.runs))
            .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
            .arg(format!("-timeout={MOST_SECONDS}"))
            .arg(format!("-max_len={MOST_INPUT}"))
            .args(["-print_final_stats=1", "-verbosity=1", "-use_value_profile=1"])
            .arg(prefix)
            .arg(&collected)
            .arg(root.join(CRATE).join("corpus").join(&target))
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start `{}`", process::line(&command)))?;
        Ok(Self { target, child, log, findings, started: Instant::now() })
    }

    fn end(self, success: bool) -> Ended {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let finding = (!success).then(|| {
            let file = log.lines().filter_map(|line| line.split_once("Test unit written to ")).next_back();
            file.map_or(self.log, |(_, file)| self.findings.join(Path::new(file).file_name().unwrap_or_default()))
        });
        Ended { target: self.target, executions: executions(&log), took: self.started.elapsed(), finding }
    }
}

/// What cargo-fuzz built: `target/fuzz/TRIPLE/release/TARGET`, for the triple of this machine.
fn program(root: &Path, target: &str) -> Result<PathBuf> {
    let folder = root.join(FOLDER);
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut programs = entries.flatten().map(|entry| entry.path().join("release").join(target));
    programs.find(|path| path.is_file()).with_context(|| format!("cargo-fuzz has not built `{target}`"))
}

/// What libFuzzer says at its end.
fn executions(log: &str) -> u64 {
    let stat = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    stat.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// The targets of these names; all when there are none.
fn select(root: &Path, names: &[String]) -> Result<Vec<String>> {
    let folder = root.join(CRATE).join("fuzz_targets");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut all = Vec::new();
    for entry in entries {
        let path = entry?.path();
        all.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    all.sort();
    if let Some(name) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no fuzz target `{name}`, only {}", all.join(", "));
    }
    Ok(if names.is_empty() { all } else { names.to_vec() })
}

/// Makes sure that there is a nightly compiler, and cargo-fuzz. Gives the program of the latter.
fn set_up(root: &Path) -> Result<PathBuf> {
    if let Err(error) = process::capture(nightly(Path::new("rustc")).arg("--version"), MOST_ANSWER) {
        bail!(
            "fuzzing needs a nightly compiler, set up by `rustup toolchain install {TOOLCHAIN} --profile minimal`: {error:#}"
        );
    }
    let program = root.join(TOOLS).join("bin/cargo-fuzz");
    let version = process::capture(Command::new(&program).args(["fuzz", "--version"]), MOST_ANSWER);
    if !version.is_ok_and(|version| version.split_whitespace().last() == Some(CARGO_FUZZ)) {
        let mut install = process::cargo();
        install.current_dir(root).args(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ, "--root", TOOLS]);
        process::show(&mut install)?;
    }
    Ok(program)
}

/// A program that runs with the nightly toolchain.
fn nightly(program: &Path) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", TOOLCHAIN]).arg(program);
    // What the cargo that runs this put into the environment names the other toolchain.
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    command
}

fn row(ended: &Ended) -> String {
    let per_second = ended.executions.checked_div(ended.took.as_secs().max(1)).unwrap_or(0);
    let outcome = if ended.finding.is_some() { "FOUND" } else { "none" };
    format!("{:<14} {:>12} {per_second:>9} {outcome:>9} {:>12}", ended.target, ended.executions, seconds(ended.took))
}

/// One line per target.
fn table(ended: &[Ended]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{:<14} {:>12} {:>9} {:>9} {:>12}", "target", "executions", "exec/s", "findings", "time");
    for end in ended {
        let _ = writeln!(text, "{}", row(end));
    }
    text.truncate(text.trim_end().len());
    text
}

/// How to see a finding again.
fn reproduce(ended: &Ended) -> Option<String> {
    let Ended { target, finding, .. } = ended;
    let finding = finding.as_ref()?.display();
    Some(format!(
        "`{target}` found {finding}\n  to see it: cp {finding} {CRATE}/corpus/{target}/ && cargo test -p fuzz-bodies"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(finding: Option<&str>) -> Ended {
        Ended {
            target: "slicing".into(),
            executions: 5_000_000,
            took: Duration::from_secs(100),
            finding: finding.map(PathBuf::from),
        }
    }

    #[test]
    fn a_finding_is_told_with_the_way_to_see_it_again() {
        assert!(reproduce(&ended(None)).is_none());
        let text = reproduce(&ended(Some("target/fuzz/findings/slicing/crash-1"))).unwrap();
        assert!(text.contains("cp target/fuzz/findings/slicing/crash-1 tests/fuzz/corpus/slicing/"), "{text}");
        assert!(row(&ended(Some("x"))).contains("FOUND"));
    }

    #[test]
    fn executions_and_their_rate_are_read_from_the_log() {
        assert_eq!(executions("INFO: x\nstat::number_of_executed_units: 1234\nstat::average: 1\n"), 1234);
        assert_eq!(executions("killed"), 0);
        assert!(row(&ended(None)).contains(" 5000000     50000      none "), "{}", row(&ended(None)));
    }

    #[test]
    fn a_target_that_is_not_there_is_an_error() {
        let root = crate::workspace();
        assert!(select(&root, &[]).unwrap().contains(&"slicing".to_owned()));
        assert!(select(&root, &["slcing".to_owned()]).unwrap_err().to_string().contains("slicing"));
    }
}
