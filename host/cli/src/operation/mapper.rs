//! Runs the program of a mapping in a process of its own (`jq.rs`), so that one that never ends, takes all memory or comes to a bad
//! end costs its run a clear error, and nothing else.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::Failure;
use crate::json;

/// How long a program may work at one record.
const TIME: Duration = Duration::from_secs(5);
/// The name of the command that the process runs.
pub(crate) const COMMAND: &str = "map-records";

/// What became of a record: the records that the program makes of it, or why it makes none.
pub(crate) type Mapped = Result<Vec<String>, String>;

/// A program at work.
pub(crate) struct Mapper {
    process: Arc<Mutex<Child>>,
    pipes: Option<Pipes>,
}

struct Pipes {
    input: BufWriter<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Mapper {
    /// Starts the process and lets it read the program.
    ///
    /// # Errors
    /// The program has a mistake; the process cannot be started.
    pub(crate) async fn start(program: &str) -> Result<Self, Failure> {
        let failed = |e: &std::io::Error| Failure::new("cannot start the process of the mapping").causes_of(e);
        let mut child = Command::new(this_program().map_err(|e| failed(&e))?)
            .arg(COMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| failed(&e))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| Failure::defect("the process of the mapping has no pipes"))?;
        let pipes = Pipes { input: BufWriter::new(input), output: BufReader::new(output) };
        let mut mapper = Self { process: Arc::new(Mutex::new(child)), pipes: Some(pipes) };
        let program = json::quote(program);
        let answer = mapper.work(move |pipes, _| pipes.program(&program)).await??;
        match answer.split_once(' ') {
            None if answer == "ready" => Ok(mapper),
            Some(("refused", what)) => {
                let what: String = serde_json::from_str(what).unwrap_or_default();
                Err(Failure::new("the mapping is no program that jq could run")
                    .cause(what)
                    .with("pointer", "/mapping/jq"))
            }
            _ => Err(Failure::defect("the process of the mapping gave no answer")),
        }
    }

    /// Maps records, one per line.
    ///
    /// # Errors
    /// The program works at one of them for too long, or comes to a bad end.
    pub(crate) async fn map(&mut self, ndjson: Vec<u8>) -> Result<Vec<Mapped>, Failure> {
        self.work(move |pipes, done| pipes.map(&ndjson, done)).await?
    }

    /// Lets a thread work with the pipes, and ends the process when nothing comes for too long.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Pipes, &AtomicU64) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Result<T, Failure>, Failure> {
        let mut pipes = self.pipes.take().ok_or_else(|| Failure::defect("the mapping has ended already"))?;
        let done = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&done);
        let mut task = tokio::task::spawn_blocking(move || {
            let result = work(&mut pipes, &count);
            (result, pipes)
        });
        let mut before = 0;
        loop {
            tokio::select! {
                ended = &mut task => {
                    let (result, pipes) = ended.map_err(|e| Failure::defect("the mapping has ended").causes_of(&e))?;
                    self.pipes = Some(pipes);
                    return Ok(result);
                }
                () = tokio::time::sleep(TIME) => {
                    let now = done.load(Ordering::Relaxed);
                    if now == before {
                        self.end();
                        let _ = task.await;
                        let seconds = TIME.as_secs();
                        let failure = Failure::new(format!("the mapping works at one record for more than {seconds} s"));
                        return Err(failure.hint("its program may never end: look at its loops").with("kind", "mapping"));
                    }
                    before = now;
                }
            }
        }
    }

    fn end(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have ended by itself.
        let _ = process.kill();
        let _ = process.wait();
    }
}

impl Drop for Mapper {
    fn drop(&mut self) {
        self.end();
    }
}

impl Pipes {
    fn program(&mut self, program: &str) -> Result<String, Failure> {
        let written = self.input.write_all(program.as_bytes()).and_then(|()| self.input.write_all(b"\n"));
        written.and_then(|()| self.input.flush()).map_err(|_| bad_end())?;
        self.line()
    }

    fn map(&mut self, ndjson: &[u8], done: &AtomicU64) -> Result<Vec<Mapped>, Failure> {
        let Self { input, output } = self;
        std::thread::scope(|scope| {
            // The program answers while it is still being fed: neither may wait for the other.
            let feeding = scope.spawn(move || input.write_all(ndjson).and_then(|()| input.flush()));
            let mut all = Vec::new();
            for _ in json::lines(ndjson) {
                all.push(one(output)?);
                done.fetch_add(1, Ordering::Relaxed);
            }
            match feeding.join() {
                Ok(Ok(())) => Ok(all),
                _ => Err(bad_end()),
            }
        })
    }

    fn line(&mut self) -> Result<String, Failure> {
        line(&mut self.output)
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> Result<String, Failure> {
    let mut text = String::new();
    match output.read_line(&mut text) {
        Ok(read) if read > 0 && text.ends_with('\n') => {
            text.pop();
            Ok(text)
        }
        _ => Err(bad_end()),
    }
}

/// What became of the next record.
fn one(output: &mut BufReader<ChildStdout>) -> Result<Mapped, Failure> {
    let mut mapped = Ok(Vec::new());
    loop {
        let line = line(output)?;
        match (line.split_once(' '), &mut mapped) {
            (None, _) if line == "done" => return Ok(mapped),
            (Some(("out", record)), Ok(records)) => records.push(record.to_owned()),
            (Some(("failed", what)), _) => mapped = Err(serde_json::from_str(what).unwrap_or_default()),
            _ => return Err(Failure::defect("the process of the mapping gave an answer that nobody asked for")),
        }
    }
}

fn bad_end() -> Failure {
    Failure::new("the process of the mapping came to a bad end")
        .hint("its program takes too much memory, or calls itself without an end")
        .with("kind", "mapping")
}

/// This program's file, also where a new version has taken its name meanwhile.
fn this_program() -> std::io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Ok(running) } else { std::env::current_exe() }
}
