//! A composed connector in runtimes that know nothing of connectors: it imports WASI alone, and answers over HTTP.
//!
//! The tests that need a runtime are ignored unless `cargo xtask runtimes` runs them, which installs the runtimes first.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Emulator, Sizes, Switches};
use end_to_end::{binary, component_file, root};
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

/// A runtime translates or compiles the component when it starts, beside whatever else this machine does.
const START: Duration = Duration::from_secs(240);

/// What a stock runtime must have: WASI 0.2.0.
const IMPORTS: [&str; 8] = [
    "wasi:cli/environment@0.2.0",
    "wasi:cli/stderr@0.2.0",
    "wasi:clocks/monotonic-clock@0.2.0",
    "wasi:http/outgoing-handler@0.2.0",
    "wasi:http/types@0.2.0",
    "wasi:io/error@0.2.0",
    "wasi:io/poll@0.2.0",
    "wasi:io/streams@0.2.0",
];

/// Composes a component of `target/components` in a folder.
fn compose(name: &str, folder: &Path) -> PathBuf {
    let output = folder.join(format!("{name}-service.wasm"));
    let connector = component_file(name);
    let done = Command::new(binary()).arg("compose").arg("--connector").arg(connector).arg("-o").arg(&output).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    output
}

/// Instances that a component imports, or exports.
fn names(component: &[u8], exported: bool) -> BTreeSet<String> {
    let (mut depth, mut names) = (0_usize, BTreeSet::new());
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 && !exported => {
                names.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 && exported => {
                names.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    names
}

#[test]
fn a_composed_connector_imports_wasi_alone_and_exports_a_handler_of_http() {
    let folder = tempfile::tempdir().unwrap();
    let all: BTreeSet<String> = IMPORTS.into_iter().map(str::to_owned).collect();
    for name in ["bigcommerce", "fixed"] {
        let component = std::fs::read(compose(name, folder.path())).unwrap();
        let imports = names(&component, false);
        println!("imports of {name}, composed: {imports:#?}");
        // One that sends nothing has no use for `outgoing-handler`.
        assert!(imports.is_subset(&all), "{imports:?}");
        assert_eq!(imports == all, name == "bigcommerce");
        assert_eq!(names(&component, true), BTreeSet::from(["wasi:http/incoming-handler@0.2.0".to_owned()]));
    }
}

#[test]
fn what_is_no_connector_is_not_composed() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.wasm");
    let service = component_file("service");
    let done = Command::new(binary()).arg("compose").arg("--connector").arg(service).arg("-o").arg(&output).output();
    let done = done.unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("does not export ipaas:connector/metadata"), "{said}");
    assert!(!output.exists());
}

/// A runtime: how it is started on a component, a port and an environment; the component lies in a folder of its own.
type Runtime = fn(&Path, u16, &[(&str, &str)]) -> Command;

/// wasmCloud's `dev`, which wants a project around the component.
fn wasmcloud(component: &Path, port: u16, environment: &[(&str, &str)]) -> Command {
    let folder = component.parent().unwrap();
    let values: serde_json::Map<String, Value> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    // YAML takes JSON as it is.
    let project = json!({
        "build": { "command": "true", "component_path": component.file_name().unwrap().to_str().unwrap() },
        "dev": { "address": format!("127.0.0.1:{port}") },
        "workload": { "environment": { "config": values } },
    });
    std::fs::create_dir_all(folder.join(".wash")).unwrap();
    std::fs::write(folder.join(".wash/config.yaml"), project.to_string()).unwrap();
    let mut command = Command::new(root().join("target/runtimes/wasmcloud/wash_cli/wash"));
    // What it keeps for its user lies in the folder, too.
    command.env("HOME", folder).current_dir(folder).args(["--non-interactive", "--log-level", "error", "dev"]);
    command
}

fn wasmtime(name: &str, component: &Path, port: u16, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(root().join("target/runtimes").join(name).join("wasmtime_cli/wasmtime"));
    command.args(["serve", "-S", "cli", "--addr", &format!("127.0.0.1:{port}")]);
    for (name, value) in environment {
        // Without its value, which others could read in the list of processes.
        command.env(name, value).arg("--env").arg(name);
    }
    command.arg(component);
    command
}

fn jco(component: &Path, port: u16, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new("node");
    command.arg(root().join("target/runtimes/jco/node_modules/.bin/jco")).arg("serve").arg(component);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]).envs(environment.iter().copied());
    command
}

