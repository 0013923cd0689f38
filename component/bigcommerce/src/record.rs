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
    let one_of = way.map_or(&[][..], |way| way.one_of);
    let there = |field: &str| text(line, field).is_some_and(|value| !value.trim().is_empty());
    for key in names {
        let parent = object.parents.iter().any(|parent| parent.field == *key);
        let in_path = way.is_some_and(|way| crate::url::parameters(way.path).any(|name| name == *key));
        let needed = (needs_key && !one_of.contains(key)) || (parent && in_path);
        if needed && !there(key) {
            let message =
                format!("`{key}` is missing or empty: {} `{}` needs it to name the record", verb.name(), object.name);
            return Err(Error::invalid(message).at(format!("/{key}")));
        }
        if let Some(value) = text(line, key) {
            check_key(object, key, &value)?;
        }
    }
    if let Some(way) = way
        && let Some(key) = object.key.iter().find(|key| unsent(object, way, key) && there(key))
    {
        let message =
            format!("`{key}` cannot be sent: the store finds this record by {}; remove it", way.match_on.join(", "));
        return Err(Error::invalid(message).at(format!("/{key}")));
    }
    if !one_of.is_empty() && !one_of.iter().any(|field| there(field)) {
        let fields = one_of.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" or ");
        return Err(Error::invalid(format!("{} `{}` needs {fields}", verb.name(), object.name)).at(""));
    }
    let Some(model) = way.and_then(|way| way.model).filter(|model| !model.fields.is_empty()) else {
        return Ok(());
    };
    check_fields(object, verb, way, model, line)
}

/// Whether a record's own key has no place in the request: the store would write to whichever record it finds by the other fields.
pub fn unsent(object: &'static Object, way: &Write, key: &str) -> bool {
    way.upsert
        && !way.match_on.contains(&key)
        && way.model.is_some_and(|model| model.field(key).is_none())
        && !crate::url::parameters(way.path).any(|name| name == key)
        && !way.query.iter().any(|param| param.field == key)
        && !object.parents.iter().any(|parent| parent.field == key)
}

/// A key must look like what the model says: an integer key that is no integer could widen a filter.
fn check_key(object: &'static Object, key: &str, value: &str) -> Result<(), Error> {
    let ty = object.model.and_then(|model| model.field(key)).map(|field| field.node.ty);
    let whole = || !value.is_empty() && value.len() <= 39 && value.bytes().all(|b| b.is_ascii_digit());
    // With zeros in front it would be no number of JSON, in which some deletes send it.
    let plain = || value == "0" || !value.starts_with('0');
    let rule = match ty {
        Some(Type::Integer) if !whole() => "a whole number",
        Some(Type::Integer) if !plain() => "a whole number without zeros in front",
        _ => return Ok(()),
    };
    Err(Error::invalid(format!("`{key}` must be {rule}, not `{}`", shortened(value))).at(format!("/{key}")))
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
            Some(known) => {
                check_type(&name, known.node, field.value).map_err(|error| error.at(at.as_str()))?;
                check_inside(&at, known.node, field.value)?;
            }
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

/// Fields inside of a field that the store sets by itself: it would leave out what is written to them, without a word.
fn check_inside(at: &str, node: &Node, raw: &[u8]) -> Result<(), Error> {
    if let (Some(items), Ok(elements)) = (node.items, scan::elements(raw)) {
        for (index, element) in elements.into_iter().enumerate() {
            check_inside(&format!("{at}/{index}"), items, element)?;
        }
    }
    if node.fields.is_empty() || raw.first() != Some(&b'{') {
        return Ok(());
    }
    for field in scan::fields(raw).flatten() {
        let Some(name) = name_of(&field) else { continue };
        let Some(known) = node.field(&name) else { continue };
        let at = format!("{at}/{}", pointer_token(&name));
        if known.read_only {
            return Err(Error::invalid(format!("`{name}` is set by the store and cannot be written: remove it")).at(at));
        }
        check_inside(&at, known.node, field.value)?;
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
        (Some(b'"'), Type::Integer | Type::Number) if !may_be_number(raw) => "a text",
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

/// Whether a text may stand for a number. An empty one stands for none, and some fields take it.
fn may_be_number(raw: &[u8]) -> bool {
    scan::decode(raw).is_none_or(|text| text.trim().is_empty() || text.trim().parse::<f64>().is_ok_and(f64::is_finite))
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

/// Whether a line and an answer's record belong together, with the positions of both.
type Fits<'a> = dyn Fn(&[u8], &[u8], usize, usize) -> bool + 'a;

/// For every sent record the position of the answer's record that belongs to it, and how many answered records belong to none.
///
/// `names` are the fields by which the remote finds a record, `natural` those by which people do. An update's records are known
/// by `names`. A create's stand in their order if there are as many as were sent and none contradicts; where there are fewer, or
/// another order, all that was sent has to come back.
pub fn pair(
    names: &[&str],
    natural: &[&str],
    verb: Verb,
    sent: &[&[u8]],
    answered: &[&[u8]],
) -> (Vec<Option<usize>>, usize) {
    let mut left: Vec<usize> = (0..answered.len()).collect();
    let mut pairs: Vec<Option<usize>> = vec![None; sent.len()];
    let record = |at: usize| answered.get(at).copied().unwrap_or_default();
    let mut take = |pairs: &mut [Option<usize>], fits: &Fits<'_>| {
        for (row, (line, slot)) in sent.iter().zip(pairs).enumerate().filter(|(_, (_, slot))| slot.is_none()) {
            if let Some(index) = left.iter().position(|at| fits(line, record(*at), row, *at)) {
                *slot = Some(left.remove(index));
            }
        }
        left.len()
    };
    if verb != Verb::Create {
        let rest = take(&mut pairs, &|line, record, _, _| shares(names, line, record) == Some(true));
        return (pairs, rest);
    }
    let whole = sent.len() == answered.len();
    if whole {
        take(&mut pairs, &|line, record, row, at| row == at && shares(natural, line, record) != Some(false));
    }
    let mut rest = take(&mut pairs, &|line, record, _, _| agrees(line, record));
    if rest > 0 {
        // What the store writes differently from what was sent is still known by its name, if nothing else has that name.
        let same = |line: &[u8], record: &[u8]| shares(natural, line, record) == Some(true);
        let only = |line: &[u8]| sent.iter().filter(|other| shares(natural, line, other) == Some(true)).count() == 1;
        rest = take(&mut pairs, &|line, record, _, _| same(line, record) && only(line));
    }
    if whole && rest > 0 {
        rest = take(&mut pairs, &|_, _, _, _| true);
    }
    (pairs, rest)
}

/// Whether both have the same values in those of the fields that both have; none if there is no such field.
fn shares(fields: &[&str], line: &[u8], record: &[u8]) -> Option<bool> {
    let both = fields.iter().filter_map(|field| Some((text(line, field)?, text(record, field)?)));
    both.map(|(a, b)| a == b).reduce(|all, one| all && one)
}

/// Whether every scalar that was sent is what came back, where it came back.
fn agrees(line: &[u8], record: &[u8]) -> bool {
    let names: Vec<String> = scan::fields(line).flatten().filter_map(|field| name_of(&field)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    shares(&names, line, record) == Some(true)
}
