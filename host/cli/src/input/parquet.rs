//! Parquet input: rows become objects, columns their members. A null is an absent field, as an empty cell of a CSV is. Decimals keep
//! their digits, times are texts of ISO 8601, and a column that says that it holds JSON gives the values themselves.

use std::fs::File;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array, StringArray};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder, WriterBuilder};
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{ArrowError, DataType, Field, FieldRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Place, Sink, bad_input};
use crate::error::Failure;
use crate::json::{compact_into, is_value, lines, quote};

/// What is read at a time: rows, and about so many bytes of them.
const ROWS: i64 = 1024;
const BYTES: i64 = 4 << 20;

/// The extension type of columns that hold JSON.
pub(crate) const JSON: &str = "arrow.json";

/// Whether a column holds JSON.
pub(crate) fn is_json(field: &Field) -> bool {
    field.metadata().get(EXTENSION_TYPE_NAME_KEY).is_some_and(|name| name == JSON)
}

/// Reads all rows.
pub(super) fn read(file: File, name: &str, sink: &mut Sink) -> Result<(), Failure> {
    let failed = |row: Option<u64>, e: &dyn std::error::Error| {
        bad_input(name, Place { row, ..Place::default() }, e.to_string()).hint("is it a Parquet file, and whole?")
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| failed(None, &e))?;
    let groups = builder.metadata().row_groups();
    let widest = groups.iter().map(|group| group.total_byte_size() / group.num_rows().max(1)).max().unwrap_or(0);
    let rows = usize::try_from((BYTES / widest.max(1)).clamp(1, ROWS)).unwrap_or(1);
    let reader = builder.with_batch_size(rows).build().map_err(|e| failed(None, &e))?;
    let as_json = WriterBuilder::new().with_encoder_factory(Arc::new(JsonColumns));
    for batch in reader {
        let next = Some(sink.count + 1);
        let batch = batch.map_err(|e| failed(next, &e))?;
        let mut writer = as_json.clone().build::<_, LineDelimited>(Vec::new());
        writer.write(&batch).and_then(|()| writer.finish()).map_err(|e| failed(next, &e))?;
        lines(&writer.into_inner()).try_for_each(|record| sink.put(record))?;
    }
    Ok(())
}

/// Writes columns of JSON as what they hold.
#[derive(Debug)]
struct JsonColumns;

impl EncoderFactory for JsonColumns {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if !is_json(field) || *array.data_type() != DataType::Utf8 {
            return Ok(None);
        }
        let values = Values(array.as_string());
        Ok(Some(NullableEncoder::new(Box::new(values), array.nulls().cloned())))
    }
}

struct Values<'a>(&'a StringArray);

impl Encoder for Values<'_> {
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        match self.0.value(index) {
            value if is_value(value) => compact_into(value, out),
            text => out.extend_from_slice(quote(text).as_bytes()),
        }
    }
}
