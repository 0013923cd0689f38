//! The settings of a connection, and the secrets among them: in the settings of a saved connection stands only which variable holds
//! a secret.

use connector_host::{Secret, mentions};
use connector_store::{MADE_HERE, Saved};
use serde_json::{Map, Value, json};

use crate::error::Failure;
use crate::schema::Schema;

/// Puts a setting into a connection. A secret becomes a hidden variable of the connection, to be kept with it.
pub(crate) fn put(
    saved: &mut Saved,
    secrets: &mut Vec<(String, Secret)>,
    schema: &Schema,
    (key, value): (String, Value),
) -> Result<(), Failure> {
    let value = match value {
        Value::String(text) if schema.is_secret(&key) && !is_reference(&text) => {
            if !mentions(&json!(text)).is_empty() {
                let failure =
                    Failure::new(format!("the setting `{key}` is a secret: it takes a value or one variable"))
                        .with("kind", "configuration")
                        .with("pointer", pointer(&key));
                return Err(failure.hint(format!("write {key}=[name], or keep the whole value in one variable")));
            }
            let variable = own_name(&key);
            secrets.retain(|(name, _)| *name != variable);
            // Within a setting `[[` stands for `[`; a variable's value is taken as it is.
            secrets.push((variable.clone(), Secret::new(text.replace("[[", "["))));
            json!(format!("[{variable}]"))
        }
        other => other,
    };
    saved.settings.insert(key, value);
    Ok(())
}

/// The name of the hidden variable for a secret setting.
fn own_name(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    format!("{MADE_HERE}{}", key.chars().map(plain).collect::<String>())
}

/// Whether the text is one variable and nothing else: that is no secret.
pub(crate) fn is_reference(text: &str) -> bool {
    let found = mentions(&json!(text));
    matches!(found.as_slice(), [one] if *text == format!("[{}]", one.name))
}

/// The settings as they may be seen: of secrets, only the variables. Without a schema nobody knows which are secret: then every
/// text is.
pub(crate) fn shown(saved: &Saved, schema: Option<&Schema>) -> Map<String, Value> {
    let one = |key: &str, value: &Value| match value {
        Value::String(text) if is_reference(text) => value.clone(),
        Value::String(_) | Value::Array(_) | Value::Object(_) if schema.is_none() => json!("****"),
        _ if schema.is_some_and(|s| s.is_secret(key)) => json!("****"),
        _ => value.clone(),
    };
    saved.settings.iter().map(|(key, value)| (key.clone(), one(key, value))).collect()
}

/// The JSON pointer of a setting.
pub(crate) fn pointer(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_leaves_only_the_name_of_its_variable_in_the_settings() {
        let schema = Schema::parse(r#"{"properties":{"a b":{"type":"string","writeOnly":true}}}"#).unwrap();
        let (mut saved, mut secrets) = (Saved::new("x", "y"), Vec::new());
        put(&mut saved, &mut secrets, &schema, ("a b".into(), json!("s3[[cret"))).unwrap();
        assert_eq!(saved.settings["a b"], json!("[secret.a_b]"));
        assert_eq!((secrets[0].0.as_str(), secrets[0].1.reveal()), ("secret.a_b", "s3[cret"));
        assert!(connector_host::is_variable_name(&own_name("größe 1")));
        for mixture in ["[token{s3cret}]", "s3cret[token]", "[a][b]"] {
            let failure = put(&mut saved, &mut secrets, &schema, ("a b".into(), json!(mixture))).unwrap_err();
            assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
        put(&mut saved, &mut secrets, &schema, ("a b".into(), json!("[token]"))).unwrap();
        assert_eq!(saved.settings["a b"], json!("[token]"));
    }

    #[test]
    fn a_lone_variable_is_no_secret() {
        assert!(is_reference("[token]"));
        assert!(!is_reference("[token{s3cret}]"));
        assert!(!is_reference("x[token]"));
    }
}
