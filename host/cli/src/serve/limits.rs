//! What one client may ask for in a time, so that one that runs wild leaves room for the others. Clients are told apart by their
//! address; what is kept of them is bounded by how many come within a moment.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Clients that are remembered; beyond, those that have been quiet are forgotten.
const MOST_CLIENTS: usize = 4096;

/// Who asks: put into each request where it is taken off the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) IpAddr);

/// The allowance of each client: `rate` requests per second, and as many again at once after a quiet second.
pub(super) struct Limits {
    rate: u32,
    clients: Mutex<HashMap<IpAddr, Allowance>>,
}

/// What is left to one client.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Limits {
    /// `rate`: requests per second, 0 for any number.
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, clients: Mutex::default() }
    }

    /// Takes one request off a client's allowance.
    ///
    /// # Errors
    /// When the next one is free.
    pub(super) fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.rate == 0 {
            return Ok(());
        }
        let (rate, most) = (f64::from(self.rate), f64::from(self.rate) * 2.0);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_CLIENTS {
            // Two seconds fill every allowance: who asked for nothing since then is as good as new.
            clients.retain(|_, one| now.saturating_duration_since(one.at) < Duration::from_secs(2));
        }
        let one = clients.entry(client).or_insert(Allowance { left: most, at: now });
        one.left = (one.left + now.saturating_duration_since(one.at).as_secs_f64() * rate).min(most);
        one.at = now;
        if one.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - one.left) / rate));
        }
        one.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_asks_too_often_waits_and_the_others_do_not() {
        let limits = Limits::new(10);
        let (wild, calm) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let start = Instant::now();
        for _ in 0..20 {
            assert_eq!(limits.take(wild, start), Ok(()));
        }
        let wait = limits.take(wild, start).unwrap_err();
        assert_eq!(limits.take(calm, start), Ok(()));
        assert_eq!(limits.take(wild, start + wait + Duration::from_millis(1)), Ok(()));
        assert!(Limits::new(0).take(wild, start).is_ok());
    }
}
