//! What CSV input promises.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use crate::error::Failure;
use crate::input::{Format, Source, read};
use crate::schema::Schema;

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
    "id":{"type":"integer"},"name":{"type":"string"},"price":{"type":"number"},"is_visible":{"type":"boolean"},
    "categories":{"type":"array"},"odd.name":{"type":"string"},
    "weight":{"type":"object","properties":{"value":{"type":"number"},"unit":{"type":"string"}}},
    "meta":{"type":"object","additionalProperties":true}}}"#;

fn take_bytes(bytes: &[u8]) -> Result<String, Failure> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut records = read(&Source::File(file.path().into()), Format::Csv, &Schema::parse(SCHEMA).unwrap())?;
    Ok(String::from_utf8(records.next_batch(1000)?.unwrap().ndjson).unwrap())
}

fn take(text: &str) -> Result<String, Failure> {
    take_bytes(text.as_bytes())
}

fn place(failure: &Failure) -> (u64, u64, u64) {
    let at = |key: &str| failure.detail.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
    (at("row"), at("line"), at("column"))
}

#[test]
fn cells_become_what_the_schema_says_with_their_digits() {
    assert_eq!(
        take("id,name,price,is_visible,categories\n12345678901234567890,0012,25.00,TRUE,\"[1, 2]\"\n,\"a \"\"b\"\"\n€\",,,\n")
            .unwrap(),
        "{\"id\":12345678901234567890,\"name\":\"0012\",\"price\":25.00,\"is_visible\":true,\"categories\":[1,2]}\n\
         {\"name\":\"a \\\"b\\\"\\n€\"}\n"
    );
}

#[test]
fn headers_with_dots_make_objects_unless_a_field_has_that_name() {
    assert_eq!(
        take("weight.value,name,weight.unit,odd.name,meta.a.b\n1.50,x,kg,y,7\n,x,,,\n").unwrap(),
        "{\"weight\":{\"value\":1.50,\"unit\":\"kg\"},\"name\":\"x\",\"odd.name\":\"y\",\"meta\":{\"a\":{\"b\":7}}}\n{\"name\":\"x\"}\n"
    );
}

#[test]
fn an_unknown_column_is_refused_with_the_nearest_name() {
    let failure = take("id,nmae\n1,x\n").unwrap_err();
    assert!(failure.causes[0].contains("`nmae`"), "{failure:?}");
    assert_eq!(failure.hint.as_deref(), Some("did you mean `name`?"));
    assert_eq!(take("weight.valu\n1\n").unwrap_err().hint.as_deref(), Some("did you mean `weight.value`?"));
    assert_eq!(take("id;name\n1;x\n").unwrap_err().hint.as_deref(), Some("columns are separated by commas"));
}

#[test]
fn a_header_that_cannot_be_meant_is_refused() {
    for header in ["id,id", "id,", "weight,weight.unit", "weight.unit,weight", "weight..unit"] {
        assert!(take(&format!("{header}\n1,1\n")).is_err(), "{header}");
    }
}

/// Sixteen good rows and a bad one.
fn row_17(bad: &str) -> Failure {
    let mut text = String::from("id,name,price\n");
    for i in 1..=16 {
        text.push_str(&format!("{i},n,1\n"));
    }
    text.push_str(bad);
    text.push_str("18,n,1\n19,\"n\",1\n");
    take(&text).unwrap_err()
}

#[test]
fn a_malformed_row_17_is_told_by_its_number() {
    assert_eq!(place(&row_17("17,n\n")), (17, 18, 0), "too few fields");
    assert_eq!(place(&row_17("17,n,1,2\n")), (17, 18, 0), "too many fields");
    assert_eq!(place(&row_17("17,n,cheap\n")), (17, 18, 0), "no number");
    assert_eq!(place(&row_17("17,n\"n,1\n")), (17, 18, 5), "a quote within a bare field");
    assert_eq!(place(&row_17("17,\"n\"n,1\n")), (17, 18, 7), "text behind the closing quote");
    let mut text = String::from("id,name,price\n");
    for i in 1..=16 {
        text.push_str(&format!("{i},n,1\n"));
    }
    assert_eq!(place(&take(&format!("{text}17,\"n,1\n18,n,1\n")).unwrap_err()), (17, 18, 4), "never closed");
}

#[test]
fn empty_lines_are_no_rows_and_quoted_line_breaks_belong_to_theirs() {
    let failure = take("id,name\n\n1,\"a\nb\"\n\n2,x\"\n").unwrap_err();
    assert_eq!(place(&failure), (2, 6, 4));
    assert_eq!(take("id,name\r\n1,a\r\n").unwrap(), "{\"id\":1,\"name\":\"a\"}\n");
}

#[test]
fn what_is_not_utf8_is_refused_at_its_place() {
    let failure = take_bytes(b"id,name\n1,a\n2,caf\xe9\n").unwrap_err();
    assert_eq!(place(&failure), (2, 3, 6));
    assert!(failure.causes[0].contains("UTF-8"));
    assert_eq!(take_bytes("\u{feff}id\n1\n".as_bytes()).unwrap(), "{\"id\":1}\n", "a byte order mark is no text");
}

#[test]
fn the_earlier_mistake_is_the_one_that_is_told() {
    assert_eq!(place(&take_bytes(b"id,name\nx,a\n2,caf\xe9\n").unwrap_err()), (1, 2, 0));
    assert_eq!(place(&take("id,name\nx,a\n2,b\"\n").unwrap_err()), (1, 2, 0));
}

#[test]
fn a_file_without_rows_is_refused() {
    for text in ["", "\n", "id,name\n", "id,name\n\n"] {
        assert!(take(text).unwrap_err().message.contains("holds no records"), "{text:?}");
    }
}
