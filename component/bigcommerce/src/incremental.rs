//! Incremental reading: what was modified since the last run, each version of a record once, none missed.
//!
//! A run asks for everything modified at its *horizon* or later, and drops what earlier runs delivered. The next horizon is the
//! store's own time at the start of the run (the `Date` of its first answer; this side's clock plays no part) minus an overlap.
//! What changes behind the reader's back during the run is modified after its start, so the next run finds it. The overlap
//! covers clocks of the store that differ, changes that become visible late, and answers that were under way together.
//!
//! So that the overlap doubles nothing, digests of the records delivered at the new horizon or later travel along: in the cursor
//! while the run lasts, in the state afterwards. A digest is made of key and date of the change, so equal dates need no order; for
//! what changed within the last `LEAST_OVERLAP` before the start, of the whole record: the API's dates have full seconds, and a
//! record may change twice in one.
//!
//! # Bounds
//! `MOST` digests, 10 bytes each as text. Beyond that the overlap is narrowed down to `LEAST_OVERLAP`; beyond that, too, what
//! is not remembered is delivered again by the next run: a double rather than a gap. Records without any date count by their bytes.

use std::collections::BTreeSet;

use crate::cursor::Fnv;
use crate::date::Instant;
use crate::error::{Error, STATE_VERSION};
use crate::parents::text;
use crate::scan::{self, Malformed};
use crate::table::{Modified, Object};

/// Version of the notation of a state.
const VERSION: &str = "1";
/// Seconds by which a run goes back behind the start of the one before.
pub const OVERLAP: i64 = 300;
/// Seconds below which the overlap is not narrowed.
pub const LEAST_OVERLAP: i64 = 60;
/// Digests that are remembered.
const MOST: usize = 16_384;
/// Sets a run's part of a cursor apart from the place. No place holds it: it would be percent-encoded.
const SEPARATOR: char = '!';
/// The second under which records without a date are remembered.
const UNDATED: i64 = i64::MAX;
/// Bytes of a digest that are kept. It is compared with others of its own second only.
const DIGEST: usize = 6;

/// What an incremental run knows: what it was given, and what it delivered so far.
#[derive(Clone, Debug)]
pub struct Watch {
    dates: &'static Modified,
    key: &'static [&'static str],
    /// Of the request to which the state belongs.
    request: u64,
    /// Least second of change that is wanted; none in the first run.
    horizon: Option<i64>,
    /// What earlier runs delivered at the horizon or later.
    before: Digests,
    /// The store's time at the start of the run.
    began: Option<i64>,
    /// The next horizon.
    floor: i64,
    /// What this run read at the next horizon or later.
    seen: Digests,
    /// Not everything that should be remembered is.
    overflowed: bool,
}

impl Watch {
    /// Begins a run of an incremental object. `since` is empty in the first; `request` is the digest of what it reads.
    ///
    /// # Errors
    /// A state of another request or version, or none at all.
    pub fn new(object: &'static Object, dates: &'static Modified, request: u64, since: &str) -> Result<Self, Error> {
        let (horizon, before) = if since.is_empty() { (None, Digests::default()) } else { read(since, request)? };
        let (began, floor, seen) = (None, i64::MIN, Digests::default());
        Ok(Self { dates, key: object.key, request, horizon, before, began, floor, seen, overflowed: false })
    }

    /// The least second of change that is wanted, if there was a run before.
    pub fn horizon(&self) -> Option<i64> {
        self.horizon
    }

    /// Whether some of what was delivered may be delivered again by the next run.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Learns the store's time, in Unix seconds, from an answer. The first one counts.
    pub fn answered(&mut self, date: Option<i64>) {
        if let (None, Some(date)) = (self.began, date) {
            self.began = Some(date);
            self.floor = date.saturating_sub(OVERLAP).max(self.horizon.unwrap_or(i64::MIN));
        }
    }

    /// Sees to it that the start is known before the first records are taken. Without a `Date`, the last change among them is a
    /// time that the store's clock had passed.
    ///
    /// # Errors
    /// A record that is no JSON.
    pub fn settle(&mut self, records: &[u8]) -> Result<(), Malformed> {
        // An answer without records, like a 404 for a parent that is gone, tells nothing about time.
        if self.began.is_none() && scan::lines(records).next().is_some() {
            let mut last = self.horizon;
            for record in scan::lines(records) {
                last = last.max(self.date(record).map(Instant::seconds));
            }
            self.answered(last.or(Some(0)));
        }
        Ok(())
    }

