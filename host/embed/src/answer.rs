//! What a connector's answer must be like before a caller sees it, and the texts in it that are for people.
//!
//! Records stay bytes: they are counted and looked at from both ends, at the speed of memory, and never parsed. So a page is known to
//! be UTF-8, as many lines as it says, each one object by its braces; whether what is between them is JSON, its reader notices.

use crate::contract::{Error, Identity, ObjectInfo, ObjectSchema, Outcome, Page, Plan};
use crate::error::Cause;
use crate::observe::Tally;

/// Errors, warnings or steps of one answer that are passed on.
const MOST_TEXTS: usize = 1000;

/// What an answer must fit.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// The page that begins here.
    Page { cursor: Option<String> },
    /// One outcome for each of so many records.
    Outcomes { records: usize },
    /// Anything else.
    Other,
}

impl Asked {
    /// Records that were passed in.
    pub(crate) fn records(&self) -> usize {
        if let Self::Outcomes { records } = *self { records } else { 0 }
    }
}

/// Where the queries of an activity have been: one cursor of earlier, remembered for twice as many pages each time. A query that
/// goes round meets it sooner or later, however large its round.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// The cursor that was answered last.
    last: Option<String>,
    remembered: Option<String>,
    pages: u64,
    until: u64,
}

impl Trail {
    /// Goes from one cursor to the next. Whether that leads somewhere new.
    fn follow(&mut self, from: Option<&str>, to: Option<&str>) -> bool {
        if from.is_none() || from != self.last.as_deref() {
            *self = Self { remembered: from.map(str::to_owned), ..Self::default() };
        }
        let Some(to) = to else { return true };
        if self.remembered.as_deref() == Some(to) {
            return false;
        }
        self.last = Some(to.to_owned());
        self.pages += 1;
        if self.pages >= self.until {
            (self.remembered, self.pages, self.until) = (self.last.clone(), 0, (self.until * 2).max(1));
        }
        true
    }
}

/// What calls answer.
pub(crate) trait Reply {
    /// Whether it is what was asked for.
    fn check(&self, _asked: &Asked, _trail: &mut Trail) -> Result<(), Cause> {
        Ok(())
    }

    /// The texts in it that are for people. Data is left as it is.
    fn texts(&mut self, each: &mut dyn FnMut(&mut String));

    /// Calls `each` for every error that it holds.
    fn errors(&mut self, each: &mut dyn FnMut(&mut Error)) {
        let _ = each;
    }

    /// Records in it.
    fn tally(&self) -> Tally {
        Tally::default()
    }
}

impl Reply for Page {
    fn check(&self, asked: &Asked, trail: &mut Trail) -> Result<(), Cause> {
        check_records(&self.records, self.count).map_err(Cause::Malformed)?;
        match asked {
            Asked::Page { cursor } if !trail.follow(cursor.as_deref(), self.next.as_deref()) => Err(Cause::Cursor),
            _ => Ok(()),
        }
    }

    fn texts(&mut self, _each: &mut dyn FnMut(&mut String)) {}

    fn tally(&self) -> Tally {
        Tally { records: self.count.into(), ..Tally::default() }
    }
}

impl Reply for Vec<Outcome> {
    fn check(&self, asked: &Asked, _trail: &mut Trail) -> Result<(), Cause> {
        if let Asked::Outcomes { records } = *asked
            && records != self.len()
        {
            // Outcomes belong to records by their place, and no place can be trusted now.
            return Err(Cause::Outcomes { records, outcomes: self.len() });
        }
        let wrong = |outcome: &Outcome| matches!(outcome, Outcome::Applied(record) if !is_object(record.as_bytes()));
        match self.iter().position(wrong) {
            Some(index) => Err(Cause::Malformed(format!("an outcome for record {} that is no JSON object", index + 1))),
            None => Ok(()),
        }
    }

    fn texts(&mut self, each: &mut dyn FnMut(&mut String)) {
        self.errors(&mut |error| error.texts(each));
    }

    fn errors(&mut self, each: &mut dyn FnMut(&mut Error)) {
        for outcome in self {
            if let Outcome::Failed(error) | Outcome::Unknown(error) = outcome {
                each(error);
            }
        }
    }

    fn tally(&self) -> Tally {
        Tally::of_outcomes(self)
    }
}

impl Reply for Error {
    fn texts(&mut self, each: &mut dyn FnMut(&mut String)) {
        each(&mut self.message);
        self.code.iter_mut().chain(&mut self.pointer).for_each(each);
    }
}

