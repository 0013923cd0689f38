//! Cutting bodies into records.

use connector_bigcommerce::simd::{Best, Bytes, Words};
use connector_bigcommerce::slice::{Payload, Sliced, split, split_with};
use connector_bigcommerce::table::Envelope;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::random::{Layout, Random, Tree, object, seed, space, tree, unbreak, write};

/// What serde_json makes of the same body, every value as written.
#[derive(Deserialize)]
struct Oracle<'a> {
    #[serde(borrow, default)]
    data: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

/// Cuts with every implementation; they must agree.
fn cut(body: &[u8], envelope: Envelope) -> Option<Sliced> {
    let best = split_with::<Best>(body.to_vec(), envelope);
    let shown = || String::from_utf8_lossy(body).into_owned();
    assert_eq!(best, split_with::<Words>(body.to_vec(), envelope), "{}", shown());
    assert_eq!(best, split_with::<Bytes>(body.to_vec(), envelope), "{}", shown());
    let sliced = best.ok()?;
    // What holds for every answer, however odd the body.
    let text = std::str::from_utf8(&sliced.records).unwrap_or_else(|_| panic!("not UTF-8: {}", shown()));
    assert!(text.is_empty() || text.ends_with('\n'), "{}", shown());
    assert_eq!(text.lines().count(), sliced.count as usize, "{}", shown());
    assert_eq!(sliced.ends.len(), sliced.count as usize, "{}", shown());
    for (index, line) in text.lines().enumerate() {
        assert_eq!(sliced.record(index), Some(line.as_bytes()), "{}", shown());
        assert!(!line.bytes().any(|byte| byte < 0x20 && byte != b'\t'), "{}", shown());
    }
    Some(sliced)
}

/// A random body, with the raw elements that are in it.
fn body(random: &mut Random, layout: Layout, envelope: Envelope, only_objects: bool) -> String {
    let count = [0, 1, 2, 3, 20][random.below(5)];
    let elements = (0..count).map(|_| if only_objects { object(random, 3) } else { tree(random, 3) }).collect();
    let data = Tree::Array(elements);
    let body = match envelope {
        Envelope::Bare => data,
        Envelope::Data => {
            let mut members = vec![("\"data\"".to_owned(), data)];
            for name in ["\"meta\"", "\"errors\"", "\"d\\u0061ta2\"", "\"links\""] {
                if random.below(2) == 0 {
                    let at = random.below(members.len() + 1);
                    members.insert(at, (name.to_owned(), object(random, 2)));
                }
            }
            Tree::Object(members)
        }
    };
    let mut text = String::new();
    space(layout, random, 0, &mut text);
    write(&body, layout, random, 0, &mut text);
    space(layout, random, 0, &mut text);
    text
}

#[test]
fn every_layout_gives_the_records_that_serde_json_finds_with_the_same_digits() {
    for case in 0..6_000 {
        let seed = seed() + case;
        let mut random = Random(seed);
        let layout = [Layout::Compact, Layout::Pretty, Layout::Wild][random.below(3)];
        let envelope = [Envelope::Data, Envelope::Bare][random.below(2)];
        let text = body(&mut random, layout, envelope, case % 2 == 0);
        let shown = format!("seed {seed}, {envelope:?}: {text}");

        let sliced = cut(text.as_bytes(), envelope).unwrap_or_else(|| panic!("refused: {shown}"));
        let oracle: Oracle<'_> = match envelope {
            Envelope::Data => serde_json::from_str(&text).unwrap(),
            Envelope::Bare => Oracle { data: serde_json::from_str(&text).unwrap(), meta: None, errors: None },
        };
        let expected: String = oracle.data.iter().flatten().map(|raw| unbreak(raw.get()) + "\n").collect();
        assert_eq!(String::from_utf8(sliced.records).unwrap(), expected, "{shown}");
        assert_eq!(sliced.meta.as_deref(), oracle.meta.map(RawValue::get), "{shown}");
        assert_eq!(sliced.errors.as_deref(), oracle.errors.map(RawValue::get), "{shown}");
        assert_eq!(sliced.objects, oracle.data.iter().flatten().all(|raw| raw.get().starts_with('{')), "{shown}");
    }
}