    /// Whether a record is to be delivered; if so, it is remembered.
    pub fn takes(&mut self, record: &[u8]) -> bool {
        let date = self.date(record);
        let second = date.map_or(UNDATED, Instant::seconds);
        if self.horizon.is_some_and(|horizon| second < horizon) {
            return false;
        }
        let whole = fold(&[record]);
        let dated = date.map(|date| {
            let key = |field: &&str| scan::get(record, field).ok().flatten().unwrap_or(b"null");
            let key: Vec<&[u8]> = self.key.iter().map(key).collect();
            fold(&[key.join(&0xff).as_slice(), b"@", &date.nanos().to_le_bytes()])
        });
        let known =
            |digests: &Digests| digests.has(second, whole) || dated.is_some_and(|dated| digests.has(second, dated));
        if known(&self.before) || known(&self.seen) {
            // What an earlier run remembers stays remembered.
            return false;
        }
        if second >= self.floor {
            // Changed a moment ago, a record may change again within the same second: then its bytes tell.
            let fresh = self.began.is_none_or(|began| second >= began.saturating_sub(LEAST_OVERLAP));
            let digest = dated.filter(|_| !fresh).unwrap_or(whole);
            if !self.seen.add(second, digest) && !self.narrow(second, digest) {
                self.overflowed = true;
            }
        }
        true
    }

    /// Makes room by narrowing the overlap, if that is possible, and remembers.
    fn narrow(&mut self, second: i64, digest: u64) -> bool {
        let most = self.began.unwrap_or(i64::MIN).saturating_sub(LEAST_OVERLAP);
        let Some((first, _)) = self.seen.0.first() else { return false };
        let floor = first.saturating_add(1);
        if floor > most {
            return false;
        }
        self.floor = self.floor.max(floor);
        self.seen.forget(self.floor);
        second < self.floor || self.seen.add(second, digest)
    }

    fn date(&self, record: &[u8]) -> Option<Instant> {
        let read = |field: &str| {
            let text = text(record, field)?;
            Instant::parse(&text).or_else(|| Instant::from_unix(text.parse().ok()?))
        };
        read(self.dates.field).or_else(|| self.dates.created.and_then(read))
    }

    /// A cursor that carries the run along.
    pub fn carry(&self, mut cursor: String) -> String {
        if let Some(began) = self.began {
            cursor.push(SEPARATOR);
            cursor.push_str(&format!("{began}.{}.{}", self.floor, self.seen.write(self.floor)));
        }
        cursor
    }

    /// Goes on with what a cursor carries; the rest of the cursor comes back.
    ///
    /// # Errors
    /// The cursor carries none, or a malformed one.
    pub fn resume<'a>(&mut self, cursor: &'a str) -> Result<&'a str, Error> {
        let parts = cursor.split_once(SEPARATOR).and_then(|(place, run)| {
            let mut parts = run.splitn(3, '.');
            let began = parts.next()?.parse().ok()?;
            let floor = parts.next()?.parse().ok()?;
            Some((place, began, floor, Digests::read(parts.next()?, floor)?))
        });
        let (place, began, floor, seen) = parts.ok_or_else(|| {
            Error::invalid("the cursor is malformed: pass back `next` of the page before, unchanged").at("/cursor")
        })?;
        (self.began, self.floor, self.seen) = (Some(began), floor, seen);
        Ok(place)
    }

    /// What the next run needs, once this one is delivered to the end.
    pub fn state(&self) -> String {
        // A run that asked nothing (there were no parents) has moved nothing.
        let horizon = if self.began.is_some() { Some(self.floor) } else { self.horizon };
        let mut all = self.before.clone();
        let floor = horizon.unwrap_or(i64::MIN);
        all.forget(floor);
        all.0.extend(&self.seen.0);
        match horizon {
            Some(horizon) => format!("{VERSION}.{:016x}.{horizon}.{}", self.request, all.write(horizon)),
            None => format!("{VERSION}.{:016x}.-.", self.request),
        }
    }
}

