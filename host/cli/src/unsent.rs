//! Which rows of an input were not sent, and how to send them: all from one row on, where nothing behind it was sent, or else
//! those in between by themselves.

use std::collections::BTreeSet;

/// What is known of the rows so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unsent {
    /// Rows that were looked at and not sent.
    skipped: BTreeSet<u64>,
    /// The last row that was or may have been sent; 0 if none was.
    last_sent: u64,
    /// The row behind the last one that was looked at.
    next: u64,
}

/// How to send the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Rows in front of ones that were sent: these go by themselves.
    pub between: Vec<u64>,
    /// The row from which nothing was sent.
    pub from_row: u64,
}

impl Unsent {
    /// Nothing was sent yet of what begins at this row.
    pub(crate) fn from_row(row: u64) -> Self {
        Self { next: row, ..Self::default() }
    }

    /// Notes that this row was sent, or may have been.
    pub(crate) fn sent(&mut self, row: u64) {
        self.skipped.remove(&row);
        self.last_sent = self.last_sent.max(row);
        self.next = self.next.max(row.saturating_add(1));
    }

    /// Notes that these rows are about to be sent; what became of each is told later.
    pub(crate) fn announced(&mut self, first_row: u64, last_row: u64) {
        self.skipped.retain(|row| !(first_row..=last_row).contains(row));
        self.next = self.next.max(last_row.saturating_add(1));
    }

    /// Notes that this row was not sent.
    pub(crate) fn skipped(&mut self, row: u64) {
        self.skipped.insert(row);
        self.next = self.next.max(row.saturating_add(1));
    }

    /// The rows that were looked at and not sent.
    pub(crate) fn rows(&self) -> &BTreeSet<u64> {
        &self.skipped
    }

    /// How to send the rest.
    pub(crate) fn rest(&self) -> Rest {
        match self.skipped.first() {
            Some(first) if *first < self.last_sent => {
                Rest { between: self.skipped.iter().copied().collect(), from_row: self.next.max(1) }
            }
            Some(first) => Rest { between: Vec::new(), from_row: *first },
            None => Rest { between: Vec::new(), from_row: self.next.max(1) },
        }
    }
}

/// Rows for a person: `row 3 was`, `rows 1, 4 to 6 were`.
pub(crate) fn were(rows: &[u64]) -> String {
    let parts: Vec<String> = rows
        .chunk_by(|a, b| a.checked_add(1) == Some(*b))
        .filter_map(|run| match (run.first()?, run.last()?) {
            (first, last) if first == last => Some(first.to_string()),
            (first, last) => Some(format!("{first} to {last}")),
        })
        .collect();
    let (noun, verb) = if rows.len() == 1 { ("row", "was") } else { ("rows", "were") };
    format!("{noun} {} {verb}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_from_which_to_go_on_never_leaves_one_out() {
        let mut unsent = Unsent::from_row(1);
        assert_eq!(unsent.rest(), Rest { between: vec![], from_row: 1 });
        unsent.sent(1);
        unsent.skipped(2);
        unsent.skipped(3);
        assert_eq!(unsent.rest(), Rest { between: vec![], from_row: 2 });
        unsent.sent(4);
        unsent.skipped(5);
        assert_eq!(unsent.rest(), Rest { between: vec![2, 3, 5], from_row: 6 });
        for row in [2, 3, 5] {
            unsent.sent(row);
        }
        assert_eq!(unsent.rest(), Rest { between: vec![], from_row: 6 });
    }

    #[test]
    fn rows_are_told_in_runs() {
        assert_eq!(were(&[3]), "row 3 was");
        assert_eq!(were(&[1, 4, 5, 6, 9]), "rows 1, 4 to 6, 9 were");
    }
}
