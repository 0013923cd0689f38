//! What a caller must get: patterns over a runner's replies.
//!
//! A pattern holds what matters. Of an object it names some members; an array has as many elements as the pattern; a text that begins
//! with `~` must occur in the reply's text, any other is equal to it. Records are compared as text, so that digits count.

use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What is expected of a reply: a success (`ok`, `among`, `records`, `outcomes`) or one kind of failure.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answer {
    ok: Option<Value>,
    /// Patterns each of which fits some element of a list.
    among: Option<Vec<Value>>,
    records: Option<Records>,
    outcomes: Option<Vec<Outcome>>,
    error: Option<Failure>,
    errors: Option<Vec<Failure>>,
    host_error: Option<Vec<String>>,
}

/// What is expected of records.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Records {
    count: Option<usize>,
    at_least: Option<usize>,
    at_most: Option<usize>,
    /// Texts that occur in the first record.
    #[serde(default)]
    first: Vec<String>,
    /// Texts that occur in the last record.
    #[serde(default)]
    last: Vec<String>,
    /// Texts that occur in every record.
    #[serde(default)]
    each: Vec<String>,
    /// SHA-256 of all records, each closed by a line break.
    digest: Option<String>,
}

/// What is expected of one record of a write.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// Texts that occur in the record.
    Applied(Vec<String>),
    Failed(Failure),
    Unknown(Failure),
    Skipped,
}

/// What is expected of an error. What is left out may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Failure {
    kind: Option<String>,
    /// `never`, `after` or `outcome-unknown`.
    retry: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    pointer: Option<String>,
    /// Texts that occur in the message.
    #[serde(default)]
    message: Vec<String>,
}

impl Answer {
    /// Whether it expects anything, and nothing that excludes the rest.
    pub(crate) fn check(&self) -> Result<()> {
        let success =
            [self.ok.is_some(), self.among.is_some(), self.records.is_some(), self.outcomes.is_some()].contains(&true);
        let kinds = [success, self.error.is_some(), self.errors.is_some(), self.host_error.is_some()];
        match kinds.iter().filter(|kind| **kind).count() {
            1 => Ok(()),
            0 => bail!("`answer` expects nothing"),
            _ => bail!("`answer` expects a success and a failure, or two kinds of failure"),
        }
    }

    /// Holds a reply against it.
    ///
    /// # Errors
    /// What does not fit.
    pub fn judge(&self, reply: &Value) -> Result<()> {
        if let Some(errors) = &self.errors {
            return list(errors, member(reply, "errors")?, |wanted, found| wanted.judge(found));
        }
        if let Some(error) = &self.error {
            return error.judge(member(reply, "error")?);
        }
        if let Some(texts) = &self.host_error {
            return holds(texts, text(member(reply, "host-error")?)?);
        }
        let ok = member(reply, "ok")?;
        if let Some(pattern) = &self.ok {
            fits(pattern, ok, "ok")?;
        }
        for pattern in self.among.iter().flatten() {
            let mut elements = ok.as_array().into_iter().flatten();
            ensure!(elements.any(|found| fits(pattern, found, "").is_ok()), "{pattern} is not among {}", short(ok));
        }
        if let Some(records) = &self.records {
            records.judge(member(ok, "records")?)?;
        }
        match &self.outcomes {
            Some(outcomes) => list(outcomes, ok, Outcome::judge),
            None => Ok(()),
        }
    }
}

impl Records {
    fn judge(&self, found: &Value) -> Result<()> {
        let Value::Array(found) = found else { bail!("records are no list: {found}") };
        let lines = found.iter().map(text).collect::<Result<Vec<_>>>()?;
        let count = lines.len();
        ensure!(self.count.is_none_or(|wanted| count == wanted), "{count} records instead of {:?}", self.count);
        ensure!(self.at_least.is_none_or(|least| count >= least), "{count} records, fewer than {:?}", self.at_least);
        ensure!(self.at_most.is_none_or(|most| count <= most), "{count} records, more than {:?}", self.at_most);
        if !self.first.is_empty() {
            holds(&self.first, lines.first().copied().unwrap_or_default())?;
        }
        if !self.last.is_empty() {
            holds(&self.last, lines.last().copied().unwrap_or_default())?;
        }
        lines.iter().try_for_each(|line| holds(&self.each, line))?;
        if let Some(wanted) = &self.digest {
            let all: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
            let digest: String = Sha256::digest(all).iter().map(|byte| format!("{byte:02x}")).collect();
            ensure!(&digest == wanted, "the records' digest is {digest}, not {wanted}");
        }
        Ok(())
    }
}

impl Outcome {
    fn judge(&self, found: &Value) -> Result<()> {
        match self {
            Self::Applied(texts) => holds(texts, text(member(found, "applied")?)?),
            Self::Failed(error) => error.judge(member(found, "failed")?),
            Self::Unknown(error) => error.judge(member(found, "unknown")?),
            Self::Skipped if found == "skipped" => Ok(()),
            Self::Skipped => bail!("instead of `skipped`: {found}"),
        }
    }
}

impl Failure {
    fn judge(&self, found: &Value) -> Result<()> {
        let same = |name: &str, wanted: Option<Value>| match wanted {
            Some(wanted) if found.get(name) != Some(&wanted) => bail!("`{name}` is not {wanted}: {found}"),
            _ => Ok(()),
        };
        same("kind", self.kind.clone().map(Value::from))?;
        same("status", self.status.map(Value::from))?;
        same("code", self.code.clone().map(Value::from))?;
        same("pointer", self.pointer.clone().map(Value::from))?;
        if let Some(wanted) = &self.retry {
            let after = found.pointer("/retry/after").is_some_and(Value::is_u64);
            let retry = if after { Some("after") } else { found.get("retry").and_then(Value::as_str) };
            ensure!(retry == Some(wanted), "`retry` is not {wanted:?}: {found}");
        }
        holds(&self.message, text(member(found, "message")?)?)
    }
}

