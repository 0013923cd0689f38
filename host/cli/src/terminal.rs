//! Text on its way to a person: nothing in it moves the cursor or changes what stands before it, and a stderr that nobody reads
//! any more is no reason to stop.

use std::io::Write as _;

/// Whether a terminal would act on this character, or on its account show others in another order than they are in.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with `�` for every character on which a terminal would act; line ends stay.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if acts(c) && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// The text on one line, with blanks for what a terminal would act on.
pub(crate) fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if acts(c) { ' ' } else { c }).collect()
}

/// Writes to stderr. What cannot be written is lost: there is nobody to tell.
pub(crate) fn tell(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        let text = "a\x1b[2Jb\rc\u{9b}d\u{202e}e\nf\tg Ünïcode 李";
        assert_eq!(clean(text), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e\nf\u{fffd}g Ünïcode 李");
        assert_eq!(on_one_line("a\nb\x1bc"), "a b c");
    }
}
