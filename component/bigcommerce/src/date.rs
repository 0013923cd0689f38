//! Points in time in every notation that the API reads or writes: ISO 8601 (RFC 3339), RFC 2822, Unix seconds.
//!
//! Own arithmetic rather than a calendar library: the calendar itself is thirty lines, a library would bring time zones and
//! formatting into a component that has to stay small, and what counts as a date here is stricter in places and wider in others.
//! The calendar is the Gregorian one, extended backwards; years are 0000 to 9999, which is what both notations can write.

use std::fmt::Write as _;

/// 0000-01-01T00:00:00Z.
const FIRST: i64 = -62_167_219_200;
/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;
const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A point in time, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    seconds: i64,
    nanos: u32,
}

impl Instant {
    /// Reads a date in either notation; none for anything else, impossible days and wrong weekdays included.
    ///
    /// ISO 8601: `2018-03-13`, `2018-03-13T16:18Z`, `2018-03-13 16:18:59.25+0000`. A date alone is its first moment, no offset
    /// means UTC, and a fraction has at most nine digits (zeros behind them aside).
    /// RFC 2822: `Tue, 13 Mar 2018 16:18:59 +0000`, weekday and seconds optional; `GMT`, `UT`, `UTC` and `Z` are the zones that
    /// may be named.
    ///
    /// ```
    /// # use connector_bigcommerce::date::Instant;
    /// assert_eq!(Instant::parse("2018-03-13T17:18:59+01:00"), Instant::parse("Tue, 13 Mar 2018 16:18:59 +0000"));
    /// assert_eq!(Instant::parse("2018-02-30"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Instant> {
        let text = text.as_bytes();
        if text.get(4) == Some(&b'-') { Reader(text).iso() } else { Reader(text).rfc2822() }
    }

    /// From Unix seconds; none outside of the years 0000 to 9999.
    pub fn from_unix(seconds: i64) -> Option<Instant> {
        Instant::new(seconds, 0)
    }

    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds behind the full second.
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// `2018-03-13T16:18:59Z`, with a fraction only if there is one.
    pub fn rfc3339(self) -> String {
        let (year, month, day) = civil(self.seconds.div_euclid(DAY));
        let (hour, minute, second) = clock(self.seconds);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if self.nanos != 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, ".{:09}", self.nanos);
            text.truncate(text.trim_end_matches('0').len());
        }
        text.push('Z');
        text
    }

    /// `Tue, 13 Mar 2018 16:18:59 +0000`. This notation has no fractions: they are cut off.
    pub fn rfc2822(self) -> String {
        let days = self.seconds.div_euclid(DAY);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = clock(self.seconds);
        let weekday = WEEKDAYS.get(weekday(days)).copied().unwrap_or_default();
        let month = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
    }

    fn new(seconds: i64, nanos: u32) -> Option<Instant> {
        (FIRST..=LAST).contains(&seconds).then_some(Instant { seconds, nanos })
    }
}

/// Days since 1970-01-01 of a civil date; none if there is no such day.
fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    // Counted in years that begin in March, so that the leap day is a year's last; 400 such years always have 146,097 days.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Year, month and day of a day since 1970-01-01.
fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = (of_era - (365 * year + year / 4 - year / 100)) as u32;
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// 0 is Sunday; 1970-01-01 was a Thursday.
fn weekday(days: i64) -> usize {
    (days + 4).rem_euclid(7) as usize
}