impl Reply for Vec<Error> {
    fn texts(&mut self, each: &mut dyn FnMut(&mut String)) {
        self.truncate(MOST_TEXTS);
        self.iter_mut().for_each(|error| error.texts(each));
    }
}

impl Reply for Identity {
    fn texts(&mut self, each: &mut dyn FnMut(&mut String)) {
        each(&mut self.account);
        self.warnings.truncate(MOST_TEXTS);
        self.warnings.iter_mut().for_each(each);
    }
}

impl Reply for Plan {
    fn texts(&mut self, each: &mut dyn FnMut(&mut String)) {
        self.steps.truncate(MOST_TEXTS);
        self.steps.iter_mut().for_each(each);
    }
}

impl Reply for ObjectSchema {
    fn texts(&mut self, _each: &mut dyn FnMut(&mut String)) {}
}

impl Reply for Vec<ObjectInfo> {
    fn texts(&mut self, each: &mut dyn FnMut(&mut String)) {
        self.iter_mut().for_each(|object| each(&mut object.title));
    }
}

/// What is wrong with the records of a page.
fn check_records(records: &[u8], count: u32) -> Result<(), String> {
    if std::str::from_utf8(records).is_err() {
        return Err("a page that is not UTF-8".to_owned());
    }
    let mut lines = 0_usize;
    let mut rest = records;
    while !rest.is_empty() {
        lines += 1;
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return Err(format!("a page whose last line, {lines}, is not closed"));
        };
        let (line, after) = rest.split_at(end);
        if !is_object(line) {
            return Err(format!("a page whose line {lines} is no JSON object"));
        }
        rest = after.get(1..).unwrap_or_default();
    }
    if usize::try_from(count) == Ok(lines) {
        Ok(())
    } else {
        Err(format!("a page that says it holds {count} records and holds {lines}"))
    }
}

/// Whether bytes look like a JSON object on one line, by their ends.
fn is_object(line: &[u8]) -> bool {
    line.first() == Some(&b'{')
        && line.last() == Some(&b'}')
        && line.len() >= 2
        && memchr::memchr(b'\n', line).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_many_closed_lines_of_objects_as_it_says() {
        for (records, count, wrong) in [
            (&b""[..], 0, None),
            (b"{}\n{\"a\":1}\n", 2, None),
            (b"{}\n{}\n", 3, Some("says it holds 3 records and holds 2")),
            (b"{}\n{}", 2, Some("last line, 2, is not closed")),
            (b"{}\n\n", 1, Some("line 2 is no JSON object")),
            (b"{}\n[1]\n", 2, Some("line 2 is no JSON object")),
            (b"{\"a\":\n1}\n", 1, Some("line 1 is no JSON object")),
            (b"{}\r\n", 1, Some("line 1 is no JSON object")),
            (b"{\"\xff\":1}\n", 1, Some("not UTF-8")),
        ] {
            let found = check_records(records, count).err();
            let as_expected = match (&found, wrong) {
                (Some(found), Some(wrong)) => found.contains(wrong),
                (None, None) => true,
                _ => false,
            };
            assert!(as_expected, "{records:?}: {found:?}, expected {wrong:?}");
        }
    }

    #[test]
    fn a_query_that_goes_round_is_noticed_however_large_the_round() {
        for round in [1_u32, 2, 3, 7, 100] {
            for before in [0_u32, 1, 5, 50] {
                let cursor = |page: u32| if page < before { page } else { before + (page - before) % round };
                let mut trail = Trail::default();
                assert!(trail.follow(None, Some(&cursor(0).to_string())));
                let pages = (1..10_000).take_while(|page| {
                    trail.follow(Some(&cursor(page - 1).to_string()), Some(&cursor(*page).to_string()))
                });
                let pages = pages.count();
                assert!(pages < 4 * (before + round) as usize + 4, "round {round} after {before}: {pages} pages");
            }
        }
    }

    #[test]
    fn a_query_that_goes_on_or_begins_anew_is_left_alone() {
        let mut trail = Trail::default();
        for _ in 0..3 {
            let mut from = None;
            for page in 0..1000_u32 {
                let to = page.to_string();
                assert!(trail.follow(from.as_deref(), Some(&to)), "{page}");
                from = Some(to);
            }
            assert!(trail.follow(from.as_deref(), None));
        }
        // The same page twice, as after a failure.
        assert!(trail.follow(Some("7"), Some("8")) && trail.follow(Some("7"), Some("8")));
        assert!(!trail.follow(Some("7"), Some("7")), "a page that leads to itself");
    }
}
