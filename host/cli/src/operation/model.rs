//! An operation as people write it: a source, a mapping, a target, and how they run. Files (`files.rs`) and the HTTP API speak the same
//! structure; everything that is wrong with it is told at once, each mistake with a JSON pointer to its member.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::schedule::{Missed, Schedule};
use crate::activity::{Activity, BATCH, LARGEST_BATCH};
use crate::args::Activity as Kind;
use crate::error::{Failure, Failures, Result, suggest};
use crate::input::Format;

/// An operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// For people.
    pub description: String,
    pub source: End,
    pub mapping: Option<Mapping>,
    pub target: End,
    /// Records per call.
    pub batch_size: u64,
    /// Whether it goes on after a failed record.
    pub continue_on_error: bool,
    /// The operation that runs after a success.
    pub on_success: Option<String>,
    /// The operation that runs after a failure.
    pub on_failure: Option<String>,
    /// When it runs by itself.
    pub schedule: Option<Schedule>,
}

/// Where records come from, or go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An activity that a connection keeps: the connection, and the activity's name.
    Kept { connection: String, activity: String },
    /// A file of the project.
    File { path: PathBuf, format: Format },
    /// An activity that stands in the operation.
    Inline(Box<Activity>),
}

/// The program of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// In the operation.
    Program(String),
    /// In a file of the project.
    File(PathBuf),
}

/// Members of an operation.
pub(crate) const KEYS: [&str; 7] = ["description", "source", "mapping", "target", "run", "after", "schedule"];
/// Members of an end that is a file.
pub(crate) const FILE_KEYS: [&str; 2] = ["file", "format"];
/// Members of an end that is an activity.
pub(crate) const ACTIVITY_KEYS: [&str; 13] = [
    "connection",
    "verb",
    "object",
    "fields",
    "where",
    "order_by",
    "include",
    "incremental",
    "page_size",
    "max_records",
    "mode",
    "match_on",
    "activity",
];

impl Operation {
    /// Reads the structure.
    ///
    /// # Errors
    /// Everything that is wrong with it, each failure with a `pointer`.
    pub(crate) fn read(value: &Value) -> Result<Self> {
        let mut reader = Reader::default();
        let empty = Map::new();
        let root = value.as_object().unwrap_or_else(|| {
            reader.wrong("", "an operation is an object".to_owned());
            &empty
        });
        reader.only(root, "", &KEYS);
        let source = reader.end(root, "source", true);
        let target = reader.end(root, "target", false);
        let run = reader.section(root, "run", &["batch_size", "continue_on_error"]);
        let batch_size = reader.member(run, "/run", "batch_size").unwrap_or(BATCH);
        if !(1..=LARGEST_BATCH).contains(&batch_size) {
            reader.wrong("/run/batch_size", format!("`batch_size` is 1 to {LARGEST_BATCH}"));
        }
        let after = reader.section(root, "after", &["success", "failure"]);
        let description = reader.member(Some(root), "", "description").unwrap_or_default();
        let continue_on_error = reader.member(run, "/run", "continue_on_error").unwrap_or_default();
        let (on_success, on_failure) =
            (reader.member(after, "/after", "success"), reader.member(after, "/after", "failure"));
        let (mapping, schedule) = (reader.mapping(root), reader.schedule(root));
        match (source, target) {
            (Some(source), Some(target)) if reader.failures.is_empty() => Ok(Self {
                description,
                source,
                mapping,
                target,
                batch_size,
                continue_on_error,
                on_success,
                on_failure,
                schedule,
            }),
            // An end that is not there has left its reason.
            _ => Err(Failures(reader.failures)),
        }
    }

    /// The files that it names, each with its pointer.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        fn end(end: &End) -> Option<&Path> {
            if let End::File { path, .. } = end { Some(path) } else { None }
        }
        let mapping = if let Some(Mapping::File(path)) = &self.mapping { Some(path.as_path()) } else { None };
        let all =
            [("/source/file", end(&self.source)), ("/mapping/file", mapping), ("/target/file", end(&self.target))];
        all.into_iter().filter_map(|(pointer, path)| Some((pointer, path?)))
    }

    /// The operations that run after a success, and after a failure.
    pub(super) fn after(self) -> [Option<String>; 2] {
        [self.on_success, self.on_failure]
    }

    /// The operations that may run after it.
    pub(crate) fn next(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let both = [("/after/success", &self.on_success), ("/after/failure", &self.on_failure)];
        both.into_iter().filter_map(|(pointer, name)| Some((pointer, name.as_deref()?)))
    }
}

