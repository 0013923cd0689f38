//! Cutting answers into records, and reading and editing single records: the same records as serde_json sees, one line each,
//! every digit as it was; never fewer records than there are.

use connector_bigcommerce::scan::{self, MAX_DEPTH};
use connector_bigcommerce::simd::{Bytes, Words};
use connector_bigcommerce::slice::{Payload, Sliced, split, split_with};
use connector_bigcommerce::table::Envelope;

use crate::oracle;

/// Takes the bytes as a body of either envelope, and as a record.
pub fn check(data: &[u8]) {
    for envelope in [Envelope::Bare, Envelope::Data] {
        body(data, envelope);
    }
    record(data);
}

fn body(data: &[u8], envelope: Envelope) {
    let sliced = split(data.to_vec(), envelope);
    assert_eq!(split_with::<Bytes>(data.to_vec(), envelope), sliced, "byte by byte it is cut in another way");
    assert_eq!(split_with::<Words>(data.to_vec(), envelope), sliced, "word by word it is cut in another way");
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(sliced.is_err(), "what is not UTF-8 was taken");
        return;
    };
    match (expected(text, envelope), sliced) {
        (Some(expected), Ok(sliced)) => same(&expected, &sliced),
        (Some(expected), Err(error)) => {
            assert!(expected.too_deep, "a good body was refused: {error}");
        }
        // The inside of a record is not checked here, and half a surrogate pair is no name for serde_json.
        (None, Ok(sliced)) => {
            let bad = |index| sliced.record(index).is_none_or(|record| oracle::value(record).is_none());
            assert!(text.contains("\\u") || (0..sliced.ends.len()).any(bad), "a bad body was taken");
        }
        (None, Err(_)) => {}
    }
}

/// What serde_json makes of a body.
struct Expected<'a> {
    payload: Payload,
    records: Vec<&'a str>,
    meta: Option<&'a str>,
    errors: Option<&'a str>,
    too_deep: bool,
}

/// None if the body should be refused, for another reason than its depth.
fn expected(text: &str, envelope: Envelope) -> Option<Expected<'_>> {
    let whole = oracle::value(text.as_bytes())?;
    let too_deep = oracle::depth(whole) > MAX_DEPTH;
    let (data, meta, errors) = match envelope {
        Envelope::Bare => (Some(whole), None, None),
        Envelope::Data => {
            let members = oracle::members(whole)?;
            let last = |wanted: &str| members.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| *value);
            if members.iter().filter(|(name, _)| name == "data").count() > 1 {
                return None;
            }
            (last("data"), last("meta"), last("errors"))
        }
    };
    let (payload, records) = match data {
        None => (Payload::Absent, Vec::new()),
        Some("null") => (Payload::Null, Vec::new()),
        Some(data) if data.starts_with('[') => (Payload::Array, oracle::elements(data)?),
        Some(data) if data.starts_with('{') => (Payload::Object, vec![data]),
        Some(_) => return None,
    };
    Some(Expected { payload, records, meta, errors, too_deep })
}

fn same(expected: &Expected<'_>, sliced: &Sliced) {
    assert!(!expected.too_deep, "a body of more levels than are read was taken");
    assert_eq!(sliced.payload, expected.payload);
    assert_eq!(sliced.count as usize, expected.records.len(), "records were lost or made up");
    assert_eq!(sliced.ends.len(), expected.records.len());
    assert_eq!(sliced.meta.as_deref(), expected.meta);
    assert_eq!(sliced.errors.as_deref(), expected.errors);
    assert_eq!(sliced.objects, expected.records.iter().all(|record| record.starts_with('{')));
    let mut joined = Vec::new();
    for (index, want) in expected.records.iter().enumerate() {
        let record = sliced.record(index).expect("a line is missing");
        assert!(!record.contains(&b'\n') && !record.contains(&b'\r'), "a record is on more than one line");
        let text = std::str::from_utf8(record).expect("a record is not UTF-8");
        assert_eq!(oracle::bare(text), oracle::bare(want), "a record changed");
        joined.extend_from_slice(record);
        joined.push(b'\n');
    }
    assert_eq!(joined, sliced.records, "there is something between the records");
    assert_eq!(scan::lines(&sliced.records).count(), expected.records.len());
    assert_eq!((sliced.first(), sliced.last()), (sliced.record(0), sliced.record(joined_last(expected))));
}

