//! JSON input: one object per line, or one document with an array of objects.

use std::fmt;
use std::io::{BufRead, Read};

use serde::de::{DeserializeSeed, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Place, Sink, bad_input, bad_read};
use crate::error::Failure;
use crate::json;

/// Reads NDJSON. Empty lines are skipped.
pub(super) fn read_lines(mut input: impl BufRead, name: &str, sink: &mut Sink) -> Result<(), Failure> {
    let mut text = Vec::new();
    let mut record = Vec::new();
    for line in 1.. {
        text.clear();
        if input.read_until(b'\n', &mut text).map_err(|e| bad_read(name, Some(sink.count + 1), &e))? == 0 {
            break;
        }
        let body = text.trim_ascii();
        if body.is_empty() {
            continue;
        }
        let row = sink.count + 1;
        let place = Place { row: Some(row), line: Some(line), column: None };
        let value: &RawValue = serde_json::from_slice(body).map_err(|e| {
            let lead = text.len() - text.trim_ascii_start().len();
            let column = Some(lead as u64 + e.column() as u64);
            let failure = bad_input(name, Place { column, ..place }, format!("this is no JSON: {}", words(&e)));
            if body.starts_with(b"[") || body == b"{" {
                failure.hint("records are read one per line; for a whole document pass `--input-format json`")
            } else {
                failure
            }
        })?;
        if !value.get().starts_with('{') {
            let failure = bad_input(name, place, "a record is a JSON object, like {\"name\": \"Shirt\"}");
            return Err(if value.get().starts_with('[') {
                failure.hint("for an array of records pass `--input-format json`")
            } else {
                failure
            });
        }
        record.clear();
        json::compact_into(value.get(), &mut record);
        sink.put(&record)?;
    }
    Ok(())
}

/// Reads one document: an array of objects, or one object.
pub(super) fn read_document(mut input: impl BufRead, name: &str, sink: &mut Sink) -> Result<(), Failure> {
    let (lead, first) = skip_white(&mut input, name)?;
    let Some(first) = first else { return Ok(()) };
    let place = |e: &serde_json::Error| Place {
        row: None,
        line: Some(lead.line + (e.line() as u64).max(1) - 1),
        column: Some(if e.line() <= 1 { lead.column + e.column() as u64 } else { e.column() as u64 }),
    };
    let mut failed = None;
    let mut reader = serde_json::Deserializer::from_reader(input);
    let result = if first == b'[' {
        let each = Each { name, sink: &mut *sink, failed: &mut failed };
        each.deserialize(&mut reader).and_then(|()| reader.end())
    } else {
        <Box<RawValue> as serde::Deserialize>::deserialize(&mut reader)
            .and_then(|value| reader.end().map(|()| value))
            .map(|value| failed = take(&value, name, sink).err())
    };
    match (failed, result) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.is_io() => Err(bad_read(name, Some(sink.count + 1), &error.into())),
        (None, Err(error)) => {
            let failure = bad_input(name, place(&error), format!("this is no JSON: {}", words(&error)));
            Err(if error.to_string().starts_with("trailing characters") && first == b'{' {
                failure.hint("for one record per line pass `--input-format ndjson`")
            } else {
                failure
            })
        }
    }
}

/// Lines and columns before the first byte of the document.
struct Lead {
    line: u64,
    column: u64,
}

fn skip_white(input: &mut impl BufRead, name: &str) -> Result<(Lead, Option<u8>), Failure> {
    let mut lead = Lead { line: 1, column: 0 };
    loop {
        let (skipped, first) = {
            let bytes = input.fill_buf().map_err(|e| bad_read(name, None, &e))?;
            if bytes.is_empty() {
                return Ok((lead, None));
            }
            let skipped = bytes.len() - bytes.trim_ascii_start().len();
            for byte in bytes.get(..skipped).unwrap_or_default() {
                if *byte == b'\n' {
                    lead = Lead { line: lead.line + 1, column: 0 };
                } else {
                    lead.column += 1;
                }
            }
            (skipped, bytes.get(skipped).copied())
        };
        input.consume(skipped);
        if first.is_some() {
            return Ok((lead, first));
        }
    }
}

fn take(value: &RawValue, name: &str, sink: &mut Sink) -> Result<(), Failure> {
    if !value.get().starts_with('{') {
        let place = Place { row: Some(sink.count + 1), ..Place::default() };
        return Err(bad_input(name, place, "a record is a JSON object, like {\"name\": \"Shirt\"}"));
    }
    let mut record = Vec::with_capacity(value.get().len());
    json::compact_into(value.get(), &mut record);
    sink.put(&record)
}