fn clock(seconds: i64) -> (i64, i64, i64) {
    let seconds = seconds.rem_euclid(DAY);
    (seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn iso(mut self) -> Option<Instant> {
        let year = self.number(4, 4)?;
        self.byte(b"-")?;
        let month = self.number(2, 2)?;
        self.byte(b"-")?;
        let day = self.number(2, 2)?;
        let days = days(i64::from(year), month, day)?;
        if self.0.is_empty() {
            return Instant::new(days * DAY, 0);
        }
        self.byte(b"Tt ")?;
        let hour = self.number(2, 2)?;
        self.byte(b":")?;
        let minute = self.number(2, 2)?;
        let (mut second, mut nanos) = (0, 0);
        if self.byte(b":").is_some() {
            second = self.number(2, 2)?;
            if self.byte(b".,").is_some() {
                nanos = self.fraction()?;
            }
        }
        let offset = match self.0.first() {
            None => 0,
            Some(b'Z' | b'z') => self.byte(b"Zz").map(|_| 0)?,
            Some(_) => self.offset()?,
        };
        self.finish(days, (hour, minute, second), nanos, offset)
    }

    fn rfc2822(mut self) -> Option<Instant> {
        let named = self.name(&WEEKDAYS);
        if named.is_some() {
            self.byte(b",")?;
            self.spaces();
        }
        let day = self.number(1, 2)?;
        self.spaces().then_some(())?;
        let month = self.name(&MONTHS)? as u32 + 1;
        self.spaces().then_some(())?;
        let year = self.number(4, 4)?;
        self.spaces().then_some(())?;
        let days = days(i64::from(year), month, day)?;
        if named.is_some_and(|named| named != weekday(days)) {
            return None;
        }
        let hour = self.number(2, 2)?;
        self.byte(b":")?;
        let minute = self.number(2, 2)?;
        let second = if self.byte(b":").is_some() { self.number(2, 2)? } else { 0 };
        self.spaces().then_some(())?;
        let offset = if self.0.first().is_some_and(u8::is_ascii_alphabetic) {
            let zones = ["GMT", "UTC", "UT", "Z"];
            let zone = zones.into_iter().find(|zone| self.0.eq_ignore_ascii_case(zone.as_bytes()))?;
            self.0 = self.0.get(zone.len()..)?;
            0
        } else {
            self.offset()?
        };
        self.finish(days, (hour, minute, second), 0, offset)
    }

    fn finish(self, days: i64, (hour, minute, second): (u32, u32, u32), nanos: u32, offset: i64) -> Option<Instant> {
        // A leap second is the 61st of some hour's last minute; it is read as the moment that follows it.
        let seconds = if minute == 59 { 60 } else { 59 };
        if hour > 23 || minute > 59 || second > seconds || !self.0.is_empty() {
            return None;
        }
        let of_day = i64::from(hour * 3_600 + minute * 60 + second);
        Instant::new(days * DAY + of_day - offset, nanos)
    }

    /// Takes one of these bytes.
    fn byte(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        any.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// Takes the digits that come next, if there are so many of them.
    fn number(&mut self, at_least: usize, at_most: usize) -> Option<u32> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count < at_least || count > at_most {
            return None;
        }
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    /// Takes the digits of a fraction, as nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        // A tenth digit would have to be dropped, and instants that differ would become equal.
        if digits.is_empty() || digits.iter().skip(9).any(|digit| *digit != b'0') {
            return None;
        }
        Some(digits.iter().chain([b'0'; 9].iter()).take(9).fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    }

    /// Takes `+01:00`, `+0100` or `+01`, as seconds.
    fn offset(&mut self) -> Option<i64> {
        let sign = if self.byte(b"+-")? == b'-' { -1 } else { 1 };
        let all = match self.0 {
            [_, _, b':', _, _] => {
                let hours = self.number(2, 2)?;
                self.byte(b":")?;
                hours * 100 + self.number(2, 2)?
            }
            [_, _, _, _] => self.number(4, 4)?,
            _ => self.number(2, 2)? * 100,
        };
        let (hours, minutes) = (all / 100, all % 100);
        (hours <= 23 && minutes <= 59).then(|| sign * i64::from(hours * 3_600 + minutes * 60))
    }

    /// Takes one of these names, as its position.
    fn name(&mut self, names: &[&str]) -> Option<usize> {
        let (name, rest) = self.0.split_at_checked(3)?;
        let position = names.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
        self.0 = rest;
        Some(position)
    }

    /// Takes spaces; says whether there were any.
    fn spaces(&mut self) -> bool {
        let before = self.0.len();
        while self.byte(b" ").is_some() {}
        self.0.len() < before
    }
}
