//! Where a query stands, as a text that a caller keeps: `1.DIGEST.DELIVERED.POSITION`.
//!
//! It carries its version, a digest of the request it belongs to, how many records were delivered, and a place in the
//! collection; no address and no secret. A new instance goes on from it, with nothing else known.

use crate::error::{CURSOR_VERSION, Error};
use crate::settings::Settings;
use crate::types::QueryRequest;

/// Versions of the notation. A reader of another version is told so, and keeps to the old instance. Since the second there are
/// keys that still have to be asked for; a cursor without them is one of the first.
const VERSIONS: [&str; 2] = ["1", "2"];

/// A place in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// The beginning.
    Start,
    /// The first record whose key is at least this.
    Key(u128),
    /// The same, and keys before it, from first to last each, that still have to be asked for.
    Owed(Vec<(u128, u128)>, u128),
    /// Behind the record, or the page, that the remote calls so.
    After(String),
    /// This page, counted from 1, and the records per page by which it is counted.
    Page(u64, u32),
    /// Inside a walk over parent records.
    Parent {
        /// Where the parents' own page begins; `Start` for parents that the request names.
        page: Box<Position>,
        /// Parents of that page to skip.
        skip: u64,
        /// Place in the collection of the parent that follows.
        inner: Box<Position>,
    },
}

impl Position {
    fn write(&self, out: &mut String) {
        match self {
            Position::Start => out.push('s'),
            Position::Key(key) => out.push_str(&format!("k{key}")),
            Position::Owed(gaps, key) => {
                let gaps: Vec<String> = gaps.iter().map(|(from, to)| format!("{from}-{to}")).collect();
                out.push_str(&format!("g{}k{key}", gaps.join("_")));
            }
            Position::After(after) => {
                out.push('a');
                crate::url::encode(after, out);
            }
            Position::Page(page, limit) => out.push_str(&format!("p{page}x{limit}")),
            Position::Parent { page, skip, inner } => {
                out.push_str(&format!("n{skip}("));
                page.write(out);
                out.push(')');
                inner.write(out);
            }
        }
    }

    /// Reads one position from the front of `text`; the rest comes back.
    fn read(text: &str, depth: u8) -> Option<(Self, &str)> {
        let mut chars = text.chars();
        let kind = chars.next()?;
        let rest = chars.as_str();
        let digits = |text: &'_ str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        match kind {
            's' => Some((Position::Start, rest)),
            'k' => {
                let (key, rest) = rest.split_at(digits(rest));
                Some((Position::Key(key.parse().ok()?), rest))
            }
            'g' => {
                let (gaps, rest) = rest.split_once('k')?;
                let (key, rest) = rest.split_at(digits(rest));
                let gap = |text: &str| {
                    let (from, to) = text.split_once('-')?;
                    Some((from.parse().ok()?, to.parse().ok()?))
                };
                let gaps = gaps.split('_').map(gap).collect::<Option<Vec<(u128, u128)>>>()?;
                Some((Position::Owed(gaps, key.parse().ok()?), rest))
            }
            'p' => {
                let (page, rest) = rest.split_at(digits(rest));
                let rest = rest.strip_prefix('x')?;
                let (limit, rest) = rest.split_at(digits(rest));
                let page = page.parse().ok().filter(|page| *page > 0)?;
                Some((Position::Page(page, limit.parse().ok().filter(|limit| (1..=1000).contains(limit))?), rest))
            }
            'a' => {
                let (after, rest) = rest.split_at(rest.find([')', '(']).unwrap_or(rest.len()));
                Some((Position::After(crate::url::decode(after)?), rest))
            }
            'n' if depth > 0 => {
                let (skip, rest) = rest.split_at(digits(rest));
                let (page, rest) = Self::read(rest.strip_prefix('(')?, depth - 1)?;
                let (inner, rest) = Self::read(rest.strip_prefix(')')?, depth - 1)?;
                Some((
                    Position::Parent { page: Box::new(page), skip: skip.parse().ok()?, inner: Box::new(inner) },
                    rest,
                ))
            }
            _ => None,
        }
    }
}

/// The failure of a cursor that is well-formed and does not fit the way in which this version reads the collection.
pub fn misfit() -> Error {
    Error::invalid("the cursor does not fit the way in which this version reads the object: finish the query with the version that began it")
        .code(CURSOR_VERSION)
        .at("/cursor")
}

/// Writes a cursor.
pub fn write(digest: u64, delivered: u64, position: &Position) -> String {
    let [first, second] = VERSIONS;
    let version = if matches!(position, Position::Owed(..)) { second } else { first };
    let mut out = format!("{version}.{digest:016x}.{delivered}.");
    position.write(&mut out);
    out
}

