//! Texts that may hold variables: `[name]`, `[name{default}]`; `[[` stands for `[`. Brackets around what cannot be a variable's
//! name stand for themselves, so that an IPv6 address or a regular expression survives.

use crate::error::{Error, UNDEFINED};

/// A text with its variables found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { name: String, default: Option<String> },
}

impl Template {
    /// Finds the variables. Never fails: what is no variable is text.
    pub fn parse(source: &str) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(open) = rest.find('[') {
            let (before, after) = rest.split_at(open);
            text.push_str(before);
            let inside = &after[1..];
            if let Some(tail) = inside.strip_prefix('[') {
                text.push('[');
                rest = tail;
            } else if let Some((name, default, tail)) = variable(inside) {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Variable { name: name.to_owned(), default: default.map(str::to_owned) });
                rest = tail;
            } else {
                text.push('[');
                rest = inside;
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Self { parts }
    }

    /// The text with the variables' present values.
    ///
    /// # Errors
    /// What `get` answers for a variable without default.
    pub fn resolve(&self, get: impl Fn(&str) -> Result<String, Error>) -> Result<String, Error> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable { name, default } => match (get(name), default) {
                    (Ok(value), _) => out.push_str(&value),
                    // A variable that cannot be read is not one that is not there: its default could be another store.
                    (Err(error), Some(default)) if error.code.as_deref() == Some(UNDEFINED) => out.push_str(default),
                    (Err(error), _) => return Err(error),
                },
            }
        }
        Ok(out)
    }
}

/// `name]tail` or `name{default}]tail` behind an opening bracket.
fn variable(inside: &str) -> Option<(&str, Option<&str>, &str)> {
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))?;
    let (name, rest) = inside.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    if let Some(tail) = rest.strip_prefix(']') {
        return Some((name, None, tail));
    }
    let default = rest.strip_prefix('{')?;
    let close = default.find("}]")?;
    Some((name, Some(&default[..close]), &default[close + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(source: &str) -> String {
        Template::parse(source)
            .resolve(|name| {
                if name == "token" {
                    Ok("T".into())
                } else {
                    Err(Error::invalid(name.to_owned()).code(if name == "broken" { "provider" } else { UNDEFINED }))
                }
            })
            .unwrap_or_else(|error| format!("error {error}"))
    }

    #[test]
    fn variables_are_replaced_and_everything_else_is_literal() {
        for (source, expected) in [
            ("plain", "plain"),
            ("[token]", "T"),
            ("a[token]b[token]", "aTbT"),
            ("[[token]", "[token]"),
            ("[missing{fall back}]", "fall back"),
            ("[token{x}]", "T"),
            ("[missing]", "error missing"),
            ("[broken{x}]", "error broken"),
            ("http://[::1]:80", "http://[::1]:80"),
            ("[a b]", "[a b]"),
            ("[", "["),
            ("[1x]", "[1x]"),
            ("[token", "[token"),
            ("[missing{}]", ""),
            ("", ""),
        ] {
            assert_eq!(resolve(source), expected, "{source}");
        }
    }
}
