//! Variables in settings: the component and the host library find the same ones, so that what is granted is
//! what is asked for; and a text of brackets comes out as it was meant.

use std::cell::RefCell;

use connector_bigcommerce::error::{Error, UNDEFINED};
use connector_bigcommerce::template::Template;

use crate::host_variables::{Secret, VariableError, Variables, mentions, resolved};

/// Takes the bytes as a setting.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let template = Template::parse(text);

    let asked = RefCell::new(Vec::new());
    let value = |name: &str| format!("<{name}>");
    let all = template.resolve(|name| {
        asked.borrow_mut().push(name.to_owned());
        Ok(value(name))
    });
    let all = all.expect("every variable has a value");
    let asked = asked.into_inner();
    assert_eq!(Some(all), resolved(text, &Every), "the host puts in something else");

    let settings = serde_json::json!({ "setting": text });
    let found = mentions(&settings);
    let told: Vec<&str> = found.iter().map(|mention| mention.name.as_str()).collect();
    assert_eq!(told, asked, "the host grants other names than the component asks for");

    let none = template.resolve(|name| Err(Error::invalid(name.to_owned()).code(UNDEFINED)));
    assert_eq!(none.is_err(), found.iter().any(|mention| mention.default.is_none()), "a default is not seen by all");
    assert_eq!(none.ok(), resolved(text, &crate::host_variables::NoVariables), "another default");
    // A value that cannot be read must never become its default.
    assert_eq!(template.resolve(|_| Err(Error::invalid("locked").code("provider"))).is_err(), !asked.is_empty());

    let literal = Template::parse(&text.replace('[', "[["));
    let kept = literal.resolve(|_| Err(Error::invalid("asked"))).ok();
    assert_eq!(kept.as_deref(), Some(text), "a doubled bracket is no variable");
}

struct Every;

impl Variables for Every {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        Ok(Secret::new(format!("<{name}>")))
    }
}
