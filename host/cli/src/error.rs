//! What goes wrong, told to a person: what was tried, why it failed, what to do next.
//!
//! Every command ends in `Result<(), Failures>`. Several failures are told at once where they can be found at once (a
//! project's files, a connector's settings). Texts come from files, from the connector and from the host library, none of which
//! puts a secret into an error; this file adds none.

use std::fmt::Write as _;
use std::io::IsTerminal;

use serde_json::{Map, Value, json};

use crate::terminal::{clean, tell};

/// Who has to act, as the exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Blame {
    /// The input, the project, or the remote: exit code 1.
    Caller,
    /// A defect in this program or in the component: exit code 2.
    Defect,
}

impl Blame {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Caller => 1,
            Self::Defect => 2,
        }
    }
}

/// One failure.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What failed, on what. One sentence, without a final full stop.
    pub message: String,
    /// Why, the nearest cause first.
    pub causes: Vec<String>,
    /// What else is to be known: where something was kept.
    pub notes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Who has to act.
    pub blame: Blame,
    /// Fields for programs (`kind`, `retry`, `status`, `file`, `line` ...).
    pub detail: Box<Map<String, Value>>,
}

impl Failure {
    /// A failure that the caller can mend.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            causes: Vec::new(),
            notes: Vec::new(),
            hint: None,
            blame: Blame::Caller,
            detail: Box::default(),
        }
    }

    /// A defect: of this program, or of the component.
    pub(crate) fn defect(message: impl Into<String>) -> Self {
        Self { blame: Blame::Defect, ..Self::new(message) }
    }

    /// Adds a cause behind those that are there.
    pub(crate) fn cause(mut self, cause: impl ToString) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds an error and everything that caused it.
    pub(crate) fn causes_of(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // Many libraries repeat the inner error's text in the outer one.
            if !self.causes.iter().any(|before| before.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds something to do to what is to be done already.
    pub(crate) fn and_hint(&mut self, more: impl Into<String>) {
        let more = more.into();
        self.hint = Some(self.hint.take().map_or(more.clone(), |hint| format!("{hint}; {more}")));
    }

    /// Adds a field for programs.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }

    /// What kind of failure it is, where that was told.
    pub(crate) fn kind(&self) -> Option<&str> {
        self.detail.get("kind").and_then(Value::as_str)
    }

    /// One that was kept as an object for programs. Who has to act was not kept.
    pub(crate) fn from_json(value: &Value) -> Self {
        let texts = |key: &str| -> Vec<String> {
            let list = value.get(key).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let mut detail = value.as_object().cloned().unwrap_or_default();
        for key in ["message", "causes", "notes", "hint"] {
            detail.remove(key);
        }
        Self {
            causes: texts("causes"),
            notes: texts("notes"),
            hint: text("hint"),
            detail: Box::new(detail),
            ..Self::new(text("message").unwrap_or_default())
        }
    }

    /// The failure as an object for programs.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::clone(&self.detail);
        object.insert("message".into(), json!(self.message));
        if !self.causes.is_empty() {
            object.insert("causes".into(), json!(self.causes));
        }
        if !self.notes.is_empty() {
            object.insert("notes".into(), json!(self.notes));
        }
        if let Some(hint) = &self.hint {
            object.insert("hint".into(), json!(hint));
        }
        Value::Object(object)
    }
}

/// One failure or more.
#[derive(Clone, Debug)]
pub(crate) struct Failures(pub(crate) Vec<Failure>);

impl Failures {
    /// `Ok` if there are none.
    pub(crate) fn check(list: Vec<Failure>) -> Result<(), Self> {
        if list.is_empty() { Ok(()) } else { Err(Self(list)) }
    }

    /// All of them with their causes, for a line of a log or a field of an answer.
    pub(crate) fn in_one_line(&self) -> String {
        let line = |failure: &Failure| {
            let parts = std::iter::once(&failure.message).chain(&failure.causes).map(String::as_str);
            parts.collect::<Vec<_>>().join(": ")
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    /// The gravest of them decides.
    pub(crate) fn exit_code(&self) -> u8 {
        self.0.iter().map(|f| f.blame).max().unwrap_or(Blame::Caller).code()
    }

    /// The text for a person, each failure with its causes and its hint, every line closed.
    pub(crate) fn render(&self, colour: bool) -> String {
        let (red, cyan, off) = if colour { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        let mut text = String::new();
        for failure in &self.0 {
            let _ = writeln!(text, "{red}error{off}: {}", clean(&failure.message));
            for cause in &failure.causes {
                let _ = writeln!(text, "  caused by: {}", clean(cause).replace('\n', "\n    "));
            }
            for note in &failure.notes {
                let _ = writeln!(text, "{cyan}note{off}: {}", clean(note));
            }
            if let Some(hint) = &failure.hint {
                let _ = writeln!(text, "{cyan}hint{off}: {}", clean(hint));
            }
        }
        text
    }

    /// One JSON object on one line.
    pub(crate) fn to_json(&self) -> String {
        let errors: Vec<Value> = self.0.iter().map(Failure::to_json).collect();
        json!({ "errors": errors, "exit": self.exit_code() }).to_string()
    }

    /// Tells them on stderr, as a text or as one JSON object.
    pub(crate) fn tell(&self, as_json: bool) {
        if as_json {
            tell(&format!("{}\n", self.to_json()));
        } else {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            tell(&self.render(colour));
        }
    }
}

impl From<Failure> for Failures {
    fn from(failure: Failure) -> Self {
        Self(vec![failure])
    }
}

/// What commands return.
pub(crate) type Result<T, E = Failures> = std::result::Result<T, E>;

/// The name nearest to a misspelt one, if one is near enough to be meant.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.55)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `did you mean ...`, or else what there is.
pub(crate) fn suggest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = nearest(wanted, names.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<&str> = names.into_iter().collect();
    (!all.is_empty() && all.len() <= 12).then(|| format!("there are: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failure_is_told_with_its_causes_and_what_to_do() {
        let failures = Failures(vec![
            Failure::new("cannot read `a.toml`").cause("no such file").hint("make it"),
            Failure::defect("the component stopped"),
        ]);
        assert_eq!(
            failures.render(false),
            "error: cannot read `a.toml`\n  caused by: no such file\nhint: make it\nerror: the component stopped\n"
        );
        assert_eq!(failures.exit_code(), 2, "the gravest failure decides");
        let json: Value = serde_json::from_str(&failures.to_json()).unwrap();
        assert_eq!(json["errors"][0]["hint"], "make it");
    }

    #[test]
    fn what_others_wrote_does_not_act_on_the_terminal() {
        let told =
            Failures::from(Failure::new("the store says \x1b[2J").cause("a\rb\nc").hint("\u{9b}1m")).render(false);
        assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{told:?}");
        assert!(told.contains("\n    c\n"), "{told:?}");
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour_and_a_strange_one_finds_none() {
        let names = ["products", "orders", "brands"];
        assert_eq!(nearest("prodcuts", names), Some("products"));
        assert_eq!(nearest("Orders", names), Some("orders"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(suggest("zzz", names), Some("there are: products, orders, brands".into()));
    }
}
