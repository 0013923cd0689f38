//! Variables: values that the embedder keeps, secrets among them, and the rule which of them a connection may see. It sees the
//! names that its settings mention and no others, so a connector cannot fish for values.

use std::fmt;

/// Where values come from: a file, the environment, a vault. Asked each time a connector reads a value, so a value may change
/// between two requests. Called from async code: answer from memory, or quickly.
pub trait Variables: Send + Sync {
    /// The present value of a variable.
    ///
    /// # Errors
    /// [`VariableError`] tells a name that nobody has apart from a store that cannot be read.
    fn get(&self, name: &str) -> Result<Secret, VariableError>;
}

/// No variables at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        Err(VariableError::Undefined(name.to_owned()))
    }
}

/// Why there is no value. A connector learns the kind of it, and the name that it asked for itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// No variable can have this name.
    #[error("{0:?} cannot be the name of a variable")]
    InvalidName(String),
    /// There is no such variable.
    #[error("there is no variable {0:?}")]
    Undefined(String),
    /// The store of variables cannot be read (message for the operator's log, free of secrets).
    #[error("the variables cannot be read: {0}")]
    Provider(String),
}

/// A value that may be secret. Prints as `****`, whatever the format.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: String,
    hidden: bool,
}

impl Secret {
    /// A hidden value: should a connector put it into a log line or an error message, it is taken out.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), hidden: true }
    }

    /// A value that log lines and messages may show (a store's name, an address).
    pub fn public(value: impl Into<String>) -> Self {
        Self { value: value.into(), hidden: false }
    }

    /// The value itself. Whoever calls this takes care of where it goes.
    pub fn reveal(&self) -> &str {
        &self.value
    }

    /// Whether it must not be shown.
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Whether a variable can have this name: ASCII letters, digits, `_`, `-` and `.`, not beginning with a digit, `-` or `.`.
pub fn is_variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// One piece of a text with variables.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable { name: &'a str, default: Option<&'a str> },
}

/// Cuts a text at its variables: `[name]`, `[name{default}]`; `[[` is a literal `[`, other brackets are text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once('[') {
        pieces.push(Piece::Text(before));
        if let Some(tail) = inside.strip_prefix('[') {
            pieces.push(Piece::Text("["));
            rest = tail;
        } else if let Some((piece, tail)) = variable(inside) {
            pieces.push(piece);
            rest = tail;
        } else {
            pieces.push(Piece::Text("["));
            rest = inside;
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn variable(inside: &str) -> Option<(Piece<'_>, &str)> {
    let end = inside.find([']', '{'])?;
    let (name, rest) = inside.split_at_checked(end)?;
    if !is_variable_name(name) {
        return None;
    }
    if let Some(tail) = rest.strip_prefix(']') {
        return Some((Piece::Variable { name, default: None }, tail));
    }
    let (default, tail) = rest.strip_prefix('{')?.split_once("}]")?;
    Some((Piece::Variable { name, default: Some(default) }, tail))
}

/// A place in settings that mentions a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// JSON pointer of the setting.
    pub pointer: String,
    /// The variable's name.
    pub name: String,
    /// What the setting says is to be taken where there is no such variable.
    pub default: Option<String>,
}

/// The names on the way to a place, from the setting on.
pub(crate) fn path(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"))
}

/// The variables that the texts of settings mention, text by text: `[name]`, or `[name{default}]`. `[[` stands for `[`, and
/// brackets around what cannot be a name stand for themselves.
pub fn mentions(settings: &serde_json::Value) -> Vec<Mention> {
    let mut found = Vec::new();
    each_text(settings, &mut String::new(), &mut |pointer, text| {
        for piece in pieces(text) {
            if let Piece::Variable { name, default } = piece {
                let (pointer, name) = (pointer.to_owned(), name.to_owned());
                found.push(Mention { pointer, name, default: default.map(str::to_owned) });
            }
        }
    });
    found
}

