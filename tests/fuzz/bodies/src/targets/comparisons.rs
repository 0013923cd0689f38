//! Comparing on raw JSON: decimals as exactly as big integers do, dates as the time crate does, and the laws that hold for any
//! two values whatever their types.

use std::cmp::Ordering;

use connector_bigcommerce::compare::{Comparison, Prepared};
use connector_bigcommerce::date::Instant;
use connector_bigcommerce::decimal::Decimal;
use connector_bigcommerce::scan::MAX_DEPTH;
use connector_bigcommerce::table::{Format, Type};
use num_bigint::BigInt;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Date, Duration, OffsetDateTime, UtcOffset};

use crate::feed::Feed;
use crate::oracle;

/// Largest exponent that is multiplied out to check a comparison.
const MOST_EXPONENT: i64 = 2000;

const KINDS: [(Type, Format); 9] = [
    (Type::String, Format::Plain),
    (Type::String, Format::Date),
    (Type::String, Format::Decimal),
    (Type::Integer, Format::Plain),
    (Type::Number, Format::Plain),
    (Type::Number, Format::Date),
    (Type::Boolean, Format::Plain),
    (Type::Any, Format::Plain),
    (Type::Any, Format::Decimal),
];

/// Takes the first byte as what to check, the rest as two values (lines) or as a recipe for a date.
pub fn check(data: &[u8]) {
    let mut feed = Feed(data);
    match feed.byte() % 3 {
        0 => made_date(feed),
        1 => {
            if let Ok(text) = std::str::from_utf8(feed.rest()) {
                read_date(text);
            }
        }
        _ => {
            if let Ok(text) = std::str::from_utf8(feed.rest())
                && let Some((one, other)) = text.split_once('\n')
            {
                numbers(one, other);
                for (ty, format) in KINDS {
                    laws(one, other, ty, format);
                }
            }
        }
    }
}

/// A JSON number as an integer and a power of ten.
fn exact(number: &str) -> Option<(BigInt, i64)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().ok().filter(|e: &i64| e.abs() <= MOST_EXPONENT)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let places = i64::try_from(fraction.len()).unwrap();
    Some((format!("{whole}{fraction}").parse().ok()?, exponent - places))
}

fn ordered(one: &str, other: &str) -> Option<Ordering> {
    let ((a, a_exponent), (b, b_exponent)) = (exact(one)?, exact(other)?);
    let least = a_exponent.min(b_exponent);
    let scaled =
        |number: BigInt, exponent: i64| number * BigInt::from(10).pow(u32::try_from(exponent - least).unwrap());
    Some(scaled(a, a_exponent).cmp(&scaled(b, b_exponent)))
}

