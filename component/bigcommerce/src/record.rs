//! Records that callers pass to writes: checked against the model before anything is sent, and cut to what goes where.

use crate::error::{Error, Kind};
use crate::parents::text;
use crate::scan;
use crate::table::{Node, Object, Type, Write};
use crate::types::Verb;
use crate::url::pointer_token;

/// Checks one line: strict JSON, one object, the key where it is needed, no field that cannot be written.
///
/// # Errors
/// The first thing that is wrong, with a pointer to it.
pub fn check(object: &'static Object, verb: Verb, way: Option<&'static Write>, line: &[u8]) -> Result<(), Error> {
    if core::str::from_utf8(line).is_err() {
        return Err(Error::invalid("the record is not valid UTF-8").at(""));
    }
    scan::object(line)
        .map_err(|malformed| Error::invalid(format!("the record is not one JSON object: {malformed}")).at(""))?;
    let needs_key = verb != Verb::Create;
    // What the remote finds the record by.
    let names = match way {
        Some(way)
            if needs_key
                && !way.match_on.is_empty()
                && !way.match_on.iter().all(|field| object.key.contains(field)) =>
        {
            way.match_on
        }
        _ => object.key,
    };
    for key in names {
        let parent = object.parents.iter().any(|parent| parent.field == *key);
        let in_path = way.is_some_and(|way| crate::url::parameters(way.path).any(|name| name == *key));
        if (needs_key || (parent && in_path)) && text(line, key).is_none_or(|value| value.trim().is_empty()) {
            let message =
                format!("`{key}` is missing or empty: {} `{}` needs it to name the record", verb.name(), object.name);
            return Err(Error::invalid(message).at(format!("/{key}")));
        }
        if let Some(value) = text(line, key) {
            check_key(object, key, &value)?;
        }
    }
    let Some(model) = way.and_then(|way| way.model).filter(|model| !model.fields.is_empty()) else {
        return Ok(());
    };
    check_fields(object, verb, way, model, line)
}

/// A key must look like what the model says: an integer key that is no integer could widen a filter.
fn check_key(object: &'static Object, key: &str, value: &str) -> Result<(), Error> {
    let ty = object.model.and_then(|model| model.field(key)).map(|field| field.node.ty);
    if ty == Some(Type::Integer)
        && !(!value.is_empty() && value.len() <= 39 && value.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(
            Error::invalid(format!("`{key}` must be a whole number, not `{}`", shortened(value))).at(format!("/{key}"))
        );
    }
    Ok(())
}

/// A member's name with its escapes resolved.
fn name_of(field: &scan::Field<'_>) -> Option<String> {
    let quoted = [b"\"", field.name, b"\""].concat();
    scan::decode(&quoted).map(std::borrow::Cow::into_owned)
}

fn shortened(value: &str) -> String {
    value.chars().take(40).collect()
}

fn check_fields(
    object: &'static Object,
    verb: Verb,
    way: Option<&'static Write>,
    model: &'static Node,
    line: &[u8],
) -> Result<(), Error> {
    let names_record =
        |name: &str| object.key.contains(&name) || object.parents.iter().any(|parent| parent.field == name);
    for field in scan::fields(line) {
        let field = field.map_err(|malformed| Error::invalid(malformed.to_string()).at(""))?;
        let Some(name) = name_of(&field) else { continue };
        let at = format!("/{}", pointer_token(&name));
        match model.field(&name) {
            Some(known) if known.read_only && !names_record(&name) => {
                return Err(
                    Error::invalid(format!("`{name}` is set by the store and cannot be written: remove it")).at(at)
                );
            }
            Some(known) => check_type(&name, known.node, field.value).map_err(|error| error.at(at))?,
            None if names_record(&name) || way.is_some_and(|way| way.query.iter().any(|param| param.field == name)) => {
            }
            None if object.model.is_some_and(|read| read.field(&name).is_some()) => {
                return Err(Error::invalid(format!(
                    "`{name}` is only read: {} `{}` does not take it; remove it",
                    verb.name(),
                    object.name
                ))
                .at(at));
            }
            None => {
                let hint = crate::suggest::among(model.fields.iter().map(|field| field.name), &name);
                let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(
                    Error::invalid(format!("{} `{}` takes no field `{name}`{hint}", verb.name(), object.name)).at(at)
                );
            }
        }
    }
    if verb == Verb::Create {
        for name in way.map(|way| way.required).unwrap_or_default() {
            if scan::get(line, name).ok().flatten().is_none() {
                return Err(Error::new(
                    Kind::InvalidRequest,
                    format!("`{name}` is missing: create `{}` needs it", object.name),
                )
                .at(format!("/{name}")));
            }
        }
    }
    Ok(())
}