/// The parser's words without the place, which is told beside them.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").and_then(|end| text.get(..end)).unwrap_or(&text).to_owned()
}

/// Takes the elements of an array one by one, so that memory holds one record and not the array.
struct Each<'a> {
    name: &'a str,
    sink: &'a mut Sink,
    failed: &'a mut Option<Failure>,
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<Box<RawValue>>()? {
            if let Err(failure) = take(&value, self.name, self.sink) {
                *self.failed = Some(failure);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

impl Each<'_> {
    fn deserialize<R: Read>(
        self,
        reader: &mut serde_json::Deserializer<serde_json::de::IoRead<R>>,
    ) -> serde_json::Result<()> {
        struct Seed<'a>(Each<'a>);
        impl<'de> DeserializeSeed<'de> for Seed<'_> {
            type Value = ();
            fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_seq(self.0)
            }
        }
        Seed(self).deserialize(reader)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::error::Failure;
    use crate::input::{Format, Source, read};
    use crate::schema::Schema;

    fn take(format: Format, text: &str) -> Result<String, Failure> {
        let mut records = read(&Source::Text(text.into()), format, &Schema::parse("{}").unwrap())?;
        Ok(String::from_utf8(records.next_batch(100)?.unwrap().ndjson).unwrap())
    }

    fn place(failure: &Failure) -> (u64, u64, u64) {
        let at = |key: &str| failure.detail.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
        (at("row"), at("line"), at("column"))
    }

    #[test]
    fn records_pass_with_their_digits_and_on_one_line_each() {
        let want = "{\"id\":12345678901234567890,\"p\":25.00}\n{\"x\":1e400}\n";
        let lines = "\n{\"id\": 12345678901234567890, \"p\": 25.00}\r\n\n {\"x\":1e400}";
        assert_eq!(take(Format::Ndjson, lines).unwrap(), want);
        let document = " \n[\n  {\"id\": 12345678901234567890,\n \"p\": 25.00},\n  {\"x\": 1e400}\n]\n";
        assert_eq!(take(Format::Json, document).unwrap(), want);
        assert_eq!(take(Format::Json, "{\n \"a\": 1\n}").unwrap(), "{\"a\":1}\n");
    }

    #[test]
    fn mistakes_are_told_by_row_line_and_column() {
        assert_eq!(place(&take(Format::Ndjson, "{\"a\":1}\n\n{\"a\" 1}\n").unwrap_err()), (2, 3, 6));
        assert_eq!(place(&take(Format::Ndjson, "{\"a\":1}\n7\n").unwrap_err()), (2, 2, 0));
        assert_eq!(place(&take(Format::Json, "\n [{\"a\":1},\n {\"a\" 1}]").unwrap_err()), (0, 3, 7));
        assert_eq!(place(&take(Format::Json, "\n [{\"a\" 1}]").unwrap_err()), (0, 2, 8));
        assert_eq!(place(&take(Format::Json, "[{}, 3]").unwrap_err()), (2, 0, 0));
        assert!(take(Format::Json, "[{}] x").is_err(), "nothing may follow the document");
        assert!(take(Format::Json, "[{},").is_err());
    }

    #[test]
    fn the_wrong_format_is_recognised() {
        let hint = |f: Failure| f.hint.unwrap_or_default();
        assert!(hint(take(Format::Ndjson, "[\n {\"a\":1}\n]").unwrap_err()).contains("--input-format json"));
        assert!(hint(take(Format::Ndjson, "{\n \"a\":1\n}").unwrap_err()).contains("--input-format json"));
        assert!(hint(take(Format::Ndjson, "[{\"a\":1}]").unwrap_err()).contains("--input-format json"));
        assert!(hint(take(Format::Json, "{\"a\":1}\n{\"a\":2}").unwrap_err()).contains("--input-format ndjson"));
    }

    #[test]
    fn an_input_without_records_is_refused() {
        for (format, text) in
            [(Format::Ndjson, ""), (Format::Ndjson, "\n\n"), (Format::Json, " "), (Format::Json, "[]")]
        {
            assert!(take(format, text).unwrap_err().message.contains("holds no records"), "{text:?}");
        }
    }
}