fn is_number(text: &str) -> bool {
    oracle::value(text.as_bytes()) == Some(text) && text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

fn numbers(one: &str, other: &str) {
    for text in [one, other] {
        let exponent = text.split_once(['e', 'E']).map_or(0, |(_, exponent)| exponent.len());
        if is_number(text) && exponent <= 30 {
            assert!(Decimal::parse(text).is_some(), "{text} is a number");
        }
    }
    let (Some(a), Some(b)) = (Decimal::parse(one), Decimal::parse(other)) else { return };
    assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    assert_eq!(a, a.clone().into_owned());
    if !is_number(one) || !is_number(other) {
        return;
    }
    let Some(order) = ordered(one, other) else { return };
    assert_eq!(a.cmp(&b), order, "{one} and {other}");
    let condition = |op| Prepared::new(op, other, Type::Number, Format::Decimal).expect("a number is compared");
    for raw in [one.to_owned(), format!("\"{one}\"")] {
        for (op, want) in [
            (Comparison::Equal, order.is_eq()),
            (Comparison::NotEqual, order.is_ne()),
            (Comparison::Less, order.is_lt()),
            (Comparison::LessOrEqual, order.is_le()),
            (Comparison::Greater, order.is_gt()),
            (Comparison::GreaterOrEqual, order.is_ge()),
        ] {
            assert_eq!(condition(op).holds(Some(raw.as_bytes())), want, "{raw} {op:?} {other}");
        }
    }
}

/// What must hold between any value of a record and any value of a condition.
fn laws(value: &str, operand: &str, ty: Type, format: Format) {
    let Some(raw) = oracle::value(value.as_bytes()).filter(|raw| oracle::depth(raw) <= MAX_DEPTH) else { return };
    if oracle::value(operand.as_bytes()).is_none() {
        assert!(Prepared::new(Comparison::Equal, operand, ty, format).is_err(), "`{operand}` is no value");
        return;
    }
    let holds = |op, operand: &str| Some(Prepared::new(op, operand, ty, format).ok()?.holds(Some(raw.as_bytes())));
    let equal = holds(Comparison::Equal, operand);
    assert_eq!(holds(Comparison::NotEqual, operand), equal.map(|equal| !equal), "not-equal is the opposite of equal");
    assert_eq!(holds(Comparison::OneOf, &format!("[{operand}]")), equal, "one of one is that one");
    assert!(!holds(Comparison::OneOf, "[]").unwrap_or(false), "nothing is one of none");
    if let (Some(equal), Some(less), Some(greater)) =
        (equal, holds(Comparison::Less, operand), holds(Comparison::Greater, operand))
    {
        assert!(u8::from(less) + u8::from(equal) + u8::from(greater) <= 1, "{raw} and {operand} are in two orders");
        assert_eq!(holds(Comparison::LessOrEqual, operand), Some(less || equal), "{raw} and {operand}");
        assert_eq!(holds(Comparison::GreaterOrEqual, operand), Some(greater || equal), "{raw} and {operand}");
    }
    if format == Format::Plain
        && ty == Type::String
        && let (Ok(text), Ok(part)) = (serde_json::from_str::<String>(raw), serde_json::from_str::<String>(operand))
    {
        let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        let contains = lower(&text).contains(&lower(&part));
        assert_eq!(holds(Comparison::Contains, operand), Some(contains), "{text:?} contains {part:?}");
        assert_eq!(equal, Some(text == part));
        assert_eq!(holds(Comparison::Less, operand), Some(text < part));
    }
}

/// A date that exists is read in every notation, as the moment that the time crate says it is.
fn made_date(mut feed: Feed<'_>) {
    let year = i32::try_from(feed.below(10_000)).unwrap();
    let day = u16::try_from(feed.below(365) + 1).unwrap();
    let of_day = i64::try_from(feed.number(4) % 86_400).unwrap();
    let nanos = i64::try_from(feed.number(4) % 1_000_000_000).unwrap();
    let minutes = i32::try_from(feed.below(2 * 1439 + 1)).unwrap() - 1439;
    let offset = UtcOffset::from_whole_seconds(minutes * 60).unwrap();
    let date = Date::from_ordinal_date(year, day).unwrap();
    let moment = date.midnight() + Duration::seconds(of_day) + Duration::nanoseconds(nanos);
    let moment = moment.assume_offset(offset);
    let want = Instant::from_unix(moment.unix_timestamp());
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    let (month, day) = (u8::from(date.month()), date.day());
    let (hour, minute, second) = moment.to_hms();
    let weekday = &date.weekday().to_string()[..3];
    let name = &date.month().to_string()[..3];
    for text in [
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{hours:02}:{rest:02}"),
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{sign}{hours:02}{rest:02}"),
        format!("{weekday}, {day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} {sign}{hours:02}{rest:02}"),
        format!("{day} {name} {year:04} {hour:02}:{minute:02}:{second:02} {sign}{hours:02}{rest:02}"),
    ] {
        assert_eq!(Instant::parse(&text), want, "{text}");
    }
    let exact = format!(
        "{year:04}-{month:02}-{day:02}t{hour:02}:{minute:02}:{second:02}.{nanos:09}0{sign}{hours:02}:{rest:02}"
    );
    let read = Instant::parse(&exact);
    assert_eq!(read.map(|read| (read.seconds(), i64::from(read.nanos()))), want.map(|want| (want.seconds(), nanos)));
    if let Some(read) = read {
        written(read);
    }
}

/// A text that may be a date: if two readers take it, they take it for the same moment.
fn read_date(text: &str) {
    let ours = Instant::parse(text);
    if let Some(ours) = ours {
        written(ours);
    }
    for theirs in [OffsetDateTime::parse(text, &Rfc3339), OffsetDateTime::parse(text, &Rfc2822)].into_iter().flatten() {
        // A leap second is the last nanosecond before the minute for them, and the moment that follows it for us.
        // And they lose the sign of an offset of less than an hour: `-0002` is two minutes ahead of UTC for them.
        if text.contains(":60") || text.contains("-00") {
            continue;
        }
        if let Some(ours) = ours {
            assert_eq!(ours.seconds(), theirs.unix_timestamp(), "{text}");
            assert_eq!(ours.nanos(), theirs.nanosecond(), "{text}");
        }
    }
    if let Ok(theirs) = OffsetDateTime::parse(text, &Rfc3339)
        && Instant::from_unix(theirs.unix_timestamp()).is_some()
        // Any character may stand between day and time for them.
        && matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' '))
    {
        let fraction = text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        assert!(ours.is_some() || fraction > 9 || text.contains(":60"), "{text} is a date");
    }
}

/// Both notations that are written are read again, here and elsewhere.
fn written(instant: Instant) {
    let text = instant.rfc3339();
    assert_eq!(Instant::parse(&text), Some(instant), "{text}");
    let theirs = OffsetDateTime::parse(&text, &Rfc3339).expect("writes RFC 3339");
    assert_eq!((theirs.unix_timestamp(), theirs.nanosecond()), (instant.seconds(), instant.nanos()), "{text}");
    let text = instant.rfc2822();
    assert_eq!(Instant::parse(&text), Instant::from_unix(instant.seconds()), "{text}");
    // The notation of that crate begins with the year 1900.
    if let Ok(theirs) = OffsetDateTime::parse(&text, &Rfc2822) {
        assert_eq!(theirs.unix_timestamp(), instant.seconds(), "{text}");
    }
}
