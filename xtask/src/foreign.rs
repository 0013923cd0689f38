//! The guest in another language: makes a component of the connector in Python (`target/components/words.wasm`) and runs the tests
//! that need it.
//!
//! componentize-py comes from PyPI and is installed below `target/`. It brings its own Python for WebAssembly, so that nothing else
//! has to be fetched. Where it cannot be had, the step is skipped, with the reason.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::hosts::{self, Installed, Ran};
use crate::{components, files, process};

/// Making the component starts a Python for WebAssembly, compiled anew: half a minute where nothing else runs.
const COMPONENTIZE_LIMIT: Duration = Duration::from_secs(600);

/// What the component is made of, beside the contract.
const SOURCES: &str = "tests/guests/python";

/// Makes the component, unless it is there already, and runs the tests that need it.
pub(crate) fn run(root: &Path) -> Result<Ran> {
    if let Ran::Skipped(reason) = make(root)? {
        return Ok(Ran::Skipped(reason));
    }
    for (target, tests) in [("it", "hostile::sealed"), ("promises", "isolation::")] {
        let mut cargo = process::cargo();
        cargo.current_dir(root).args(["test", "--workspace", "--test", target, tests, "--", "--ignored"]);
        process::show(&mut cargo)?;
    }
    Ok(Ran::Yes)
}

fn make(root: &Path) -> Result<Ran> {
    if let Some(reason) = hosts::missing(&[&["python3", "--version"], &["python3", "-m", "pip", "--version"]]) {
        return Ok(Ran::Skipped(reason));
    }
    let tool = root.join("target/componentize-py");
    let requirements = root.join(SOURCES).join("requirements.txt");
    if let Installed::No(why) = hosts::install_from_pypi(&tool, &requirements)? {
        return Ok(Ran::Skipped(format!("pip cannot install componentize-py: {why}")));
    }
    let (component, stamp) = (root.join("target/components/words.wasm"), tool.join("made-of"));
    let sources = sources(root)?;
    if component.is_file() && std::fs::read(&stamp).is_ok_and(|made_of| made_of == sources) {
        println!("words.wasm is current");
        return Ok(Ran::Yes);
    }
    std::fs::create_dir_all(root.join("target/components"))?;
    // The tool leaves compiled Python beside what it reads.
    let copy = tool.join("guest");
    hosts::copy(&root.join(SOURCES).join("words.py"), &copy.join("words.py"))?;
    let mut componentize = Command::new(tool.join("bin/componentize-py"));
    componentize.current_dir(root).env("PYTHONPATH", &tool);
    componentize
        .args(["--wit-path", "wit", "--world", "connector", "componentize", "words", "--python-path"])
        .arg(&copy);
    process::capture(componentize.arg("--output").arg(&component), COMPONENTIZE_LIMIT)
        .context("componentize-py makes no component of the connector in Python")?;
    files::write_if_changed(&stamp, &sources)?;
    println!("{:<12} {:>10}", "words", components::size(std::fs::read(&component)?.len()));
    Ok(Ran::Yes)
}

/// Everything that the component is made of, one after another.
fn sources(root: &Path) -> Result<Vec<u8>> {
    let mut paths = Vec::new();
    for folder in [SOURCES, "wit"] {
        let folder = root.join(folder);
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            paths.push(entry?.path());
        }
    }
    paths.retain(|path| path.is_file());
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        all.extend(std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_made_of_its_sources_and_the_contract() {
        let all = String::from_utf8(sources(&crate::workspace()).unwrap()).unwrap();
        for part in ["componentize-py==", "class Connection", "package ipaas:connector", "interface metadata"] {
            assert!(all.contains(part), "{part}");
        }
    }
}