/// A service in a runtime; ends when this is dropped.
struct Service {
    process: Child,
    url: String,
    client: reqwest::Client,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Service {
    async fn start(runtime: Runtime, component: &Path, environment: &[(&str, &str)]) -> Self {
        // Free now; a runtime that finds it taken ends at once, and the test tells.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // reqwest brings no provider of TLS here: another crate of the workspace turns its feature `rustls-no-provider` on.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::new();
        let process = runtime(component, port, environment).stdin(Stdio::null()).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let mut service = Self { process, url, client };
        let begun = Instant::now();
        // Some runtimes listen before they have the component, and answer that nothing is there.
        while !service.client.get(format!("{}/healthz", service.url)).send().await.is_ok_and(|it| it.status() == 200) {
            assert_eq!(service.process.try_wait().unwrap(), None, "the runtime has ended");
            assert!(begun.elapsed() < START, "the runtime does not answer");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        service
    }

    fn post(&self, verb: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.client.post(format!("{}/v1/connections/bigcommerce/{verb}", self.url)).body(body)
    }

    /// Status and JSON of an answer.
    async fn json(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status} {e}: {text}")))
    }
}

/// What is promised of every runtime.
async fn serves(runtime: Runtime) {
    let folder = tempfile::tempdir().unwrap();
    let component = compose("bigcommerce", folder.path());
    let sizes = Sizes { products: 600, ..Sizes::default() };
    let store = Emulator::start(Config { sizes, ..Config::default() }).await.unwrap();
    let settings = json!({ "store_hash": store.store_hash(), "access_token": "[token]", "base_url": store.base_url() });
    let settings = settings.to_string();
    let (settings, token) = (("CONNECTOR_SETTINGS", settings.as_str()), ("CONNECTOR_VAR_TOKEN", store.token()));

    let open = ("CONNECTOR_WITHOUT_TOKEN", "1");

    let service = Service::start(runtime, &component, &[settings, token, open]).await;
    let (status, identity) = service.json(service.post("test", "")).await;
    assert_eq!((status, identity["account"].as_str().unwrap().contains("Emulated Store")), (200, true));

    // Several pages, as they come: every record, once.
    let query = json!({ "object": "products", "fields": ["id"] }).to_string();
    let answer = service.post("query", query).header("accept", "application/x-ndjson").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let text = answer.text().await.unwrap();
    let ids: BTreeSet<&str> = text.lines().collect();
    assert_eq!((text.lines().count(), ids.len()), (600, 600));

    // Page by page, each in an instance of its own where the runtime makes one per request.
    let first = json!({ "object": "products", "fields": ["id"], "page_size": 250 });
    let (_, page) = service.json(service.post("query", first.to_string())).await;
    let mut second = first.clone();
    second["cursor"] = page["next"].clone();
    let (status, next) = service.json(service.post("query", second.to_string())).await;
    assert_eq!(status, 200, "{next}");
    assert_ne!(page["records"][0], next["records"][0]);

    // One outcome per record, in order, and the store holds what they say.
    let before = store.store().count("products");
    let lamp = |name: &str| json!({ "name": name, "type": "physical", "weight": 1, "price": 10, "categories": [] });
    let records =
        [lamp("Brass Lamp"), lamp(&"x".repeat(251)), lamp("Copper Lamp")].map(|one| one.to_string()).join("\n");
    let (status, written) = service.json(service.post("create?object=products&continue_on_error=true", records)).await;
    let words: Vec<&str> =
        written["outcomes"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!((status, words.as_slice()), (200, ["applied", "failed", "applied"].as_slice()), "{written}");
    assert_eq!(store.store().count("products"), before + 2);

    // Who is a page in a browser, or has another token than the operator's, is not answered.
    let (status, _) = service.json(service.post("test", "").header("origin", "http://localhost")).await;
    assert_eq!(status, 403);
    drop(service);
    let service = Service::start(runtime, &component, &[settings, token]).await;
    let (status, problem) = service.json(service.post("test", "").header("host", "localhost")).await;
    assert_eq!((status, &problem["errors"][0]["kind"]), (403, &json!("denied")), "nobody has said who may ask");
    drop(service);
    let guarded = ("CONNECTOR_TOKEN", "0123456789abcdef");
    let service = Service::start(runtime, &component, &[settings, token, guarded]).await;
    let (status, problem) = service.json(service.post("test", "").bearer_auth("0123456789abcdeX")).await;
    assert_eq!((status, &problem["errors"][0]["kind"]), (401, &json!("denied")));
    assert_eq!(service.json(service.post("test", "").bearer_auth("0123456789abcdef")).await.0, 200);
    drop(service);

    // A token that the store refuses is no fault of who asks here.
    let service = Service::start(runtime, &component, &[settings, ("CONNECTOR_VAR_TOKEN", "wrong"), open]).await;
    let (status, problem) = service.json(service.post("test", "")).await;
    assert_eq!((status, &problem["errors"][0]["kind"]), (502, &json!("unauthorized")), "{problem}");
    assert!(!problem.to_string().contains("wrong\""), "{problem}");
    drop(service);

    let service = Service::start(runtime, &component, &[settings, open]).await;
    let (status, problem) = service.json(service.post("test", "")).await;
    assert_eq!((status, &problem["errors"][0]["kind"]), (409, &json!("configuration")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("`token`"), "{problem}");
    drop(service);

    // A connector that repeats a secret of its settings tells it to nobody.
    let literal = json!({ "store_hash": "abc", "access_token": "a-literal-secret", "base_url": store.base_url() });
    let literal = literal.to_string();
    let service = Service::start(runtime, &component, &[("CONNECTOR_SETTINGS", &literal), open]).await;
    let query = json!({ "object": "a-literal-secret" }).to_string();
    let (status, problem) = service.json(service.post("query", query)).await;
    let told = problem.to_string();
    assert!(status >= 400 && told.contains("****") && !told.contains("literal"), "{status} {told}");
}

#[tokio::test]
#[ignore = "needs `cargo xtask runtimes`"]
async fn wasmtime_36_serves_a_composed_connector_as_it_is() {
    serves(|component, port, environment| wasmtime("wasmtime-36", component, port, environment)).await;
}

#[tokio::test]
#[ignore = "needs `cargo xtask runtimes`"]
async fn wasmtime_49_serves_a_composed_connector_as_it_is() {
    serves(|component, port, environment| wasmtime("wasmtime-49", component, port, environment)).await;
}

#[tokio::test]
#[ignore = "needs `cargo xtask runtimes`"]
async fn wasmcloud_serves_a_composed_connector_as_it_is() {
    serves(wasmcloud).await;
}

/// Whatever the runtime lacks, it says so before it serves, and by name.
#[test]
#[ignore = "needs `cargo xtask runtimes`"]
fn wasmtime_36_without_an_interface_of_wasi_does_not_begin_to_serve() {
    let folder = tempfile::tempdir().unwrap();
    let component = compose("bigcommerce", folder.path());
    for (flags, told) in [
        (&[][..], "imports instance `wasi:cli/environment@0.2.0`"),
        (&["-S", "cli,http=n"][..], "wasi-http is required"),
    ] {
        let mut command = Command::new(root().join("target/runtimes/wasmtime-36/wasmtime_cli/wasmtime"));
        command.arg("serve").args(flags).args(["--addr", "127.0.0.1:0"]).arg(&component);
        let done = command.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && said.contains(told), "{flags:?}: {said}");
    }
}

#[tokio::test]
#[ignore = "needs `cargo xtask runtimes`"]
async fn wasmtime_36_cancels_a_call_that_takes_longer_than_the_operator_allows() {
    let folder = tempfile::tempdir().unwrap();
    let component = compose("bigcommerce", folder.path());
    let switches = Switches { latency: Duration::from_secs(60), ..Switches::default() };
    let store = Emulator::start(Config { switches, ..Config::default() }).await.unwrap();
    let settings = json!({ "store_hash": store.store_hash(), "access_token": "[token]", "base_url": store.base_url() });
    let environment = [
        ("CONNECTOR_SETTINGS", settings.to_string()),
        ("CONNECTOR_VAR_TOKEN", store.token().to_owned()),
        ("CONNECTOR_WITHOUT_TOKEN", "1".to_owned()),
        ("CONNECTOR_CALL_SECONDS", "2".to_owned()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let service = Service::start(
        |component, port, environment| wasmtime("wasmtime-36", component, port, environment),
        &component,
        &environment,
    )
    .await;
    let begun = Instant::now();
    let (status, problem) = service.json(service.post("test", "")).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (403, &json!("cancelled")), "{problem}");
    // Well before the store answers.
    assert!(begun.elapsed() > Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(40));
}

#[tokio::test]
#[ignore = "needs `cargo xtask runtimes`"]
async fn jco_serves_a_composed_connector_as_it_is() {
    serves(jco).await;
}
