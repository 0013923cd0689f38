//! NDJSON and JSON: the bytes as they came.

use std::io::{self, Write};

use super::RecordWriter;
use crate::json::lines;

/// One record per line.
pub(super) struct Lines;

impl RecordWriter for Lines {
    fn write(&mut self, ndjson: &[u8], out: &mut (dyn Write + Send)) -> io::Result<()> {
        out.write_all(ndjson)
    }

    fn finish(&mut self, _: &mut (dyn Write + Send)) -> io::Result<()> {
        Ok(())
    }
}

/// One array, a record per line. Valid JSON also if the query stops early.
#[derive(Default)]
pub(super) struct Array {
    begun: bool,
}

impl RecordWriter for Array {
    fn write(&mut self, ndjson: &[u8], out: &mut (dyn Write + Send)) -> io::Result<()> {
        for line in lines(ndjson) {
            out.write_all(if self.begun { b",\n" } else { b"[\n" })?;
            out.write_all(line)?;
            self.begun = true;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        out.write_all(if self.begun { b"\n]\n" } else { b"[]\n" })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_array_of_nothing_is_valid_json() {
        let mut out = Vec::new();
        Array::default().finish(&mut out).unwrap();
        assert_eq!(out, b"[]\n");
    }
}