/// What a text says itself: what stands between its variables, and their defaults.
pub(crate) fn literals(text: &str) -> Vec<String> {
    let (mut found, mut joined) = (Vec::new(), String::new());
    for piece in pieces(text) {
        match piece {
            // A `[[` is a piece of its own.
            Piece::Text(text) => joined.push_str(text),
            Piece::Variable { default, .. } => {
                found.push(std::mem::take(&mut joined));
                found.extend(default.map(str::to_owned));
            }
        }
    }
    found.push(joined);
    found.retain(|literal| !literal.is_empty());
    found
}

/// The text with its variables' values, or none if one has neither value nor default.
pub fn resolved(text: &str, variables: &dyn Variables) -> Option<String> {
    let mut out = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable { name, default } => match (variables.get(name), default) {
                (Ok(value), _) => out.push_str(value.reveal()),
                (Err(_), Some(default)) => out.push_str(default),
                (Err(_), None) => return None,
            },
        }
    }
    Some(out)
}

/// Calls `visit` with the JSON pointer and the value of every text in `value`.
pub(crate) fn each_text(value: &serde_json::Value, pointer: &mut String, visit: &mut dyn FnMut(&str, &str)) {
    let start = pointer.len();
    let mut child = |key: &str, value: &serde_json::Value| {
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        each_text(value, pointer, visit);
        pointer.truncate(start);
    };
    match value {
        serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| child(key, value)),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| child(&index.to_string(), value));
        }
        serde_json::Value::String(text) => visit(pointer, text),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Token;
    impl Variables for Token {
        fn get(&self, name: &str) -> Result<Secret, VariableError> {
            if name == "token" { Ok("T".into()) } else { Err(VariableError::Undefined(name.to_owned())) }
        }
    }

    #[test]
    fn variables_are_found_by_the_rule_of_the_contract() {
        for (source, expected) in [
            ("plain", Some("plain")),
            ("[token]", Some("T")),
            ("a[token]b[token]", Some("aTbT")),
            ("[[token]", Some("[token]")),
            ("[missing{fall back}]", Some("fall back")),
            ("[token{x}]", Some("T")),
            ("[missing]", None),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("[a b]", Some("[a b]")),
            ("[", Some("[")),
            ("[1x]", Some("[1x]")),
            ("[token", Some("[token")),
            ("[missing{}]", Some("")),
            ("", Some("")),
        ] {
            assert_eq!(resolved(source, &Token).as_deref(), expected, "{source}");
        }
    }

    #[test]
    fn mentions_are_found_with_their_places_and_defaults() {
        let settings = serde_json::json!({
            "a": "[x] and [y{d}]", "b": ["[[no]", "http://[::1]/[z]"], "c/d": {"e": "[ no ]"}, "f": "[no", "g": 3, "h": "[1no]",
            "[key]": 1,
        });
        let found = mentions(&settings);
        let found: Vec<_> = found.iter().map(|m| (m.pointer.as_str(), m.name.as_str(), m.default.as_deref())).collect();
        assert_eq!(found, [("/a", "x", None), ("/a", "y", Some("d")), ("/b/1", "z", None)]);
    }

    #[test]
    fn what_a_text_says_itself_is_told_from_what_variables_bring() {
        assert_eq!(literals("a[[b[token]c[x{d}]"), ["a[b", "c", "d"]);
        assert_eq!(literals("[token]"), [""; 0]);
    }

    #[test]
    fn a_secret_prints_as_stars() {
        let secret = Secret::from("s3cret");
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "**** **** ****");
    }

    #[test]
    fn pointers_escape_what_json_pointers_escape() {
        let mut seen = Vec::new();
        let value = serde_json::json!({"a/b": {"~": ["x"]}});
        each_text(&value, &mut String::new(), &mut |pointer, text| seen.push(format!("{pointer}={text}")));
        assert_eq!(seen, ["/a~1b/~0/0=x"]);
    }
}
