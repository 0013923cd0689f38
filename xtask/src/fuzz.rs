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
use crate::soak::{Context, Options};
use crate::test::seconds;
use crate::{process, tools};

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
    finding: Option<Finding>,
}

/// Why the run of a target did not pass.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// This input broke a promise.
    Input(PathBuf),
    /// The target failed without naming an input: this is its log.
    Log(PathBuf),
    /// The target ended without complaint before it had run as often as asked: this is its log.
    Short(PathBuf),
}

/// Builds and runs the targets.
pub(crate) fn run(context: &Context<'_>) -> Result<Ran> {
    let Context { root, options, .. } = *context;
    let cargo_fuzz = set_up(root)?;
    let mut build = nightly(&cargo_fuzz);
    build.current_dir(root).args(["fuzz", "build", "--fuzz-dir", CRATE, "--target-dir", FOLDER]);
    build.args(["--sanitizer", if options.address_sanitizer { "address" } else { "none" }]);
    // Comparisons are not watched, nor a value profile made of them: that takes half of the time, in `csv` most of it (each reader builds
    // its state machine anew), and after as many executions no more edges are covered.
    build.arg("--no-trace-compares");
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
    runs: u64,
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
            .args(["-print_final_stats=1", "-verbosity=1"])
            .arg(prefix)
            .arg(&collected)
            .arg(root.join(CRATE).join("corpus").join(&target))
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start `{}`", process::line(&command)))?;
        Ok(Self { target, child, log, findings, runs: options.runs, started: Instant::now() })
    }

    fn end(self, success: bool) -> Ended {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let finding = judge(success, &log, self.runs, &self.findings, &self.log);
        Ended { target: self.target, executions: executions(&log), took: self.started.elapsed(), finding }
    }
}

/// What came of a target that ended with this log. A good exit alone is not enough: it must have run as often as asked.
fn judge(success: bool, log: &str, runs: u64, findings: &Path, log_file: &Path) -> Option<Finding> {
    if success {
        return (executions(log) < runs).then(|| Finding::Short(log_file.to_owned()));
    }
    let input = log.lines().filter_map(|line| line.split_once("Test unit written to ")).next_back();
    let name = input.and_then(|(_, input)| Path::new(input).file_name());
    Some(name.map_or_else(|| Finding::Log(log_file.to_owned()), |name| Finding::Input(findings.join(name))))
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
    tools::FUZZ.install(root)
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
    let outcome = match ended.finding {
        None => "none",
        Some(Finding::Short(_)) => "SHORT",
        Some(Finding::Input(_) | Finding::Log(_)) => "FOUND",
    };
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
    Some(match finding.as_ref()? {
        Finding::Input(input) => {
            let input = input.display();
            format!(
                "`{target}` found {input}\n  to see it: cp {input} {CRATE}/corpus/{target}/ && cargo test -p fuzz-bodies"
            )
        }
        Finding::Log(log) => format!("`{target}` failed without naming an input; its log is {}", log.display()),
        Finding::Short(log) => {
            format!("`{target}` ended after {} executions, too early; its log is {}", ended.executions, log.display())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(finding: Option<Finding>) -> Ended {
        Ended { target: "slicing".into(), executions: 5_000_000, took: Duration::from_secs(100), finding }
    }

    #[test]
    fn a_finding_is_told_with_the_way_to_see_it_again() {
        assert!(reproduce(&ended(None)).is_none());
        let input = Finding::Input("target/fuzz/findings/slicing/crash-1".into());
        let text = reproduce(&ended(Some(input))).unwrap();
        assert!(text.contains("cp target/fuzz/findings/slicing/crash-1 tests/fuzz/corpus/slicing/"), "{text}");
        assert!(row(&ended(Some(Finding::Log("x".into())))).contains("FOUND"));
    }

    #[test]
    fn a_target_that_stops_early_does_not_pass_for_one_without_findings() {
        let judged = |success, log: &str| judge(success, log, 1000, Path::new("findings"), Path::new("log"));
        assert_eq!(judged(true, "stat::number_of_executed_units: 1000\n"), None);
        let short = judged(true, "stat::number_of_executed_units: 999\n");
        assert_eq!(short, Some(Finding::Short("log".into())));
        assert!(row(&ended(short)).contains("SHORT"));
        assert!(reproduce(&ended(Some(Finding::Short("log".into())))).is_some(), "it makes the stage fail");
        assert_eq!(judged(true, ""), Some(Finding::Short("log".into())), "a log without a number proves nothing");
        assert_eq!(judged(false, "killed"), Some(Finding::Log("log".into())));
        let crash = judged(false, "artifact; Test unit written to /elsewhere/crash-1\n");
        assert_eq!(crash, Some(Finding::Input("findings/crash-1".into())));
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
