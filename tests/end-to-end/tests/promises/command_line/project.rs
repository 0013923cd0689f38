//! A project folder with a connection to an emulated store, and the binary run in it.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Emulator};
use tempfile::TempDir;

/// A project folder with one connection, `store`, to an emulated store.
pub(super) struct Project {
    folder: TempDir,
    pub(super) store: Emulator,
}

impl Project {
    pub(super) fn new(config: Config) -> Self {
        let store = Emulator::launch(config).unwrap();
        let project = Self { folder: tempfile::tempdir().unwrap(), store };
        project.connect("store", &project.store);
        project
    }

    /// Adds a connection to an emulated store.
    pub(super) fn connect(&self, name: &str, store: &Emulator) {
        let set = |name: &str, value: &str| format!("{name}={value}");
        let output = self.run(&[
            "connection",
            "add",
            name,
            "--set",
            &set("store_hash", store.store_hash()),
            "--set",
            &set("access_token", store.token()),
            "--set",
            &set("base_url", &store.base_url()),
            "--grant",
            &store.base_url(),
        ]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(end_to_end::binary());
        command
            .args(arguments)
            .env("CONNECTOR_PROJECT", self.folder.path())
            .env("CONNECTOR_CACHE_DIR", end_to_end::root().join("target/compile-cache"))
            .env("XDG_CONFIG_HOME", self.folder.path().join("user"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.store.violations(), Vec::new(), "requests that the API does not document");
            assert_eq!(self.store.store().wipes(), 0, "a request wiped a collection");
        }
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(super) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Waits until something holds, at most a minute: machines are busy.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn csv_of_products(count: usize) -> String {
    let mut csv = "name,sku,type,price,weight,categories\n".to_owned();
    for number in 0..count {
        csv.push_str(&format!("\"Made, {number}\",MADE-{number},physical,25.{number:02},1,[]\n"));
    }
    csv
}