/// Only what can never be right is refused: texts and numbers are often interchangeable in this API.
fn check_type(name: &str, node: &Node, raw: &[u8]) -> Result<(), Error> {
    let wrong = match (raw.first(), node.ty) {
        (Some(b'{'), Type::String | Type::Integer | Type::Number | Type::Boolean | Type::Array) => "an object",
        (Some(b'['), Type::String | Type::Integer | Type::Number | Type::Boolean | Type::Object) => "an array",
        (Some(b't' | b'f'), Type::String | Type::Number | Type::Array | Type::Object) => "a boolean",
        (Some(b'"' | b'-' | b'0'..=b'9'), Type::Array | Type::Object) => "a scalar",
        _ => return Ok(()),
    };
    let expected = match node.ty {
        Type::String => "a text",
        Type::Integer => "a whole number",
        Type::Number => "a number",
        Type::Boolean => "true or false",
        Type::Array => "an array",
        Type::Object => "an object",
        Type::Any => "anything",
    };
    Err(Error::invalid(format!("`{name}` must be {expected}, not {wrong}")))
}

/// The key fields of a record as a JSON object: what is known of a record that the store did not send back.
pub fn key_of(object: &'static Object, line: &[u8]) -> String {
    let mut out = Vec::from(b"{");
    for key in object.key {
        if let Ok(Some(raw)) = scan::get(line, key) {
            if out.len() > 1 {
                out.push(b',');
            }
            scan::encode(key, &mut out);
            out.push(b':');
            out.extend_from_slice(raw);
        }
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_else(|_| "{}".to_owned())
}

/// For every sent record the answer's record that belongs to it: by position for creates if the counts agree, else by `names`,
/// the fields by which the remote finds a record, else by the fields that agree. And how many answered records belong to none.
pub fn pair<'a>(names: &[&str], verb: Verb, sent: &[&[u8]], answered: &[&'a [u8]]) -> (Vec<Option<&'a [u8]>>, usize) {
    if verb == Verb::Create && sent.len() == answered.len() {
        return (answered.iter().copied().map(Some).collect(), 0);
    }
    let same = |line: &[u8], record: &[u8]| {
        !names.is_empty()
            && names.iter().all(|name| matches!((text(line, name), text(record, name)), (Some(a), Some(b)) if a == b))
    };
    let mut left: Vec<&[u8]> = answered.to_vec();
    let mut pairs = vec![None; sent.len()];
    for (line, slot) in sent.iter().zip(&mut pairs) {
        let found =
            left.iter().position(|record| if verb == Verb::Update { same(line, record) } else { agrees(line, record) });
        *slot = found.map(|index| left.remove(index));
    }
    (pairs, left.len())
}

/// Whether every scalar that was sent is what came back, where it came back.
fn agrees(line: &[u8], record: &[u8]) -> bool {
    let mut compared = 0;
    for field in scan::fields(line).flatten() {
        let Some(name) = name_of(&field) else { continue };
        let (Some(sent), Some(got)) = (text(line, &name), text(record, &name)) else {
            continue;
        };
        if sent != got {
            return false;
        }
        compared += 1;
    }
    compared > 0
}
