//! When an operation runs by itself. The times at which it is due follow from the schedule alone, never from when a process began: so all
//! who read the same schedule count the same times. All times are UTC.

use std::fmt;

use chrono::{DateTime, Utc};
use croner::Cron;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest period: a year.
const LONGEST: i64 = 366 * 24 * 60 * 60;

/// A schedule.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    when: When,
    /// What becomes of times at which nobody served.
    pub missed: Missed,
}

#[derive(Clone, Debug)]
enum When {
    /// A period, in seconds, and as it is written. Counted from the beginning of 1970, so that `1h` is each full hour.
    Every(i64, String),
    Cron(Box<Cron>),
}

/// What becomes of times at which nobody served.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Missed {
    /// They are left out.
    #[default]
    Skip,
    /// The last of them is made up for when somebody serves again.
    Run,
}

/// The seconds of a period: `90s`, `15m`, `1h`, `1d`.
///
/// # Errors
/// Why it is none.
pub(crate) fn period(text: &str) -> Result<i64, String> {
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or_default();
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => 0,
    };
    let digits = number.chars().all(|c| c.is_ascii_digit());
    let period = number.parse::<i64>().ok().filter(|_| digits).and_then(|number| number.checked_mul(seconds));
    period
        .filter(|period| (1..=LONGEST).contains(period))
        .ok_or_else(|| format!("`{}` is no period: write 90s, 15m, 1h or 1d, at most 366d", text.escape_debug()))
}

/// The parts of a pattern of cron, with what they take.
const PARTS: [(&str, &str); 6] = [
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7, or SUN to SAT"),
];

/// What is wrong with a pattern of cron: its first part that is wrong by itself.
fn wrong_part(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let known = PARTS.get(PARTS.len().checked_sub(parts.len())?..).filter(|known| known.len() >= 5)?;
    let alone = |at: usize| -> String {
        let part = |(index, part): (usize, &&str)| if index == at { (*part).to_owned() } else { "*".to_owned() };
        parts.iter().enumerate().map(part).collect::<Vec<_>>().join(" ")
    };
    let (at, (name, takes)) = known.iter().enumerate().find(|(at, _)| alone(*at).parse::<Cron>().is_err())?;
    Some(format!(
        "`{}` is no {name}: it takes {takes}, and `*`, `,`, `-`, `/` with them",
        parts.get(at)?.escape_debug()
    ))
}

impl Schedule {
    /// A period: `90s`, `15m`, `1h`, `1d`.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn every(text: &str, missed: Missed) -> Result<Self, String> {
        period(text).map(|period| Self { when: When::Every(period, text.to_owned()), missed })
    }

    /// A pattern of cron: minute, hour, day of the month, month, day of the week; or six parts, seconds first.
    ///
    /// # Errors
    /// Why it is none, or that it never holds.
    pub(super) fn cron(text: &str, missed: Missed) -> Result<Self, String> {
        let cron: Cron = text.parse().map_err(|e: croner::errors::CronError| {
            format!("`{}`: {}", text.escape_debug(), wrong_part(text).unwrap_or_else(|| e.to_string()))
        })?;
        let schedule = Self { when: When::Cron(Box::new(cron)), missed };
        match schedule.after(now()) {
            Some(_) => Ok(schedule),
            None => Err(format!("`{}` never comes", text.escape_debug())),
        }
    }

    /// The first time after this one, in seconds since 1970.
    pub(crate) fn after(&self, now: i64) -> Option<i64> {
        match &self.when {
            When::Every(period, _) => now.div_euclid(*period).checked_add(1)?.checked_mul(*period),
            When::Cron(cron) => {
                let from: DateTime<Utc> = DateTime::from_timestamp(now, 0)?;
                cron.find_next_occurrence(&from, false).ok().map(|next| next.timestamp())
            }
        }
    }

    /// The last time that is not after this one.
    pub(crate) fn until(&self, now: i64) -> Option<i64> {
        match &self.when {
            When::Every(period, _) => now.div_euclid(*period).checked_mul(*period),
            When::Cron(cron) => {
                let from: DateTime<Utc> = DateTime::from_timestamp(now, 0)?;
                cron.find_previous_occurrence(&from, true).ok().map(|last| last.timestamp())
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Every(_, text) => write!(f, "every {text}"),
            When::Cron(cron) => write!(f, "cron {}", cron.as_str()),
        }
    }
}

/// The time, in seconds since 1970.
pub(crate) fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// A time for people.
pub(crate) fn words(due: i64) -> String {
    OffsetDateTime::from_unix_timestamp(due).ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// 2026-11-27T10:25:30Z.
    const NOW: i64 = 1_795_775_130;

    fn times(schedule: &Schedule) -> (String, String) {
        (words(schedule.until(NOW).unwrap()), words(schedule.after(NOW).unwrap()))
    }

    #[test]
    fn due_times_follow_from_the_schedule_and_not_from_who_asks() {
        let every = |text: &str| times(&Schedule::every(text, Missed::Skip).unwrap());
        let cron = |text: &str| times(&Schedule::cron(text, Missed::Skip).unwrap());
        let both = |last: &str, next: &str| (last.to_owned(), next.to_owned());
        assert_eq!(every("1h"), both("2026-11-27T10:00:00Z", "2026-11-27T11:00:00Z"));
        assert_eq!(every("15m"), both("2026-11-27T10:15:00Z", "2026-11-27T10:30:00Z"));
        assert_eq!(every("1d"), both("2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"));
        assert_eq!(cron("0 3 * * *"), both("2026-11-27T03:00:00Z", "2026-11-28T03:00:00Z"));
        assert_eq!(cron("0 0 29 2 *"), both("2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"));
        assert_eq!(cron("@daily"), every("1d"));
        assert_eq!(cron("*/7 * * * * *"), both("2026-11-27T10:25:28Z", "2026-11-27T10:25:35Z"));
        // A time is followed by the next one, whoever asks when in between.
        let schedule = Schedule::every("2s", Missed::Skip).unwrap();
        let due = schedule.after(NOW).unwrap();
        assert_eq!(
            (schedule.until(due), schedule.until(due + 1), schedule.after(due)),
            (Some(due), Some(due), Some(due + 2))
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_and_so_is_one_that_never_comes() {
        for text in ["", "1", "h", "1w", "-1h", "+1h", "1.5h", "0s", "367d", "9999999999999999999d", "1ä"] {
            assert!(Schedule::every(text, Missed::Skip).is_err(), "{text}");
        }
        for (text, why) in [
            ("61 * * * *", "`61` is no minute: it takes 0 to 59"),
            ("0 3 * 13 *", "`13` is no month: it takes 1 to 12"),
            ("5 0 24-26 * * *", "`24-26` is no hour: it takes 0 to 23"),
        ] {
            let told = Schedule::cron(text, Missed::Skip).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        for text in ["", "* * *", "0 0 30 2 *", "often"] {
            assert!(Schedule::cron(text, Missed::Skip).is_err(), "{text}");
        }
    }
}
