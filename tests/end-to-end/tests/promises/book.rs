//! The book does what it says: its commands run, its links lead somewhere, the messages that it explains are the programs' own.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bigcommerce_emulator::{Config, Emulator};
use parquet::file::reader::{FileReader as _, SerializedFileReader};

fn docs() -> PathBuf {
    end_to_end::root().join("docs")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The chapters, by file name.
fn chapters() -> Vec<(String, String)> {
    let files = std::fs::read_dir(docs()).unwrap().map(|entry| entry.unwrap().path());
    let mut chapters: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), read(&path)))
        .collect();
    chapters.sort();
    chapters
}

/// What stands in fenced blocks of this language, joined.
fn blocks(text: &str, language: &str) -> String {
    let opening = format!("```{language}\n");
    let blocks = text.split(&opening).skip(1).map(|rest| rest.split("\n```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

/// Text without its code, in which brackets are no links.
fn prose(text: &str) -> String {
    let outside = text.split("```").step_by(2).collect::<String>();
    outside.split('`').step_by(2).collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace('`', "");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_of_the_book_leads_somewhere_and_the_start_page_to_every_chapter() {
    let mut linked_from_start = Vec::new();
    for (name, text) in chapters() {
        for link in prose(&text).split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchored) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { docs().join(&name) } else { docs().join(file) };
            assert!(path.exists(), "{name}: {link}");
            if !anchored.is_empty() {
                let target = read(&path);
                let headings = target.lines().filter(|line| line.starts_with('#'));
                let known = headings.map(|line| anchor(line.trim_start_matches('#'))).any(|known| known == anchored);
                assert!(known, "{name}: no heading for {link}");
            }
            if name == "README.md" {
                linked_from_start.push(file.to_owned());
            }
        }
    }
    for (name, _) in chapters().into_iter().filter(|(name, _)| name != "README.md") {
        assert!(linked_from_start.contains(&name), "the start page does not lead to {name}");
    }
}

#[test]
fn the_messages_that_the_book_explains_are_the_programs_own() {
    let mut sources = String::new();
    let mut folders =
        vec!["component/bigcommerce/src", "host"].into_iter().map(|f| end_to_end::root().join(f)).collect::<Vec<_>>();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&read(&path));
            }
        }
    }
    let chapter = read(&docs().join("troubleshooting.md"));
    let headings: Vec<&str> = chapter.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(headings.len() > 15);
    for message in headings.iter().flat_map(|heading| heading.split('`').skip(1).step_by(2)) {
        assert!(sources.contains(message), "no program says {message:?}");
    }
}

/// Runs the shell blocks of a chapter in an empty folder, as a reader would who has the programs.
fn follow(chapter: &str, folder: &Path, store: Option<&Emulator>) -> String {
    let text = blocks(&read(&docs().join(chapter)), "sh");
    assert!(text.contains("connector"), "{chapter} has no commands");
    let programs = end_to_end::binary().parent().unwrap().to_owned();
    let mut path = vec![programs];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let said = folder.join("said");
    let file = std::fs::File::create(&said).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-euc", &text]).current_dir(folder).stdin(Stdio::null());
    shell.stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
    shell.env("PATH", std::env::join_paths(path).unwrap());
    shell.env("XDG_CONFIG_HOME", folder.join("user"));
    shell.env("CONNECTOR_CACHE_DIR", end_to_end::root().join("target/compile-cache"));
    if let Some(store) = store {
        shell.env("CONNECTOR_VAR_TOKEN", store.token());
    }
    let mut shell = shell.spawn().unwrap();
    let group = format!("-{}", shell.id());
    let status = shell.wait().unwrap();
    // What the chapter started in the background ends with it. There may be nothing.
    let _ = Command::new("kill").args(["--", &group]).stderr(Stdio::null()).status().unwrap();
    let said = read(&said);
    let end: Vec<String> = said.lines().rev().take(12).map(|line| line.chars().take(200).collect()).collect();
    assert!(status.success(), "{chapter}, the last line first: {end:#?}");
    said
}

#[test]
fn the_start_page_leads_from_the_programs_to_products_in_a_parquet_file() {
    let folder = tempfile::tempdir().unwrap();
    let said = follow("README.md", folder.path(), None);
    assert!(said.contains("works"), "{said}");
    let file = std::fs::File::open(folder.path().join("products.parquet")).unwrap();
    let file = SerializedFileReader::new(file).unwrap();
    let described = file.metadata().file_metadata();
    let columns = described.schema_descr().root_schema().get_fields();
    let columns: Vec<&str> = columns.iter().map(|column| column.name()).collect();
    assert_eq!(columns, ["id", "sku", "name", "price"]);
    assert!(described.num_rows() > 400, "{} rows", described.num_rows());
    for row in file.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let price = row.get_column_iter().find(|(name, _)| *name == "price").unwrap().1.to_string();
        assert!(price.parse::<f64>().unwrap() > 0.0, "{row}");
    }
}

#[test]
fn the_commands_of_the_chapter_on_activities_run() {
    let store = Emulator::launch(Config::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "new.csv",
        "name,type,sku,price,weight,categories\nOak Desk Lamp,physical,BOOK-1,39.90,1,[]\nFolding Chair,physical,BOOK-2,59.00,4,[]\n",
    );
    write("changes.ndjson", "{\"id\":103,\"price\":12.50}\n{\"id\":104,\"price\":13.00}\n");
    let connection = format!(
        "[connections.my-store]\nconnector = \"bigcommerce\"\ngrant = [{0:?}]\n[connections.my-store.settings]\n\
         store_hash = {1:?}\naccess_token = \"[token]\"\nbase_url = {0:?}\n",
        store.base_url(),
        store.store_hash()
    );
    write("connections.toml", &connection);
    let imported = Command::new(end_to_end::binary())
        .args(["connection", "import", "connections.toml", "--allow-grants"])
        .current_dir(folder.path())
        .env("CONNECTOR_VAR_TOKEN", store.token())
        .output()
        .unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    follow("activities.md", folder.path(), Some(&store));
    assert_eq!(store.violations(), Vec::new());
    let records = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(records("created.ndjson").matches("\"applied\"").count(), 2);
    assert_eq!(records("updated.ndjson").matches("\"applied\"").count(), 2);
    assert_eq!(store.store().wipes(), 0);
}
