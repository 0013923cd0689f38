//! Cuts the body of an answer into records, one line each (NDJSON), in the memory that the body came in.
//!
//! No value is built and no record is read twice: a walk over masks of 64 bytes (`simd.rs`) follows strings and brackets, and
//! the comma behind a record becomes its line end. Bytes only ever move towards the front, over what has been read.
//!
//! What is checked: brackets match and close, elements are separated by one comma, strings hold no control characters, every
//! byte belongs to valid UTF-8, nothing but white space follows the end. So a body that was cut off anywhere is an error,
//! and never fewer records. The grammar *inside* a record is left to whoever reads that record (`scan.rs`).

use crate::scan::{self, MAX_DEPTH, Malformed, byte, malformed, skip_space};
use crate::simd::{Best, Classify, Strings};
use crate::table::Envelope;

/// What stood where the payload belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// An array: its elements are the lines.
    Array,
    /// One object: the only line.
    Object,
    /// `null`: no lines.
    Null,
    /// The envelope has no `data`: no lines.
    Absent,
}

/// A body in records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sliced {
    /// Every record on a line of its own, each closed by `\n`.
    pub records: Vec<u8>,
    /// Lines in `records`.
    pub count: u32,
    /// For every line the offset behind its `\n`.
    pub ends: Vec<usize>,
    /// What the payload was.
    pub payload: Payload,
    /// Whether every line is an object. Elements of other types become lines too, as written.
    pub objects: bool,
    /// The envelope's `meta`, as written.
    pub meta: Option<String>,
    /// The envelope's `errors`, as written.
    pub errors: Option<String>,
}

impl Sliced {
    /// A record by its position, without its line end.
    pub fn record(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end);
        self.records.get(start..end.checked_sub(1)?)
    }

    /// The first record.
    pub fn first(&self) -> Option<&[u8]> {
        self.record(0)
    }

    /// The last record.
    pub fn last(&self) -> Option<&[u8]> {
        self.record(self.ends.len().checked_sub(1)?)
    }
}

/// Cuts a body into records.
///
/// ```
/// # use connector_bigcommerce::{slice::split, table::Envelope};
/// let body = br#"{"data": [{"id":1},{"id":2.50}], "meta": {"total":2}}"#;
/// let sliced = split(body.to_vec(), Envelope::Data).unwrap();
/// assert_eq!(sliced.records, b"{\"id\":1}\n{\"id\":2.50}\n");
/// assert_eq!(sliced.meta.as_deref(), Some("{\"total\":2}"));
/// ```
pub fn split(body: Vec<u8>, envelope: Envelope) -> Result<Sliced, Malformed> {
    split_with::<Best>(body, envelope)
}

/// `split` with a chosen way to classify bytes, for tests and benchmarks.
#[doc(hidden)]
pub fn split_with<C: Classify>(mut body: Vec<u8>, envelope: Envelope) -> Result<Sliced, Malformed> {
    let mut cutter = Cutter::new(&mut body);
    let (mut meta, mut errors) = (None, None);
    let start = skip_space(cutter.body, 0);
    let payload = match envelope {
        Envelope::Bare => {
            let (payload, end) = cutter.payload::<C>(start, 0)?;
            scan::end_of_text(cutter.body, end)?;
            payload
        }
        Envelope::Data => cutter.envelope::<C>(start, &mut meta, &mut errors)?,
    };
    let Cutter { write, ends, objects, .. } = cutter;
    body.truncate(write);
    if payload == Payload::Object {
        // Behind a lone object there need not be room for its line end before the body is read to its end.
        body.push(b'\n');
    }
    let count = u32::try_from(ends.len()).map_or_else(|_| malformed(0, "fewer records"), Ok)?;
    Ok(Sliced { records: body, count, ends, payload, objects, meta, errors })
}

/// Moves records to the front of the body while it is read. `write <= read` at all times.
struct Cutter<'b> {
    body: &'b mut [u8],
    /// Where the next kept byte goes.
    write: usize,
    /// The first byte that is read but not yet moved.
    read: usize,
    /// Where the line under way begins in what is written.
    line: usize,
    /// Brackets before this position have been dealt with.
    resume: usize,
    /// Whether bytes since `read` may be other than ASCII.
    high: bool,
    ends: Vec<usize>,
    objects: bool,
}

/// What follows an element.
enum Next {
    Element(usize),
    /// The array ended; here goes what is behind it.
    End(usize),
}