#[test]
fn a_body_that_is_cut_off_anywhere_is_an_error() {
    for case in 0..120 {
        let seed = seed() + case;
        let mut random = Random(seed);
        let layout = [Layout::Compact, Layout::Pretty, Layout::Wild][random.below(3)];
        let envelope = [Envelope::Data, Envelope::Bare][random.below(2)];
        let text = body(&mut random, layout, envelope, case % 2 == 0);
        let whole = text.trim_end().len();
        assert!(cut(text.as_bytes(), envelope).is_some(), "seed {seed}");
        for length in 0..whole {
            assert!(cut(&text.as_bytes()[..length], envelope).is_none(), "seed {seed}, cut at {length}: {text}");
        }
        for length in whole..text.len() {
            assert!(cut(&text.as_bytes()[..length], envelope).is_some(), "seed {seed}, cut at {length}: {text}");
        }
    }
}

#[test]
fn a_corrupt_byte_never_panics_and_what_serde_json_accepts_is_cut_the_same() {
    let (mut refused, mut accepted) = (0, 0);
    for case in 0..16 {
        let seed = seed() + case;
        let mut random = Random(seed);
        let layout = [Layout::Compact, Layout::Pretty, Layout::Wild][random.below(3)];
        let envelope = [Envelope::Data, Envelope::Bare][random.below(2)];
        let text = body(&mut random, layout, envelope, false).into_bytes();
        for at in 0..text.len().min(1_000) {
            for byte in
                [b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'\n', b' ', 0, 0xff, 0xc3, random.next() as u8]
            {
                let mut corrupt = text.clone();
                corrupt[at] = byte;
                let sliced = cut(&corrupt, envelope);
                let records = std::str::from_utf8(&corrupt).ok().and_then(|text| match envelope {
                    Envelope::Data => {
                        serde_json::from_str::<Oracle<'_>>(text).ok().map(|oracle| oracle.data.unwrap_or_default())
                    }
                    Envelope::Bare => serde_json::from_str::<Vec<&RawValue>>(text).ok(),
                });
                let Some(records) = records else {
                    refused += usize::from(sliced.is_none());
                    continue;
                };
                accepted += 1;
                let shown = || format!("seed {seed}, byte {byte:#x} at {at}: {}", String::from_utf8_lossy(&corrupt));
                let sliced = sliced.unwrap_or_else(|| panic!("refused: {}", shown()));
                let expected: String = records.iter().map(|raw| unbreak(raw.get()) + "\n").collect();
                assert_eq!(String::from_utf8_lossy(&sliced.records), expected, "{}", shown());
            }
        }
    }
    assert!(
        refused > 10_000 && accepted > 10_000,
        "the corruptions are too much alike: {refused} refused, {accepted} accepted"
    );
}

