//! The requests of a write: which records go together, and what is sent for them.
//!
//! Neighbours that share a path go into one request, as many as the endpoint, the body's size and the query's length allow. A
//! delete that names nobody cannot be built here.

use std::collections::VecDeque;

use crate::client::Call;
use crate::date::Instant;
use crate::error::Error;
use crate::parents::text;
use crate::scan;
use crate::table::{Body, Delete, DeleteBy, Format, Method, Object, Param, Type, Write};
use crate::types::Verb;
use crate::url;

/// Largest body of one request, in bytes: batches are cut before that.
const MOST_BODY: usize = 1 << 20;

/// One way to write to an object.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Create or update.
    Put(&'static Write),
    /// Delete.
    Delete(&'static Delete),
}

impl Way {
    fn path(self) -> &'static str {
        match self {
            Way::Put(write) => write.path,
            Way::Delete(delete) => delete.path,
        }
    }

    fn query(self) -> &'static [Param] {
        match self {
            Way::Put(write) => write.query,
            Way::Delete(delete) => delete.query,
        }
    }

    /// The fields by which the remote finds a record.
    pub fn names(self, object: &'static Object) -> &'static [&'static str] {
        match self {
            Way::Put(write) if !write.match_on.is_empty() => write.match_on,
            _ => object.key,
        }
    }

    /// Where requests are counted that are under way at once, and how many may be.
    fn endpoint(self) -> (&'static str, Option<u32>) {
        let (lane, concurrency) = match self {
            Way::Put(write) => (write.lane, write.concurrency),
            Way::Delete(delete) => (delete.lane, delete.concurrency),
        };
        lane.map_or((self.path(), concurrency), |lane| (lane, Some(1)))
    }

    /// Most records of one request.
    pub fn most(self) -> usize {
        let documented = match self {
            Way::Put(Write { body: Body::Object | Body::Empty, .. })
            | Way::Delete(Delete { by: DeleteBy::Path | DeleteBy::Fields(_) | DeleteBy::BodyKey(_), .. }) => Some(1),
            Way::Put(write) => write.max_items,
            Way::Delete(delete) => delete.max_items,
        };
        documented.unwrap_or(UNDOCUMENTED_BATCH) as usize
    }
}

/// Paths whose bodies hold dates in the notation of RFC 2822, and in no other.
const RFC_2822: &[&str] = &["/v2/blog/posts", "/v2/coupons", "/v2/orders"];
/// Batch size where no maximum is documented: what most documented ones allow at least.
const UNDOCUMENTED_BATCH: u32 = 10;

/// Records that go into one request, by their rows.
#[derive(Debug)]
pub struct Batch {
    /// Rows, in order.
    pub rows: Vec<usize>,
    /// How they are sent.
    pub way: Way,
}

/// The way with the smallest batch among those whose path the record can fill, unless its documents want a whole record (a
/// metafield's PUT) and those of another are content with this one.
pub fn single(ways: &[Way], line: &[u8]) -> Option<Way> {
    let fits = ways.iter().copied().filter(|way| path(*way, line).is_ok());
    fits.min_by_key(|way| (lacks(*way, line), way.most()))
}

/// Whether the record lacks a field without which the documents know no body of this way.
fn lacks(way: Way, line: &[u8]) -> bool {
    let Way::Put(Write { model: Some(model), path_only, .. }) = way else { return false };
    let mut required = model.fields.iter().filter(|field| field.required && !path_only.contains(&field.name));
    required.any(|field| !matches!(scan::get(line, field.name), Ok(Some(_))))
}

/// Path and query for a record.
///
/// # Errors
/// The record lacks a field that they need.
pub fn path(way: Way, line: &[u8]) -> Result<String, Error> {
    let path = url::fill(way.path(), |name| text(line, name))?;
    let mut query = Vec::new();
    for param in way.query() {
        match text(line, param.field).filter(|value| !value.trim().is_empty()) {
            Some(value) => query.push((param.param, value)),
            None if param.required => {
                return Err(
                    Error::invalid(format!("`{}` is missing or empty", param.field)).at(format!("/{}", param.field))
                );
            }
            None => {}
        }
    }
    Ok(url::with_query(&path, query.iter().map(|(name, value)| (*name, value.as_str()))))
}

