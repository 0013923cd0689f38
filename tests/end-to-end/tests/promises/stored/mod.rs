//! The store of connections and variables, as the binary `connector` changes it: through crashes, kills and crowds.

mod crash_points;
mod kills;
mod over_http;
mod processes;
mod secrets;
mod serving;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use connector_store::{KeySources, NewKey, Store};
use tempfile::TempDir;

/// A project's folder, and in it that of the user who works there.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A project with connections, variables and secrets.
    fn full() -> Self {
        let folder = Self::new();
        let settings = ["--set", "store_hash=abc123", "--set", "access_token=s3cret-of-old"];
        folder.good(&[&["connection", "add", "old"][..], &settings].concat(), "");
        folder.good(&["variables", "set", "plain", "before"], "");
        folder.good(&["variables", "set", "hidden", "--hidden"], "s3cret-before");
        folder
    }

    /// The same files once more.
    fn copy(&self) -> Self {
        fn copy(from: &Path, to: &Path) {
            std::fs::create_dir_all(to).unwrap();
            for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
                let to = to.join(entry.file_name());
                if entry.path().is_dir() {
                    copy(&entry.path(), &to);
                } else {
                    std::fs::copy(entry.path(), to).unwrap();
                }
            }
        }
        let folder = Self::new();
        copy(self.path(), folder.path());
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, with this text on its stdin.
    fn command(&self, arguments: &[&str], stdin: &str) -> Command {
        let mut command = Command::new(end_to_end::binary());
        command.args(arguments).current_dir(self.path());
        command.env("CONNECTOR_CACHE_DIR", end_to_end::root().join("target/compile-cache"));
        command.env("XDG_CONFIG_HOME", self.path().join("user"));
        // A test must not find what the keyring of whoever runs it holds.
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
        command.stdin(if stdin.is_empty() {
            Stdio::null()
        } else {
            File::open(self.write("stdin", stdin)).unwrap().into()
        });
        command
    }

    fn run(&self, arguments: &[&str], stdin: &str) -> Output {
        self.command(arguments, stdin).output().unwrap()
    }

    #[track_caller]
    fn good(&self, arguments: &[&str], stdin: &str) -> Output {
        let output = self.run(arguments, stdin);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn store(&self) -> Store {
        let keys = KeySources { folder: Some(self.path().join("user/connector/keys")), ..KeySources::default() };
        Store::open(&self.path().join("connector.db"), keys).unwrap()
    }

    /// All that the store holds, hidden values decrypted: every one of them has its key.
    fn state(&self) -> BTreeMap<String, String> {
        let store = self.store();
        let connections = store.connections().unwrap().into_iter();
        let connections =
            connections.map(|saved| (saved.full_name(), format!("{:?} {:?}", saved.settings, saved.grants)));
        let variables = store.variables().unwrap().into_iter().map(|row| {
            let value = store.reveal(&row).unwrap();
            (format!("{:?} {}", row.owner, row.name), format!("{} {}", row.hidden(), value.reveal()))
        });
        connections.chain(variables).collect()
    }

    /// What holds whenever the program ended: the store opens and holds what it held before or what it holds after the change,
    /// as a whole, and changes go on.
    #[track_caller]
    fn holds(&self, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>, confirmed: bool, how: &str) {
        let state = self.state();
        assert!(state == *after || (!confirmed && state == *before), "{how}: {state:#?}");
        self.store().rotate_key(NewKey::Usual).unwrap_or_else(|error| panic!("{how}: {error}"));
        assert_eq!(self.state(), state, "{how}: with another key");
    }
}

/// A change to try, and what must be on stdin for it.
struct Change {
    arguments: &'static [&'static str],
    stdin: &'static str,
}

/// One of each kind, for a project that is full.
const CHANGES: [Change; 10] = [
    of(&["connection", "add", "new", "--set", "store_hash=abc123", "--set", "access_token=s3cret-of-new"]),
    of(&["connection", "edit", "old", "--set", "access_token=s3cret-of-edit", "--set", "page_size=100"]),
    of(&["connection", "rename", "old", "new"]),
    of(&["connection", "copy", "old", "new"]),
    of(&["connection", "delete", "old", "--yes"]),
    of(&["connection", "import", "two.toml"]),
    of(&["variables", "set", "plain", "after"]),
    Change { arguments: &["variables", "set", "hidden", "--hidden"], stdin: "s3cret-after" },
    of(&["variables", "unset", "hidden"]),
    of(&["variables", "rotate-key"]),
];

const fn of(arguments: &'static [&'static str]) -> Change {
    Change { arguments, stdin: "" }
}

/// What `connection import` takes in.
const TWO: &str = "[connections.b]\nconnector = \"bigcommerce\"\n[connections.b.settings]\nstore_hash = \"bbb\"\naccess_token = \"s3cret-of-b\"\n\
                   [connections.c]\nconnector = \"bigcommerce\"\n[connections.c.settings]\nstore_hash = \"ccc\"\naccess_token = \"s3cret-of-c\"\n";

/// A project and what is tried on it: fresh copies, and the states before and after.
struct Trial {
    template: Folder,
    before: BTreeMap<String, String>,
    after: BTreeMap<String, String>,
}

impl Trial {
    fn new(template: Folder, change: &Change) -> Self {
        template.write("two.toml", TWO);
        template.write("stdin", change.stdin);
        let before = template.copy().state();
        let tried = template.copy();
        tried.good(change.arguments, change.stdin);
        let after = tried.state();
        Self { template, before, after }
    }
}
