//! Figures: what was measured, what it is held against, and how both are shown.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Measured values of one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Samples {
    /// Short and stable, for programs (`cpu-host`).
    pub(crate) name: String,
    /// Unit of the values.
    pub(crate) unit: String,
    /// One value per run.
    pub(crate) values: Vec<f64>,
}

impl Samples {
    pub(crate) fn new(name: &str, unit: &str, values: Vec<f64>) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), values }
    }
}

/// A figure as `bench.json` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Short and stable, for programs.
    pub(crate) name: String,
    /// Unit of median, least and greatest value.
    pub(crate) unit: String,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Median by the median of what it is held against: the same work with native slices.
    pub(crate) ratio_to_raw: Option<f64>,
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug)]
enum Goal {
    RatioAtMost(f64),
    AtMost(f64),
    AtLeast(f64),
}

/// Something that is measured: name, what people call it, what it is held against, the goal.
type Known = (&'static str, &'static str, Option<&'static str>, Option<Goal>);

/// Everything that is measured.
const KNOWN: [Known; 26] = [
    ("cpu-native-slices", "CPU for W, native loop, raw slices", Some("cpu-native-slices"), None),
    ("cpu-native-values", "CPU for W, native loop, values", Some("cpu-native-slices"), None),
    ("cpu-host", "CPU for W, this host", Some("cpu-native-slices"), Some(Goal::RatioAtMost(2.0))),
    ("cpu-host-by-values", "the same by that of the values loop", None, Some(Goal::AtMost(0.5))),
    ("wall-native-4", "wall for W at 100 ms, native by pages, 4 in flight", Some("wall-native-4"), None),
    (
        "wall-host-4",
        "wall for W at 100 ms, this host, 4 in flight",
        Some("wall-native-4"),
        Some(Goal::RatioAtMost(1.1)),
    ),
    (
        "wall-host-8",
        "wall for W at 100 ms, this host, 8 in flight",
        Some("wall-native-4"),
        Some(Goal::RatioAtMost(0.5)),
    ),
    ("activity", "instantiate and configure", None, Some(Goal::AtMost(100.0))),
    ("load-cached", "load a compiled version", None, Some(Goal::AtMost(5.0))),
    ("component", "size of the component", None, Some(Goal::AtMost(1000.0))),
    ("quota-used", "quota used by 8 queries of different objects", None, Some(Goal::AtLeast(95.0))),
    ("quota-refused", "requests refused meanwhile, of those granted", None, Some(Goal::AtMost(1.0))),
    ("idle", "resident memory, 10,000 idle connections", None, Some(Goal::AtMost(200.0))),
    ("idle-active", "the same with 500 of them active at once", None, None),
    ("idle-after", "the same when all are idle again", None, Some(Goal::AtMost(200.0))),
    ("swap-failed", "100 swaps under 32 callers: calls that failed", None, Some(Goal::AtMost(0.0))),
    ("swap-lost", "records that were lost", None, Some(Goal::AtMost(0.0))),
    ("swap-doubled", "records that came twice", None, Some(Goal::AtMost(0.0))),
    ("swap-calls", "calls that succeeded", None, None),
    ("swap-calm-p99", "p99 of a call in a minute without swaps", None, None),
    ("swap-p99", "p99 of a call in the minute with them", None, None),
    ("swap-p99-ratio", "the one by the other", None, Some(Goal::AtMost(3.0))),
    ("swap-growth", "growth of resident memory per swap", None, Some(Goal::AtMost(20.0))),
    ("slice-native", "slicing 20,000 records (47 MB), native", Some("slice-native"), None),
    ("slice-simd", "slicing them in WebAssembly, simd128", Some("slice-native"), None),
    ("slice-plain", "slicing them in WebAssembly, without", Some("slice-native"), None),
];

/// Median, least and greatest value of each, in the order of [`KNOWN`], with ratios.
pub(crate) fn figures(samples: &[Samples]) -> Vec<Figure> {
    let median_of = |name: &str| samples.iter().find(|s| s.name == name).map(|s| median(&s.values));
    let order = |name: &str| KNOWN.iter().position(|known| known.0 == name);
    let mut figures: Vec<Figure> = samples
        .iter()
        .filter(|samples| !samples.values.is_empty())
        .map(|Samples { name, unit, values }| {
            let raw = order(name).and_then(|at| KNOWN.get(at)?.2).and_then(median_of).filter(|raw| *raw > 0.0);
            Figure {
                name: name.clone(),
                unit: unit.clone(),
                median: rounded(median(values)),
                min: rounded(values.iter().copied().fold(f64::INFINITY, f64::min)),
                max: rounded(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
                ratio_to_raw: raw.map(|raw| rounded(median(values) / raw)),
            }
        })
        .collect();
    if let (Some(host), Some(values)) = (median_of("cpu-host"), median_of("cpu-native-values")) {
        let by = rounded(host / values);
        let name = "cpu-host-by-values".to_owned();
        figures.push(Figure { name, unit: "x".to_owned(), median: by, min: by, max: by, ratio_to_raw: None });
    }
    figures.sort_by_key(|figure| order(&figure.name));
    figures
}

/// The middle value; of an even number of them the mean of the two in the middle. 0 if there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { at(middle) } else { (at(middle.saturating_sub(1)) + at(middle)) / 2.0 }
}

/// Four significant digits say all that a measurement can.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// The figures for people.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut out = String::new();
    let head = ["median", "min", "max", "unit", "ratio", "to reach"];
    let _ = writeln!(
        out,
        "{:<52} {:>8} {:>8} {:>8} {:<5} {:>5}  {}",
        "figure", head[0], head[1], head[2], head[3], head[4], head[5]
    );
    for figure in figures {
        let ratio = figure.ratio_to_raw.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let goal = goal(figure)
            .map_or_else(String::new, |goal| format!("{}: {}", goal.text, if goal.hit { "hit" } else { "MISS" }));
        let line = format!(
            "{:<52} {:>8} {:>8} {:>8} {:<5} {ratio:>5}  {goal}",
            title(figure),
            short(figure.median),
            short(figure.min),
            short(figure.max),
            figure.unit,
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// What people call each, in the order of the table.
pub(crate) fn titles() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.1)
}

/// What people call it.
pub(crate) fn title(figure: &Figure) -> &str {
    known(&figure.name).map_or(&figure.name, |known| known.1)
}

fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.0 == name)
}

