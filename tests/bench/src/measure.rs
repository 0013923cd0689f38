//! Runs a program and tells what it cost.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

/// What a whole process cost, from its start to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Time on the clock.
    pub(crate) wall: Duration,
}

/// Runs a program with its standard output in a file.
///
/// The system adds up the CPU time of children that were waited for. Nothing else may be waited for meanwhile, so runs follow
/// one another and emulated stores stay alive around them.
pub(crate) fn into_file(command: &mut Command, output: &Path) -> Result<Cost> {
    let file = File::create(output).with_context(|| format!("cannot write {}", output.display()))?;
    command.stdin(Stdio::null()).stdout(file).stderr(Stdio::piped());
    let before = waited_for()?;
    let started = Instant::now();
    let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let ended = child.wait_with_output()?;
    let wall = started.elapsed();
    let cpu = waited_for()?.saturating_sub(before);
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        bail!("{:?} failed ({}): {}", command.get_program(), ended.status, said.trim_end());
    }
    Ok(Cost { cpu, wall })
}

/// CPU time of all children that ended and were waited for.
fn waited_for() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("the system does not tell CPU times")?;
    let (user, system) = (usage.user_time(), usage.system_time());
    let micros = |seconds: i64, micros: i64| {
        Duration::from_secs(seconds.unsigned_abs()) + Duration::from_micros(micros.unsigned_abs())
    };
    Ok(micros(user.tv_sec(), user.tv_usec()) + micros(system.tv_sec(), system.tv_usec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cpu_time_is_that_of_the_process_and_not_the_time_that_it_slept() {
        let output = std::env::temp_dir().join(format!("bench-measure-{}", std::process::id()));
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let busy = into_file(Command::new("sh").args(["-c", busy]), &output).unwrap();
        let asleep = into_file(Command::new("sleep").arg("0.3"), &output).unwrap();
        std::fs::remove_file(&output).unwrap();
        assert!(asleep.wall >= Duration::from_millis(300), "{asleep:?}");
        assert!(asleep.cpu < Duration::from_millis(100), "{asleep:?}");
        assert!(busy.cpu > asleep.cpu, "{busy:?} {asleep:?}");
    }

    #[test]
    fn a_failed_program_is_no_measurement() {
        let output = std::env::temp_dir().join(format!("bench-failed-{}", std::process::id()));
        let error = into_file(Command::new("sh").args(["-c", "echo why >&2; exit 3"]), &output).unwrap_err();
        std::fs::remove_file(&output).unwrap();
        assert!(error.to_string().contains("why"), "{error}");
    }
}
