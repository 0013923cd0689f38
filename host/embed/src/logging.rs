//! Lines of a connector on their way to the operator: bounded in number and length, without control characters, and with the
//! values of hidden variables taken out should a connector ever print one.

use crate::contract::logging::Level;
use crate::variables::Secret;

/// Hidden values shorter than this are not looked for: they would match by accident.
const SHORTEST_SECRET: usize = 4;
/// Hidden values that are remembered per activity.
const MOST_SECRETS: usize = 64;

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
            if self.secrets.len() == MOST_SECRETS {
                self.secrets.remove(0);
            }
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
pub(crate) struct Budget {
    left: u32,
    dropped: u64,
}

impl Budget {
    pub(crate) fn new(lines: u32) -> Self {
        Self { left: lines, dropped: 0 }
    }

    fn take(&mut self) -> bool {
        if self.left == 0 {
            self.dropped += 1;
            return false;
        }
        self.left -= 1;
        true
    }

    /// Lines that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Writes a line, if the budget allows.
pub(crate) fn write(
    origin: (&str, &str),
    redactor: &Redactor,
    budget: &mut Budget,
    longest: usize,
    level: Level,
    message: &str,
    fields: &[(String, String)],
) {
    if !budget.take() {
        return;
    }
    let (connection, connector) = origin;
    let mut message = redactor.cleaned(message);
    let mut told = told(redactor, fields);
    tidy(&mut message, longest);
    tidy(&mut told, longest);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(target: "connector", connection, connector, fields = %told, "{message}")
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
    fn a_call_logs_no_more_than_its_budget() {
        let mut budget = Budget::new(2);
        assert_eq!([budget.take(), budget.take(), budget.take(), budget.take()], [true, true, false, false]);
        assert_eq!(budget.dropped(), 2);
    }
}
