//! A reader that ends with a mistake where one record has more bytes than any may have, so that memory is bounded by the longest
//! record and not by the input. Whoever takes the records says where one is over.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::{MOST_BYTES, Mistake, Place};

/// Bytes of one record as it is written: blanks, and quotes that CSV doubles, may take as many again as the record itself.
const LONGEST: usize = 2 * MOST_BYTES;

/// What is left of the bytes of the record that is being read.
#[derive(Clone, Debug)]
pub(super) struct Left(Rc<Cell<usize>>);

impl Left {
    /// For the first record.
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(LONGEST)))
    }

    /// The next record begins.
    pub(super) fn renew(&self) {
        self.0.set(LONGEST);
    }
}

/// The reader.
pub(super) struct Bounded<R> {
    inner: R,
    left: Left,
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R, left: Left) -> Self {
        Self { inner, left }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.0.get();
        if left == 0 {
            return Err(io::Error::other(Mistake {
                what: format!("a record has at most {} MiB", MOST_BYTES >> 20),
                place: Place::default(),
                hint: "is a line break, a quote or a bracket missing behind it?",
            }));
        }
        let most = buffer.len().min(left);
        let read = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.0.set(left - read.min(left));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::input::{Format, read_from};
    use crate::schema::Schema;

    #[test]
    fn a_record_without_end_is_refused_before_it_fills_the_memory() {
        let schema = Schema::parse("{}").unwrap();
        for (format, begin) in [
            (Format::Ndjson, "{\"a\":1}\n{\"a\":\""),
            (Format::Json, "[{\"a\":1},{\"a\":\""),
            (Format::Csv, "a\n1\n\""),
        ] {
            let endless = io::Cursor::new(begin).chain(io::repeat(b'x').take(1 << 40));
            let failure = read_from(endless, "endless", format, &schema).unwrap_err();
            assert!(failure.message.contains("row 2") && failure.causes[0].contains("8 MiB"), "{failure:?}");
        }
    }

    #[test]
    fn an_input_may_be_longer_than_any_record() {
        let schema = Schema::parse("{}").unwrap();
        let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(MOST_BYTES / 2));
        let records = read_from(io::Cursor::new(line.repeat(6)), "long", Format::Ndjson, &schema).unwrap();
        assert_eq!(records.count, 6);
    }
}