impl End {
    /// For people, on one line.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Kept { connection, activity } => format!("{connection}/{activity}"),
            Self::File { path, .. } => path.display().to_string(),
            Self::Inline(one) => {
                let verb = one.write_verb().map_or("query", crate::args::Verb::word);
                format!("{verb} {} of {}", one.object, one.connection)
            }
        }
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Reader {
    failures: Vec<Failure>,
}

impl Reader {
    fn wrong(&mut self, pointer: &str, what: String) {
        self.push(pointer, Failure::new(what));
    }

    fn push(&mut self, pointer: &str, failure: Failure) {
        self.failures.push(failure.with("kind", "invalid-request").with("pointer", pointer));
    }

    /// Refuses members that are not among these.
    fn only(&mut self, map: &Map<String, Value>, at: &str, known: &[&'static str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let place =
                if at.is_empty() { "an operation".to_owned() } else { format!("`{}`", at.trim_start_matches('/')) };
            let failure = Failure::new(format!("{place} has no key `{key}`"));
            let failure = match suggest(key, known.iter().copied()) {
                Some(hint) => failure.hint(hint),
                None => failure.hint(format!("there are: {}", known.join(", "))),
            };
            self.push(&format!("{at}/{key}"), failure);
        }
    }

    fn section<'a>(
        &mut self,
        root: &'a Map<String, Value>,
        name: &str,
        known: &[&'static str],
    ) -> Option<&'a Map<String, Value>> {
        let value = root.get(name)?;
        let Some(map) = value.as_object() else {
            self.wrong(&format!("/{name}"), format!("`{name}` must be a table"));
            return None;
        };
        self.only(map, &format!("/{name}"), known);
        Some(map)
    }

    fn member<T: DeserializeOwned>(&mut self, map: Option<&Map<String, Value>>, at: &str, key: &str) -> Option<T> {
        let value = map?.get(key)?;
        match T::deserialize(value) {
            Ok(value) => Some(value),
            Err(e) => {
                self.wrong(&format!("{at}/{key}"), format!("`{key}`: {e}"));
                None
            }
        }
    }

    fn end(&mut self, root: &Map<String, Value>, name: &'static str, is_source: bool) -> Option<End> {
        let at = format!("/{name}");
        let Some(value) = root.get(name) else {
            let failure = Failure::new(format!("the operation has no `{name}`"));
            self.push(&at, failure.hint("it has `file`, or `activity`, or `connection` with `object`"));
            return None;
        };
        let Some(map) = value.as_object() else {
            self.wrong(&at, format!("`{name}` must be a table"));
            return None;
        };
        if map.contains_key("file") {
            self.only(map, &at, &FILE_KEYS);
            let path: PathBuf = self.member(Some(map), &at, "file")?;
            return self.file(map, &at, path);
        }
        if map.contains_key("activity") {
            self.only(map, &at, &["activity"]);
            let full: String = self.member(Some(map), &at, "activity")?;
            return match full.split_once('/') {
                Some((connection, activity)) if !connection.is_empty() && !activity.is_empty() => {
                    Some(End::Kept { connection: connection.to_owned(), activity: activity.to_owned() })
                }
                _ => {
                    let failure = Failure::new(format!("`{full}` names no activity"));
                    self.push(&format!("{at}/activity"), failure.hint("write CONNECTION/ACTIVITY"));
                    None
                }
            };
        }
        self.inline(map, &at, is_source)
    }

    fn file(&mut self, map: &Map<String, Value>, at: &str, path: PathBuf) -> Option<End> {
        let told: Option<String> = self.member(map.contains_key("format").then_some(map), at, "format");
        let format = match &told {
            Some(name) => <Format as clap::ValueEnum>::from_str(name, true).ok(),
            None => Format::of_name(&path),
        };
        if let Some(format) = format {
            return Some(End::File { path, format });
        }
        let names: Vec<&str> = Format::NAMES.to_vec();
        let failure = match told {
            Some(name) => Failure::new(format!("there is no format `{name}`")),
            None => Failure::new(format!("the name `{}` does not tell a format", path.display())),
        };
        self.push(&format!("{at}/format"), failure.hint(format!("formats are: {}", names.join(", "))));
        None
    }

    fn inline(&mut self, map: &Map<String, Value>, at: &str, is_source: bool) -> Option<End> {
        let before = self.failures.len();
        let known: Vec<&'static str> = ACTIVITY_KEYS.into_iter().chain(FILE_KEYS).collect();
        self.only(map, at, &known);
        // Each member by itself first, so that a mistake is told where it is.
        for (key, value) in map.iter().filter(|(key, _)| ACTIVITY_KEYS.contains(&key.as_str())) {
            let mut alone = Map::new();
            alone.insert("object".to_owned(), json!(""));
            alone.insert(key.clone(), value.clone());
            if let Err(e) = Activity::deserialize(&Value::Object(alone)) {
                self.wrong(&format!("{at}/{key}"), format!("`{key}`: {e}"));
            }
        }
        for key in ["connection", "object"].into_iter().filter(|key| !map.contains_key(*key)) {
            let failure = Failure::new(format!("`{}` does not say which {key}", at.trim_start_matches('/')));
            self.push(&format!("{at}/{key}"), failure.hint(format!("add `{key} = \"NAME\"`, or name a `file`")));
        }
        let has_verb = map.contains_key("verb");
        if !is_source && !has_verb {
            let failure = Failure::new("the target does not say what is done");
            self.push(&format!("{at}/verb"), failure.hint("add `verb = \"create\"`, `\"update\"` or `\"delete\"`"));
        }
        if self.failures.len() > before {
            return None;
        }
        let activity = Activity::deserialize(&Value::Object(map.clone())).ok()?;
        if (activity.verb == Kind::Query) != is_source {
            let what = if is_source { "a source is a query" } else { "a target is a create, update or delete" };
            self.wrong(&format!("{at}/verb"), what.to_owned());
        }
        if let Err(failures) = activity.check() {
            for failure in failures.0 {
                let inner = failure.detail.get("pointer").and_then(Value::as_str).unwrap_or("").to_owned();
                self.push(&format!("{at}{inner}"), failure);
            }
        }
        Some(End::Inline(Box::new(activity)))
    }

    fn mapping(&mut self, root: &Map<String, Value>) -> Option<Mapping> {
        let map = self.section(root, "mapping", &["jq", "file"]);
        let program: Option<String> = self.member(map, "/mapping", "jq");
        let file: Option<PathBuf> = self.member(map, "/mapping", "file");
        match (program, file) {
            (Some(_), Some(_)) => {
                self.wrong("/mapping/file", "the mapping is `jq` or `file`, not both".to_owned());
                None
            }
            (Some(program), None) => Some(Mapping::Program(program)),
            (None, Some(file)) => Some(Mapping::File(file)),
            (None, None) => None,
        }
    }

    fn schedule(&mut self, root: &Map<String, Value>) -> Option<Schedule> {
        let at = "/schedule";
        let map = self.section(root, "schedule", &["every", "cron", "missed"])?;
        let missed: Missed = self.member(Some(map), at, "missed").unwrap_or_default();
        let text = |reader: &mut Self, key: &str| reader.member::<String>(Some(map), at, key);
        let (key, read) = match (map.contains_key("every"), map.contains_key("cron")) {
            (true, false) => ("every", Schedule::every(&text(self, "every")?, missed)),
            (false, true) => ("cron", Schedule::cron(&text(self, "cron")?, missed)),
            (true, true) => ("cron", Err("a schedule is `every` or `cron`, not both".to_owned())),
            (false, false) => {
                let failure = Failure::new("the schedule does not say when");
                self.push(at, failure.hint("add `every = \"1h\"`, or `cron = \"0 3 * * *\"`"));
                return None;
            }
        };
        read.map_err(|what| self.wrong(&format!("{at}/{key}"), what)).ok()
    }
}

