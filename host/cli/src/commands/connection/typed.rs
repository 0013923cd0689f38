//! Settings as they are typed on a command line.

use std::path::Path;

use connector_host::{Secret, mentions};
use serde_json::{Value, json};

use crate::error::{Failure, Failures, suggest};
use crate::schema::Schema;
use crate::settings::is_reference;
use crate::value;

/// One `--set KEY=VALUE`.
pub(super) struct Typed {
    pub(super) key: String,
    pub(super) value: Value,
    /// Whether the value itself stood on the command line.
    on_the_line: bool,
}

impl Typed {
    /// Whether others could see a secret.
    pub(super) fn was_seen(&self, schema: &Schema) -> bool {
        let text = self.value.as_str().unwrap_or_default();
        self.on_the_line && schema.is_secret(&self.key) && !is_reference(text)
    }
}

/// All `--set KEY=VALUE`, as the connector's schema says. Tells all mistakes at once.
pub(super) fn typed_all(texts: &[String], schema: &Schema) -> Result<Vec<Typed>, Failures> {
    let (mut all, mut failures, mut from_stdin) = (Vec::new(), Vec::new(), None::<String>);
    for text in texts {
        match typed(text, schema, &mut from_stdin) {
            Ok(one) => all.push(one),
            Err(more) => failures.extend(more.0),
        }
    }
    Failures::check(failures).map(|()| all)
}

/// One of them. The value itself is not repeated in an error: it may be a secret. `from_stdin` is the key whose value was read
/// from there.
fn typed(text: &str, schema: &Schema, from_stdin: &mut Option<String>) -> Result<Typed, Failures> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(Failure::new("cannot read a `--set`: there is no `=` in it").hint("write --set KEY=VALUE").into());
    };
    let key = key.trim();
    let Some(property) = schema.property(schema.root(), key) else {
        let names: Vec<&str> = schema.properties(schema.root()).into_iter().map(|(n, _)| n).collect();
        let failure = Failure::new(format!("the connector has no setting `{key}`"));
        return Err(failure
            .hint(suggest(key, names.iter().copied()).unwrap_or_else(|| format!("it has: {}", names.join(", "))))
            .into());
    };
    // What comes from elsewhere is a value, and mentions no variable.
    let as_it_is = |value: Secret| value.reveal().replace('[', "[[");
    let (value, on_the_line) = match (value, value.strip_prefix('@')) {
        ("-", _) => {
            if let Some(first) = from_stdin.replace(key.to_owned()) {
                let failure = Failure::new(format!("both `{first}` and `{key}` are to be read from stdin"));
                return Err(failure.hint("give one of them by a file: --set KEY=@FILE").into());
            }
            (as_it_is(value::from_stdin(key, schema.is_secret(key))?), false)
        }
        (_, Some(rest)) => match rest.strip_prefix('@') {
            Some(text) => (text.to_owned(), true),
            None => (as_it_is(value::from_file(Path::new(rest))?), false),
        },
        (value, None) => (value.to_owned(), true),
    };
    let value = value.as_str();
    let types = schema.types(property);
    // A text with a variable stays a text; the connector reads its value when it is there.
    let json = if types.only_text() || !mentions(&json!(value)).is_empty() {
        crate::json::quote(value)
    } else {
        types.value_of(value).ok_or_else(|| Failure::new(format!("the setting `{key}` takes {}", types.words())))?
    };
    let json = serde_json::from_str(&json)
        .map_err(|e| Failure::new(format!("cannot read the setting `{key}`")).causes_of(&e))?;
    Ok(Typed { key: key.to_owned(), value: json, on_the_line })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_are_typed_as_the_schema_says_and_values_stay_out_of_errors() {
        let schema = Schema::parse(
            r#"{"properties":{"size":{"type":"integer"},"token":{"type":"string","writeOnly":true},"on":{"type":"boolean"}}}"#,
        )
        .unwrap();
        let typed = |text: &str| typed(text, &schema, &mut None).map_err(|mut failures| failures.0.remove(0));
        let value = |text: &str| typed(text).unwrap().value;
        assert_eq!(value("size=250"), json!(250));
        assert_eq!(value("size=[n]"), json!("[n]"));
        assert_eq!(value("token=a=b"), json!("a=b"));
        assert_eq!(value("on=true"), json!(true));
        for (text, literal) in [("token=@@-", "-"), ("token=@@@x", "@x"), ("token=--", "--"), ("token=a@b", "a@b")] {
            assert_eq!(value(text), json!(literal), "{text}");
        }
        assert!(schema.is_secret("token") && !schema.is_secret("size"));
        let failure = typed("size=s3cret").err().unwrap();
        assert!(!format!("{failure:?}").contains("s3cret"));
        assert_eq!(typed("tokn=x").err().unwrap().hint.as_deref(), Some("did you mean `token`?"));
    }
}