fn joined_last(expected: &Expected<'_>) -> usize {
    expected.records.len().wrapping_sub(1)
}

fn record(data: &[u8]) {
    let whole = oracle::value(data);
    let good = whole.filter(|text| oracle::depth(text) <= MAX_DEPTH);
    assert_eq!(scan::value(data).is_ok(), good.is_some(), "another idea of what is JSON");
    assert_eq!(scan::object(data).is_ok(), good.is_some_and(|text| text.starts_with('{')));
    let fields: Result<Vec<_>, _> = scan::fields(data).collect();
    let elements = scan::elements(data);
    let Some(text) = good else {
        assert!(fields.is_err() && elements.is_err(), "a bad record was taken");
        return;
    };
    let raw = |text: &str| text.as_bytes().to_vec();
    let want: Option<Vec<_>> = oracle::elements(text).map(|elements| elements.into_iter().map(raw).collect());
    assert_eq!(elements.ok().map(|elements| elements.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()), want);
    if text.starts_with('"') {
        let decoded = scan::decode(text.as_bytes());
        assert_eq!(decoded.as_deref(), serde_json::from_str::<String>(text).ok().as_deref(), "another text");
        if let Some(decoded) = decoded {
            let mut encoded = Vec::new();
            scan::encode(&decoded, &mut encoded);
            assert_eq!(scan::decode(&encoded), Some(decoded), "encoding a text changed it");
        }
    }
    assert_eq!(fields.is_ok(), text.starts_with('{'));
    if let (Ok(fields), Some(members)) = (fields, oracle::members(text)) {
        let pairs: Vec<_> = fields.iter().map(|field| std::str::from_utf8(field.value).unwrap()).collect();
        assert_eq!(pairs, members.iter().map(|(_, value)| *value).collect::<Vec<_>>(), "other fields");
        assert!(fields.iter().zip(&members).all(|(field, (name, _))| field.is(name)), "other names");
        edits(text, &members);
    }
}

fn edits(text: &str, members: &[(String, &str)]) {
    let object = text.as_bytes();
    for (name, _) in members {
        let first = members.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_bytes());
        assert_eq!(scan::get(object, name), Ok(first), "`{name}` is something else");
    }
    for (head, inner) in members {
        let once = members.iter().filter(|(name, _)| name == head).count() == 1;
        if !once || head.contains('.') || !inner.starts_with('{') {
            continue;
        }
        for (name, _) in oracle::members(inner).unwrap_or_default() {
            let path = format!("{head}.{name}");
            if !name.contains('.') && !members.iter().any(|(own, _)| *own == path) {
                assert_eq!(scan::get(object, &path), scan::get(inner.as_bytes(), &name), "`{path}` is something else");
            }
        }
    }
    let names: Vec<&str> = members.iter().step_by(2).map(|(name, _)| name.as_str()).collect();
    let (mut trimmed, mut rest, mut more) = (Vec::new(), Vec::new(), Vec::new());
    scan::trim(object, &names, &mut trimmed).expect("trims a good record");
    scan::remove(object, &names, &mut rest).expect("trims a good record");
    scan::inject(object, "new\"field", b"1.00", &mut more).expect("adds to a good record");
    let read = |bytes: &[u8]| -> Vec<(String, String)> {
        let text = oracle::value(bytes).expect("what was edited is JSON").to_owned();
        let members = oracle::members(&text).expect("what was edited is an object");
        members.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
    };
    let owned = |kept: bool| {
        let kept = members.iter().filter(move |(name, _)| names.contains(&name.as_str()) == kept);
        kept.map(|(name, value)| (name.clone(), (*value).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(read(&trimmed), owned.clone()(true));
    assert_eq!(read(&rest), owned(false));
    let more = read(&more);
    assert_eq!(more.first(), Some(&("new\"field".to_owned(), "1.00".to_owned())));
    assert_eq!(more.len(), members.len() + 1);
}