/// A goal, and whether it is reached.
pub(crate) struct Judged {
    pub(crate) hit: bool,
    pub(crate) text: String,
}

/// What is wanted of this figure, if anything is.
pub(crate) fn goal(figure: &Figure) -> Option<Judged> {
    let goal = known(&figure.name)?.3?;
    let (hit, text) = match goal {
        Goal::RatioAtMost(most) => (figure.ratio_to_raw? <= most, format!("ratio at most {most}")),
        Goal::AtMost(most) => (figure.median <= most, format!("at most {most} {}", figure.unit)),
        Goal::AtLeast(least) => (figure.median >= least, format!("at least {least} {}", figure.unit)),
    };
    Some(Judged { hit, text })
}

/// Titles of the figures that do not reach their goal.
pub(crate) fn missed(figures: &[Figure]) -> Vec<&str> {
    figures.iter().filter(|figure| goal(figure).is_some_and(|goal| !goal.hit)).map(title).collect()
}

/// A number as a table needs it: 0.103, 2.41, 61.2, 875.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn ratios_are_to_the_raw_loop_of_the_same_work() {
        let figures = figures(&[
            Samples::new("cpu-host", "s", vec![0.2, 0.4, 0.3]),
            Samples::new("cpu-native-slices", "s", vec![0.1]),
            Samples::new("wall-host-4", "s", vec![2.0]),
            Samples::new("activity", "µs", vec![50.0]),
        ]);
        let told: Vec<(&str, f64, Option<f64>)> =
            figures.iter().map(|f| (f.name.as_str(), f.median, f.ratio_to_raw)).collect();
        assert_eq!(
            told,
            [
                ("cpu-native-slices", 0.1, Some(1.0)),
                ("cpu-host", 0.3, Some(3.0)),
                ("wall-host-4", 2.0, None),
                ("activity", 50.0, None),
            ]
        );
        let host = figures.iter().find(|f| f.name == "cpu-host").unwrap();
        assert_eq!((host.min, host.max), (0.2, 0.4));
    }

    #[test]
    fn a_miss_is_told_as_one() {
        let figures = figures(&[
            Samples::new("cpu-host", "s", vec![0.3]),
            Samples::new("cpu-native-slices", "s", vec![0.1]),
            Samples::new("cpu-native-values", "s", vec![0.5]),
            Samples::new("quota-used", "%", vec![99.0]),
        ]);
        let table = table(&figures);
        assert!(table.contains("ratio at most 2: MISS"), "{table}");
        assert!(table.contains("at least 95 %: hit"), "{table}");
        assert!(table.contains("at most 0.5 x: MISS"), "{table}");
        assert_eq!(missed(&figures), ["CPU for W, this host", "the same by that of the values loop"]);
    }

    #[test]
    fn the_json_has_exactly_the_promised_keys() {
        let figures = figures(&[Samples::new("cpu-native-slices", "s", vec![0.123_456])]);
        assert_eq!(
            serde_json::to_value(figures).unwrap(),
            serde_json::json!([{
                "name": "cpu-native-slices", "unit": "s", "median": 0.1235, "min": 0.1235, "max": 0.1235, "ratio_to_raw": 1.0
            }])
        );
    }
}
