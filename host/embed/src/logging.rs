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
    secrets: Vec<Secret>,
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
        }
    }

    /// The text with hidden values replaced by `****`.
    pub(crate) fn clean(&self, text: &mut String) {
        for secret in &self.secrets {
            if text.contains(secret.reveal()) {
                *text = text.replace(secret.reveal(), "****");
            }
        }
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
    let mut message = message.to_owned();
    let mut told = fields.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(" ");
    for text in [&mut message, &mut told] {
        redactor.clean(text);
        tidy(text, longest);
    }
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
