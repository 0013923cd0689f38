//! Whether a request is sent again: one pure function.
//!
//! A write is repeated only when it is proven that the store did not act: 429, or no byte left the host. A read is repeated
//! after anything that may pass. 429 tells how long to wait; without that, and after everything else, waits grow.

use crate::host::Cause;

/// Reads may be repeated, writes only when proven unsent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// GET.
    Read,
    /// POST, PUT, DELETE.
    Write,
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug)]
pub enum Attempt {
    /// An answer came; for 429 and 503 with the wait that it asks for, in milliseconds.
    Status(u16, Option<u64>),
    /// An answer came, and its body was cut off or malformed.
    Garbled,
    /// No answer.
    NoAnswer {
        /// Whether no byte of the request left.
        unsent: bool,
        /// Why.
        cause: Cause,
    },
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Send again after so many milliseconds.
    Wait(u64),
    /// That was the last word.
    Stop,
    /// So would be the next, but the budget does not last for the wait.
    OverBudget,
}

/// Attempts at a request that keeps failing for another reason than 429. The API advises 3 to 5.
const MOST_ATTEMPTS: u32 = 5;
/// First wait where nothing says how long, in milliseconds; every further one is five times as long, so that what passes soon costs
/// little.
const FIRST_WAIT: u64 = 500;
/// What a 500 is given at least, in milliseconds: "delays of at least a minute", say the status codes.
const AFTER_500: u64 = 60_000;
/// Longest single wait where nothing says how long, in milliseconds, but for the spread.
const LONGEST_WAIT: u64 = 60_000;

/// Decides. `attempt` counts from 1, those that ended with 429 apart from the others; `waited` and `budget` are milliseconds; `jitter` is any number.
pub fn decide(effect: Effect, ended: Attempt, attempt: u32, waited: u64, budget: u64, jitter: u64) -> Decision {
    let wait = match ended {
        Attempt::Status(429, Some(asked)) => Some(asked_for(asked, attempt, jitter)),
        Attempt::Status(429, None) => Some(growing(attempt, jitter)),
        Attempt::NoAnswer { unsent: true, cause } if attempt < MOST_ATTEMPTS && passing(cause) => {
            Some(growing(attempt, jitter))
        }
        _ if effect == Effect::Write || attempt >= MOST_ATTEMPTS => None,
        Attempt::Status(500, _) => Some(AFTER_500 + growing(attempt, jitter)),
        Attempt::Status(502 | 503 | 504 | 408 | 423, asked) => {
            Some(asked.map_or_else(|| growing(attempt, jitter), |asked| asked_for(asked, attempt, jitter)))
        }
        Attempt::Garbled => Some(growing(attempt, jitter)),
        Attempt::NoAnswer { cause, .. } if passing(cause) => Some(growing(attempt, jitter)),
        _ => None,
    };
    match wait {
        Some(wait) if waited.saturating_add(wait) <= budget => Decision::Wait(wait),
        Some(_) => Decision::OverBudget,
        None => Decision::Stop,
    }
}

/// Causes that may be gone a moment later.
fn passing(cause: Cause) -> bool {
    matches!(cause, Cause::Connect | Cause::Timeout | Cause::Broken | Cause::Name)
}

/// The first time as asked, then never less than what grows: some servers ask for nothing, again and again.
fn asked_for(asked: u64, attempt: u32, jitter: u64) -> u64 {
    let least = if attempt <= 1 { 1 } else { growing(attempt - 1, jitter) };
    asked.max(least)
}