#[test]
fn the_payload_may_be_one_object_or_null_or_absent() {
    let cases: [(&str, Envelope, Payload, &str); 10] = [
        (r#"{"data":{"id":1},"meta":{}}"#, Envelope::Data, Payload::Object, "{\"id\":1}\n"),
        ("{\"data\":{\n  \"id\": 1\n}}", Envelope::Data, Payload::Object, "{\"id\": 1}\n"),
        (r#"{"data":{}}"#, Envelope::Data, Payload::Object, "{}\n"),
        (r#"{"data":null,"meta":{}}"#, Envelope::Data, Payload::Null, ""),
        (r#"{"meta":{}}"#, Envelope::Data, Payload::Absent, ""),
        ("{}", Envelope::Data, Payload::Absent, ""),
        (r#"{"id":1}"#, Envelope::Bare, Payload::Object, "{\"id\":1}\n"),
        ("null", Envelope::Bare, Payload::Null, ""),
        ("[]", Envelope::Bare, Payload::Array, ""),
        (" [ ] ", Envelope::Bare, Payload::Array, ""),
    ];
    for (body, envelope, payload, records) in cases {
        let sliced = cut(body.as_bytes(), envelope).unwrap_or_else(|| panic!("refused: {body}"));
        assert_eq!(sliced.payload, payload, "{body}");
        assert_eq!(String::from_utf8(sliced.records).unwrap(), records, "{body}");
    }
}

#[test]
fn a_partial_failure_keeps_its_errors_beside_the_records() {
    let body = br#"{"errors":{"0.name":"taken"},"data":[{"id":1}],"meta":{"total":2}}"#;
    let sliced = split(body.to_vec(), Envelope::Data).unwrap();
    assert_eq!(sliced.first(), Some(&br#"{"id":1}"#[..]));
    assert_eq!(sliced.errors.as_deref(), Some(r#"{"0.name":"taken"}"#));
    assert_eq!(sliced.meta.as_deref(), Some(r#"{"total":2}"#));
}

#[test]
fn what_is_not_json_is_refused_where_it_goes_wrong() {
    let long = "x".repeat(150);
    let cases: Vec<(String, usize)> = vec![
        (String::new(), 0),
        ("  ".to_owned(), 2),
        ("<html>".to_owned(), 0),
        ("7".to_owned(), 0),
        (r#"[{"a":1}{"a":2}]"#.to_owned(), 8),
        (r#"[{"a":1} {"a":2}]"#.to_owned(), 9),
        (r#"[{"a":1},]"#.to_owned(), 9),
        (r#"[,{"a":1}]"#.to_owned(), 1),
        (r#"[{"a":[1}]"#.to_owned(), 8),
        (r#"[{"a":1]}"#.to_owned(), 7),
        (r#"[{"a":1}}"#.to_owned(), 8),
        (r#"[{"a":1}] x"#.to_owned(), 10),
        (r#"[{"a":1}][]"#.to_owned(), 9),
        ("[{\"a\":[1\n2]}]".to_owned(), 9),
        ("[{\"a\":\u{1}1}]".to_owned(), 6),
        ("[{\"a\":\"x\ny\"}]".to_owned(), 8),
        ("[{\"a\":é}]".to_owned(), 6),
        (r#"[{"a":\u0031}]"#.to_owned(), 6),
        (r#"[{"a":yes}]"#.to_owned(), 6),
        (format!(r#"[{{"a":"{long}"}} {{"b":2}}]"#), 10 + long.len()),
    ];
    for (body, at) in cases {
        let error = split(body.clone().into_bytes(), Envelope::Bare).expect_err(&body);
        assert_eq!(error.at, at, "{body}: {error}");
    }
    for body in [
        r#"[{"id":1}]"#,
        r#"{"data":7}"#,
        r#"{"data":[],"data":[]}"#,
        r#"{"data":[]"#,
        r#"{"data" []}"#,
        r#"{data:[]}"#,
    ] {
        assert!(split(body.as_bytes().to_vec(), Envelope::Data).is_err(), "{body}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_found_wherever_they_stand() {
    for filler in 0..140 {
        for before in [0, 1] {
            let mut body = b"[".to_vec();
            for _ in 0..before {
                body.extend_from_slice("{\"ä\":\"ö\"},".as_bytes());
            }
            body.extend_from_slice(b"{\"a\":\"");
            body.resize(body.len() + filler, b'x');
            let at = body.len();
            body.extend_from_slice(b"\xe2\x82\"},{\"b\":\"\xe2\x82\xac\"}]");
            let error = split(body, Envelope::Bare).expect_err("half a character");
            assert_eq!((error.at, error.expected), (at, "UTF-8"));
        }
    }
}

#[test]
fn nesting_is_read_to_128_levels_and_refused_beyond() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(cut(nested(128).as_bytes(), Envelope::Bare).is_some());
    assert!(cut(nested(129).as_bytes(), Envelope::Bare).is_none());
    let enveloped = |levels: usize| format!("{{\"data\":{}}}", nested(levels));
    assert!(cut(enveloped(127).as_bytes(), Envelope::Data).is_some());
    assert!(cut(enveloped(128).as_bytes(), Envelope::Data).is_none());
    let meta = |levels: usize| format!("{{\"meta\":{}}}", nested(levels));
    assert!(cut(meta(127).as_bytes(), Envelope::Data).is_some());
    assert!(cut(meta(128).as_bytes(), Envelope::Data).is_none());
}

#[test]
fn a_compact_body_is_cut_in_the_memory_that_it_came_in() {
    let body = br#"{"data":[{"id":1},{"id":2}],"meta":{}}"#.to_vec();
    let memory = body.as_ptr();
    assert_eq!(split(body, Envelope::Data).unwrap().records.as_ptr(), memory);
}
