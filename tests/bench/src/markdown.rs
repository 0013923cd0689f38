//! The figures as a table of a Markdown file, between two lines that mark its place. Rows of figures that were not measured this time
//! stay as they are, so each row says when it was taken, and on what state of the sources.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::figures::{self, Figure, short};

const BEGIN: &str = "<!-- figures: written by `cargo xtask bench --markdown FILE` -->";
const END: &str = "<!-- end of figures -->";
const HEAD: &str = "| figure | to reach | median (least to greatest) | ratio | | taken |\n|--|--|--|--|--|--|\n";

/// Replaces the table in `file`.
pub(crate) fn write(file: &Path, figures: &[Figure], taken: &str) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = replaced(&text, figures, taken)
        .with_context(|| format!("{} has no lines `{BEGIN}` and `{END}`", file.display()))?;
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn replaced(text: &str, figures: &[Figure], taken: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (old, after) = rest.split_once(END)?;
    let rows: String = figures::titles()
        .filter_map(|title| match figures.iter().find(|figure| figures::title(figure) == title) {
            Some(figure) => Some(row(figure, taken)),
            None => old.lines().find(|line| line.starts_with(&format!("| {title} |"))).map(str::to_owned),
        })
        .map(|row| row + "\n")
        .collect();
    Some(format!("{before}{BEGIN}\n\n{HEAD}{rows}\n{END}{after}"))
}

fn row(figure: &Figure, taken: &str) -> String {
    let value = |value: f64| format!("{} {}", short(value), figure.unit);
    let median = if figure.min == figure.max {
        value(figure.median)
    } else {
        format!("{} ({} to {})", value(figure.median), short(figure.min), short(figure.max))
    };
    let ratio = figure.ratio_to_raw.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let (goal, verdict) = match figures::goal(figure) {
        None if figure.ratio_to_raw == Some(1.0) => ("reference".to_owned(), ""),
        None => (String::new(), ""),
        Some(goal) => (goal.text, if goal.hit { "reached" } else { "**missed**" }),
    };
    let cells = [figures::title(figure), &goal, &median, &ratio, verdict, taken];
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::figures::Samples;

    #[test]
    fn measured_rows_are_replaced_and_the_others_stay() {
        let sample = |name: &str, unit: &str, value: f64| Samples::new(name, unit, vec![value]);
        let all = figures::figures(&[sample("idle", "MB", 39.2), sample("activity", "µs", 101.0)]);
        let text = replaced(&format!("before\n{BEGIN}\n{END}\nafter\n"), &all, "then").unwrap();
        let again = figures::figures(&[sample("activity", "µs", 68.0)]);
        let text = replaced(&text, &again, "now").unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| line.contains("at most")).collect();
        assert_eq!(
            rows,
            [
                "| instantiate and configure | at most 100 µs | 68.0 µs |  | reached | now |",
                "| resident memory, 10,000 idle connections | at most 200 MB | 39.2 MB |  | reached | then |",
            ]
        );
        assert!(text.starts_with("before\n") && text.ends_with("\nafter\n"), "{text}");
        assert!(replaced("a file of something else", &all, "now").is_none());
    }
}
