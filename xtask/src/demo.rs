//! `cargo xtask demo`: the main job, from nothing, on an emulated store: what a newcomer runs first.
//!
//! Everything goes through the binary `connector`, as a person would use it: each command is shown before it runs, and its
//! output behind it. The store is a process of its own on a free port of loopback, and ends with this one.

use std::io::{BufRead as _, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::components::{self, GUESTS};
use crate::process;
use crate::wasm_std::Route;

/// Products of the emulated store.
const PRODUCTS: u32 = 5000;
/// Token of the emulated store's API account. Nothing secret: the store lives as long as the demo.
const TOKEN: &str = "demo-token";
/// Longest time that any one step may take.
const STEP: Duration = Duration::from_secs(120);

/// New products, as a person would have them in a spreadsheet.
const NEW_PRODUCTS: &str = "\
name,sku,type,price,weight,categories,description
Oak Desk Lamp,DEMO-1,physical,49.90,1.2,[],\"Warm light, \"\"dimmable\"\"\"
Walnut Tray,DEMO-2,physical,24.50,0.8,[],Hand-oiled
Linen Cushion,DEMO-3,physical,19.95,0.4,[],\"Natural, 45 x 45 cm\"
Ceramic Teapot,DEMO-4,physical,32.00,0.9,[],Für zwei Tassen
";

/// The emulated store; ends when this is dropped.
pub(crate) struct Store {
    process: Child,
    url: String,
    hash: String,
    /// Whether requests are held against the API's documents.
    pub(crate) openapi: String,
}

impl Drop for Store {
    fn drop(&mut self) {
        // It ends by itself when its standard input closes; a kill only makes sure.
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Store {
    /// Starts a store with these options.
    pub(crate) fn start(emulator: &Path, options: &[&str]) -> Result<Self> {
        let mut process = Command::new(emulator)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", emulator.display()))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let ready: Value = serde_json::from_str(&line).context("the emulated store did not start")?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        Ok(Self { url: text("url"), hash: text("store_hash"), openapi: text("openapi"), process })
    }
}

/// The project folder and what happens in it.
struct Demo {
    connector: PathBuf,
    folder: PathBuf,
    cache: PathBuf,
    /// What the summary tells: a step, and how long it took.
    steps: Vec<(String, Duration)>,
}

impl Demo {
    fn heading(&self, text: &str) {
        println!("\n── {text}");
    }

    /// Shows a command, runs it, shows what it printed, and returns its standard output.
    fn run(&mut self, step: &str, arguments: &[&str]) -> Result<String> {
        println!("$ connector {}", arguments.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" "));
        let begun = Instant::now();
        let output = process::capture(&mut self.command(arguments), STEP)?;
        self.steps.push((step.to_owned(), begun.elapsed()));
        Ok(output)
    }

    /// The program, in the project's folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.connector);
        command.args(arguments).current_dir(&self.folder).env("CONNECTOR_CACHE_DIR", &self.cache).env("COLUMNS", "100");
        // The key for the secret of this demo goes with its folder.
        command.env("XDG_CONFIG_HOME", self.folder.join("user"));
        command
    }

    /// Serves the page with this connection until whoever watches has seen enough.
    fn offer_the_page(&self) -> Result<()> {
        if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
            println!("  In a terminal, this ends with the page, open on this store.");
            return Ok(());
        }
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut serving =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start `serve`")?;
        let mut line = String::new();
        if let Some(stdout) = serving.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().trim_start_matches("listening on ");
        println!("\n── The page\n  Open {address} in a browser: the connection `demo` is there. Enter ends the demo.");
        let answered = std::io::stdin().read_line(&mut String::new());
        serving.kill()?;
        serving.wait()?;
        answered.map(drop).context("cannot read the terminal")
    }

    fn show(&mut self, step: &str, arguments: &[&str]) -> Result<String> {
        let output = self.run(step, arguments)?;
        let lines: Vec<&str> = output.lines().collect();
        for line in lines.iter().take(12) {
            println!("  {}", shortened(line));
        }
        if lines.len() > 12 {
            println!("  … {} more lines", lines.len() - 12);
        }
        Ok(output)
    }

    /// How many products the store holds that this demo made, and how many in all.
    fn count(&mut self) -> Result<(usize, usize)> {
        let all = self.run("read every product", &["query", "demo", "products", "--fields", "id,sku,price"])?;
        let made = all.lines().filter(|line| line.contains("\"DEMO-")).count();
        println!("  {} products, {made} of them DEMO-…", all.lines().count());
        Ok((all.lines().count(), made))
    }
}

