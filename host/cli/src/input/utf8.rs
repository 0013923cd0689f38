//! A reader that lets through UTF-8 only, and tells the place of the first byte that is none.
//!
//! Everything before that byte is delivered first, so that an earlier mistake is the one that is told.

use std::io::{self, Read};

use super::{Mistake, Place};

/// Checks what passes through it, and drops a byte order mark.
pub(super) struct Checked<R> {
    inner: R,
    /// What was read: served up to `served`, known to be good up to `good`, and behind that at most three bytes of a character
    /// whose rest is still to come.
    buffer: Vec<u8>,
    served: usize,
    good: usize,
    ended: bool,
    at_start: bool,
    /// Place of the next byte to check.
    line: u64,
    column: u64,
    mistake: Option<Mistake>,
}

/// Bytes asked of the inner reader at a time.
const CHUNK: usize = 64 * 1024;

impl<R: Read> Checked<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            served: 0,
            good: 0,
            ended: false,
            at_start: true,
            line: 1,
            column: 1,
            mistake: None,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.good);
        (self.served, self.good) = (0, 0);
        let had = self.buffer.len();
        self.buffer.resize(had + CHUNK, 0);
        let read = self.inner.read(self.buffer.get_mut(had..).unwrap_or_default());
        self.buffer.truncate(had + *read.as_ref().unwrap_or(&0));
        self.ended = read? == 0;
        let bad = match std::str::from_utf8(&self.buffer) {
            Ok(text) => {
                self.good = text.len();
                false
            }
            Err(error) => {
                self.good = error.valid_up_to();
                error.error_len().is_some() || self.ended
            }
        };
        let good = self.buffer.get(..self.good).unwrap_or_default();
        if self.at_start && !good.is_empty() {
            self.at_start = false;
            if good.starts_with("\u{feff}".as_bytes()) {
                self.served = 3;
            }
        }
        for byte in good.get(self.served..).unwrap_or_default() {
            if *byte == b'\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        if bad {
            self.mistake = Some(Mistake {
                what: "this is not UTF-8 text".to_owned(),
                place: Place { row: None, line: Some(self.line), column: Some(self.column) },
                hint: "save the file as UTF-8 (spreadsheets offer `CSV UTF-8`), or convert it with iconv",
            });
        }
        Ok(())
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.served == self.good {
            if let Some(mistake) = &self.mistake {
                return Err(io::Error::other(mistake.clone()));
            }
            if self.ended {
                return Ok(0);
            }
            self.fill()?;
        }
        let mut rest = self.buffer.get(self.served..self.good).unwrap_or_default();
        let count = rest.read(out)?;
        self.served += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Delivers one byte at a time: the worst a pipe can do.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(buffer.len()).min(1);
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn read_all(input: impl Read) -> (Vec<u8>, Option<(u64, u64)>) {
        let (mut reader, mut seen, mut buffer) = (Checked::new(input), Vec::new(), [0; 128]);
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return (seen, None),
                Ok(n) => seen.extend_from_slice(&buffer[..n]),
                Err(e) => {
                    let mistake = e.get_ref().unwrap().downcast_ref::<Mistake>().unwrap();
                    return (seen, Some((mistake.place.line.unwrap(), mistake.place.column.unwrap())));
                }
            }
        }
    }

    #[test]
    fn good_text_passes_whole_in_pieces_of_any_size() {
        let text = "\u{feff}a,größe\n€,😀\n".as_bytes();
        let want = "a,größe\n€,😀\n".as_bytes();
        assert_eq!(read_all(text), (want.to_vec(), None));
        assert_eq!(read_all(Drip(text)), (want.to_vec(), None));
    }

    #[test]
    fn the_first_bad_byte_is_told_by_its_place_and_what_precedes_it_is_delivered() {
        for bad in [&b"ab\ncd\xffe"[..], b"ab\ncd\xe2\x82", b"ab\ncd\xc3("] {
            assert_eq!(read_all(bad), (b"ab\ncd".to_vec(), Some((2, 3))));
            assert_eq!(read_all(Drip(bad)), (b"ab\ncd".to_vec(), Some((2, 3))));
        }
        assert_eq!(read_all(&b"\xff\xfea\0"[..]), (vec![], Some((1, 1))), "UTF-16 is refused at its first byte");
    }
}
