//! Turns bytes into choices: what a target that needs more than one text takes its numbers from.

/// The bytes that are left. An exhausted feed gives zeros, so that every input means something.
pub(crate) struct Feed<'a>(pub &'a [u8]);

impl<'a> Feed<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// Up to 16 bytes as a number, the lowest first.
    pub(crate) fn number(&mut self, bytes: u32) -> u128 {
        (0..bytes).fold(0, |sum, index| sum | u128::from(self.byte()) << (8 * index))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number(2)).unwrap() % bound.max(1)
    }

    /// One of several.
    pub(crate) fn pick<'s, T>(&mut self, from: &'s [T]) -> &'s T {
        &from[self.below(from.len())]
    }

    /// At most `most` bytes as text.
    pub(crate) fn text(&mut self, most: usize) -> String {
        let count = usize::from(self.byte()).min(most).min(self.0.len());
        let (text, rest) = self.0.split_at(count);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    /// The rest.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