impl<'b> Cutter<'b> {
    fn new(body: &'b mut [u8]) -> Self {
        Cutter { body, write: 0, read: 0, line: 0, resume: 0, high: false, ends: Vec::new(), objects: true }
    }

    /// Reads `{"data": ..., "meta": ..., "errors": ...}`, its members in any order, others skipped.
    fn envelope<C: Classify>(
        &mut self,
        start: usize,
        meta: &mut Option<String>,
        errors: &mut Option<String>,
    ) -> Result<Payload, Malformed> {
        let mut payload = None;
        if byte(self.body, start) != Some(b'{') {
            return malformed(start, "`{`");
        }
        let mut at = skip_space(self.body, start + 1);
        if byte(self.body, at) == Some(b'}') {
            scan::end_of_text(self.body, at + 1)?;
            return Ok(Payload::Absent);
        }
        loop {
            let name_end = scan::string_end(self.body, at)?;
            let value = scan::colon(self.body, name_end)?;
            let name = scan::decode(scan::range(self.body, at, name_end)).unwrap_or_default();
            let end = match (&*name, &payload) {
                ("data", None) => {
                    let (found, end) = self.payload::<C>(value, 1)?;
                    payload = Some(found);
                    end
                }
                ("data", Some(_)) => return malformed(at, "`data` only once"),
                (name, _) => {
                    let slot = match name {
                        "meta" => Some(&mut *meta),
                        "errors" => Some(&mut *errors),
                        _ => None,
                    };
                    let end = scan::value_end(self.body, value, 1)?;
                    if let Some(slot) = slot {
                        *slot = Some(scan::text(scan::range(self.body, value, end)).to_owned());
                    }
                    end
                }
            };
            at = skip_space(self.body, end);
            match byte(self.body, at) {
                Some(b',') => at = skip_space(self.body, at + 1),
                Some(b'}') => break,
                _ => return malformed(at, "`,` or `}`"),
            }
        }
        scan::end_of_text(self.body, at + 1)?;
        Ok(payload.unwrap_or(Payload::Absent))
    }

    /// Cuts the payload that starts at `at`, `depth` levels inside of the body. Gives the position behind it.
    fn payload<C: Classify>(&mut self, at: usize, depth: usize) -> Result<(Payload, usize), Malformed> {
        match byte(self.body, at) {
            Some(b'[') => {
                let first = skip_space(self.body, at + 1);
                if byte(self.body, first) == Some(b']') {
                    return Ok((Payload::Array, first + 1));
                }
                match self.begin(first, depth + 1)? {
                    Next::Element(first) => Ok((Payload::Array, self.cut::<C>(first, depth + 1, true)?)),
                    Next::End(end) => Ok((Payload::Array, end)),
                }
            }
            Some(b'{') => {
                self.read = at;
                Ok((Payload::Object, self.cut::<C>(at, depth, false)?))
            }
            Some(b'n') => Ok((Payload::Null, scan::value_end(self.body, at, depth)?)),
            _ => malformed(at, "an array, an object or `null`"),
        }
    }

    /// Starts the element at `at`. Says whether it has brackets, so that its end can be found by them.
    #[inline]
    fn open(&mut self, at: usize) -> bool {
        let first = byte(self.body, at);
        self.objects &= first == Some(b'{');
        self.read = at;
        self.resume = at;
        matches!(first, Some(b'{' | b'['))
    }

    /// Cuts off elements that are neither objects nor arrays, up to the first that is.
    fn begin(&mut self, mut at: usize, depth: usize) -> Result<Next, Malformed> {
        self.high = false;
        while !self.open(at) {
            let end = scan::value_end(self.body, at, depth)?;
            self.flush(end)?;
            match self.separate(end)? {
                Next::Element(next) => at = next,
                end => return Ok(end),
            }
        }
        Ok(Next::Element(at))
    }

