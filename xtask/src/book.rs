//! Runs the code blocks of the chapter `docs/write-a-connector.md`, as they stand, one after another in one shell.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::hosts::Ran;
use crate::wasm_std::Route;
use crate::wasm_std::WasmStd;
use crate::{components, process};

/// The chapter.
const CHAPTER: &str = "docs/write-a-connector.md";

/// It compiles two small crates with their dependencies.
const LIMIT: Duration = Duration::from_secs(1200);

/// From a template to a connector that somebody else has installed.
pub(crate) fn write_a_connector(root: &Path, route: Route) -> Result<Ran> {
    if !matches!(components::library(root, route)?, WasmStd::Installed) {
        // The chapter's reader has it from rustup.
        return Ok(Ran::Skipped("the toolchain has no wasm32 library of its own".into()));
    }
    if process::find("openssl").is_none() {
        return Ok(Ran::Skipped("there is no openssl, with which the chapter makes a key".into()));
    }
    let program = root.join("target/debug");
    process::show(process::cargo().current_dir(root).args(["build", "--workspace", "--bin", "connector"]))?;
    let text = std::fs::read_to_string(root.join(CHAPTER)).with_context(|| format!("cannot read {CHAPTER}"))?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let mut path = vec![program];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut shell = Command::new("sh");
    shell.args(["-eux", "-c", &blocks(&text).join("\n")]).current_dir(folder.path());
    shell.env("PATH", std::env::join_paths(path)?).env_remove("CARGO_TARGET_DIR");
    // What it compiles with was fetched for the components of this workspace.
    shell.env("CARGO_NET_OFFLINE", "true");
    for name in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
        shell.env(name, folder.path().join(name));
    }
    let said = process::capture(&mut shell, LIMIT)?;
    for expected in expectations(&text) {
        if !said.contains(expected.trim()) {
            bail!("{CHAPTER} promises {expected:?}, and this came: {said}");
        }
    }
    println!("the commands of {CHAPTER} do what it says");
    Ok(Ran::Yes)
}

/// The blocks that a shell runs.
fn blocks(text: &str) -> Vec<String> {
    fenced(text, "sh")
}

/// Lines that the chapter says come of them.
fn expectations(text: &str) -> Vec<String> {
    fenced(text, "text").iter().flat_map(|block| block.lines()).map(str::to_owned).collect()
}

fn fenced(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}");
    let (mut blocks, mut open) = (Vec::new(), None::<String>);
    for line in text.lines() {
        match &mut open {
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line == opening => open = Some(String::new()),
            None => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_whole_and_in_order() {
        let text = "a\n```sh\none\ntwo\n```\nb\n```text\nthree\n```\n```sh\nfour\n```\n";
        assert_eq!(blocks(text), ["one\ntwo\n", "four\n"]);
        assert_eq!(expectations(text), ["three"]);
    }

    #[test]
    fn the_chapter_leads_from_a_template_to_an_installed_connector() {
        let text = std::fs::read_to_string(crate::workspace().join(CHAPTER)).unwrap();
        let script = blocks(&text).concat();
        for step in
            ["connector new", "cargo test", "connector build", "versions push", "versions install", "connector query"]
        {
            assert!(script.contains(step), "{step}");
        }
        assert!(!expectations(&text).is_empty());
    }
}
