//! Which variables settings mention: `[name]` or `[name{default}]`; `[[` stands for `[`, and brackets around what cannot be a name
//! stand for themselves. The contract's rule, read here so that a person can be told where a variable is missing.

use connector_host::is_variable_name;

/// A place in settings that mentions a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// JSON pointer of the setting.
    pub pointer: String,
    /// The variable.
    pub name: String,
    /// Whether the setting says what to take where there is no such variable.
    pub has_default: bool,
}

/// The variables that settings mention, in the order of the settings' names.
pub(crate) fn mentions(settings: &serde_json::Value) -> Vec<Mention> {
    let mut found = Vec::new();
    walk(settings, "", &mut found);
    found
}

fn walk(value: &serde_json::Value, pointer: &str, found: &mut Vec<Mention>) {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => {
            for (name, has_default) in names_in(text) {
                found.push(Mention { pointer: pointer.to_owned(), name: name.to_owned(), has_default });
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{pointer}/{index}"), found);
            }
        }
        Json::Object(map) => {
            for (key, item) in map {
                walk(item, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

fn names_in(text: &str) -> Vec<(&str, bool)> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, inside)) = rest.split_once('[') {
        rest = inside;
        if let Some(tail) = inside.strip_prefix('[') {
            rest = tail;
            continue;
        }
        let Some(end) = inside.find([']', '{']) else { continue };
        let Some((name, tail)) = inside.split_at_checked(end) else {
            continue;
        };
        if !is_variable_name(name) {
            continue;
        }
        if let Some(tail) = tail.strip_prefix(']') {
            names.push((name, false));
            rest = tail;
        } else if let Some((_, tail)) = tail.split_once("}]") {
            names.push((name, true));
            rest = tail;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_follow_the_rule_of_the_contract() {
        let settings = serde_json::json!({
            "a": "[x] and [y{d}]", "b": ["[[no]", "http://[::1]/[z]"], "c/d": {"e": "[ no ]"}, "f": "[no", "g": 3, "h": "[1no]",
        });
        let found: Vec<(String, String, bool)> =
            mentions(&settings).into_iter().map(|m| (m.pointer, m.name, m.has_default)).collect();
        let want = [("/a", "x", false), ("/a", "y", true), ("/b/1", "z", false)];
        assert_eq!(found, want.map(|(p, n, d)| (p.to_owned(), n.to_owned(), d)));
    }
}
