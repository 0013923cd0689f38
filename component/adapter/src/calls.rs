//! The call that is under way: when it has to end, and what nobody may read of what it says. Pure: takes the time as a number.

use crate::environment::{self, Environment};

/// What is known of the call that is under way. An instance makes one call at a time.
#[derive(Debug, Default)]
pub struct Calls {
    /// When it has to end, once somebody has asked.
    deadline: Option<u64>,
    /// Secrets that the connection's settings hold as they are.
    secrets: Vec<String>,
}

impl Calls {
    /// The next call begins.
    pub fn begin(&mut self) {
        self.deadline = None;
    }

    /// When the call has to end, in nanoseconds of the clock that says `now`: the same however often it is asked.
    pub fn deadline(&mut self, environment: &Environment, now: u64) -> u64 {
        *self.deadline.get_or_insert_with(|| now.saturating_add(environment::call_time(environment)))
    }

    /// These are secrets, too.
    pub fn hide(&mut self, secrets: Vec<String>) {
        self.secrets = secrets;
    }

    /// A text without the values of variables, the service's token and the settings' secrets.
    pub fn masked(&self, environment: &Environment, text: &str) -> String {
        environment::masked(environment, &self.secrets, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_one_deadline_however_often_it_is_asked_for() {
        let environment = [("CONNECTOR_CALL_SECONDS".to_owned(), "2".to_owned())];
        let mut calls = Calls::default();
        assert_eq!(calls.deadline(&environment, 1_000), 2_000_001_000);
        assert_eq!(calls.deadline(&environment, 1_999_000_000), 2_000_001_000);
        calls.begin();
        assert_eq!(calls.deadline(&environment, 1_999_000_000), 3_999_000_000, "the next call has its own");
    }
}
