//! Reads and edits one record as JSON text, without ever building values: fields are slices of the record.
//!
//! Numbers keep their digits because nobody reads them. Names and values that come out are raw, as written in the record;
//! `decode` turns a raw string into text. Every walk checks the grammar of what it passes (RFC 8259, at most `MAX_DEPTH`
//! levels) and allocates only for escapes and for output.

use std::borrow::Cow;
use std::fmt;

/// Levels of arrays and objects that are read. Deeper texts are refused, so that no answer can exhaust the stack.
pub const MAX_DEPTH: usize = 128;

/// A text is not the JSON that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Offset of the first byte that does not fit; the length of the text if it ends too early.
    pub at: usize,
    /// What should have been there.
    pub expected: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON at byte {}: expected {}", self.at, self.expected)
    }
}

impl std::error::Error for Malformed {}

pub(crate) const fn malformed<T>(at: usize, expected: &'static str) -> Result<T, Malformed> {
    Err(Malformed { at, expected })
}

/// One member of an object, raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as written, without its quotes; it may hold escapes.
    pub name: &'a [u8],
    /// The value as written.
    pub value: &'a [u8],
    /// Name and value as written, from the opening quote to the value's end.
    pub member: &'a [u8],
}

impl Field<'_> {
    /// Whether this is the field's name, escapes resolved.
    pub fn is(&self, name: &str) -> bool {
        if self.name == name.as_bytes() {
            return !self.name.contains(&b'\\');
        }
        self.name.contains(&b'\\') && unescape(self.name).is_some_and(|text| text == name)
    }
}

/// The members of an object in their order. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    text: &'a [u8],
    /// Where the next member begins; none once there is no other.
    next: Option<usize>,
    /// Whether a member was read already.
    begun: bool,
}

/// The members of the object that `object` is, first to last.
///
/// ```
/// # use connector_bigcommerce::scan::fields;
/// let names: Vec<_> = fields(br#"{"id": 7, "price": 25.00}"#).map(|field| field.unwrap().value).collect();
/// assert_eq!(names, [&b"7"[..], b"25.00"]);
/// ```
pub fn fields(object: &[u8]) -> Fields<'_> {
    Fields { text: object, next: Some(0), begun: false }
}

impl<'a> Fields<'a> {
    fn step(&mut self, at: usize) -> Result<Option<Field<'a>>, Malformed> {
        let text = self.text;
        let mut at = skip_space(text, at);
        if !self.begun {
            if byte(text, at) != Some(b'{') {
                return malformed(at, "`{`");
            }
            at = skip_space(text, at + 1);
            if byte(text, at) == Some(b'}') {
                end_of_text(text, at + 1)?;
                return Ok(None);
            }
            self.begun = true;
        }
        let name_end = string_end(text, at)?;
        let value = colon(text, name_end)?;
        let value_end = value_end(text, value, 1)?;
        let field = Field {
            name: range(text, at + 1, name_end - 1),
            value: range(text, value, value_end),
            member: range(text, at, value_end),
        };
        let after = skip_space(text, value_end);
        match byte(text, after) {
            Some(b',') => self.next = Some(skip_space(text, after + 1)),
            Some(b'}') => end_of_text(text, after + 1)?,
            _ => return malformed(after, "`,` or `}`"),
        }
        Ok(Some(field))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next.take()?;
        self.step(at).transpose()
    }
}

/// The value of a field, raw; none if it is missing. A dot leads into an object: `billing_address.email`. A field whose own name
/// holds the dots is preferred.
pub fn get<'a>(object: &'a [u8], path: &str) -> Result<Option<&'a [u8]>, Malformed> {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let mut inner = None;
    for field in fields(object) {
        let field = field?;
        if field.is(path) {
            return Ok(Some(field.value));
        }
        if rest.is_some() && field.is(head) {
            inner = Some(field.value);
        }
    }
    match (inner, rest) {
        (Some(value), Some(rest)) if value.first() == Some(&b'{') => get(value, rest),
        _ => Ok(None),
    }
}

/// Appends the object with only those of its fields that are in `names`, in the object's order.
pub fn trim<S: AsRef<str>>(object: &[u8], names: &[S], out: &mut Vec<u8>) -> Result<(), Malformed> {
    keep(object, |field| names.iter().any(|name| field.is(name.as_ref())), out)
}

