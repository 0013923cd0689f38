//! Parquet, for what reads tables: pandas, DuckDB, Spark and the like. Columns and their types are learned from all records
//! (`kinds.rs`), which wait meanwhile in an unnamed temporary file; then they are written, group by group, so that memory holds
//! one group of rows and not the table.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write};
use std::sync::Arc;

use arrow_json::ReaderBuilder;
use arrow_json::reader::Decoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::RecordWriter;
use super::kinds::Columns;
use crate::json::lines;

/// Bytes of a group of rows, encoded. Larger groups are read a little faster and need that much more memory here.
const GROUP: usize = 16 << 20;
/// What is encoded at a time: rows, and bytes of JSON.
const ROWS: usize = 1024;
const BYTES: usize = 4 << 20;

/// Collects, then writes.
pub(super) struct Table {
    spool: Option<BufWriter<File>>,
    columns: Columns,
    /// Fields that were asked for, or that are known.
    wanted: Vec<String>,
}

impl Table {
    pub(super) fn new(fields: &[String]) -> io::Result<Self> {
        let spool = Some(BufWriter::new(tempfile::tempfile()?));
        Ok(Self { spool, columns: Columns::default(), wanted: fields.to_vec() })
    }
}

impl RecordWriter for Table {
    fn write(&mut self, ndjson: &[u8], _: &mut (dyn Write + Send)) -> io::Result<()> {
        for line in lines(ndjson) {
            let record = std::str::from_utf8(line).map_err(io::Error::other)?;
            self.columns.see(record).map_err(io::Error::other)?;
        }
        match &mut self.spool {
            Some(spool) => spool.write_all(ndjson),
            None => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        let Some(spool) = self.spool.take() else { return Ok(()) };
        let mut file = spool.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let schema = Arc::new(self.columns.schema(&self.wanted));
        if schema.fields().is_empty() {
            return Err(io::Error::other(
                "there is no record, and without one the columns of the Parquet file are not known",
            ));
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_bytes(Some(GROUP))
            .build();
        let mut decoder = ReaderBuilder::new(schema.clone()).with_batch_size(ROWS).build_decoder().map_err(other)?;
        let mut writer = ArrowWriter::try_new(out, schema, Some(properties)).map_err(other)?;
        let as_they_are = !self.columns.hold_json();
        let (mut reader, mut line, mut record) = (BufReader::new(file), Vec::new(), Vec::new());
        let mut bytes = 0;
        while reader.read_until(b'\n', &mut line)? > 0 {
            if as_they_are {
                decode(&mut decoder, &line)?;
            } else {
                record.clear();
                self.columns.put(std::str::from_utf8(&line).map_err(io::Error::other)?, &mut record)?;
                decode(&mut decoder, &record)?;
            }
            bytes += line.len();
            if decoder.len() >= ROWS || bytes >= BYTES {
                bytes = 0;
                encode(&mut decoder, &mut writer)?;
            }
            line.clear();
        }
        encode(&mut decoder, &mut writer)?;
        writer.close().map_err(other)?;
        Ok(())
    }
}

fn decode(decoder: &mut Decoder, record: &[u8]) -> io::Result<()> {
    decoder.decode(record).map_err(other)?;
    Ok(())
}

fn encode(decoder: &mut Decoder, writer: &mut ArrowWriter<&mut (dyn Write + Send)>) -> io::Result<()> {
    match decoder.flush().map_err(other)? {
        Some(batch) => writer.write(&batch).map_err(other),
        None => Ok(()),
    }
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}
