//! A project in a temporary folder, and the program run in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A project's folder, and that of the user who works in it.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    home: tempfile::TempDir,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The fixed connector's component.
pub(crate) fn fixed() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components/fixed.wasm");
    assert!(path.exists(), "{} is missing: run `cargo xtask components` first", path.display());
    path
}

impl Project {
    /// An empty project.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), home: tempfile::tempdir().unwrap() }
    }

    /// A project with the connection `people` of the fixed connector.
    pub(crate) fn with_people() -> Self {
        let project = Self::empty();
        project.run(&["connection", "add", "people"]).good();
        project
    }

    /// Takes these connections in, in the place of those that have their names.
    pub(crate) fn import(&self, connections: &str) {
        let file = self.home.path().join("import.toml");
        std::fs::write(&file, connections).unwrap();
        self.run(&["connection", "import", file.to_str().unwrap(), "--replace", "--allow-grants"]).good();
    }

    /// The file of the user's folder with the project's key.
    pub(crate) fn key_file(&self) -> PathBuf {
        let keys = std::fs::read_dir(self.home.path().join("connector/keys")).unwrap();
        let mut files: Vec<PathBuf> = keys.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names of the files of the project, without those that SQLite lays beside its own.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("connector.db-"));
        names.sort();
        names
    }

    /// The program, not started yet, without a connector.
    pub(crate) fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_connector"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars() {
            if name.starts_with("CONNECTOR_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        // One cache for all tests: each would compile the component otherwise.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        command.env("CONNECTOR_CACHE_DIR", cache).env("XDG_CONFIG_HOME", self.home.path());
        command
    }

    /// The program with the fixed connector.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare(args);
        command.arg("--connector").arg(fixed());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    /// Runs with text on stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that refuses before it reads closes the pipe: that is no failure of the test.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        finish(child)
    }

    /// Starts the program and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

pub(crate) fn run(command: &mut Command) -> Ran {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap())
}

pub(crate) fn finish(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// Done, and stderr holds no error.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        assert!(!self.stderr.contains("error:"), "{self:#?}");
        self
    }

    /// Failed with this exit code, all of these words on stderr, and nothing on stdout.
    #[track_caller]
    pub(crate) fn bad(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        assert!(self.stderr.starts_with("error: "), "{self:#?}");
        self.says(words)
    }

    /// All of these words are on stderr.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is missing: {self:#?}");
        }
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    /// Lines of stdout as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// The one JSON object on stderr.
    pub(crate) fn error_json(&self) -> Value {
        serde_json::from_str(&self.stderr).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }
}
