//! Dates in the formats of both versions of the API.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::{Iso8601, Rfc2822, Rfc3339};

/// Now, in Unix seconds.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `2018-05-07T20:14:17Z`
pub(crate) fn iso(seconds: i64) -> String {
    at(seconds).format(&Rfc3339).unwrap_or_default()
}

/// `Tue, 13 Mar 2018 16:18:59 +0000`
pub(crate) fn rfc2822(seconds: i64) -> String {
    at(seconds).format(&Rfc2822).unwrap_or_default()
}

/// Nanoseconds since 1970 of a date in any format that the API reads: RFC 3339, ISO 8601 with or without offset (UTC is
/// meant without), a day, RFC 2822. `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    if text.len() < 8 || !text.contains(['-', ',', ' ']) {
        return None;
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, &Iso8601::PARSING))
        .or_else(|_| OffsetDateTime::parse(text, &Rfc2822))
        .ok()
        .or_else(|| {
            let (day, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
            OffsetDateTime::parse(&format!("{day}T{clock}Z"), &Rfc3339).ok()
        })
        .map(OffsetDateTime::unix_timestamp_nanos)
}

/// Whether a date has no time of day.
pub(crate) fn is_day(text: &str) -> bool {
    let text = text.trim();
    text.len() == 10 && !text.contains([':', ',', 'T'])
}

/// A day at the present time of day, as some filters take it.
pub(crate) fn day_at_present_time(text: &str) -> Option<i128> {
    const DAY: i128 = 86_400_000_000_000;
    Some(parse(text)? + (i128::from(now()) * 1_000_000_000) % DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_in_every_format() {
        let want = Some(1_520_957_939_000_000_000);
        for text in [
            "2018-03-13T16:18:59Z",
            "2018-03-13T16:18:59+00:00",
            "2018-03-13T17:18:59+01:00",
            "2018-03-13T16:18:59+0000",
            "2018-03-13T16:18:59",
            "2018-03-13 16:18:59",
            "Tue, 13 Mar 2018 16:18:59 +0000",
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
        assert_eq!(parse("2018-03-13"), Some(1_520_899_200_000_000_000));
        assert_eq!(parse("hello"), None);
        assert_eq!(parse("12345678"), None);
        assert_eq!(iso(1_520_957_939), "2018-03-13T16:18:59Z");
        assert_eq!(rfc2822(1_520_957_939), "Tue, 13 Mar 2018 16:18:59 +0000");
    }
}