fn list<T>(wanted: &[T], found: &Value, judge: impl Fn(&T, &Value) -> Result<()>) -> Result<()> {
    let Value::Array(found) = found else { bail!("this is no list: {found}") };
    let shown = Value::from(found.as_slice());
    ensure!(found.len() == wanted.len(), "{} instead of {}: {shown}", found.len(), wanted.len());
    for (number, (wanted, found)) in (1..).zip(wanted.iter().zip(found)) {
        judge(wanted, found).map_err(|error| error.context(format!("number {number} of {shown}")))?;
    }
    Ok(())
}

fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value> {
    match value.get(name) {
        Some(member) => Ok(member),
        None => bail!("there is no `{name}`: {}", short(value)),
    }
}

fn text(value: &Value) -> Result<&str> {
    match value.as_str() {
        Some(text) => Ok(text),
        None => bail!("this is no text: {value}"),
    }
}

/// A value for people: its beginning.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(1200) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn holds(texts: &[String], found: &str) -> Result<()> {
    match texts.iter().find(|text| !found.contains(text.as_str())) {
        Some(text) => bail!("{text:?} does not occur in: {found}"),
        None => Ok(()),
    }
}

fn fits(pattern: &Value, found: &Value, at: &str) -> Result<()> {
    match (pattern, found) {
        (Value::Object(wanted), Value::Object(members)) => wanted.iter().try_for_each(|(name, wanted)| {
            fits(wanted, members.get(name).unwrap_or(&Value::Null), &format!("{at}.{name}"))
        }),
        (Value::Array(wanted), Value::Array(elements)) => {
            ensure!(wanted.len() == elements.len(), "`{at}` has {} elements, not {}", elements.len(), wanted.len());
            let mut pairs = wanted.iter().zip(elements).enumerate();
            pairs.try_for_each(|(index, (wanted, found))| fits(wanted, found, &format!("{at}.{index}")))
        }
        (Value::String(wanted), Value::String(found)) if wanted.starts_with('~') => {
            holds(&[wanted.trim_start_matches('~').to_owned()], found)
        }
        _ if pattern == found => Ok(()),
        _ => bail!("`{at}` is not {pattern}: {}", short(found)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(text: &str) -> Answer {
        let answer: Answer = toml::from_str(text).unwrap();
        answer.check().unwrap();
        answer
    }

    #[test]
    fn every_expectation_can_fail() {
        let error = json!({ "kind": "denied", "retry": { "after": 5 }, "message": "no way", "pointer": "/a", "code": "c", "status": 403 });
        let lines = json!({ "ok": { "records": ["{\"a\":1.0}", "{\"a\":2}"], "count": 2 } });
        for (reply, good, bad) in [
            (&lines, "ok.count = 2", "ok.count = 3"),
            (&lines, "ok.records = ['~1.0', '{\"a\":2}']", "ok.records = ['~1.0']"),
            (&lines, "records.count = 2", "records.count = 1"),
            (&lines, "records.at-least = 2", "records.at-least = 3"),
            (&lines, "records.at-most = 2", "records.at-most = 1"),
            (&lines, "records.first = ['1.0']", "records.first = ['2']"),
            (&lines, "records.last = ['2']", "records.last = ['2.0']"),
            (&lines, "records.each = ['\"a\"']", "records.each = ['1.0']"),
            (
                &lines,
                "records.digest = '88182253d5edb8a15fcec50a42015a8ef060155138e06da292ca9e415780a907'",
                "records.digest = '00'",
            ),
            (
                &json!({ "error": error }),
                "error = { kind = 'denied', retry = 'after', status = 403 }",
                "error.retry = 'never'",
            ),
            (
                &json!({ "error": error }),
                "error = { code = 'c', pointer = '/a', message = ['way'] }",
                "error.kind = 'internal'",
            ),
            (&json!({ "error": error }), "error = {}", "errors = [{}]"),
            (&json!({ "errors": [error] }), "errors = [{ pointer = '/a' }]", "errors = [{ pointer = '/b' }]"),
            (&json!({ "errors": [error] }), "errors = [{}]", "errors = [{}, {}]"),
            (&json!({ "host-error": "no quota" }), "host-error = ['quota']", "host-error = ['clock']"),
            (
                &json!({ "ok": [{ "a": 1 }, { "a": 2, "b": 3 }] }),
                "among = [{ b = 3 }, { a = 1 }]",
                "among = [{ a = 1, b = 3 }]",
            ),
            (&json!({ "ok": ["skipped"] }), "outcomes = ['skipped']", "outcomes = [{ applied = [] }]"),
            (&json!({ "ok": [{ "applied": "{}" }] }), "outcomes = [{ applied = ['{'] }]", "outcomes = ['skipped']"),
            (
                &json!({ "ok": [{ "failed": error }] }),
                "outcomes = [{ failed = { status = 403 } }]",
                "outcomes = [{ unknown = {} }]",
            ),
            (&json!({ "ok": [{ "unknown": error }] }), "outcomes = [{ unknown = {} }]", "outcomes = [{ failed = {} }]"),
        ] {
            answer(good).judge(reply).unwrap();
            answer(bad).judge(reply).unwrap_err();
        }
    }

    #[test]
    fn an_answer_that_expects_nothing_or_two_things_is_refused() {
        for text in ["", "ok = {}\nhost-error = []", "error = {}\nerrors = []"] {
            toml::from_str::<Answer>(text).unwrap().check().unwrap_err();
        }
    }
}
