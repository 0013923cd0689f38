//! Records go into a Parquet file and come back, read by this program and by the format's own record reader.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;

use super::{Format, Output};
use crate::input::{self, Source};
use crate::schema::Schema;

fn write(path: &Path, fields: &[&str], ndjson: &str) -> Result<(), String> {
    let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    let mut output = Output::open(Format::Parquet, Some(path), &fields, None).unwrap();
    output.write(ndjson.as_bytes()).unwrap();
    output.finish().map_err(|e| format!("{e:?}"))
}

fn read_back(path: &Path) -> String {
    let schema = Schema::parse("{}").unwrap();
    let mut records = input::read(&Source::File(path.to_owned()), input::Format::Parquet, &schema).unwrap();
    let mut all = Vec::new();
    while let Some(batch) = records.next_batch(1000).unwrap() {
        all.extend(batch.ndjson);
    }
    String::from_utf8(all).unwrap()
}

const RECORDS: &str = concat!(
    r#"{"id":1,"price":25.00,"name":"Größe 😀 \"x\"\n","weight":{"value":1.5,"unit":"kg"},"tags":["a",null,""],"on":true}"#,
    "\n",
    r#"{"id":9007199254740993,"price":0.10,"name":"","weight":{"value":1234567890123456.25,"unit":"g"},"tags":[],"on":false}"#,
    "\n",
    r#"{"id":-9223372036854775808,"price":-3.00,"weight":{},"images":[{"id":1,"sizes":[[1,2],[]]},{"id":2}],"big":12345678901234567890}"#,
    "\n",
    r#"{"id":4,"any":[1,"1",{"a":1.50}],"huge":1e400,"empty":{},"half":"\ud83d"}"#,
    "\n",
    r#"{"id":5,"any":"text","huge":2.5,"empty":{},"half":"whole"}"#,
    "\n",
);

#[test]
fn every_value_comes_back_as_it_was_with_all_its_digits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    write(&path, &[], RECORDS).unwrap();
    // Decimals of one column have as many digits behind the point as the longest of them, and members stand in the columns' order.
    let want = RECORDS.replace("\"value\":1.5,", "\"value\":1.50,");
    let as_values = |text: &str| -> Vec<serde_json::Value> {
        let digits = |line: &str| serde_json::from_str(line).unwrap();
        text.lines()
            .map(|line| line.replace("1e400", "\"1e400\"").replace("\\ud83d", "\\\\ud83d"))
            .map(|l| digits(&l))
            .collect()
    };
    let got = read_back(&path);
    assert_eq!(as_values(&got), as_values(&want), "{got}");
    for exact in [
        "\"price\":25.00,",
        "\"price\":0.10,",
        "1234567890123456.25",
        "12345678901234567890",
        "1e400",
        "{\"a\":1.50}",
        "\"\\ud83d\"",
    ] {
        assert!(got.contains(exact), "{exact} in {got}");
    }
}

#[test]
fn the_formats_own_reader_finds_typed_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    write(&path, &["name", "price"], RECORDS).unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 5);
    let cell = |row: usize, name: &str| rows[row].get_column_iter().find(|(n, _)| *n == name).unwrap().1.clone();
    assert_eq!(cell(1, "id"), Field::Long(9_007_199_254_740_993));
    assert_eq!(cell(0, "price").to_string(), "25.00");
    assert_eq!(cell(2, "big").to_string().trim_end_matches('.'), "12345678901234567890");
    assert_eq!(cell(0, "name"), Field::Str("Größe 😀 \"x\"\n".to_owned()));
    assert_eq!(cell(3, "name"), Field::Null);
    assert_eq!(cell(0, "on"), Field::Bool(true));
    assert_eq!(cell(0, "weight").to_string(), "{value: 1.50, unit: \"kg\"}");
    assert_eq!(cell(1, "tags").to_string(), "[]");
    assert_eq!(cell(2, "images").to_string(), "[{id: 1, sizes: [[1, 2], []]}, {id: 2, sizes: null}]");
    assert_eq!(cell(4, "any"), Field::Str("\"text\"".to_owned()));
    let first: Vec<_> = rows[0].get_column_iter().map(|(name, _)| name.as_str()).take(3).collect();
    assert_eq!(first, ["name", "price", "id"]);
}

#[test]
fn a_result_without_records_has_the_columns_that_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    write(&path, &["id", "weight.unit"], "").unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let columns = reader.metadata().file_metadata().schema_descr().root_schema().get_fields().to_vec();
    assert_eq!(columns.iter().map(|column| column.name().to_owned()).collect::<Vec<_>>(), ["id", "weight"]);
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    let refused = write(&folder.path().join("y.parquet"), &[], "").unwrap_err();
    assert!(refused.contains("there is no record"), "{refused}");
    assert!(!folder.path().join("y.parquet").exists());
}

#[test]
fn rows_are_written_in_groups_of_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    // Texts that no dictionary and no compression makes much smaller.
    let text = |seed: u64| {
        (0..64).map(|i| format!("{:016x}", (seed * 64 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect::<String>()
    };
    let mut output = Output::open(Format::Parquet, Some(&path), &[], None).unwrap();
    for id in 0..40_000 {
        output.write(format!("{{\"id\":{id},\"text\":\"{}\"}}\n", text(id)).as_bytes()).unwrap();
    }
    output.finish().unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let groups = reader.metadata().row_groups();
    assert!(groups.len() > 1, "{} group", groups.len());
    assert!(groups.iter().all(|group| group.total_byte_size() < 32 << 20));
    assert_eq!(reader.metadata().file_metadata().num_rows(), 40_000);
    assert!(
        read_back(&path)
            .lines()
            .zip(0..)
            .all(|(line, id)| line.contains(&format!("\"id\":{id},\"text\":\"{}\"", text(id))))
    );
}

#[test]
fn what_is_no_parquet_file_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    std::fs::write(&path, "id,name\n1,x\n").unwrap();
    let schema = Schema::parse("{}").unwrap();
    let failure = input::read(&Source::File(path), input::Format::Parquet, &schema).unwrap_err();
    assert!(failure.message.contains("x.parquet") && failure.hint.is_some(), "{failure:?}");
}