/// Reads a cursor that belongs to the request with this digest: how many records were delivered, and where to go on.
///
/// # Errors
/// Another version, another request, or no cursor at all.
pub fn read(cursor: &str, digest: u64) -> Result<(u64, Position), Error> {
    let malformed =
        || Error::invalid("the cursor is malformed: pass back `next` of the page before, unchanged").at("/cursor");
    let mut parts = cursor.splitn(4, '.');
    let version = parts.next().unwrap_or_default();
    if !VERSIONS.contains(&version) {
        if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let message = format!(
            "the cursor is of version {version}, and this connector reads {VERSIONS:?}: finish the query with the version that began it"
        );
        return Err(Error::invalid(message).code(CURSOR_VERSION).at("/cursor"));
    }
    let (Some(theirs), Some(delivered), Some(position)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed());
    };
    let delivered = delivered.parse().map_err(|_| malformed())?;
    match Position::read(position, 8) {
        Some((position, "")) if u64::from_str_radix(theirs, 16).is_ok() => {
            if theirs == format!("{digest:016x}") {
                Ok((delivered, position))
            } else {
                Err(Error::invalid("the cursor belongs to another query: object, fields, filter, order, include and since must be as they were").at("/cursor"))
            }
        }
        _ => Err(malformed()),
    }
}

/// A digest of what decides which records a request is about, whichever of their fields it wants: an incremental read goes on
/// only where the one before was about the same.
pub fn state_digest(request: &QueryRequest, settings: &Settings) -> u64 {
    let about =
        QueryRequest { object: request.object.clone(), filter: request.filter.clone(), ..QueryRequest::default() };
    digest(&about, settings)
}

/// A digest of everything in a request that decides which records come in which order. Not cryptographic: it guards against
/// mistakes. The store is part of it, so that no query goes on in another one.
pub fn digest(request: &QueryRequest, settings: &Settings) -> u64 {
    let mut hash = Fnv::default();
    hash.text(&settings.store_hash);
    hash.text(&settings.base.authority);
    hash.text(&settings.base.prefix);
    hash.text(&request.object);
    for list in [&request.fields, &request.include] {
        hash.text(&list.len().to_string());
        list.iter().for_each(|item| hash.text(item));
    }
    for condition in &request.filter {
        hash.text(&condition.field);
        hash.text(&format!("{:?}", condition.op));
        hash.text(&condition.value);
    }
    for order in &request.order_by {
        hash.text(&order.field);
        hash.text(if order.descending { "desc" } else { "asc" });
    }
    // A read without `since`, and the first one with it, deliver the same; their cursors do not.
    hash.text(request.since.as_deref().unwrap_or("-"));
    hash.0
}

/// FNV-1a, 64 bits.
pub struct Fnv(pub u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Adds a text and its end.
    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0xff]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_writing_and_reading() {
        let inner = Position::Parent {
            page: Box::new(Position::After("a b).(~0%c".into())),
            skip: 7,
            inner: Box::new(Position::Page(3, 50)),
        };
        let nested =
            Position::Parent { page: Box::new(Position::Key(u128::MAX)), skip: 0, inner: Box::new(inner.clone()) };
        for position in [
            Position::Start,
            Position::Key(0),
            Position::Owed(vec![(3, 3), (7, u128::MAX)], 9),
            Position::After("=..x".into()),
            Position::Page(1, 250),
            inner,
            nested,
        ] {
            let text = write(42, 1000, &position);
            assert_eq!(read(&text, 42).unwrap(), (1000, position), "{text}");
        }
    }

    #[test]
    fn foreign_cursors_are_refused_and_say_why() {
        let cursor = write(42, 0, &Position::Start);
        assert!(read(&cursor, 43).unwrap_err().message.contains("another query"));
        assert_eq!(read("3.x", 42).unwrap_err().code.as_deref(), Some(CURSOR_VERSION));
        for bad in [
            "",
            "x",
            "1",
            "1.2",
            "1.000000000000002a.0.",
            "1.000000000000002a.0.k",
            "1.000000000000002a.0.gk5",
            "1.000000000000002a.0.g3-xk5",
            "1.000000000000002a.0.p0",
            "1.000000000000002a.x.s",
            "1.000000000000002a.0.sx",
            "1.zz.0.s",
            "1.000000000000002a.0.a%zz",
            "1.000000000000002a.0.n1(s",
        ] {
            let error = read(bad, 42).unwrap_err();
            assert!(error.message.contains("malformed"), "{bad}: {error}");
        }
        let deep = format!("1.{:016x}.0.{}s", 42, "n0(".repeat(10_000));
        assert!(read(&deep, 42).is_err());
    }
}
