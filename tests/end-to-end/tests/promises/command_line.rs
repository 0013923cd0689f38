//! The binary `connector` against an emulated store: what a person types, sees and keeps, also after a kill.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
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

/// The binary, which a run of all tests builds beside this one.
fn binary() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join("connector");
    assert!(path.is_file(), "{} is missing: build it with `cargo build --workspace`", path.display());
    path
}

impl Project {
    fn new(config: Config) -> Self {
        let store = Emulator::launch(config).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let project = Self { folder, store };
        let set = |name: &str, value: &str| format!("{name}={value}");
        let output = project.run(&[
            "connection",
            "add",
            "store",
            "--set",
            &set("store_hash", project.store.store_hash()),
            "--set",
            &set("access_token", project.store.token()),
            "--set",
            &set("base_url", &project.store.base_url()),
            "--grant",
            &project.store.base_url(),
        ]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        project
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env("CONNECTOR_PROJECT", self.folder.path())
            .env("CONNECTOR_CACHE_DIR", end_to_end::root().join("target/compile-cache"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Waits until something holds, at most ten seconds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn csv_of_products(count: usize) -> String {
    let mut csv = "name,sku,type,price,weight,categories\n".to_owned();
    for number in 0..count {
        csv.push_str(&format!("\"Made, {number}\",MADE-{number},physical,25.{number:02},1,[]\n"));
    }
    csv
}

#[test]
fn a_connection_is_saved_without_its_secret_and_tested() {
    let project = Project::new(Config::default());
    let saved = project.read("connections.toml");
    assert!(!saved.contains(project.store.token()), "{saved}");
    let output = project.run(&["test", "store"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for command in [
        &["connection", "show", "store"][..],
        &["variables", "list"],
        &["connection", "list"],
        &["-vv", "test", "store"],
        &["--json", "test", "store"],
    ] {
        let output = project.run(command);
        assert_eq!(code(&output), 0, "{command:?}: {}", text(&output.stderr));
        assert!(
            !text(&output.stdout).contains(project.store.token())
                && !text(&output.stderr).contains(project.store.token()),
            "{command:?}"
        );
    }
}

#[test]
fn a_query_comes_in_every_format_with_the_same_records() {
    let project = Project::new(Config::default());
    let ndjson = text(&project.run(&["query", "store", "products", "--limit", "300"]).stdout);
    let records: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 300);
    let output = project.run(&["query", "store", "products", "--limit", "300", "--format", "json"]);
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap(), records);
    let output = project.run(&[
        "query",
        "store",
        "products",
        "--limit",
        "300",
        "--output",
        &project.path("p.csv"),
        "--fields",
        "id,name,price",
    ]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let csv = project.read("p.csv");
    assert_eq!(csv.lines().next(), Some("id,name,price"));
    assert_eq!(csv.lines().filter(|line| line.chars().next().is_some_and(|c| c.is_ascii_digit())).count(), 300);
    let output =
        project.run(&["query", "store", "products", "--limit", "3", "--format", "table", "--fields", "id,name"]);
    assert!(
        text(&output.stdout).contains(records[0]["name"].as_str().unwrap().split(' ').next().unwrap()),
        "{}",
        text(&output.stdout)
    );
    let output = project.run(&[
        "query",
        "store",
        "products",
        "--where",
        "id in (1, 2, 3, 4, 5, 6)",
        "--where",
        "price >= 0",
        "--explain",
    ]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains("id:in"), "{}", text(&output.stdout));
}

#[test]
fn a_csv_is_imported_changed_and_deleted() {
    let project = Project::new(Config::default());
    let before = project.store.store().count("products");
    let input = project.write("new.csv", csv_of_products(23));
    let output = project.run(&["create", "store", "products", "--input", &input, "--dry-run"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(project.store.store().count("products"), before);
    let output = project.run(&["create", "store", "products", "--input", &input]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let outcomes: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        outcomes.iter().map(|line| line["row"].as_u64().unwrap()).collect::<Vec<_>>(),
        (1..=23).collect::<Vec<_>>()
    );
    assert!(outcomes.iter().all(|line| line["outcome"] == "applied"));
    assert_eq!(project.store.store().count("products"), before + 23);
    let sent = &project.store.journal().find("POST", "/v3/catalog/products")[7];
    assert!(text(&sent.body).contains("\"price\":25."), "{}", text(&sent.body));
    let ids: Vec<String> = outcomes.iter().map(|line| line["record"]["id"].to_string()).collect();
    let changes: String = ids.iter().map(|id| format!("{{\"id\":{id},\"price\":30.10}}\n")).collect();
    let output = project.run(&["update", "store", "products", "--input", &project.write("changes.ndjson", changes)]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(project.store.journal().entries().iter().any(|entry| text(&entry.body).contains("\"price\":30.10")));
    let output = project.run(&["delete", "store", "products", "--id", &ids.join(",")]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(project.store.store().count("products"), before);
}

#[test]
fn a_failed_record_is_told_and_the_exit_code_is_one() {
    let project = Project::new(Config::default());
    let lines = "{\"name\":\"A\",\"type\":\"physical\",\"weight\":1,\"price\":1,\"categories\":[]}\n{\"name\":\"A\",\"type\":\"physical\",\"weight\":1,\"price\":1,\"categories\":[]}\n{\"name\":\"B\",\"type\":\"physical\",\"weight\":1,\"price\":1,\"categories\":[]}\n";
    let input = project.write("new.ndjson", lines);
    let output = project.run(&["create", "store", "products", "--input", &input, "--continue-on-error"]);
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let words: Vec<String> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(words.iter().filter(|word| *word == "applied").count(), 2, "{words:?}");
    assert_eq!(words[2], "applied");
    assert!(text(&output.stderr).contains("409"), "{}", text(&output.stderr));
}

#[test]
fn bad_input_is_refused_with_its_place_and_nothing_is_sent() {
    let project = Project::new(Config::default());
    project.store.journal().clear();
    let mut malformed = csv_of_products(30);
    let at = malformed.lines().take(17).map(|line| line.len() + 1).sum::<usize>();
    malformed.insert_str(at, "only,two\n");
    let mut invalid = csv_of_products(5).into_bytes();
    invalid.extend_from_slice(b"\xff\xfe,b,physical,1,1,[]\n");
    let cases: [(&[&str], &[&str]); 12] = [
        (&["query", "store", "prodcuts"], &["did you mean `products`"]),
        (&["query", "store", "products", "--fields", "id,pricee"], &["pricee", "price"]),
        (&["query", "store", "products", "--where", "custom_url < 3"], &["custom_url"]),
        (&["query", "store", "products", "--where", "price >"], &["price"]),
        (&["query", "store", "products", "--order", "description"], &["description"]),
        (
            &["create", "store", "products", "--input", &project.write("malformed.csv", &malformed)],
            &["malformed.csv", "18"],
        ),
        (
            &["create", "store", "products", "--input", &project.write("invalid.csv", &invalid)],
            &["UTF-8", "invalid.csv"],
        ),
        (&["create", "store", "products", "--input", &project.write("empty.csv", "")], &["empty"]),
        (
            &["create", "store", "products", "--input", &project.write("column.csv", "name,colour\na,red\n")],
            &["colour"],
        ),
        (
            &[
                "create",
                "store",
                "products",
                "--input",
                &project.write("line.ndjson", "{\"name\":\"a\"}\n{\"name\":\n"),
            ],
            &["2"],
        ),
        (&["delete", "store", "products", "--input", &project.write("none.ndjson", "")], &["no records"]),
        (&["query", "nowhere", "products"], &["nowhere"]),
    ];
    for (arguments, words) in cases {
        let output = project.run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), 1, "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
        for word in words {
            assert!(stderr.contains(word), "{arguments:?} does not say `{word}`: {stderr}");
        }
    }
    assert!(project.store.journal().is_empty(), "{:?}", project.store.journal().entries());
}

#[test]
fn bad_connections_are_refused_with_their_reason_and_not_saved() {
    let project = Project::new(Config::default());
    project.store.journal().clear();
    let before = project.read("connections.toml");
    let good = [
        format!("store_hash={}", project.store.store_hash()),
        format!("base_url={}", project.store.base_url()),
        "access_token=t0ken-value".to_owned(),
    ];
    let grant = project.store.base_url();
    let cases: [(&str, &[&str], &str); 8] = [
        ("a/b", &[], "/"),
        ("a:b", &[], ":"),
        ("other", &["keep_alive=true", "keep_alive_seconds=12x"], "digits"),
        ("other", &["access_token="], "access_token"),
        ("other", &["access_token=[undefined_variable]"], "undefined_variable"),
        ("other", &["base_url=https://evil.example"], "grant"),
        ("other", &["store_hash=NOT/A/HASH"], "store_hash"),
        ("other", &["colour=red"], "colour"),
    ];
    for (name, changes, word) in cases {
        let mut arguments = vec!["connection", "add", name, "--grant", &grant];
        let changed =
            |setting: &str| changes.iter().any(|change| change.split('=').next() == setting.split('=').next());
        let kept: Vec<&str> = good
            .iter()
            .map(String::as_str)
            .filter(|setting| !changed(setting))
            .chain(changes.iter().copied())
            .collect();
        for setting in &kept {
            arguments.extend(["--set", setting]);
        }
        let output = project.run(&arguments);
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), 1, "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?} does not say `{word}`: {stderr}");
        assert!(!stderr.contains("t0ken-value"), "{stderr}");
    }
    assert_eq!(project.read("connections.toml"), before);
    assert!(project.store.journal().is_empty());
}

#[test]
fn a_killed_query_leaves_no_half_file() {
    let config = Config { sizes: Sizes { products: 3000, ..Sizes::default() }, ..Config::default() };
    let project = Project::new(config);
    project.store.switch(|switches| switches.latency = Duration::from_millis(150));
    project.store.journal().clear();
    let mut child = project.start(&["query", "store", "products", "--output", &project.path("out.ndjson")]);
    until("a second round of requests", || project.store.journal().count("GET", "/v3/catalog/products") > 5);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!Path::new(&project.path("out.ndjson")).exists());
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let output = project.run(&["query", "store", "products", "--output", &project.path("out.ndjson")]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(project.read("out.ndjson").lines().count(), 3000);
}

#[test]
fn a_killed_create_leaves_complete_lines_and_says_which_rows_were_under_way() {
    let project = Project::new(Config::default());
    let before = project.store.store().count("products");
    project.store.switch(|switches| switches.latency = Duration::from_millis(40));
    let input = project.write("new.csv", csv_of_products(60));
    let outcomes = project.path("outcomes.ndjson");
    let arguments = ["create", "store", "products", "--input", &input, "--outcomes", &outcomes, "--batch", "10"];
    let mut child = project.start(&arguments);
    until("the third call", || {
        std::fs::read_to_string(&outcomes).is_ok_and(|text| text.matches("sending").count() == 3)
    });
    until("some of its requests", || project.store.journal().count("POST", "/v3/catalog/products") > 22);
    child.kill().unwrap();
    child.wait().unwrap();
    let lines: Vec<Value> = std::fs::read_to_string(&outcomes)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a complete line"))
        .collect();
    let sending = lines.iter().rev().find_map(|line| line.get("sending")).unwrap();
    assert_eq!(sending, &json!({ "first_row": 21, "last_row": 30 }));
    let done: Vec<u64> = lines.iter().filter_map(|line| line.get("row")?.as_u64()).collect();
    assert_eq!(done, (1..=20).collect::<Vec<_>>());
    // Rows 21 to 30 are in doubt, what follows was not sent.
    let made = project.store.store().count("products") - before;
    assert!((20..=30).contains(&made), "{made}");
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let output = project.run(&["resolve", "store", &outcomes]);
    let settled: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |word: &str| settled.iter().filter(|line| line["outcome"] == word).count();
    assert_eq!((settled.len(), of("applied"), of("failed")), (30, made, 30 - made), "{}", text(&output.stdout));
    assert_eq!(code(&output), i32::from(made < 30), "{}", text(&output.stderr));
    let mut go_on = arguments.to_vec();
    go_on.extend(["--from-row", "31"]);
    let output = project.run(&go_on);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("rows 21 to 30") && text(&output.stderr).contains("connector resolve store"),
        "the rows in doubt are not mentioned: {}",
        text(&output.stderr)
    );
    assert_eq!(project.store.store().count("products") - before, made + 30);
}

#[test]
fn an_interrupted_query_ends_in_good_order_and_can_go_on() {
    let config = Config { sizes: Sizes { products: 3000, ..Sizes::default() }, ..Config::default() };
    let project = Project::new(config);
    project.store.switch(|switches| switches.latency = Duration::from_millis(100));
    let mut child = project.start(&["query", "store", "products"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut records: Vec<String> = vec![lines.next().unwrap().unwrap()];
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    records.extend(lines.map(|line| line.unwrap()));
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(records.len() < 3000);
    let cursor = stderr
        .split_whitespace()
        .skip_while(|word| *word != "--cursor")
        .nth(1)
        .unwrap_or_else(|| panic!("no cursor in {stderr}"))
        .trim_matches(['\'', '"', '`', '.', ','])
        .to_owned();
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let rest = project.run(&["query", "store", "products", "--cursor", &cursor]);
    assert_eq!(code(&rest), 0, "{}", text(&rest.stderr));
    records.extend(text(&rest.stdout).lines().map(str::to_owned));
    let ids: std::collections::BTreeSet<u64> =
        records.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap()).collect();
    assert_eq!((records.len(), ids.len()), (3000, 3000));
}

#[test]
fn unknown_records_are_told_and_the_rest_is_not_sent() {
    let project = Project::new(Config::default());
    project.store.fault(Fault::on("POST", "/v3/catalog/products", Effect::ResetBeforeAnswering));
    let mut child = project
        .command(&["create", "store", "products", "--input", "-", "--input-format", "csv", "--batch", "1"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(csv_of_products(3).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let words: Vec<String> = text(&output.stdout)
        .lines()
        .filter_map(|line| Some(serde_json::from_str::<Value>(line).unwrap()["outcome"].as_str()?.to_owned()))
        .collect();
    assert_eq!(words[0], "unknown");
    assert!(words[1..].iter().all(|word| word == "skipped"), "{words:?}");
    assert!(text(&output.stderr).contains("--from-row 2"), "{}", text(&output.stderr));
    assert_eq!(project.store.journal().count("POST", "/v3/catalog/products"), 1);
}

/// The ids of NDJSON records.
fn ids(ndjson: &[u8]) -> Vec<u64> {
    text(ndjson)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().expect("a record with an id"))
        .collect()
}

#[test]
fn a_state_file_makes_each_query_deliver_what_changed_since_the_last() {
    let project = Project::new(Config::default());
    let (state, out) = (project.path("state.json"), project.path("out.ndjson"));
    let query = ["query", "store", "products", "--since", &state, "--output", &out];
    let run = |count: usize| {
        let output = project.run(&query);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let got = ids(project.read("out.ndjson").as_bytes());
        assert_eq!(got.len(), count, "{got:?}");
        got
    };
    let all = run(500);
    run(0);
    let change = project.write("change.ndjson", format!("{{\"id\":{},\"name\":\"Another\"}}\n", all[7]));
    assert_eq!(code(&project.run(&["update", "store", "products", "--input", &change])), 0);
    // A query that fails moves nothing, and leaves the old output alone.
    let before = (project.read("state.json"), project.read("out.ndjson"));
    let connections = project.read("connections.toml");
    project.write(
        "connections.toml",
        connections.replace("[connections.store.settings]", "[connections.store.settings]\nretry_budget_ms = 0"),
    );
    project.store.switch(|switches| switches.suspended = true);
    assert_eq!(code(&project.run(&query)), 1);
    assert_eq!((project.read("state.json"), project.read("out.ndjson")), before);
    project.store.switch(|switches| switches.suspended = false);
    assert_eq!(run(1), [all[7]]);
    run(0);
    // Whose state it is.
    let output = project.run(&["query", "store", "orders", "--since", &state]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("belongs to `products`"), "{}", text(&output.stderr));
    let output = project.run(&["query", "store", "brands", "--since", &project.path("brands.json")]);
    assert!(text(&output.stderr).contains("cannot be read incrementally"), "{}", text(&output.stderr));
    assert!(!Path::new(&project.path("brands.json")).exists());
}

#[test]
fn an_interrupted_incremental_query_goes_on_where_its_output_ended() {
    let config = Config { sizes: Sizes { products: 3000, ..Sizes::default() }, ..Config::default() };
    let project = Project::new(config);
    let state = project.path("state.json");
    project.store.switch(|switches| switches.latency = Duration::from_millis(100));
    let mut child = project.start(&["query", "store", "products", "--since", &state]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut records: Vec<String> = vec![lines.next().unwrap().unwrap()];
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    records.extend(lines.map(|line| line.unwrap()));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("run the same command again"), "{}", text(&output.stderr));
    assert!(records.len() < 3000);
    project.store.switch(|switches| switches.latency = Duration::ZERO);
    let rest = project.run(&["query", "store", "products", "--since", &state]);
    assert_eq!(code(&rest), 0, "{}", text(&rest.stderr));
    records.extend(text(&rest.stdout).lines().map(str::to_owned));
    let unique: std::collections::BTreeSet<u64> = ids(records.join("\n").as_bytes()).into_iter().collect();
    assert_eq!((records.len(), unique.len()), (3000, 3000));
    let nothing = project.run(&["query", "store", "products", "--since", &state]);
    assert_eq!((code(&nothing), nothing.stdout.len()), (0, 0), "{}", text(&nothing.stdout));
}