/// Runs the demo.
pub(crate) fn run(root: &Path, route: Route) -> Result<()> {
    let begun = Instant::now();
    println!("── Set up and build (minutes the first time, seconds later)");
    components::build(root, &GUESTS, route)?;
    // Everything, the tests too: one selection of features, so that `cargo xtask test` builds nothing twice.
    process::show(process::cargo().args(["build", "--workspace", "--all-targets"]).current_dir(root))?;
    let binaries = root.join("target/debug");
    let folder = tempfile::tempdir().context("cannot make a project folder")?;
    std::fs::write(folder.path().join("new.csv"), NEW_PRODUCTS)?;
    let mut demo = Demo {
        connector: binaries.join("connector"),
        folder: folder.path().to_owned(),
        cache: root.join("target/compile-cache"),
        steps: vec![("set up and build".to_owned(), begun.elapsed())],
    };

    demo.heading("An emulated store");
    let store =
        Store::start(&binaries.join("bigcommerce-emulator"), &["--products", &PRODUCTS.to_string(), "--token", TOKEN])?;
    println!("  {} with {PRODUCTS} products, customers, orders, coupons …", store.url);

    demo.heading("A connection: saved, then tested");
    let settings = [format!("store_hash={}", store.hash), format!("base_url={}", store.url)];
    // Others can see a command line.
    std::fs::write(folder.path().join("token.txt"), TOKEN)?;
    demo.show(
        "save a connection",
        &[
            "connection",
            "add",
            "demo",
            "--set",
            &settings[0],
            "--set",
            "access_token=@token.txt",
            "--set",
            &settings[1],
            "--grant",
            &store.url,
        ],
    )?;
    demo.show("test it", &["test", "demo"])?;

    demo.heading("What is there");
    demo.show("list objects", &["objects", "demo", "--search", "order"])?;

    demo.heading("Records, by a condition");
    let query = [
        "query",
        "demo",
        "products",
        "--where",
        "price >= 450",
        "--fields",
        "id,name,price",
        "--limit",
        "5",
        "--format",
        "table",
    ];
    demo.show("query by a condition", &query)?;

    demo.heading("The store before");
    let before = demo.count()?;

    demo.heading("Four new products from a spreadsheet");
    print!("{}", indented(NEW_PRODUCTS));
    demo.run("check the spreadsheet", &["create", "demo", "products", "--input", "new.csv", "--dry-run"])?;
    println!("  nothing is wrong with it, nothing was sent");
    demo.run("create products", &["create", "demo", "products", "--input", "new.csv", "--outcomes", "created.ndjson"])?;
    let created = std::fs::read_to_string(folder.path().join("created.ndjson"))?;
    let ids = ids(&created);
    for line in created.lines() {
        println!("  {}", shortened(line));
    }

    demo.heading("One of them gets cheaper, two go");
    let [first, second, third, ..] = ids.as_slice() else { bail!("the products were not created:\n{created}") };
    std::fs::write(folder.path().join("changes.ndjson"), format!("{{\"id\":{first},\"price\":39.90}}\n"))?;
    demo.show("update a product", &["update", "demo", "products", "--input", "changes.ndjson"])?;
    demo.show("delete products", &["delete", "demo", "products", "--id", &format!("{second},{third}")])?;

    demo.heading("The store after");
    let after = demo.count()?;
    // The products were under way side by side, so the first row need not have the least id.
    let least = ids.iter().min_by_key(|id| id.parse::<u64>().ok()).unwrap_or(first);
    demo.show(
        "look at what is left",
        &[
            "query",
            "demo",
            "products",
            "--where",
            &format!("id >= {least}"),
            "--fields",
            "id,sku,name,price",
            "--format",
            "table",
        ],
    )?;
    if (after.0, after.1) != (before.0 + 2, before.1 + 2) {
        bail!(
            "the store holds {} products, {} of them ours; expected {} and {}",
            after.0,
            after.1,
            before.0 + 2,
            before.1 + 2
        );
    }
    summary(&demo.steps, before.0);
    demo.offer_the_page()
}

/// What was done, and how long each step took.
fn summary(steps: &[(String, Duration)], products: usize) {
    println!("\n── In short");
    let width = steps.iter().map(|(step, _)| step.chars().count()).max().unwrap_or_default();
    for (step, took) in steps {
        println!("  {step:width$}  {:>8.2} s", took.as_secs_f64());
    }
    println!(
        "\n  A sandboxed component read {products} products, created 4, changed 1 and deleted 2, each record with its outcome.\n  \
         Next: `target/debug/connector help`, or the README.",
    );
}

/// The ids of applied records.
fn ids(outcomes: &str) -> Vec<String> {
    let record = |line: &str| serde_json::from_str::<Value>(line).ok().filter(|line| line["outcome"] == "applied");
    outcomes.lines().filter_map(record).map(|line| line["record"]["id"].to_string()).collect()
}

/// A word as one would type it.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,/:=@".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(140) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed() {
        assert_eq!(shell("price >= 450"), "'price >= 450'");
        assert_eq!(shell("id,name"), "id,name");
    }

    #[test]
    fn only_applied_records_have_an_id() {
        let outcomes = "{\"sending\":{}}\n{\"row\":1,\"outcome\":\"applied\",\"record\":{\"id\":7}}\n{\"row\":2,\"outcome\":\"failed\"}\n";
        assert_eq!(ids(outcomes), ["7"]);
    }
}