/// Appends the object without those of its fields that are in `names`.
pub fn remove<S: AsRef<str>>(object: &[u8], names: &[S], out: &mut Vec<u8>) -> Result<(), Malformed> {
    keep(object, |field| !names.iter().any(|name| field.is(name.as_ref())), out)
}

/// Appends the object with only the fields that `wanted` wants. After an error, `out` is as it was.
pub fn keep(object: &[u8], mut wanted: impl FnMut(&Field<'_>) -> bool, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let start = out.len();
    out.push(b'{');
    for field in fields(object) {
        match field {
            Ok(field) if wanted(&field) => {
                if out.len() > start + 1 {
                    out.push(b',');
                }
                out.extend_from_slice(field.member);
            }
            Ok(_) => {}
            Err(error) => {
                out.truncate(start);
                return Err(error);
            }
        }
    }
    out.push(b'}');
    Ok(())
}

/// Appends the object with one more field in front. Does not look whether the object has that field already.
pub fn inject(object: &[u8], name: &str, raw_value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let open = skip_space(object, 0);
    if byte(object, open) != Some(b'{') {
        return malformed(open, "`{`");
    }
    let rest = skip_space(object, open + 1);
    let comma = match byte(object, rest) {
        Some(b'"') => true,
        Some(b'}') => false,
        _ => return malformed(rest, "a field's name or `}`"),
    };
    out.push(b'{');
    encode(name, out);
    out.push(b':');
    out.extend_from_slice(raw_value);
    if comma {
        out.push(b',');
    }
    out.extend_from_slice(object.get(rest..).unwrap_or_default());
    Ok(())
}

/// Checks that a text is exactly one JSON value.
pub fn value(text: &[u8]) -> Result<(), Malformed> {
    let end = value_end(text, skip_space(text, 0), 0)?;
    end_of_text(text, end)
}

/// Checks that a text is exactly one JSON object.
pub fn object(text: &[u8]) -> Result<(), Malformed> {
    let start = skip_space(text, 0);
    if byte(text, start) != Some(b'{') {
        return malformed(start, "`{`");
    }
    value(text)
}

/// The elements of a JSON array, raw. Empty for an empty array.
pub fn elements(array: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut at = skip_space(array, 0);
    if byte(array, at) != Some(b'[') {
        return malformed(at, "`[`");
    }
    let mut found = Vec::new();
    at = skip_space(array, at + 1);
    if byte(array, at) == Some(b']') {
        return end_of_text(array, at + 1).map(|()| found);
    }
    loop {
        let end = value_end(array, at, 1)?;
        found.push(range(array, at, end));
        at = skip_space(array, end);
        match byte(array, at) {
            Some(b',') => at = skip_space(array, at + 1),
            Some(b']') => return end_of_text(array, at + 1).map(|()| found),
            _ => return malformed(at, "`,` or `]`"),
        }
    }
}

/// The text of a raw JSON string; none if it is something else, or holds half of a surrogate pair.
pub fn decode(raw: &[u8]) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        // Escapes are rare, and a library knows their corners.
        return serde_json::from_slice(raw).ok().map(Cow::Owned);
    }
    std::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

/// Appends a text as a JSON string.
pub fn encode(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, text).is_err() {
        // Writing a str into memory has no way to fail; should it ever, nothing half-written stays.
        out.truncate(start);
        out.extend_from_slice(b"\"\"");
    }
}

/// A raw value as text, for messages and cursors. Records are UTF-8, so it is empty only for bytes that came from elsewhere.
pub fn text(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).unwrap_or_default()
}

/// The lines of NDJSON without their line ends; lines of nothing but white space are left out.
pub fn lines(ndjson: &[u8]) -> impl Iterator<Item = &[u8]> {
    ndjson.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// Appends an array of raw values.
pub fn join<'a>(values: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    out.push(b'[');
    let start = out.len();
    for value in values {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(value);
    }
    out.push(b']');
}

fn unescape(inner: &[u8]) -> Option<String> {
    let mut quoted = Vec::with_capacity(inner.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(inner);
    quoted.push(b'"');
    serde_json::from_slice(&quoted).ok()
}

#[inline]
pub(crate) fn byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).copied()
}

/// A range that the caller has walked over, hence inside of the text.
#[inline]
pub(crate) fn range(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to).unwrap_or_default()
}

#[inline]
pub(crate) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = byte(text, at) {
        at += 1;
    }
    at
}

/// Checks that only white space follows.
pub(crate) fn end_of_text(text: &[u8], at: usize) -> Result<(), Malformed> {
    let at = skip_space(text, at);
    if at == text.len() { Ok(()) } else { malformed(at, "the end of the text") }
}

