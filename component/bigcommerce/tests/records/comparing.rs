//! Conditions on fields.

use connector_bigcommerce::compare::{BadCondition, Comparison, Prepared};
use connector_bigcommerce::table::{Format, Type};

use Comparison::{Contains, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, OneOf};

const ORDERS: [Comparison; 4] = [Less, LessOrEqual, Greater, GreaterOrEqual];

fn holds(op: Comparison, value: &str, ty: Type, format: Format, field: &str) -> bool {
    let prepared = Prepared::new(op, value, ty, format).unwrap_or_else(|error| panic!("{op:?} {value}: {error}"));
    prepared.holds(Some(field.as_bytes()))
}

/// All six comparisons of field and value follow from how they are ordered; `None`: not at all.
fn in_order(ty: Type, format: Format, field: &str, order: Option<std::cmp::Ordering>, value: &str) {
    let expected = [
        (Equal, order.is_some_and(|order| order.is_eq())),
        (NotEqual, !order.is_some_and(|order| order.is_eq())),
        (Less, order.is_some_and(|order| order.is_lt())),
        (LessOrEqual, order.is_some_and(|order| order.is_le())),
        (Greater, order.is_some_and(|order| order.is_gt())),
        (GreaterOrEqual, order.is_some_and(|order| order.is_ge())),
    ];
    for (op, expected) in expected {
        assert_eq!(holds(op, value, ty, format, field), expected, "{field} {op:?} {value}");
    }
    assert_eq!(holds(OneOf, &format!("[{value}]"), ty, format, field), order.is_some_and(|order| order.is_eq()));
}

const LESS: Option<std::cmp::Ordering> = Some(std::cmp::Ordering::Less);
const SAME: Option<std::cmp::Ordering> = Some(std::cmp::Ordering::Equal);
const MORE: Option<std::cmp::Ordering> = Some(std::cmp::Ordering::Greater);

#[test]
fn numbers_compare_as_decimals_also_when_written_as_text() {
    let (number, plain, decimal) = (Type::Number, Format::Plain, Format::Decimal);
    in_order(number, plain, "25.00", SAME, "25");
    in_order(number, plain, "12345678901234567890", LESS, "12345678901234567891");
    in_order(number, plain, "1e400", MORE, "1e399");
    in_order(number, plain, "-0", SAME, "0");
    in_order(number, plain, "10", MORE, "\"9\"");
    in_order(Type::String, decimal, "\"25.0000\"", SAME, "25");
    in_order(Type::String, decimal, "\"100.0000\"", MORE, "\"25.00\"");
    in_order(Type::String, decimal, "\"\\u0032\"", SAME, "2.0");
    in_order(Type::String, decimal, "9.5", LESS, "\"25\"");
    in_order(Type::String, decimal, "\"none\"", None, "25");
    in_order(number, plain, "true", None, "25");
    in_order(number, plain, "[25]", None, "25");
    in_order(Type::Any, plain, "3", LESS, "20");
    in_order(Type::Any, plain, "\"3\"", None, "20");
}

#[test]
fn dates_compare_as_instants_in_any_notation() {
    for ty in [Type::String, Type::Integer, Type::Any] {
        in_order(ty, Format::Date, "\"Tue, 13 Mar 2018 16:18:59 +0000\"", SAME, "\"2018-03-13T17:18:59+01:00\"");
        in_order(ty, Format::Date, "\"2018-03-13T16:18:59+00:00\"", MORE, "\"2018-03-13\"");
        in_order(ty, Format::Date, "1520957939", SAME, "\"Tue, 13 Mar 2018 16:18:59 GMT\"");
        in_order(ty, Format::Date, "\"2018-03-13T16:18:59Z\"", LESS, "1520957940");
        in_order(ty, Format::Date, "\"soon\"", None, "\"2018-03-13\"");
        in_order(ty, Format::Date, "\"\"", None, "\"2018-03-13\"");
        in_order(ty, Format::Date, "1e9", None, "\"2018-03-13\"");
    }
    assert!(holds(Equal, "\"\"", Type::String, Format::Date, "\"\""));
    assert!(holds(NotEqual, "\"\"", Type::String, Format::Date, "\"2018-03-13\""));
    for op in ORDERS {
        assert!(Prepared::new(op, "\"\"", Type::String, Format::Date).is_err());
    }
}