/// Whether the record's key can stand in a comma list: a comma in it would name other records.
///
/// # Errors
/// It cannot, or is not there.
pub fn listable(way: Way, line: &[u8]) -> Result<(), Error> {
    if let Way::Delete(Delete { by: DeleteBy::Filter { field, .. }, .. }) = way {
        match text(line, field) {
            Some(value) if value.trim().is_empty() => {}
            Some(value) if !value.contains(',') => return Ok(()),
            Some(_) => {
                return Err(Error::invalid(format!("`{field}` holds a comma and cannot be named in a list"))
                    .at(format!("/{field}")));
            }
            None => {}
        }
        return Err(
            Error::invalid(format!("`{field}` is missing or empty; it names the record")).at(format!("/{field}"))
        );
    }
    Ok(())
}

/// Appends the fields of a record that go beside the list, each with a comma behind it.
fn beside(way: Way, line: &[u8], out: &mut Vec<u8>) {
    let Way::Put(Write { beside, .. }) = way else { return };
    for name in *beside {
        if let Ok(Some(raw)) = scan::get(line, name) {
            scan::encode(name, out);
            out.push(b':');
            out.extend_from_slice(raw);
            out.push(b',');
        }
    }
}

/// Cuts rows into batches: neighbours with the same path and the same fields beside the list, as many as the endpoint, the body
/// and the query allow.
pub fn cut(lines: &[Vec<u8>], rows: Vec<usize>, way: Way) -> VecDeque<Batch> {
    let mut batches: VecDeque<Batch> = VecDeque::new();
    let (mut size, mut last) = (0, Vec::new());
    let bound = match way {
        Way::Delete(Delete { by: DeleteBy::Filter { .. }, .. }) => url::MOST_QUERY,
        _ => MOST_BODY,
    };
    for row in rows {
        let line = line(lines, row);
        let own = match way {
            Way::Delete(Delete { by: DeleteBy::Filter { field, .. }, .. }) => {
                text(line, field).map_or(0, |value| url::encoded_len(&value) + 1)
            }
            _ => line.len() + 1,
        };
        let mut path = path(way, line).unwrap_or_default().into_bytes();
        beside(way, line, &mut path);
        match batches.back_mut() {
            Some(batch) if batch.rows.len() < way.most() && size + own <= bound && path == last => {
                batch.rows.push(row);
                size += own;
            }
            _ => {
                batches.push_back(Batch { rows: vec![row], way });
                size = own;
            }
        }
        last = path;
    }
    batches
}

/// The request for a batch.
///
/// # Errors
/// A record lacks what the request needs.
pub fn call(object: &'static Object, verb: Verb, lines: &[Vec<u8>], batch: &Batch) -> Result<Call, Error> {
    let first = batch.rows.first().map_or(&[][..], |row| line(lines, *row));
    let path = path(batch.way, first)?;
    let what = format!("{} {}", verb.name(), object.name);
    match batch.way {
        Way::Put(way) => {
            let mut bodies = Vec::with_capacity(batch.rows.len());
            for row in &batch.rows {
                bodies.push(body(way, line(lines, *row))?);
            }
            let mut whole = Vec::new();
            match way.body {
                Body::Empty => {}
                Body::Object => whole = bodies.pop().unwrap_or_default(),
                Body::Array | Body::Values(_) => scan::join(bodies.iter().map(Vec::as_slice), &mut whole),
                Body::Wrapped(name) => {
                    whole.push(b'{');
                    beside(batch.way, first, &mut whole);
                    scan::encode(name, &mut whole);
                    whole.push(b':');
                    scan::join(bodies.iter().map(Vec::as_slice), &mut whole);
                    whole.push(b'}');
                }
            }
            let method = match way.method {
                Method::Post => "POST",
                Method::Put => "PUT",
            };
            Ok(Call {
                method,
                target: path,
                endpoint: batch.way.endpoint(),
                body: (way.body != Body::Empty).then_some(whole),
                what,
            })
        }
        Way::Delete(way) => {
            let (target, body) = victims(object, lines, way, path, &batch.rows)?;
            Ok(Call { method: "DELETE", target, endpoint: batch.way.endpoint(), body, what })
        }
    }
}