/// From behind a name to the start of its value.
pub(crate) fn colon(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let at = skip_space(text, at);
    if byte(text, at) != Some(b':') {
        return malformed(at, "`:`");
    }
    Ok(skip_space(text, at + 1))
}

/// The end of the value that starts at `at`, which is `depth` levels inside of the text.
pub(crate) fn value_end(text: &[u8], at: usize, depth: usize) -> Result<usize, Malformed> {
    match byte(text, at) {
        Some(b'"') => string_end(text, at),
        Some(b'{') => container_end(text, at, depth, b'}'),
        Some(b'[') => container_end(text, at, depth, b']'),
        Some(b'-' | b'0'..=b'9') => number_end(text, at),
        Some(b't') => literal_end(text, at, b"true"),
        Some(b'f') => literal_end(text, at, b"false"),
        Some(b'n') => literal_end(text, at, b"null"),
        _ => malformed(at, "a value"),
    }
}

fn container_end(text: &[u8], open: usize, depth: usize, close: u8) -> Result<usize, Malformed> {
    if depth >= MAX_DEPTH {
        return malformed(open, "at most 128 levels of arrays and objects");
    }
    let mut at = skip_space(text, open + 1);
    if byte(text, at) == Some(close) {
        return Ok(at + 1);
    }
    loop {
        if close == b'}' {
            at = colon(text, string_end(text, at)?)?;
        }
        at = skip_space(text, value_end(text, at, depth + 1)?);
        match byte(text, at) {
            Some(b',') => at = skip_space(text, at + 1),
            Some(found) if found == close => return Ok(at + 1),
            _ => return malformed(at, if close == b'}' { "`,` or `}`" } else { "`,` or `]`" }),
        }
    }
}

/// The end of the string that starts at `at`: control characters, escapes and UTF-8 are checked.
pub(crate) fn string_end(text: &[u8], at: usize) -> Result<usize, Malformed> {
    if byte(text, at) != Some(b'"') {
        return malformed(at, "a string");
    }
    let start = at + 1;
    let mut at = start;
    let mut ascii = true;
    loop {
        at = plain_end(text, at);
        match byte(text, at) {
            Some(b'"') => break,
            Some(b'\\') => at = escape_end(text, at)?,
            Some(0x80..) => {
                ascii = false;
                at += 1;
            }
            Some(_) => return malformed(at, "no control character in a string"),
            None => return malformed(at, "the string's closing quote"),
        }
    }
    if !ascii && let Err(error) = std::str::from_utf8(range(text, start, at)) {
        return malformed(start + error.valid_up_to(), "UTF-8");
    }
    Ok(at + 1)
}

/// The first byte from `at` on that is a quote, a backslash, a control character or not ASCII.
#[inline]
fn plain_end(text: &[u8], mut at: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    while let Some(bytes) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*bytes);
        // A borrow can only set bits above a true hit, and the lowest hit is all that is asked for.
        let zero = |word: u64| word.wrapping_sub(LOW) & !word;
        let hits = zero(word ^ (LOW * 0x22)) | zero(word ^ (LOW * 0x5c)) | zero(word & (LOW * 0xe0)) | word;
        let hits = hits & HIGH;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7f) = byte(text, at) {
        at += 1;
    }
    at
}

fn escape_end(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match byte(text, at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let digits = range(text, at + 2, at + 6);
            if digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit) {
                Ok(at + 6)
            } else {
                malformed(at, "four hexadecimal digits after `\\u`")
            }
        }
        _ => malformed(at, "an escape that JSON has"),
    }
}

fn number_end(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let digits = |at: usize| {
        let end = at + text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if end > at { Ok(end) } else { malformed(at, "a digit") }
    };
    let start = if byte(text, at) == Some(b'-') { at + 1 } else { at };
    let mut end = if byte(text, start) == Some(b'0') { start + 1 } else { digits(start)? };
    if byte(text, end) == Some(b'.') {
        end = digits(end + 1)?;
    }
    if let Some(b'e' | b'E') = byte(text, end) {
        let sign = usize::from(matches!(byte(text, end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + sign)?;
    }
    Ok(end)
}

fn literal_end(text: &[u8], at: usize, literal: &'static [u8]) -> Result<usize, Malformed> {
    let end = at + literal.len();
    if range(text, at, end) == literal { Ok(end) } else { malformed(at, "`true`, `false` or `null`") }
}
