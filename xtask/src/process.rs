//! Runs other programs: shown while they run, or captured and shown only when they fail.
//!
//! A failure names the command line and carries what the program said, so that the last lines of a failed run tell what to do.

use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How often a program that runs under a time limit is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Lines of a failed program's output that an error repeats.
const LINES_SHOWN: usize = 60;

/// The cargo that runs this program, or the one on the path. It builds into `target/` of the workspace, whatever folder the
/// environment or a configuration file names: components, caches and tools lie there too, and tests look for them there.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.env("CARGO_TARGET_DIR", crate::workspace().join("target"));
    cargo
}

/// The compiler that cargo would use.
pub(crate) fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Runs a program whose output belongs on the terminal.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a program quietly, for at most `limit`, and returns what it wrote to stdout.
pub(crate) fn capture(command: &mut Command, limit: Duration) -> Result<String> {
    // Files rather than pipes: a grandchild that keeps a pipe open cannot hold this process up.
    let mut stdout = tempfile::tempfile().context("cannot make a temporary file")?;
    let mut stderr = tempfile::tempfile().context("cannot make a temporary file")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    let deadline = Instant::now() + limit;
    let status: Option<ExitStatus> = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(POLL);
    };
    let text = |file: &mut std::fs::File| -> Result<String> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (out, err) = (text(&mut stdout)?, text(&mut stderr)?);
    match status {
        Some(status) if status.success() => Ok(out),
        Some(status) => bail!("`{}` failed ({status})\n{}", line(command), tail(&format!("{out}{err}"))),
        None => bail!("`{}` took longer than {limit:?}\n{}", line(command), tail(&format!("{out}{err}"))),
    }
}

/// Where `program` is found, as the shell would find it.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The command line for people: program and arguments, without the environment.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_carries_what_it_said() {
        let error =
            capture(Command::new("sh").args(["-c", "echo said; echo why >&2; exit 3"]), Duration::from_secs(10));
        let text = format!("{:#}", error.unwrap_err());
        assert!(
            text.contains("sh -c") && text.contains("said") && text.contains("why") && text.contains('3'),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_outstays_its_limit_is_ended() {
        let started = Instant::now();
        let error = capture(Command::new("sleep").arg("30"), Duration::from_millis(200)).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(10));
        assert!(error.to_string().contains("took longer"), "{error}");
    }

    #[test]
    fn cargo_builds_into_the_folder_in_which_the_components_lie() {
        let cargo = cargo();
        let target =
            cargo.get_envs().find(|(name, _)| *name == "CARGO_TARGET_DIR").and_then(|(_, value)| value).unwrap();
        let component = crate::components::GUESTS[0].component(&crate::workspace());
        assert!(component.starts_with(target), "{} is not in {target:?}", component.display());
    }

    #[test]
    fn a_long_output_is_cut_to_its_end() {
        let text = (0..100).map(|n| format!("line {n}\n")).collect::<String>();
        let cut = tail(&text);
        assert_eq!(cut.lines().count(), LINES_SHOWN);
        assert!(cut.ends_with("line 99"));
    }
}
