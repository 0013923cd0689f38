//! Reading and editing one record.

use connector_bigcommerce::scan::{
    MAX_DEPTH, decode, elements, encode, fields, get, inject, join, lines, object, remove, trim, value,
};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::random::{Layout, Random, object as random_object, seed, tree, write};

fn document(random: &mut Random, only_object: bool) -> String {
    let layout = [Layout::Compact, Layout::Pretty, Layout::Wild][random.below(3)];
    let tree = if only_object { random_object(random, 3) } else { tree(random, 3) };
    let mut text = String::new();
    write(&tree, layout, random, 0, &mut text);
    text
}

#[test]
fn fields_and_elements_are_those_that_serde_json_finds_as_written() {
    for case in 0..4_000 {
        let seed = seed() + case;
        let text = document(&mut Random(seed), true);
        let oracle: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
        let found: BTreeMap<String, &str> = fields(text.as_bytes())
            .map(|field| {
                let field = field.unwrap();
                let name: String =
                    serde_json::from_str(&format!("\"{}\"", std::str::from_utf8(field.name).unwrap())).unwrap();
                assert!(field.is(&name), "seed {seed}: {name}");
                assert!(!field.is(&format!("{name}x")), "seed {seed}: {name}");
                (name, std::str::from_utf8(field.value).unwrap())
            })
            .collect();
        assert_eq!(found, oracle.iter().map(|(name, raw)| (name.clone(), raw.get())).collect(), "seed {seed}: {text}");

        for raw in oracle.values().filter(|raw| raw.get().starts_with('[')) {
            let expected: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap();
            let expected: Vec<_> = expected.iter().map(|raw| raw.get().as_bytes()).collect();
            assert_eq!(elements(raw.get().as_bytes()).unwrap(), expected, "seed {seed}: {text}");
        }
        for raw in oracle.values() {
            let expected = serde_json::from_str::<String>(raw.get()).ok();
            assert_eq!(decode(raw.get().as_bytes()).map(|text| text.into_owned()), expected, "seed {seed}: {text}");
        }
    }
}

#[test]
fn a_text_is_accepted_exactly_if_serde_json_accepts_it() {
    let accepts =
        |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok());
    let (mut good, mut bad) = (0, 0);
    for case in 0..300 {
        let seed = seed() + case;
        let mut random = Random(seed);
        let text = document(&mut random, false).into_bytes();
        for at in 0..text.len().min(400) {
            for byte in
                [b'"', b'\\', b'}', b']', b',', b'0', b'-', b'.', b'e', b'u', b' ', 0x1f, 0xe2, random.next() as u8]
            {
                let mut corrupt = text.clone();
                corrupt[at] = byte;
                let expected = accepts(&corrupt);
                *(if expected { &mut good } else { &mut bad }) += 1;
                assert_eq!(
                    value(&corrupt).is_ok(),
                    expected,
                    "seed {seed}, {at}: {}",
                    String::from_utf8_lossy(&corrupt)
                );
            }
            assert_eq!(value(&text[..at]).is_ok(), accepts(&text[..at]), "seed {seed}, cut at {at}");
            // Not a promise about the result, only that there is one.
            let _ = fields(&text[..at]).count();
        }
    }
    assert!(good > 10_000 && bad > 10_000, "{good} good, {bad} bad");
}

#[test]
fn trimming_and_removing_share_the_fields_between_them_in_order() {
    for case in 0..3_000 {
        let seed = seed() + case;
        let mut random = Random(seed);
        let text = document(&mut random, true);
        let all: Vec<_> = fields(text.as_bytes()).map(Result::unwrap).collect();
        let names: Vec<String> = all
            .iter()
            .filter(|_| random.below(2) == 0)
            .map(|field| serde_json::from_str(&format!("\"{}\"", std::str::from_utf8(field.name).unwrap())).unwrap())
            .collect();
        let (mut kept, mut dropped) = (Vec::new(), b"before".to_vec());
        trim(text.as_bytes(), &names, &mut kept).unwrap();
        remove(text.as_bytes(), &names, &mut dropped).unwrap();
        let dropped = dropped.strip_prefix(b"before").unwrap();
        let chosen = |kept: bool| -> Vec<&[u8]> {
            let chosen = all.iter().filter(|field| names.iter().any(|name| field.is(name)) == kept);
            chosen.map(|field| field.member).collect()
        };
        let members =
            |text: &[u8]| -> Vec<Vec<u8>> { fields(text).map(|field| field.unwrap().member.to_vec()).collect() };
        assert_eq!(members(&kept), chosen(true), "seed {seed}: {text}");
        assert_eq!(members(dropped), chosen(false), "seed {seed}: {text}");
    }
}

