//! Log lines as an operator's tools read them: one JSON object per line, so that no message can pass for a line of its own.

use serde_json::{Map, Value, json};

/// Severity, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For following one request.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

const NAMES: [(Level, &str); 5] = [
    (Level::Trace, "trace"),
    (Level::Debug, "debug"),
    (Level::Info, "info"),
    (Level::Warn, "warn"),
    (Level::Error, "error"),
];

impl Level {
    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(level, _)| *level)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(level, _)| *level == self).map_or("info", |(_, name)| name)
    }
}

/// A line with its end.
pub fn line(level: Level, message: &str, fields: &[(String, String)]) -> String {
    let fields: Map<String, Value> = fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    format!("{}\n", json!({ "level": level.name(), "message": message, "fields": fields }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_pass_for_a_line_of_its_own() {
        let line = line(Level::Warn, "one\n{\"level\":\"error\"}", &[("a\n".into(), "\"b\"".into())]);
        assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["level"], "warn");
        assert_eq!(read["fields"]["a\n"], "\"b\"");
    }

    #[test]
    fn levels_keep_their_order_and_their_names() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (level, name) in NAMES {
            assert_eq!((Level::from_name(name), level.name()), (Some(level), name));
        }
        assert_eq!(Level::from_name("loud"), None);
    }
}
