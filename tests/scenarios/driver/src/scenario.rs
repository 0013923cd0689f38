//! A scenario as it is written down. Unknown keys are refused, so that a misspelt expectation cannot pass for one that holds.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::answer::Answer;
use crate::protocol::Command;
use crate::seen::{Seen, Sockets, Stored};
use crate::store::{Change, Setup};

/// One file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// What holds, in one sentence.
    pub promise: String,
    /// The connector that it is about.
    pub component: Component,
    /// Hosts that it is not played on, with the reason.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
    /// The store at the beginning.
    #[serde(default)]
    pub store: Setup,
    /// What is done, one after the other.
    pub step: Vec<Step>,
    /// What the store's sockets must have come to at the end.
    #[serde(default)]
    pub sockets: Sockets,
}

/// A connector that scenarios are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The BigCommerce connector, on an emulated store.
    Bigcommerce,
    /// The one of fixed data.
    Fixed,
}

impl Component {
    /// Its name, as in its file's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bigcommerce => "bigcommerce",
            Self::Fixed => "fixed",
        }
    }
}

/// A call and what must come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// What becomes of the store before the call.
    #[serde(default)]
    pub before: Change,
    /// The call.
    pub call: Command,
    /// What the caller gets.
    pub answer: Answer,
    /// What the store sees of this call.
    #[serde(default)]
    pub seen: Seen,
    /// What the store holds after it.
    #[serde(default)]
    pub stored: Vec<Stored>,
    /// The call may not be faster than so many milliseconds.
    #[serde(default)]
    pub takes_at_least_ms: u64,
}

/// Reads all scenarios of a folder, in the order of their names.
///
/// # Errors
/// If a file cannot be read or is no scenario: the error names it and the place.
pub fn read_all(folder: &Path) -> Result<Vec<Scenario>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            all.push(read(&path)?);
        }
    }
    ensure!(!all.is_empty(), "there is no scenario in {}", folder.display());
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn read(path: &Path) -> Result<Scenario> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&name, &text).with_context(|| format!("{} is no scenario", path.display()))
}

/// Reads a scenario.
///
/// # Errors
/// If it is none.
pub fn parse(name: &str, text: &str) -> Result<Scenario> {
    let mut scenario: Scenario = toml::from_str(text)?;
    name.clone_into(&mut scenario.name);
    ensure!(!scenario.step.is_empty(), "it has no step");
    for (number, step) in (1..).zip(&scenario.step) {
        step.answer.check().with_context(|| format!("step {number}"))?;
    }
    Ok(scenario)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        promise = "p"
        component = "fixed"
        [[step]]
        call = { do = "query", request = { object = "people" } }
        answer.records.count = 1
    "#;

    #[test]
    fn what_is_misspelt_is_refused_and_named() {
        parse("good", GOOD).unwrap();
        for (right, wrong) in [
            ("promise =", "promiss ="),
            ("object =", "objekt ="),
            ("answer.records.count", "answer.records.kount"),
            ("answer.records.count = 1", "answer = {}"),
            ("answer.records.count", "seen.requests = 1\nanswer.records.count"),
            ("\"query\"", "\"kwery\""),
        ] {
            let text = GOOD.replacen(right, wrong, 1);
            assert_ne!(text, GOOD);
            parse("bad", &text).unwrap_err();
        }
    }
}