/// The place of a cursor without what an incremental run carries.
pub fn place(cursor: &str) -> &str {
    cursor.split_once(SEPARATOR).map_or(cursor, |(place, _)| place)
}

/// Reads a state that belongs to this request.
fn read(state: &str, request: u64) -> Result<(Option<i64>, Digests), Error> {
    let malformed = || {
        let message =
            "the state is malformed: pass the `state` of an earlier read, unchanged, or nothing to read everything";
        Error::invalid(message).at("/since")
    };
    let mut parts = state.splitn(4, '.');
    let version = parts.next().unwrap_or_default();
    if version != VERSION && !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!(
            "the state is of version {version}, and this connector reads version {VERSION}: read with the version that wrote it, or begin anew without a state"
        );
        return Err(Error::invalid(message).code(STATE_VERSION).at("/since"));
    }
    let (true, Some(theirs), Some(horizon), Some(seen)) =
        (version == VERSION, parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed());
    };
    if u64::from_str_radix(theirs, 16).map_err(|_| malformed())? != request {
        let message = "the state belongs to another store, object or filter: what it skips would be missing here. Begin anew without a state";
        return Err(Error::invalid(message).at("/since"));
    }
    if horizon == "-" {
        return Ok((None, Digests::default()));
    }
    let horizon = horizon.parse().map_err(|_| malformed())?;
    Ok((Some(horizon), Digests::read(seen, horizon).ok_or_else(malformed)?))
}

fn fold(parts: &[&[u8]]) -> u64 {
    let mut digest = Fnv::default();
    parts.iter().for_each(|part| digest.bytes(part));
    (digest.0 ^ (digest.0 >> 48)) & ((1 << (8 * DIGEST)) - 1)
}

/// Digests, with the second of the change in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Digests(BTreeSet<(i64, u64)>);

impl Digests {
    fn has(&self, second: i64, digest: u64) -> bool {
        self.0.contains(&(second, digest))
    }

    /// Says whether there was room.
    fn add(&mut self, second: i64, digest: u64) -> bool {
        let room = self.0.len() < MOST;
        if room {
            self.0.insert((second, digest));
        }
        room
    }

    /// Forgets what is older.
    fn forget(&mut self, floor: i64) {
        self.0 = self.0.split_off(&(floor, 0));
    }

    /// As text, relative to `base`: per digest the distance of its second from the one before, and itself.
    fn write(&self, base: i64) -> String {
        let mut bytes = Vec::with_capacity(self.0.len() * (DIGEST + 1));
        let mut last = base;
        for (second, digest) in &self.0 {
            varint(second.wrapping_sub(last) as u64, &mut bytes);
            bytes.extend_from_slice(digest.to_le_bytes().get(..DIGEST).unwrap_or_default());
            last = *second;
        }
        encode(&bytes)
    }

    fn read(text: &str, base: i64) -> Option<Self> {
        let bytes = decode(text)?;
        let mut rest = bytes.as_slice();
        let (mut all, mut second) = (Self::default(), base);
        while !rest.is_empty() {
            second = second.wrapping_add(read_varint(&mut rest)? as i64);
            let (digest, behind) = rest.split_at_checked(DIGEST)?;
            rest = behind;
            let mut word = [0; 8];
            word.get_mut(..DIGEST)?.copy_from_slice(digest);
            all.0.insert((second, u64::from_le_bytes(word)));
        }
        Some(all)
    }
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding: thirty lines rather than a crate in the component.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let letter = LETTERS.get((word >> (18 - 6 * place) & 63) as usize);
            out.push(char::from(letter.copied().unwrap_or_default()));
        }
    }
    out
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let value = |letter: u8| -> Option<u32> {
        Some(u32::from(match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        }))
    };
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0;
        for (place, letter) in chunk.iter().enumerate() {
            word |= value(*letter)? << (18 - 6 * place);
        }
        let bytes = [(word >> 16) as u8, (word >> 8) as u8, word as u8];
        out.extend_from_slice(bytes.get(..chunk.len().checked_sub(1).filter(|length| *length > 0)?)?);
    }
    Some(out)
}