/// Whether an operation can have this name: it names a file and stands in paths.
///
/// # Errors
/// Why not.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= 64 && name.chars().all(good) {
        return Ok(());
    }
    let failure = Failure::new(format!("an operation cannot be named `{}`", name.escape_debug()));
    Err(failure.hint("a name has 1 to 64 letters, digits, `-` and `_`"))
}

/// The file of an operation below the project's folder.
pub(crate) fn file_of(name: &str) -> PathBuf {
    Path::new("operations").join(format!("{name}.toml"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pointers(value: Value) -> Vec<String> {
        let mut all: Vec<String> = Operation::read(&value)
            .err()
            .map(|failures| failures.0)
            .unwrap_or_default()
            .iter()
            .map(|failure| failure.detail["pointer"].as_str().unwrap().to_owned())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_price_update_from_a_file_is_read() {
        let read = Operation::read(&json!({
            "source": { "file": "prices.csv" },
            "mapping": { "jq": "{id: (.id|tonumber), price}" },
            "target": { "connection": "my-store", "verb": "update", "object": "products" },
            "run": { "batch_size": 50, "continue_on_error": true },
            "after": { "success": "next" },
        }))
        .unwrap();
        assert!(matches!(read.source, End::File { format: Format::Csv, .. }));
        assert!(matches!(&read.target, End::Inline(one) if one.verb == Kind::Update && one.object == "products"));
        assert_eq!((read.batch_size, read.continue_on_error), (50, true));
        assert_eq!(read.next().collect::<Vec<_>>(), [("/after/success", "next")]);
    }

    #[test]
    fn every_mistake_is_told_at_its_member() {
        let wrong = json!({
            "sorce": {},
            "source": { "connection": "s", "object": "o", "wher": ["a = 1"], "page_size": "x" },
            "mapping": { "jq": ".", "file": "map.jq" },
            "target": { "connection": "s", "object": "o" },
            "run": { "batch_size": 2000, "continue": true },
            "after": 1,
        });
        assert_eq!(
            pointers(wrong),
            [
                "/after",
                "/mapping/file",
                "/run/batch_size",
                "/run/continue",
                "/sorce",
                "/source/page_size",
                "/source/wher",
                "/target/verb"
            ]
        );
        assert_eq!(pointers(json!({})), ["/source", "/target"]);
        let file = json!({ "source": { "file": "a.xlsx" }, "target": { "file": "b.csv", "format": "excel" } });
        assert_eq!(pointers(file), ["/source/format", "/target/format"]);
        let scheduled = |schedule: Value| {
            let file = json!({ "file": "a.csv" });
            pointers(json!({ "source": file, "target": file, "schedule": schedule }))
        };
        assert_eq!(scheduled(json!({ "every": "1h", "missed": "run" })), [""; 0]);
        assert_eq!(scheduled(json!({ "evry": "1h" })), ["/schedule", "/schedule/evry"]);
        assert_eq!(scheduled(json!({ "every": 5, "missed": "maybe" })), ["/schedule/every", "/schedule/missed"]);
        assert_eq!(scheduled(json!({ "every": "1h", "cron": "0 3 * * *" })), ["/schedule/cron"]);
        assert_eq!(scheduled(json!({ "cron": "0 25 * * *" })), ["/schedule/cron"]);
        let verbs = json!({
            "source": { "connection": "s", "object": "o", "where": ["a ~ 1"] },
            "target": { "connection": "s", "object": "o", "verb": "query" }
        });
        assert_eq!(pointers(verbs), ["/source/where/0", "/target/verb"]);
        assert_eq!(
            pointers(json!({ "source": { "activity": "a" }, "target": { "activity": "a/" } })),
            ["/source/activity", "/target/activity"]
        );
    }

    #[test]
    fn members_of_activities_are_known_here() {
        for key in ACTIVITY_KEYS.iter().filter(|key| **key != "activity") {
            let mut one = json!({ "object": "o" });
            one[*key] = json!({});
            let told = Activity::deserialize(&one).unwrap_err().to_string();
            assert!(!told.contains("unknown field"), "{told}");
        }
    }

    #[test]
    fn names_are_names_of_files() {
        check_name("price-update_2").unwrap();
        for bad in ["", "a/b", "..", "a b", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