#[test]
fn a_field_is_put_in_front() {
    for (record, expected) in [
        (r#"{}"#, r#"{"a\"b":[1.0]}"#),
        (r#"{ }"#, r#"{"a\"b":[1.0]}"#),
        (r#"{"id":1}"#, r#"{"a\"b":[1.0],"id":1}"#),
        (r#" { "id" : 1 }"#, r#"{"a\"b":[1.0],"id" : 1 }"#),
    ] {
        let mut out = Vec::new();
        inject(record.as_bytes(), "a\"b", b"[1.0]", &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    for wrong in ["", "[]", "{", "{1}", "7"] {
        let mut out = Vec::new();
        assert!(inject(wrong.as_bytes(), "a", b"1", &mut out).is_err(), "{wrong}");
        assert!(out.is_empty(), "{wrong}");
    }
}

#[test]
fn dotted_paths_lead_into_objects() {
    let record = br#"{"a":{"b":{"c":1.0},"d":null},"x.y":2,"x":{"y":3},"l":[{"b":1}],"\u0065":4,"a2":5}"#;
    let at = |path| get(record, path).unwrap().map(|raw| String::from_utf8_lossy(raw).into_owned());
    assert_eq!(at("a.b.c").as_deref(), Some("1.0"));
    assert_eq!(at("a.d").as_deref(), Some("null"));
    assert_eq!(at("x.y").as_deref(), Some("2"));
    assert_eq!(at("e").as_deref(), Some("4"));
    assert_eq!(at("a2").as_deref(), Some("5"));
    for missing in ["b", "a.c", "a.b.c.d", "l.b", "a2.b", "", ".", "a.", "\\u0065"] {
        assert_eq!(at(missing), None, "{missing}");
    }
    assert!(get(b"{\"a\":1", "b").is_err());
}

#[test]
fn an_edit_that_fails_leaves_the_output_as_it_was() {
    let mut out = b"{\"kept\":1}\n".to_vec();
    assert!(trim(br#"{"a":1,"b":tru}"#, &["a"], &mut out).is_err());
    assert!(remove(br#"{"a":1,"b":2"#, &["a"], &mut out).is_err());
    assert_eq!(out, b"{\"kept\":1}\n");
}

#[test]
fn only_one_object_passes_as_an_object() {
    assert!(object(br#" {"a":[1,{}]} "#).is_ok());
    for wrong in [
        "",
        "[]",
        "7",
        "{}{}",
        "{} x",
        "{\"a\":01}",
        "{\"a\":1,}",
        "{'a':1}",
        "nul",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
    ] {
        assert!(object(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert!(object(b"{\"a\":\"\xff\"}").is_err());
    let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(value(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert!(value(nested(MAX_DEPTH + 1).as_bytes()).is_err());
    assert!(value(&vec![b'['; 1_000_000]).is_err());
}

#[test]
fn texts_survive_encoding() {
    for text in ["", "plain", "\"quotes\" \\ and \n\t\u{1}", "é 日本 😀", "\u{7f}\u{2028}"] {
        let mut raw = Vec::new();
        encode(text, &mut raw);
        assert_eq!(serde_json::from_slice::<Value>(&raw).unwrap(), Value::from(text));
        assert_eq!(decode(&raw).unwrap(), text);
    }
    for raw in ["7", "null", "", "\"", "\"\\ud800\"", "\"a"] {
        assert_eq!(decode(raw.as_bytes()), None, "{raw}");
    }
}

#[test]
fn lines_join_into_an_array_and_come_apart_again() {
    let ndjson = b"{\"id\":1.0}\r\n\n{\"id\":2}\n   \n{\"id\":3}";
    let mut array = Vec::new();
    join(lines(ndjson), &mut array);
    assert_eq!(array, br#"[{"id":1.0},{"id":2},{"id":3}]"#);
    assert_eq!(elements(&array).unwrap(), lines(ndjson).collect::<Vec<_>>());
    array.clear();
    join([], &mut array);
    assert_eq!(array, b"[]");
    for wrong in ["", "{}", "[1", "[1,]", "[,]", "[1 2]", "[] 1"] {
        assert!(elements(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