/// A record as it goes into a body.
fn body(way: &'static Write, line: &[u8]) -> Result<Vec<u8>, Error> {
    let malformed = |malformed: scan::Malformed| Error::invalid(malformed.to_string());
    if let Body::Values(field) = way.body {
        let raw = scan::get(line, field).map_err(malformed)?;
        return raw
            .map(<[u8]>::to_vec)
            .ok_or_else(|| Error::invalid(format!("`{field}` is missing")).at(format!("/{field}")));
    }
    let mut out = line.to_vec();
    if !way.path_only.is_empty() {
        out.clear();
        scan::remove(line, way.path_only, &mut out).map_err(malformed)?;
    }
    let rfc2822 = RFC_2822.iter().any(|path| way.path.starts_with(path));
    let model = way.model.filter(|_| rfc2822);
    for field in model.into_iter().flat_map(|model| model.fields).filter(|field| field.node.format == Format::Date) {
        if let Ok(Some([b'"', raw @ .., b'"'])) = scan::get(line, field.name)
            && let Some(instant) = Instant::parse(scan::text(raw))
        {
            let mut date = Vec::new();
            scan::encode(&instant.rfc2822(), &mut date);
            out = with(&out, field.name, &date);
        }
    }
    Ok(out)
}

/// The line with one more field in front, instead of one that it has.
pub fn with(line: &[u8], name: &str, raw: &[u8]) -> Vec<u8> {
    let mut bare = Vec::with_capacity(line.len());
    let mut out = Vec::with_capacity(line.len() + name.len() + raw.len() + 8);
    match scan::remove(line, &[name], &mut bare).and_then(|()| scan::inject(&bare, name, raw, &mut out)) {
        Ok(()) => out,
        Err(_) => line.to_vec(),
    }
}

/// Names the records of a delete. There is no way through here that names none: every branch needs at least one value, and
/// a path of `DeleteBy::Path` has been filled with the record's key.
fn victims(
    object: &'static Object,
    lines: &[Vec<u8>],
    way: &'static Delete,
    path: String,
    rows: &[usize],
) -> Result<(String, Option<Vec<u8>>), Error> {
    let nameless = || Error::invalid(format!("a delete of `{}` must name its records", object.name));
    let key = |row: &usize, field: &str| {
        text(line(lines, *row), field).filter(|value| !value.trim().is_empty()).ok_or_else(nameless)
    };
    let ids = |field: &str| -> Result<Vec<u8>, Error> {
        let mut values = Vec::new();
        for row in rows {
            let value = key(row, field)?;
            let number = object.model.and_then(|model| model.field(field)).is_some_and(|f| f.node.ty == Type::Integer);
            let mut raw = Vec::new();
            if number {
                raw.extend_from_slice(value.as_bytes())
            } else {
                scan::encode(&value, &mut raw)
            }
            values.push(raw);
        }
        let mut body = Vec::new();
        scan::join(values.iter().map(Vec::as_slice), &mut body);
        if values.is_empty() { Err(nameless()) } else { Ok(body) }
    };
    match way.by {
        DeleteBy::Path if rows.len() == 1 => Ok((path, None)),
        DeleteBy::Path => Err(nameless()),
        DeleteBy::Filter { param, field } => {
            let values = rows.iter().map(|row| key(row, field)).collect::<Result<Vec<_>, _>>()?;
            if values.is_empty() || values.iter().any(|value| value.contains(',')) {
                return Err(nameless());
            }
            Ok((url::with_query(&path, [(param, values.join(",").as_str())]), None))
        }
        DeleteBy::Fields(fields) => {
            let [row] = rows else { return Err(nameless()) };
            let pairs = fields
                .iter()
                .map(|(field, param)| Ok((*param, key(row, field)?)))
                .collect::<Result<Vec<_>, Error>>()?;
            if pairs.is_empty() || pairs.iter().any(|(_, value)| value.contains(',')) {
                return Err(nameless());
            }
            Ok((url::with_query(&path, pairs.iter().map(|(param, value)| (*param, value.as_str()))), None))
        }
        DeleteBy::BodyKey(field) => {
            let [row] = rows else { return Err(nameless()) };
            let value = key(row, field)?;
            let mut body = Vec::from(b"{");
            scan::encode(field, &mut body);
            body.push(b':');
            scan::encode(&value, &mut body);
            body.push(b'}');
            Ok((path, Some(body)))
        }
        DeleteBy::BodyIds(field) => Ok((path, Some(ids(field)?))),
        DeleteBy::WrappedIds { wrapper, field } => {
            let mut body = Vec::from(b"{");
            scan::encode(wrapper, &mut body);
            body.push(b':');
            body.extend_from_slice(&ids(field)?);
            body.push(b'}');
            Ok((path, Some(body)))
        }
    }
}

fn line(lines: &[Vec<u8>], row: usize) -> &[u8] {
    lines.get(row).map_or(&[], Vec::as_slice)
}