    /// Walks from the element that starts at `start` to the array's end; of a lone object, to its own end.
    fn cut<C: Classify>(&mut self, start: usize, outer: usize, array: bool) -> Result<usize, Malformed> {
        let mut strings = Strings::default();
        // The closing brackets that are due, the innermost last.
        let mut due = [0u8; MAX_DEPTH];
        let mut depth = outer;
        let mut base = start;
        self.resume = start;
        'blocks: while base < self.body.len() {
            let classes = match self.body.get(base..).and_then(|rest| rest.first_chunk::<64>()) {
                Some(block) => C::classify(block),
                None => {
                    let mut block = [b' '; 64];
                    let rest = self.body.get(base..).unwrap_or_default();
                    block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                    C::classify(&block)
                }
            };
            let inside = strings.mask(&classes);
            let wrong = (classes.controls & inside) | ((classes.backslashes | classes.high) & !inside);
            if wrong != 0 {
                let bit = wrong.trailing_zeros();
                let string = inside >> bit & 1 == 1;
                return malformed(
                    base + bit as usize,
                    if string { "no control character in a string" } else { "a bracket, a comma, a colon or a value" },
                );
            }
            let high = classes.high != 0;
            self.high |= high;
            let mut events = (classes.brackets | classes.controls) & !inside;
            while events != 0 {
                let at = base + events.trailing_zeros() as usize;
                events &= events - 1;
                if at < self.resume {
                    continue;
                }
                let Some(found) = byte(self.body, at) else { break };
                match found {
                    b'{' | b'[' => {
                        let Some(slot) = due.get_mut(depth) else {
                            return malformed(at, "at most 128 levels of arrays and objects");
                        };
                        // In ASCII each closing bracket comes two behind its opening one.
                        *slot = found + 2;
                        depth += 1;
                    }
                    b'}' | b']' => {
                        depth = depth.saturating_sub(1);
                        if due.get(depth) != Some(&found) {
                            return malformed(at, if found == b'}' { "`]`" } else { "`}`" });
                        }
                        if depth > outer {
                            continue;
                        }
                        self.flush(at + 1)?;
                        if !array {
                            self.ends.push(self.write + 1);
                            return Ok(at + 1);
                        }
                        let next = match self.separate(at + 1)? {
                            Next::Element(next) => next,
                            Next::End(end) => return Ok(end),
                        };
                        self.high = high;
                        if self.open(next) {
                            continue;
                        }
                        // Moving other elements may overwrite what no block has seen yet: begin anew behind them.
                        match self.begin(next, outer)? {
                            Next::Element(next) => base = next,
                            Next::End(end) => return Ok(end),
                        }
                        strings = Strings::default();
                        continue 'blocks;
                    }
                    b'\n' | b'\r' => {
                        self.line_break(at)?;
                        self.high = high;
                    }
                    b'\t' => {}
                    _ => return malformed(at, "a bracket, a comma, a colon or a value"),
                }
            }
            base += 64;
        }
        malformed(self.body.len(), "more: the text is cut off")
    }

    /// Moves what was read up to `end` to where it belongs.
    #[inline]
    fn flush(&mut self, end: usize) -> Result<(), Malformed> {
        if self.high
            && let Err(error) = std::str::from_utf8(scan::range(self.body, self.read, end))
        {
            return malformed(self.read + error.valid_up_to(), "UTF-8");
        }
        if self.read != self.write {
            self.body.copy_within(self.read..end, self.write);
        }
        self.write += end - self.read;
        self.read = end;
        Ok(())
    }

    /// Ends the line of an element that ended before `end`, and finds what follows it.
    fn separate(&mut self, end: usize) -> Result<Next, Malformed> {
        let at = skip_space(self.body, end);
        let next = match byte(self.body, at) {
            Some(b',') => Next::Element(skip_space(self.body, at + 1)),
            Some(b']') => Next::End(at + 1),
            _ => return malformed(at, "`,` or `]`"),
        };
        // At the latest this overwrites the separator itself, which has been read.
        if let Some(slot) = self.body.get_mut(self.write) {
            *slot = b'\n';
        }
        self.write += 1;
        self.line = self.write;
        self.ends.push(self.write);
        Ok(next)
    }

    /// Drops the white space around a line break between two tokens.
    fn line_break(&mut self, at: usize) -> Result<(), Malformed> {
        self.flush(at)?;
        while self.write > self.line
            && let Some(b' ' | b'\t') = self.write.checked_sub(1).and_then(|last| byte(self.body, last))
        {
            self.write -= 1;
        }
        let next = skip_space(self.body, at);
        // Without this, `[1 <break> 2]` would turn from an error into the number 12.
        let token = |at: Option<usize>| {
            let found = at.and_then(|at| byte(self.body, at));
            !matches!(found, None | Some(b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"'))
        };
        if token(self.write.checked_sub(1)) && token(Some(next)) {
            return malformed(next, "a comma or a bracket");
        }
        self.read = next;
        self.resume = next;
        Ok(())
    }
}
