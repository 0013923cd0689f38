//! What the operator says in the environment. Pure: takes the environment as a list of names and values.

use crate::log_line::Level;

/// A variable `name` is `CONNECTOR_VAR_name`, or in the spelling that every shell can write, `CONNECTOR_VAR_NAME`.
const PREFIX: &str = "CONNECTOR_VAR_";

/// What callers of the service have to bring.
const TOKEN: &str = "CONNECTOR_TOKEN";

/// Longest time of one call, in seconds, unless `CONNECTOR_CALL_SECONDS` says something else.
pub const CALL_SECONDS: u64 = 600;

/// Most that can be asked for, in seconds: timers of some runtimes end at 2^31 ms.
const MOST_CALL_SECONDS: u64 = 2_000_000;

/// Names and values.
pub type Environment = [(String, String)];

/// Why a variable has no value.
#[derive(Debug, PartialEq, Eq)]
pub enum Missing {
    /// No variable can have this name.
    InvalidName,
    /// The environment does not hold it.
    Undefined,
}

fn value<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The value of a variable.
///
/// # Errors
/// A name that no variable can have, or that the environment does not hold.
pub fn variable<'a>(environment: &'a Environment, name: &str) -> Result<&'a str, Missing> {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !begins || !chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Err(Missing::InvalidName);
    }
    let shell: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let found = [name, &shell].into_iter().find_map(|name| value(environment, &format!("{PREFIX}{name}")));
    found.ok_or(Missing::Undefined)
}

/// Shorter values are found in texts that have nothing to do with them.
const SHORTEST_MASKED: usize = 8;

/// A text without the values of variables, the service's token and these secrets. The environment does not say which variables are
/// secret, so none is told.
pub fn masked(environment: &Environment, secrets: &[String], text: &str) -> String {
    let hidden = environment.iter().filter(|(name, _)| name.starts_with(PREFIX) || name == TOKEN);
    let mut values: Vec<&str> =
        hidden.map(|(_, value)| value.trim()).chain(secrets.iter().map(String::as_str)).collect();
    values.retain(|value| value.len() >= SHORTEST_MASKED);
    // The longest first: one may be part of another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.into_iter().fold(text.to_owned(), |text, value| text.replace(value, "****"))
}

/// The least level of a log line that is written. One that nobody knows counts as the default: a line too many does less harm.
pub fn log_level(environment: &Environment) -> Level {
    value(environment, "CONNECTOR_LOG").and_then(Level::from_name).unwrap_or(Level::Info)
}

/// Longest time of one call, in nanoseconds.
pub fn call_time(environment: &Environment) -> u64 {
    let seconds = value(environment, "CONNECTOR_CALL_SECONDS").and_then(|text| text.trim().parse().ok());
    seconds.unwrap_or(CALL_SECONDS).clamp(1, MOST_CALL_SECONDS) * 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_variable_is_found_by_its_own_name_first_and_by_the_one_that_shells_can_write() {
        let both = environment(&[("CONNECTOR_VAR_API_TOKEN", "shell"), ("CONNECTOR_VAR_api.token", "own")]);
        assert_eq!(variable(&both, "api.token"), Ok("own"));
        assert_eq!(variable(&both, "api-token"), Ok("shell"));
        assert_eq!(variable(&both, "other"), Err(Missing::Undefined));
    }

    #[test]
    fn what_is_no_variable_of_the_connection_is_out_of_reach() {
        let environment = environment(&[("PATH", "/bin"), ("CONNECTOR_TOKEN", "the service's own")]);
        assert_eq!(variable(&environment, "PATH"), Err(Missing::Undefined));
        assert_eq!(variable(&environment, "TOKEN"), Err(Missing::Undefined));
        for name in ["", "1a", "-a", ".a", "a b", "a=b", "é"] {
            assert_eq!(variable(&environment, name), Err(Missing::InvalidName), "{name}");
        }
    }

    #[test]
    fn no_secret_is_told() {
        let environment = environment(&[
            ("CONNECTOR_VAR_A", "secret-12"),
            ("CONNECTOR_VAR_B", "secret-12-and-more"),
            ("CONNECTOR_VAR_C", "short"),
            ("CONNECTOR_TOKEN", "0123456789abcdef\n"),
            ("PATH", "/usr/bin/x"),
        ]);
        let secrets = ["in-settings".to_owned()];
        let text = "of secret-12, secret-12-and-more, short, 0123456789abcdef, in-settings and /usr/bin/x";
        assert_eq!(masked(&environment, &secrets, text), "of ****, ****, short, ****, **** and /usr/bin/x");
    }

    #[test]
    fn what_cannot_be_read_counts_as_the_documented_default() {
        for text in ["", "soon", "-1"] {
            let environment = environment(&[("CONNECTOR_CALL_SECONDS", text), ("CONNECTOR_LOG", text)]);
            assert_eq!(call_time(&environment), 600 * 1_000_000_000);
            assert_eq!(log_level(&environment), Level::Info);
        }
        let set = environment(&[("CONNECTOR_CALL_SECONDS", "30"), ("CONNECTOR_LOG", "warn")]);
        assert_eq!((call_time(&set), log_level(&set)), (30 * 1_000_000_000, Level::Warn));
        assert_eq!(call_time(&environment(&[("CONNECTOR_CALL_SECONDS", "0")])), 1_000_000_000);
    }
}