/// A wait that grows with the attempts, spread by up to a quarter so that callers do not come back in step.
fn growing(attempt: u32, jitter: u64) -> u64 {
    let wait = FIRST_WAIT.saturating_mul(5u64.saturating_pow(attempt.saturating_sub(1))).min(LONGEST_WAIT);
    wait + jitter % (wait / 4 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: u64 = 300_000;

    fn once(effect: Effect, ended: Attempt) -> Decision {
        decide(effect, ended, 1, 0, BUDGET, 0)
    }

    #[test]
    fn a_write_is_repeated_only_when_the_store_provably_did_not_act() {
        let lost = |unsent| Attempt::NoAnswer { unsent, cause: Cause::Broken };
        assert!(matches!(once(Effect::Write, Attempt::Status(429, None)), Decision::Wait(_)));
        assert!(matches!(once(Effect::Write, lost(true)), Decision::Wait(_)));
        assert_eq!(once(Effect::Write, lost(false)), Decision::Stop);
        assert_eq!(once(Effect::Write, Attempt::Garbled), Decision::Stop);
        for status in (100..600).filter(|status| *status != 429) {
            assert_eq!(once(Effect::Write, Attempt::Status(status, Some(1))), Decision::Stop, "{status}");
        }
    }

    #[test]
    fn a_read_is_repeated_after_what_may_pass_and_after_nothing_else() {
        for status in 100..600 {
            let repeats = matches!(once(Effect::Read, Attempt::Status(status, None)), Decision::Wait(_));
            assert_eq!(repeats, matches!(status, 408 | 423 | 429 | 500 | 502 | 503 | 504), "{status}");
        }
        let untrusted = Attempt::NoAnswer { unsent: true, cause: Cause::Certificate };
        assert_eq!(once(Effect::Read, untrusted), Decision::Stop);
    }

    #[test]
    fn the_wait_that_429_asks_for_is_kept_and_the_budget_ends_it() {
        assert_eq!(once(Effect::Read, Attempt::Status(429, Some(1234))), Decision::Wait(1234));
        assert_eq!(decide(Effect::Read, Attempt::Status(429, Some(99_999)), 99, 10, BUDGET, 0), Decision::Wait(99_999));
        assert!(matches!(
            decide(Effect::Read, Attempt::Status(429, Some(0)), 3, 10, BUDGET, 0),
            Decision::Wait(2000..)
        ));
        assert_eq!(decide(Effect::Read, Attempt::Status(429, Some(2)), 1, BUDGET - 1, BUDGET, 0), Decision::OverBudget);
        assert_eq!(decide(Effect::Read, Attempt::Status(500, None), MOST_ATTEMPTS, 0, BUDGET, 0), Decision::Stop);
    }

    #[test]
    fn the_wait_that_503_asks_for_is_kept_for_reads_and_never_gets_shorter_than_what_grows() {
        let degraded =
            |effect, asked, attempt| decide(effect, Attempt::Status(503, Some(asked)), attempt, 0, BUDGET, 0);
        assert_eq!(degraded(Effect::Read, 30_000, 1), Decision::Wait(30_000));
        assert_eq!(degraded(Effect::Read, 30_000, 4), Decision::Wait(30_000));
        assert_eq!(degraded(Effect::Read, 0, 1), Decision::Wait(1));
        assert_eq!(degraded(Effect::Read, 0, 3), Decision::Wait(2_500));
        assert_eq!(degraded(Effect::Read, 30_000, MOST_ATTEMPTS), Decision::Stop);
        assert_eq!(degraded(Effect::Read, BUDGET + 1, 1), Decision::OverBudget);
        assert_eq!(
            degraded(Effect::Write, 30_000, 1),
            Decision::Stop,
            "a 503 does not prove that the store did not act"
        );
    }

    #[test]
    fn every_attempt_after_a_500_comes_after_the_minute_that_the_api_asks_for() {
        let (mut waited, mut waits) = (0, Vec::new());
        for attempt in 1..=MOST_ATTEMPTS {
            match decide(Effect::Read, Attempt::Status(500, None), attempt, waited, BUDGET, 0) {
                Decision::Wait(wait) => {
                    waited += wait;
                    waits.push(wait);
                }
                other => assert_eq!((other, attempt), (Decision::OverBudget, 4)),
            }
            if waits.len() < attempt as usize {
                break;
            }
        }
        assert_eq!(waits, [60_500, 62_500, 72_500], "three to five attempts, ever later");
        let short = decide(Effect::Read, Attempt::Status(500, None), 1, 0, 4000, 0);
        assert_eq!(short, Decision::OverBudget, "what may not be waited for is not tried");
    }

    #[test]
    fn waits_grow_and_stay_below_a_minute_and_a_quarter() {
        let waits: Vec<u64> = (1..8).map(|attempt| growing(attempt, u64::MAX - 7)).collect();
        assert!(waits.windows(2).all(|pair| pair[0] < pair[1] || pair[1] >= LONGEST_WAIT), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT * 5 / 4), "{waits:?}");
    }
}
