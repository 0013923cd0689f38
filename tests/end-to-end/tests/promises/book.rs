//! The book does what it says: its commands run, its links lead somewhere, the messages that it explains are the programs' own.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bigcommerce_emulator::{Config, Emulator, Sizes};
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

/// The shell blocks of a chapter.
fn commands(chapter: &str) -> String {
    let commands = blocks(&read(&docs().join(chapter)), "sh");
    assert!(commands.contains("connector"), "{chapter} has no commands");
    commands
}

/// The program in this folder, as a reader has it who has nothing else.
fn reader(program: &str, folder: &Path) -> Command {
    let mut path = vec![end_to_end::binary().parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).env("PATH", std::env::join_paths(path).unwrap());
    command.env("XDG_CONFIG_HOME", folder.join("user"));
    command.env("CONNECTOR_CACHE_DIR", end_to_end::root().join("target/compile-cache"));
    command
}

/// Runs commands of a chapter, one after another. Answers what they said.
fn follow(chapter: &str, commands: &str, folder: &Path, prepare: impl FnOnce(&mut Command)) -> String {
    let said = folder.join("said");
    let file = std::fs::File::create(&said).unwrap();
    let mut shell = reader("sh", folder);
    shell.args(["-euc", commands]);
    shell.stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
    prepare(&mut shell);
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

/// Makes connections of these names to these stores, in the project of this folder.
fn connect(folder: &Path, stores: &[(&str, &Emulator)]) {
    for (name, store) in stores {
        let mut add = reader("connector", folder);
        add.args(["connection", "add", name, "--set", "access_token=[token]", "--grant", &store.base_url()]);
        add.args(["--set", &format!("store_hash={}", store.store_hash())]);
        add.args(["--set", &format!("base_url={}", store.base_url())]);
        let added = add.env("CONNECTOR_VAR_TOKEN", store.token()).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }
}

/// The rows of a Parquet file as its readers see them: names of columns, and texts of values.
fn rows(path: &Path) -> Vec<Vec<(String, String)>> {
    let file = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows = file.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| row.get_column_iter().map(|(name, value)| (name.clone(), value.to_string())).collect()).collect()
}

/// The value of a column.
#[track_caller]
fn value<'a>(row: &'a [(String, String)], column: &str) -> &'a str {
    &row.iter().find(|(name, _)| name == column).unwrap().1
}

#[test]
fn the_start_page_leads_from_the_programs_to_products_in_a_parquet_file() {
    let folder = tempfile::tempdir().unwrap();
    let said = follow("README.md", &commands("README.md"), folder.path(), |_| {});
    assert!(said.contains("works"), "{said}");
    let rows = rows(&folder.path().join("products.parquet"));
    assert!(rows.len() > 400, "{} rows", rows.len());
    for row in rows {
        let columns: Vec<&str> = row.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(columns, ["id", "sku", "name", "price"]);
        assert!(value(&row, "price").parse::<f64>().unwrap() > 0.0, "{row:?}");
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
    connect(folder.path(), &[("my-store", &store)]);
    follow("activities.md", &commands("activities.md"), folder.path(), |shell| {
        shell.env("CONNECTOR_VAR_TOKEN", store.token());
    });
    assert_eq!(store.violations(), Vec::new());
    let records = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(records("created.ndjson").matches("\"applied\"").count(), 2);
    assert_eq!(records("updated.ndjson").matches("\"applied\"").count(), 2);
    assert_eq!(store.store().wipes(), 0);
}

#[test]
fn the_commands_of_the_chapter_on_configuration_lead_to_a_connection_that_works() {
    let store = Emulator::launch(Config::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The chapter's store is one on the Internet.
    let theirs = "--set store_hash=abc123xyz ";
    let commands = commands("configure-bigcommerce.md");
    assert_eq!(commands.matches(theirs).count(), 1);
    let (hash, url) = (store.store_hash(), store.base_url());
    let ours = format!("--set store_hash={hash} --set base_url={url} --grant {url} ");
    // What somebody types.
    let typed = folder.path().join("typed");
    std::fs::write(&typed, format!("{}\n", store.token())).unwrap();
    let said = follow("configure-bigcommerce.md", &commands.replace(theirs, &ours), folder.path(), |shell| {
        shell.stdin(std::fs::File::open(&typed).unwrap());
    });
    assert!(said.contains("works") && !said.contains(store.token()), "{said}");
    let database = std::fs::read(folder.path().join("connector.db")).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains(store.token()), "the token is kept as it was typed");
}

#[test]
fn the_worked_examples_of_the_chapter_on_operations_do_what_it_says() {
    let old = Emulator::launch(Config::default()).unwrap();
    // Some of the customers are there already.
    let few = Sizes { customers: 3, ..Sizes::default() };
    let new = Emulator::launch(Config { sizes: few, ..Config::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    connect(folder.path(), &[("my-store", &old), ("new-store", &new)]);
    std::fs::create_dir(path("operations")).unwrap();
    let chapter = read(&docs().join("operations.md"));
    let files = chapter.split("```toml\n# operations/").skip(1).map(|rest| rest.split("```").next().unwrap());
    for (name, operation) in files.map(|file| file.split_once('\n').unwrap()) {
        std::fs::write(path("operations").join(name), operation).unwrap();
    }
    std::fs::write(path("prices.csv"), "id,price,remark\n103,4321.09,dear\n").unwrap();
    let run = |commands: &str| {
        follow("operations.md", commands, folder.path(), |shell| {
            shell.env("CONNECTOR_VAR_TOKEN", old.token());
        })
    };
    run(&commands("operations.md"));
    assert_eq!(old.store().field("products", 103, "price").unwrap(), "4321.09");
    let exported = rows(&path("products.parquet"));
    assert!(exported.iter().any(|row| value(row, "id") == "103" && value(row, "price").starts_with("4321.09")));
    for row in &exported {
        assert!(value(row, "price").parse::<f64>().unwrap() >= 10.0, "{row:?}");
    }
    let emails = |store: &Emulator| -> BTreeSet<String> {
        let keys = store.store().keys("customers").into_iter();
        keys.filter_map(|key| store.store().field("customers", key, "email")).collect()
    };
    assert!(emails(&old).len() > 3 && emails(&old).is_subset(&emails(&new)));
    // Once more brings nothing new.
    let before = new.store().count("customers");
    run("connector run copy-customers");
    assert_eq!(new.store().count("customers"), before);
    for store in [&old, &new] {
        assert_eq!(store.violations(), Vec::new(), "requests that the API does not document");
    }
}
