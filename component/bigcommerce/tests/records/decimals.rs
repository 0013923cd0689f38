//! Decimals against digit strings written out in full.

use std::cmp::Ordering;

use connector_bigcommerce::decimal::Decimal;

use crate::random::{Random, seed};

/// Places before and behind the point that the oracle writes out.
const PLACES: usize = 60;

/// The number in full: its sign, and all digits with leading and trailing zeros.
fn written_out(negative: bool, digits: &str, point: i64) -> (bool, String) {
    let mut places = vec![b'0'; 2 * PLACES];
    for (index, digit) in digits.bytes().enumerate() {
        places[usize::try_from(PLACES as i64 - point + index as i64).unwrap()] = digit;
    }
    let text = String::from_utf8(places).unwrap();
    let zero = text.bytes().all(|digit| digit == b'0');
    (negative && !zero, text)
}

fn compare(one: &(bool, String), other: &(bool, String)) -> Ordering {
    match (one.0, other.0) {
        (false, false) => one.1.cmp(&other.1),
        (true, true) => other.1.cmp(&one.1),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

/// A number in one of its many spellings, and what it is in full. Few different digits, so that equal numbers are common.
fn number(random: &mut Random) -> (String, (bool, String)) {
    let digit = |random: &mut Random| random.pick(&["0", "0", "0", "1", "2", "9"]).to_owned();
    let head: String = (0..=random.below(3)).map(|_| digit(random)).collect();
    let tail: String = (0..random.below(4)).map(|_| digit(random)).collect();
    let exponent = if random.below(2) == 0 { 0 } else { random.below(9) as i64 - 4 };
    let negative = random.below(2) == 0;
    let mut text = format!("{}{head}", if negative { "-" } else { random.pick(&["", "", "+"]) });
    if !tail.is_empty() {
        text.push('.');
        text.push_str(&tail);
    }
    if exponent != 0 || random.below(4) == 0 {
        let sign = if exponent < 0 { "-" } else { random.pick(&["", "+", "+0", "000"]) };
        text.push_str(&format!("{}{sign}{}", random.pick(&["e", "E"]), exponent.abs()));
    }
    let full = written_out(negative, &format!("{head}{tail}"), head.len() as i64 + exponent);
    (text, full)
}

#[test]
fn any_two_spellings_compare_as_the_numbers_written_out_in_full() {
    let mut random = Random(seed());
    let mut equal = 0;
    for case in 0..200_000 {
        let (one, one_full) = number(&mut random);
        let (other, other_full) = number(&mut random);
        let expected = compare(&one_full, &other_full);
        let found = Decimal::parse(&one).unwrap().cmp(&Decimal::parse(&other).unwrap());
        assert_eq!(found, expected, "seed {}, case {case}: {one} and {other}", seed());
        equal += usize::from(expected == Ordering::Equal && one != other);
    }
    assert!(equal > 1_000, "too few spellings of the same number: {equal}");
}

#[test]
fn numbers_that_no_float_can_hold_are_told_apart() {
    let ascending = [
        "-1e999999999999999999999999999999",
        "-1e400",
        "-12345678901234567890.1",
        "-12345678901234567890",
        "-0.1",
        "-1e-400",
        "0",
        "1e-999999999999999999999999999999",
        "1e-400",
        "0.1",
        "0.10000000000000000000000000000000000000001",
        "9007199254740992",
        "9007199254740993",
        "12345678901234567890",
        "12345678901234567891",
        "9.99e399",
        "1e400",
        "1.0000000000000000000000000000000000001e400",
        "1e999999999999999999999999999998",
        "1e999999999999999999999999999999",
    ];
    for (low, one) in ascending.iter().enumerate() {
        for (high, other) in ascending.iter().enumerate() {
            assert_eq!(
                Decimal::parse(one).unwrap().cmp(&Decimal::parse(other).unwrap()),
                low.cmp(&high),
                "{one} and {other}"
            );
        }
    }
}

#[test]
fn different_spellings_of_a_number_are_equal() {
    for (one, other) in [
        ("25.0000", "25"),
        ("-0", "0"),
        ("-0.00e5", "0"),
        ("0e99999999999999999999999999999999999999", "0"),
        ("1e400", "10e399"),
        ("100e-2", "1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+7", "007"),
        ("0.001", "1E-3"),
        ("1e0000000000000000000000000000000000000000002", "100"),
    ] {
        assert_eq!(Decimal::parse(one).unwrap(), Decimal::parse(other).unwrap(), "{one} and {other}");
        assert_eq!(Decimal::parse(one).map(Decimal::into_owned), Decimal::parse(other), "{one} and {other}");
    }
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "1,5", " 1", "1 ", "0x10", "NaN", "inf", "--1", "١", "1e5.5",
        "1_000",
    ] {
        assert_eq!(Decimal::parse(text), None, "{text:?}");
    }
    // More than anyone can mean; rounding it would make numbers equal that differ.
    assert_eq!(Decimal::parse("1e1000000000000000000000000000000"), None);
}
