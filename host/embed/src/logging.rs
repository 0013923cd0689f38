//! Lines of a connector on their way to the operator: bounded in number and length, without control characters, and with the
//! values of hidden variables taken out should a connector ever print one. The texts of its answers for people are made fit to be
//! read in the same way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::contract::logging::Level;
use crate::state::Context;
use crate::variables::Secret;

/// Hidden values shorter than this are not looked for: they would match by accident.
const SHORTEST_SECRET: usize = 4;

/// The hidden values that a connector has read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    /// In the order in which they were first read.
    secrets: Vec<Secret>,
    /// As they may stand in a text, plain or within JSON. Longest first: of two that overlap, none leaves its rest behind.
    forms: Vec<Secret>,
}

impl Redactor {
    /// From now on, this value is taken out.
    pub(crate) fn add(&mut self, secret: &Secret) {
        let known = self.secrets.contains(secret);
        if !known && secret.is_hidden() && secret.reveal().len() >= SHORTEST_SECRET {
            self.secrets.push(secret.clone());
            let escaped = |secret: &Secret| {
                let text = serde_json::Value::from(secret.reveal()).to_string();
                text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map(Secret::new)
            };
            self.forms =
                self.secrets.iter().flat_map(|secret| [Some(secret.clone()), escaped(secret)]).flatten().collect();
            self.forms.sort_by_key(|form| std::cmp::Reverse(form.reveal().len()));
            self.forms.dedup();
        }
    }

    /// Length of the longest hidden value.
    fn longest(&self) -> usize {
        self.forms.first().map_or(0, |form| form.reveal().len())
    }

    /// The text with hidden values replaced by `****`.
    pub(crate) fn clean(&self, text: &mut String) {
        for form in &self.forms {
            if text.contains(form.reveal()) {
                *text = text.replace(form.reveal(), "****");
            }
        }
    }

    fn cleaned(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.clean(&mut text);
        text
    }
}

/// What one call may log.
#[derive(Debug, Default)]
struct Budget {
    lines: u32,
    bytes: usize,
    dropped: u64,
}

impl Budget {
    /// Whether a line of this length may be written.
    fn take(&mut self, bytes: usize) -> bool {
        match (self.lines.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(lines), Some(bytes)) => {
                (self.lines, self.bytes) = (lines, bytes);
                true
            }
            _ => {
                self.dropped += 1;
                false
            }
        }
    }
}

/// The outputs of a program that takes itself for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Standard,
    Error,
}

/// The log of one instance. Clones are the same log.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<Inner>>);

struct Inner {
    context: Arc<Context>,
    version: String,
    redactor: Redactor,
    budget: Budget,
    /// Lines that have not come to their end.
    standard: Vec<u8>,
    error: Vec<u8>,
}

