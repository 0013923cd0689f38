//! Decimal numbers compared exactly, digit by digit: no binary float, no big-number arithmetic, no memory beyond the text.
//!
//! A number is kept as its significant digits and the power of ten in front of them, so `1e400`, `25.00` and a number of a
//! thousand digits cost the same to tell apart as their texts.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::iter::Chain;
use std::slice::Iter;

/// Digits that an exponent may have. Longer ones (numbers that nobody can write out) are refused rather than rounded.
const EXPONENT_DIGITS: usize = 30;

/// Most zeros that are written for an exponent.
const PLAIN_ZEROS: i128 = 40;

/// A number: 0.d₁d₂d₃… × 10^`exponent`, where d₁ and the last digit are not zero. Zero has no digits, no sign and exponent 0.
#[derive(Clone, Debug)]
pub struct Decimal<'a> {
    negative: bool,
    /// The significant digits from before the point.
    head: Cow<'a, [u8]>,
    /// The significant digits from behind the point.
    tail: Cow<'a, [u8]>,
    exponent: i128,
}

impl<'a> Decimal<'a> {
    /// Reads a JSON number, or a decimal number as people write it (`+5`, `.5`, `007`). None for anything else, and for an
    /// exponent of more than 30 digits.
    ///
    /// ```
    /// # use connector_bigcommerce::decimal::Decimal;
    /// assert_eq!(Decimal::parse("25.0000"), Decimal::parse("25"));
    /// assert!(Decimal::parse("1e400") > Decimal::parse("9.99e399"));
    /// assert_eq!(Decimal::parse("12x"), None);
    /// ```
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.as_bytes();
        let (negative, text) = match text.first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (head, rest) = digits(text);
        let (tail, rest) = match rest.strip_prefix(b".") {
            Some(rest) => digits(rest),
            None => (&[][..], rest),
        };
        if head.is_empty() && tail.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => Some(0),
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };

        let head = strip_front(head);
        let front = strip_front(tail);
        // The position of the first significant digit: before the point counted from one, behind it downwards from zero.
        let (position, tail) = if head.is_empty() {
            (-i128::try_from(tail.len() - front.len()).ok()?, front)
        } else {
            (i128::try_from(head.len()).ok()?, tail)
        };
        let tail = strip_back(tail);
        let head = if tail.is_empty() { strip_back(head) } else { head };
        if head.is_empty() && tail.is_empty() {
            // Zero is zero, whatever stands behind the e.
            return Some(Decimal {
                negative: false,
                head: Cow::Borrowed(head),
                tail: Cow::Borrowed(tail),
                exponent: 0,
            });
        }
        let exponent = exponent? + position;
        Some(Decimal { negative, head: Cow::Borrowed(head), tail: Cow::Borrowed(tail), exponent })
    }

    /// The same number with digits of its own.
    pub fn into_owned(self) -> Decimal<'static> {
        Decimal {
            negative: self.negative,
            head: Cow::Owned(self.head.into_owned()),
            tail: Cow::Owned(self.tail.into_owned()),
            exponent: self.exponent,
        }
    }

    /// The number without an exponent and without zeros that change nothing (`25.00` is `25`, `1e2` is `100`). None for one that
    /// would need more than 40 zeros for it.
    ///
    /// ```
    /// # use connector_bigcommerce::decimal::Decimal;
    /// assert_eq!(Decimal::parse("-0.50e-1").and_then(|number| number.plain()).as_deref(), Some("-0.05"));
    /// assert_eq!(Decimal::parse("1e400").and_then(|number| number.plain()), None);
    /// ```
    pub fn plain(&self) -> Option<String> {
        let digits: String = self.digits().map(|digit| char::from(*digit)).collect();
        let zeros = |count: i128| (count <= PLAIN_ZEROS).then(|| "0".repeat(usize::try_from(count).unwrap_or(0)));
        let size = match self.exponent {
            _ if digits.is_empty() => "0".to_owned(),
            ..=0 => format!("0.{}{digits}", zeros(-self.exponent)?),
            // As many digits as there are in front of the point, which may be more than a machine can count.
            whole => match usize::try_from(whole).ok().and_then(|whole| digits.split_at_checked(whole)) {
                Some((whole, fraction)) if !fraction.is_empty() => format!("{whole}.{fraction}"),
                _ => format!("{digits}{}", zeros(whole - i128::try_from(digits.len()).ok()?)?),
            },
        };
        Some(if self.negative { format!("-{size}") } else { size })
    }

    fn digits(&self) -> Chain<Iter<'_, u8>, Iter<'_, u8>> {
        self.head.iter().chain(self.tail.iter())
    }

    /// -1, 0 or 1.
    fn sign(&self) -> i8 {
        match (self.head.is_empty() && self.tail.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // With neither leading nor trailing zeros, the order of equally scaled numbers is that of their digits as words.
        let sizes = || self.exponent.cmp(&other.exponent).then_with(|| self.digits().cmp(other.digits()));
        self.sign().cmp(&other.sign()).then_with(|| if self.negative { sizes().reverse() } else { sizes() })
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal<'_> {}

/// Splits the leading digits off.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at_checked(count).unwrap_or_default()
}

/// None: not an exponent. Some(None): one that is too long.
fn exponent(text: &[u8]) -> Option<Option<i128>> {
    let (negative, text) = match text.first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (all, rest) = digits(text);
    if all.is_empty() || !rest.is_empty() {
        return None;
    }
    let significant = strip_front(all);
    if significant.len() > EXPONENT_DIGITS {
        return Some(None);
    }
    let size = significant.iter().fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    Some(Some(if negative { -size } else { size }))
}

fn strip_front(mut digits: &[u8]) -> &[u8] {
    while let [b'0', rest @ ..] = digits {
        digits = rest;
    }
    digits
}

fn strip_back(mut digits: &[u8]) -> &[u8] {
    while let [rest @ .., b'0'] = digits {
        digits = rest;
    }
    digits
}
