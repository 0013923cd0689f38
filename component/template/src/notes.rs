//! The object `notes`: fixed data in the place of a remote. Where a real connector sends a request, [`page`] makes the records.

use std::fmt::Write as _;

use serde_json::Value;

/// Its fields, in the order of a record.
pub const FIELDS: [&str; 3] = ["id", "owner", "text"];
/// How many there are; ids begin with 1.
pub const COUNT: u64 = 250;
/// Records of a page, if the caller wishes for nothing else.
pub const PAGE: u32 = 100;

/// A condition on `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// That one.
    Equal(u64),
    /// That one and those before it.
    UpTo(u64),
    /// Those behind it.
    Behind(u64),
}

impl Condition {
    fn holds(self, id: u64) -> bool {
        match self {
            Self::Equal(wanted) => id == wanted,
            Self::UpTo(last) => id <= last,
            Self::Behind(before) => id > before,
        }
    }
}

/// One page of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// NDJSON: one object per line, each closed by a line break.
    pub records: Vec<u8>,
    /// How many lines.
    pub count: u32,
    /// The last id of this page, if there may be more behind it.
    pub last: Option<u64>,
}

/// The page behind the note `after`, with these fields of each note; all fields if none is named.
pub fn page(owner: &str, fields: &[String], conditions: &[Condition], after: u64, size: u32) -> Page {
    let mut page = Page { records: Vec::new(), count: 0, last: None };
    let mut last = after;
    for id in after.saturating_add(1)..=COUNT {
        if !conditions.iter().all(|condition| condition.holds(id)) {
            continue;
        }
        if page.count == size.max(1) {
            page.last = Some(last);
            break;
        }
        let values = [Value::from(id), Value::from(owner), Value::from(format!("Note {id}"))];
        let wanted = |field: &str| fields.is_empty() || fields.iter().any(|name| name == field);
        let pairs = FIELDS.into_iter().zip(values).filter(|(field, _)| wanted(field));
        let pairs: Vec<String> = pairs.map(|(field, value)| format!("\"{field}\":{value}")).collect();
        page.records.extend_from_slice(format!("{{{}}}\n", pairs.join(",")).as_bytes());
        page.count += 1;
        last = id;
    }
    page
}

/// Why a cursor is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCursor {
    /// Made by a version that writes other ones.
    Version,
    /// No cursor, or one of another request.
    Other,
}

/// Changes whenever the meaning of a cursor does.
const FORM: &str = "1";

/// A cursor for what comes behind the note `last`. It is all that another instance needs to go on, and holds no secret.
/// `request` is everything of the request that must stay the same.
pub fn cursor(request: &str, last: u64) -> String {
    format!("{FORM}.{}.{last}", digest(request))
}

/// The note that a cursor names.
///
/// # Errors
/// [`BadCursor`].
pub fn behind(request: &str, cursor: &str) -> Result<u64, BadCursor> {
    let mut parts = cursor.splitn(3, '.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(FORM), Some(told), Some(last)) if told == digest(request) => last.parse().map_err(|_| BadCursor::Other),
        (Some(form), Some(_), Some(_)) if form != FORM && form.parse::<u32>().is_ok() => Err(BadCursor::Version),
        _ => Err(BadCursor::Other),
    }
}

/// FNV-1a: tells requests apart.
fn digest(text: &str) -> String {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut out = String::new();
    let _ = write!(out, "{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, mix));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_deliver_every_note_once() {
        for size in [1, 7, 100, 1000] {
            let (mut ids, mut after) = (Vec::new(), Some(0));
            while let Some(last) = after {
                let page = page("Ada", &["id".into()], &[], last, size);
                let text = String::from_utf8(page.records).unwrap();
                assert_eq!(text.lines().count(), page.count as usize);
                ids.extend(
                    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap()),
                );
                after = page.last;
            }
            assert_eq!(ids, (1..=COUNT).collect::<Vec<_>>(), "pages of {size}");
        }
    }

    #[test]
    fn conditions_and_fields_are_kept_to() {
        let three = page("Ada", &["text".into()], &[Condition::UpTo(9), Condition::Behind(6)], 0, PAGE);
        let expected = "{\"text\":\"Note 7\"}\n{\"text\":\"Note 8\"}\n{\"text\":\"Note 9\"}\n";
        assert_eq!(three, Page { records: expected.into(), count: 3, last: None });
        assert_eq!(
            page("A \"B\"", &[], &[Condition::Equal(1)], 0, PAGE).records,
            b"{\"id\":1,\"owner\":\"A \\\"B\\\"\",\"text\":\"Note 1\"}\n"
        );
    }

    #[test]
    fn a_cursor_is_good_for_its_own_request_only() {
        let cursor = cursor("a", 42);
        assert_eq!(behind("a", &cursor), Ok(42));
        assert_eq!(behind("b", &cursor), Err(BadCursor::Other));
        assert_eq!(behind("a", "nonsense"), Err(BadCursor::Other));
        assert_eq!(behind("a", &cursor.replacen('1', "2", 1)), Err(BadCursor::Version));
    }
}
