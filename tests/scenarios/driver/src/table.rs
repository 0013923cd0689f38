//! The table of scenarios and hosts: for the terminal, and for the README, between the lines that mark its place.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::measure::Figures;

/// The table's place in a Markdown file.
const MARKS: [&str; 2] = ["<!-- scenarios -->\n", "<!-- end of scenarios -->\n"];

/// How a scenario went on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Went {
    /// Everything held.
    Held,
    /// It was not played, for this reason.
    Skipped(String),
    /// What did not hold.
    Failed(String),
}

/// A host and how it did.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub host: String,
    /// What it runs on.
    pub versions: String,
    /// By the scenario's name.
    pub went: BTreeMap<String, Went>,
    /// Unless nothing was measured.
    pub figures: Option<Figures>,
}

/// The table as Markdown. Rows are scenarios by name and promise.
pub fn markdown(scenarios: &[(String, String)], columns: &[Column]) -> String {
    let mut text = String::from("| scenario |");
    for column in columns {
        let _ = write!(text, " {} |", column.host);
    }
    text.push_str("\n|--|");
    columns.iter().for_each(|_| text.push_str("--|"));
    text.push('\n');
    let mut reasons = Vec::new();
    for (name, promise) in scenarios {
        let _ = write!(text, "| [{name}](tests/scenarios/{name}.toml): {promise} |");
        for column in columns {
            let _ = match column.went.get(name) {
                Some(Went::Held) => write!(text, " ok |"),
                Some(Went::Failed(_)) => write!(text, " **fails** |"),
                None => write!(text, " |"),
                Some(Went::Skipped(reason)) => {
                    reasons.push(reason);
                    write!(text, " skipped ({}) |", reasons.len())
                }
            };
        }
        text.push('\n');
    }
    let mut row = |what: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        let _ = writeln!(text, "| {what} | {} |", cells.join(" | "));
    };
    row("runs on", &|column| column.versions.clone());
    let figure = |column: &Column, tell: &dyn Fn(Figures) -> String| column.figures.map_or(String::new(), tell);
    row("one call without a request, in an instance of its own, ms", &|column| {
        figure(column, &|figures| format!("{:.2}", figures.call.as_secs_f64() * 1e3))
    });
    row("records per second, products of 2.5 KB", &|column| {
        figure(column, &|figures| format!("{:.0}", figures.records_per_second))
    });
    let what = "processor time of the host's process per page of 250 of them, all threads, after a first query, ms";
    row(what, &|column| {
        let cpu = column.figures.and_then(|figures| figures.cpu_per_page);
        cpu.map_or(String::new(), |cpu| format!("{:.2}", cpu.as_secs_f64() * 1e3))
    });
    for (number, reason) in (1..).zip(reasons) {
        let _ = write!(text, "\n({number}) {reason}");
    }
    if text.ends_with('\n') { text } else { text + "\n" }
}

/// Puts the table into a file in place of the one before.
///
/// # Errors
/// If the file cannot be read or written, or lacks the marks.
pub fn put(table: &str, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = between(&text, table).with_context(|| format!("{} lacks a line {}", file.display(), MARKS[0]))?;
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn between(text: &str, table: &str) -> Option<String> {
    let [begin, end] = MARKS;
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}{table}{end}{after}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_and_a_skip_do_not_pass_for_a_success() {
        let went = [("a", Went::Held), ("b", Went::Skipped("because".into())), ("c", Went::Failed("x".into()))];
        let went = went.into_iter().map(|(name, went)| (name.to_owned(), went)).collect();
        let column = Column { host: "node".into(), versions: "v20".into(), went, figures: None };
        let rows = ["a", "b", "c", "d"].map(|name| (name.to_owned(), format!("promise {name}")));
        let table = markdown(&rows, &[column]);
        let cells: Vec<&str> = table.lines().skip(2).take(4).filter_map(|line| line.split(" | ").nth(1)).collect();
        assert_eq!(cells, ["ok |", "skipped (1) |", "**fails** |", "|"], "{table}");
        assert!(table.ends_with("(1) because\n"), "{table}");
    }

    #[test]
    fn what_stands_around_the_table_stays() {
        let text = format!("before\n{}old\n{}after\n", MARKS[0], MARKS[1]);
        let once = between(&text, "new\n").unwrap();
        assert_eq!(once, text.replace("old", "new"));
        assert_eq!(between(&once, "new\n").unwrap(), once);
        assert!(between("no marks", "new\n").is_none());
    }
}
