//! The binary `connector` when it is stopped in the middle, or sends in another order than that of the rows: what is kept, what is
//! said, and that going on as it is said leaves nothing out and doubles nothing.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Effect, Emulator, Fault, Sizes};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A project folder with one connection, `store`, to an emulated store.
struct Project {
    folder: TempDir,
    store: Emulator,
}

impl Project {
    fn new(products: usize) -> Self {
        let config = Config { sizes: Sizes { products, ..Sizes::default() }, ..Config::default() };
        let project = Self { folder: tempfile::tempdir().unwrap(), store: Emulator::launch(config).unwrap() };
        let (url, token) = (project.store.base_url(), project.store.token());
        let settings = format!(
            "[connections.store]\nconnector = \"bigcommerce\"\ngrant = [\"{url}\"]\n[connections.store.settings]\n\
             store_hash = \"{}\"\naccess_token = \"{token}\"\nbase_url = \"{url}\"\n",
            project.store.store_hash()
        );
        std::fs::write(project.path("connections.toml"), settings).unwrap();
        let imported = project.run(&["connection", "import", "connections.toml", "--allow-grants"]);
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Files of the folder whose names end like this.
    fn ending(&self, end: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.map(|e| e.unwrap().path()).filter(|path| path.to_str().unwrap().ends_with(end)).collect()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(end_to_end::binary());
        command.args(arguments).current_dir(self.folder.path());
        command.env("CONNECTOR_CACHE_DIR", end_to_end::root().join("target/compile-cache"));
        command.env("XDG_CONFIG_HOME", self.path("user"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().unwrap()
    }

    fn latency(&self, milliseconds: u64) {
        self.store.switch(|switches| switches.latency = Duration::from_millis(milliseconds));
    }

    /// Waits until records were written to a temporary file, more bytes than these.
    fn until_written(&self, more_than: u64) {
        until("records in a file", || {
            self.ending(".unfinished").iter().any(|path| path.metadata().is_ok_and(|file| file.len() > more_than))
        });
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

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// Interrupts, and returns what was said on stderr.
fn interrupted(child: Child) -> String {
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "it has ended before the signal: {stderr}");
    assert!(stderr.contains("stopped, as you asked"), "{stderr}");
    stderr
}

fn cursor(stderr: &str) -> String {
    let behind = stderr.split_once("--cursor ").unwrap_or_else(|| panic!("no cursor in {stderr}")).1;
    behind.split_whitespace().next().unwrap().to_owned()
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    text(bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_query_into_a_file_goes_on_with_its_records_after_every_interrupt() {
    let project = Project::new(3000);
    for (file, ids) in [
        (
            "out.ndjson",
            (|text| lines(text).iter().map(|r| r["id"].as_u64().unwrap()).collect()) as fn(&[u8]) -> Vec<u64>,
        ),
        ("out.json", |text| {
            let records: Vec<Value> = serde_json::from_slice(text).unwrap();
            records.iter().map(|r| r["id"].as_u64().unwrap()).collect()
        }),
        ("out.csv", |bytes| {
            text(bytes).lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect()
        }),
    ] {
        let fields = "id,name,sku,price,weight,date_created,date_modified,custom_url";
        let query = ["query", "store", "products", "--page-size", "100", "--fields", fields, "--output", file];
        project.latency(100);
        let child = project.start(&query);
        project.until_written(0);
        let first = interrupted(child);
        let partial = project.ending(".partial");
        assert_eq!(partial.len(), 1, "{first}");
        assert!(first.contains(&format!("are in {}, as NDJSON", partial[0].file_name().unwrap().display())), "{first}");
        assert!(!project.path(file).exists());
        let read = std::fs::read(&partial[0]).unwrap();

        let at = cursor(&first);
        let child = project.start(&[&query[..], &["--cursor", &at]].concat());
        project.until_written(read.len() as u64);
        let second = interrupted(child);
        let partial = project.ending(".partial");
        assert_eq!(partial.len(), 1, "the second one holds what the first did: {second}");
        assert!(std::fs::read(&partial[0]).unwrap().starts_with(&read));

        project.latency(0);
        let output = project.run(&[&query[..], &["--cursor", &cursor(&second)]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let ids = ids(project.read(file).as_bytes());
        assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (3000, 3000), "{file}");
        assert!(project.ending(".partial").is_empty() && project.ending(".unfinished").is_empty());
    }
}

#[test]
fn a_killed_query_leaves_the_old_file_as_it_was() {
    let project = Project::new(3000);
    std::fs::write(project.path("out.csv"), "old").unwrap();
    project.latency(100);
    let mut child = project.start(&["query", "store", "products", "--output", "out.csv"]);
    project.until_written(0);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it has ended before the signal");
    assert_eq!(project.read("out.csv"), "old");
}

#[test]
fn what_an_upsert_skips_in_front_of_what_it_sends_is_sent_in_the_end() {
    let project = Project::new(20);
    let before = project.store.store().count("products");
    let key = project.store.store().keys("products").into_iter().next().unwrap();
    let sku: String = serde_json::from_str(&project.store.store().field("products", key, "sku").unwrap()).unwrap();
    let new = |number: u32| json!({ "name": format!("New {number}"), "sku": format!("NEW-{number}"), "type": "physical", "weight": 1, "price": 1, "categories": [] });
    let old = json!({ "sku": sku, "price": 77, "name": "Changed", "type": "physical", "weight": 1 });
    let rows: String = [new(1), old, new(3), new(4), new(5)].map(|record| format!("{record}\n")).concat();
    std::fs::write(project.path("in.ndjson"), rows).unwrap();
    // Updates go first, and this one is refused: so row 1 is skipped in front of row 2.
    project.store.fault(Fault::on("PUT", "/v3/catalog/products", Effect::status(422)));
    let upsert = ["create", "store", "products", "--upsert", "--match-on", "sku", "--input", "in.ndjson"];
    let upsert = [&upsert[..], &["--outcomes", "o.ndjson", "--batch", "3"]].concat();
    let output = project.run(&upsert);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(project.store.store().count("products"), before, "{stderr}");
    assert!(
        stderr.contains("rows 1, 3 were not sent: send them with --only-skipped, then go on with --from-row 4"),
        "{stderr}\n{}",
        project.read("o.ndjson")
    );
    for more in [&["--only-skipped"][..], &["--from-row", "4"]] {
        let output = project.run(&[&upsert[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    assert_eq!(project.store.store().count("products"), before + 4);
}

#[test]
fn a_lookup_that_is_stopped_tells_what_it_found_out_and_every_other_row_too() {
    let project = Project::new(10);
    let product = |number: u32| json!({ "name": format!("P {number}"), "type": "physical", "weight": 1, "price": 1, "categories": [] });
    std::fs::write(project.path("in.ndjson"), format!("{}\n", product(0))).unwrap();
    let create = ["create", "store", "products", "--input", "in.ndjson", "--outcomes", "o.ndjson"];
    assert_eq!(project.run(&create).status.code(), Some(0));
    // As a killed run leaves it: three hundred rows under way.
    let announced: Value = serde_json::from_str(project.read("o.ndjson").lines().next().unwrap()).unwrap();
    let mut file = String::new();
    for call in 0..3_u32 {
        let records: Vec<Value> = (0..100).map(|row| product(call * 100 + row)).collect();
        let sending = json!({ "first_row": call * 100 + 1, "last_row": call * 100 + 100 });
        let line = json!({ "sending": sending, "connection": announced["connection"], "write": announced["write"], "records": records });
        file.push_str(&format!("{line}\n"));
    }
    std::fs::write(project.path("o.ndjson"), &file).unwrap();
    project.store.journal().clear();
    assert_eq!(lines(&project.run(&["resolve", "store", "o.ndjson"]).stdout).len(), 300);
    let each = project.store.journal().len() / 3;
    assert!(each > 0, "nothing was asked");
    project.store.journal().clear();
    project.latency(200);
    let child = project.start(&["resolve", "store", "o.ndjson"]);
    // The second hundred has begun, so the first one is answered.
    until("lookups", || project.store.journal().len() > each);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: stopped, as you asked"), "{stderr}");
    let outcomes = lines(&output.stdout);
    let rows: Vec<u64> = outcomes.iter().map(|line| line["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, (1..=300).collect::<Vec<_>>(), "every row has its line: {stderr}");
    let found = outcomes.iter().filter(|line| line["outcome"] != "unknown").count();
    assert!((100..300).contains(&found), "{found} were found out: {stderr}");
}

#[test]
fn a_test_that_is_stopped_gives_no_verdict() {
    let project = Project::new(10);
    project.latency(20_000);
    let child = project.start(&["test", "store"]);
    until("the request of the test", || project.store.requests_under_way() > 0);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("error: stopped, as you asked"), "{stderr}");
    assert!(!stdout.contains("work") && !stdout.contains("FAIL"), "{stdout}");
}

#[test]
fn a_place_in_a_state_file_that_cannot_be_used_any_more_does_not_stand_in_the_way() {
    let project = Project::new(500);
    let query = ["query", "store", "products", "--since", "state.json"];
    assert_eq!(lines(&project.run(&query).stdout).len(), 500);
    let mut state: Value = serde_json::from_str(&project.read("state.json")).unwrap();
    state["cursor"] = json!("99.of-another-version");
    std::fs::write(project.path("state.json"), state.to_string()).unwrap();
    let output = project.run(&query);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("cannot be used any more"), "{stderr}");
    let state: Value = serde_json::from_str(&project.read("state.json")).unwrap();
    assert!(state.get("cursor").is_none(), "{state}");
}

#[test]
fn a_state_file_serves_one_query_at_a_time() {
    let project = Project::new(500);
    project.latency(500);
    let query = ["query", "store", "products", "--since", "state.json"];
    let mut first = project.start(&query);
    until("the first query", || project.path(".state.json.lock").exists() && project.store.requests_under_way() > 0);
    let second = project.run(&query);
    let stderr = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("in use") && stderr.contains(&format!("process {}", first.id())), "{stderr}");
    assert!(second.stdout.is_empty());
    let mut records = Vec::new();
    first.stdout.take().unwrap().read_to_end(&mut records).unwrap();
    assert_eq!((first.wait().unwrap().code(), lines(&records).len()), (Some(0), 500));
    assert!(project.ending(".lock").is_empty());
}