impl Log {
    pub(crate) fn new(context: Arc<Context>, version: &str) -> Self {
        let (version, redactor, budget) = (version.to_owned(), Redactor::default(), Budget::default());
        Self(Arc::new(Mutex::new(Inner {
            context,
            version,
            redactor,
            budget,
            standard: Vec::new(),
            error: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, this value is taken out.
    pub(crate) fn hide(&self, secret: &Secret) {
        self.lock().redactor.add(secret);
    }

    /// Begins a call, with a budget of its own.
    pub(crate) fn begin(&self) {
        let mut log = self.lock();
        log.budget = Budget { lines: log.context.limits.log_lines, bytes: log.context.limits.log_bytes, dropped: 0 };
    }

    /// Ends a call: writes what has no end yet, and tells how much was dropped.
    pub(crate) fn end(&self) {
        let mut log = self.lock();
        log.line(Output::Standard);
        log.line(Output::Error);
        if log.budget.dropped > 0 {
            let Context { connection, connector, .. } = &*log.context;
            let (version, dropped) = (&log.version, log.budget.dropped);
            tracing::warn!(
                target: "connector", connection, connector, version, dropped,
                "log lines above the limits `log_lines` and `log_bytes` were dropped"
            );
        }
    }

    /// Writes a line, if the budget allows.
    pub(crate) fn write(&self, level: Level, message: &str, fields: &[(String, String)]) {
        self.lock().write(level, message, fields);
    }

    /// What a program prints; every end of a line ends a line of the log.
    pub(crate) fn print(&self, output: Output, bytes: &[u8]) {
        let mut log = self.lock();
        // More than is shown: to show that there was more, and so that no hidden value is cut before it is taken out.
        let longest = log.context.limits.log_line_bytes.saturating_add(1).saturating_add(log.redactor.longest());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |piece| (piece, true));
            let line = log.unfinished(output);
            let room = longest.saturating_sub(line.len());
            line.extend(piece.iter().take(room));
            if ends {
                log.line(output);
            }
        }
    }

    /// Makes a text of a connector fit for people: without hidden values and control characters, and not endless.
    pub(crate) fn clean(&self, text: &mut String) {
        let log = self.lock();
        log.redactor.clean(text);
        tidy(text, log.context.limits.message_bytes);
    }
}

impl Inner {
    fn unfinished(&mut self, output: Output) -> &mut Vec<u8> {
        match output {
            Output::Standard => &mut self.standard,
            Output::Error => &mut self.error,
        }
    }

    /// Writes the line that has come to its end.
    fn line(&mut self, output: Output) {
        let line = std::mem::take(self.unfinished(output));
        if !line.is_empty() {
            let level = if output == Output::Standard { Level::Info } else { Level::Warn };
            self.write(level, &String::from_utf8_lossy(&line), &[]);
        }
    }

    fn write(&mut self, level: Level, message: &str, fields: &[(String, String)]) {
        if self.budget.lines == 0 {
            self.budget.dropped += 1;
            return;
        }
        let longest = self.context.limits.log_line_bytes;
        let mut message = self.redactor.cleaned(message);
        let mut told = told(&self.redactor, fields);
        tidy(&mut message, longest);
        tidy(&mut told, longest);
        if !self.budget.take(message.len() + told.len()) {
            return;
        }
        let Context { connection, connector, .. } = &*self.context;
        let version = &self.version;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(target: "connector", connection, connector, version, fields = %told, "{message}")
            };
        }
        match level {
            Level::Trace => line!(trace),
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warn => line!(warn),
            Level::Error => line!(error),
        }
    }
}

/// Fields as text. They are cleaned before they are quoted: quoting changes a value that holds quotes, backslashes or line breaks.
fn told(redactor: &Redactor, fields: &[(String, String)]) -> String {
    let field = |(name, value): &(String, String)| format!("{}={:?}", redactor.cleaned(name), redactor.cleaned(value));
    fields.iter().map(field).collect::<Vec<_>>().join(" ")
}

/// Cuts a text and takes out control characters, which could rewrite an operator's terminal.
fn tidy(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    if text.contains(char::is_control) {
        *text = text.replace(char::is_control, " ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_values_are_taken_out_and_public_ones_stay() {
        let mut redactor = Redactor::default();
        redactor.add(&Secret::new("s3cret-token"));
        redactor.add(&Secret::public("store-1"));
        redactor.add(&Secret::new("abc"));
        let mut text = "store-1 said s3cret-token is abc".to_owned();
        redactor.clean(&mut text);
        assert_eq!(text, "store-1 said **** is abc");
    }

    #[test]
    fn hidden_values_are_found_in_quotes_in_json_and_within_each_other() {
        let mut redactor = Redactor::default();
        for secret in ["pass", "pass\"w\\ord\n1", "password"] {
            redactor.add(&Secret::new(secret));
        }
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let json = serde_json::json!({ "token": "pass\"w\\ord\n1" }).to_string();
        let fields = [field("a", "pass\"w\\ord\n1"), field("b", &json), field("password", "a password, a pass")];
        let expected = r#"a="****" b="{\"token\":\"****\"}" ****="a ****, a ****""#;
        assert_eq!(told(&redactor, &fields), expected);
        assert!(!format!("{redactor:?}").contains("pass"));
    }

    #[test]
    fn lines_are_cut_at_characters_and_hold_no_control_characters() {
        let mut text = "aé\u{1b}[2Jb".to_owned();
        tidy(&mut text, 100);
        assert_eq!(text, "aé [2Jb");
        tidy(&mut text, 2);
        assert_eq!(text, "a…");
    }

    #[test]
    fn a_call_logs_no_more_lines_and_bytes_than_its_budget() {
        let mut budget = Budget { lines: 2, bytes: 100, dropped: 0 };
        assert_eq!([budget.take(10), budget.take(91), budget.take(90), budget.take(0)], [true, false, true, false]);
        assert_eq!(budget.dropped, 2);
    }

    #[test]
    fn a_hidden_value_across_the_end_of_what_is_shown_leaves_no_part_behind() {
        let mut context = Context::bare();
        context.limits.log_line_bytes = 8;
        let log = Log::new(Arc::new(context), "1.0.0");
        log.hide(&Secret::new("s3cret-value"));
        log.begin();
        log.print(Output::Standard, b"it is s3cret-value, and more");
        let mut inner = log.lock();
        let mut text = String::from_utf8(std::mem::take(&mut inner.standard)).unwrap();
        inner.redactor.clean(&mut text);
        assert!(!text.contains("s3") && text.contains("it is ****"), "{text}");
    }

    #[test]
    fn a_program_prints_lines_of_a_bounded_length() {
        let mut context = Context::bare();
        context.limits.log_line_bytes = 8;
        let log = Log::new(Arc::new(context), "1.0.0");
        log.begin();
        log.print(Output::Standard, b"one\ntwo, which is far too long");
        log.print(Output::Standard, b", and longer\n\nthr");
        log.print(Output::Error, b"x");
        log.print(Output::Standard, b"ee");
        let inner = log.lock();
        assert_eq!((inner.standard.as_slice(), inner.error.as_slice()), (&b"three"[..], &b"x"[..]));
        let limits = &inner.context.limits;
        let written = "one".len() + "two, whi…".len();
        assert_eq!((limits.log_lines - inner.budget.lines, limits.log_bytes - inner.budget.bytes), (2, written));
    }
}