#[test]
fn texts_compare_by_code_points_after_escapes() {
    in_order(Type::String, Format::Plain, r#""caf\u00e9""#, SAME, "\"café\"");
    in_order(Type::String, Format::Plain, "\"Zebra\"", LESS, "\"apple\"");
    in_order(Type::String, Format::Plain, "\"10\"", LESS, "\"9\"");
    in_order(Type::String, Format::Plain, "\"\u{ffff}\"", LESS, "\"\u{10000}\"");
    in_order(Type::String, Format::Plain, "\"00123\"", LESS, "123");
    in_order(Type::String, Format::Plain, "\"123\"", SAME, "123");
}

#[test]
fn truth_values_may_be_written_as_zero_and_one() {
    for (field, value, equal) in [
        ("true", "true", true),
        ("true", "1", true),
        ("1", "true", true),
        ("1.0", "true", true),
        ("0", "false", true),
        ("0", "1", false),
        ("false", "true", false),
        ("2", "true", false),
        ("\"true\"", "true", false),
    ] {
        assert_eq!(holds(Equal, value, Type::Boolean, Format::Plain, field), equal, "{field} = {value}");
        assert_eq!(holds(NotEqual, value, Type::Boolean, Format::Plain, field), !equal, "{field} != {value}");
        assert_eq!(
            holds(OneOf, &format!("[{value}]"), Type::Boolean, Format::Plain, field),
            equal,
            "{field} in {value}"
        );
    }
    assert!(holds(OneOf, "[7, 1]", Type::Any, Format::Plain, "true"));
}

#[test]
fn null_equals_null_only_and_is_in_no_order() {
    let of = |op, value: &str, ty, format| Prepared::new(op, value, ty, format).unwrap();
    let samples = [
        (Type::String, Format::Plain, "\"\""),
        (Type::Number, Format::Plain, "0"),
        (Type::String, Format::Decimal, "0"),
        (Type::String, Format::Date, "\"1970-01-01\""),
        (Type::Boolean, Format::Plain, "false"),
        (Type::Any, Format::Plain, "0"),
    ];
    for (ty, format, value) in samples {
        for field in [None, Some(&b"null"[..])] {
            assert!(of(Equal, "null", ty, format).holds(field));
            assert!(!of(NotEqual, "null", ty, format).holds(field));
            assert!(!of(Equal, value, ty, format).holds(field));
            assert!(of(NotEqual, value, ty, format).holds(field));
            assert!(of(OneOf, &format!("[{value}, null]"), ty, format).holds(field));
            assert!(!of(OneOf, &format!("[{value}]"), ty, format).holds(field));
            for op in ORDERS.into_iter().filter(|_| ty != Type::Boolean) {
                assert!(!of(op, value, ty, format).holds(field), "{op:?} {value}");
            }
        }
        assert!(!of(Equal, "null", ty, format).holds(Some(value.as_bytes())));
        assert!(of(NotEqual, "null", ty, format).holds(Some(value.as_bytes())));
    }
    for ty in [Type::Object, Type::Array] {
        assert!(of(Equal, "null", ty, Format::Plain).holds(None));
        assert!(of(NotEqual, " null ", ty, Format::Plain).holds(Some(b"{}")));
    }
}

#[test]
fn one_of_finds_every_value_of_a_long_list_and_no_other() {
    let list: Vec<String> = (0..500).map(|number| format!("{}.0", number * 3)).collect();
    let prepared = Prepared::new(OneOf, &format!("[{}]", list.join(" , ")), Type::Integer, Format::Plain).unwrap();
    for number in 0..1_600 {
        assert_eq!(prepared.holds(Some(number.to_string().as_bytes())), number % 3 == 0 && number < 1_500, "{number}");
    }
    let prepared = Prepared::new(OneOf, r#"["b","a","\u00e9"]"#, Type::String, Format::Plain).unwrap();
    for (field, expected) in [("\"a\"", true), ("\"b\"", true), ("\"é\"", true), ("\"A\"", false), ("\"\"", false)] {
        assert_eq!(prepared.holds(Some(field.as_bytes())), expected, "{field}");
    }
    assert!(!Prepared::new(OneOf, "[]", Type::String, Format::Plain).unwrap().holds(None));
}

#[test]
fn contains_ignores_case_in_texts_and_looks_for_elements_of_arrays() {
    for (field, value, expected) in [
        ("\"Oiled Beech Chair\"", "\"beech\"", true),
        ("\"oiled beech chair\"", "\"BEECH CH\"", true),
        ("\"beec\"", "\"beech\"", false),
        ("\"bbeech\"", "\"beech\"", true),
        ("\"GRÖSSE\"", "\"größe\"", false),
        ("\"GRÖSSE\"", "\"grösse\"", true),
        ("\"ΟΔΟΣ\"", "\"οδοσ\"", true),
        ("\"ΟΔΟΣΑ\"", "\"ΟΔΟΣ\"", true),
        (r#""a \"quoted\" word""#, r#""\"QUOTED\"""#, true),
        ("\"anything\"", "\"\"", true),
        ("\"\"", "\"a\"", false),
        ("null", "\"a\"", false),
        ("7", "\"7\"", true),
    ] {
        assert_eq!(holds(Contains, value, Type::String, Format::Plain, field), expected, "{field} contains {value}");
    }
    for (field, value, expected) in [
        ("[1, 23.0, 18]", "23", true),
        ("[1,2]", "23", false),
        ("[]", "23", false),
        ("[\"a\",\"B\"]", "\"b\"", false),
        ("[\"a\",\"B\"]", "\"B\"", true),
        ("[1,null]", "null", true),
        ("[[23]]", "23", false),
        ("[23", "23", false),
        ("null", "null", false),
        ("23", "23", false),
        ("\"a\"", "\"a\"", false),
    ] {
        assert_eq!(holds(Contains, value, Type::Array, Format::Plain, field), expected, "{field} contains {value}");
    }
    assert!(holds(Contains, "\"b\"", Type::Any, Format::Plain, "\"ABC\""));
    assert!(holds(Contains, "\"b\"", Type::Any, Format::Plain, "[\"b\"]"));
    assert!(holds(Contains, "2", Type::Any, Format::Plain, "[1,2]"));
}

#[test]
fn what_makes_no_sense_is_refused_before_any_record() {
    let plain = Format::Plain;
    let bad: [(Comparison, &str, Type, Format); 23] = [
        (Equal, "", Type::String, plain),
        (Equal, "beech", Type::String, plain),
        (Equal, "1\u{c}", Type::Number, plain),
        (Equal, "true", Type::String, plain),
        (Equal, "[1]", Type::Number, plain),
        (Equal, "{}", Type::Any, plain),
        (Equal, "\"much\"", Type::Number, plain),
        (Equal, "\"much\"", Type::String, Format::Decimal),
        (Greater, "\"2018-02-30\"", Type::String, Format::Date),
        (Equal, "1.5", Type::String, Format::Date),
        (Equal, "2", Type::Boolean, plain),
        (Less, "true", Type::Boolean, plain),
        (Less, "null", Type::Number, plain),
        (OneOf, "7", Type::Number, plain),
        (OneOf, "[7,\"x\"]", Type::Number, plain),
        (Contains, "7", Type::Number, plain),
        (Contains, "\"2018-03-13\"", Type::String, Format::Date),
        (Contains, "null", Type::String, plain),
        (Equal, "{\"a\":1}", Type::Object, plain),
        (Contains, "\"a\"", Type::Object, plain),
        (OneOf, "[null]", Type::Object, plain),
        (Equal, "[1]", Type::Array, plain),
        (Greater, "1", Type::Array, plain),
    ];
    for (op, value, ty, format) in bad {
        let error = Prepared::new(op, value, ty, format).expect_err(value);
        assert!(error.to_string().len() > 20, "{error}");
    }
    let error = Prepared::new(Less, "1", Type::Object, plain).unwrap_err();
    assert_eq!(error, BadCondition::Comparison { op: Less, on: "an object" });
    assert_eq!(error.to_string(), "`less` cannot be applied to an object");
}
