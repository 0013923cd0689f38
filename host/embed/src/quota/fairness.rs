//! The promises of `quota` towards everybody who draws on one allowance, simulated on a clock that jumps: hosts with eight readers
//! each, another consumer, a remote with fixed or sliding windows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

/// The smallest plan.
const LIMIT: u32 = 150;
const WINDOW: Duration = Duration::from_secs(30);
const WINDOWS: u32 = 8;
/// Windows that are looked at: the first tells the hosts who else is there.
const JUDGED: std::ops::Range<usize> = 1..7;

/// What happened in one window.
#[derive(Clone, Default, Debug)]
struct Window {
    /// By host.
    granted: Vec<u32>,
    refused: u32,
    others: u32,
    others_refused: u32,
}

/// What a store counts. Time between the millisecond that it tells and the real one is cut off, as real ones do.
struct Remote {
    start: Instant,
    sliding: bool,
    /// Requests of the other consumer per window, evenly spread.
    others: u32,
    others_seen: u32,
    recent: VecDeque<Instant>,
    fixed: (u64, u32),
    windows: Vec<Window>,
}

impl Remote {
    fn new(sliding: bool, others: u32, hosts: usize) -> Self {
        let window = Window { granted: vec![0; hosts], ..Window::default() };
        let windows = vec![window; WINDOWS as usize + 1];
        Self { start: Instant::now(), sliding, others, others_seen: 0, recent: VecDeque::new(), fixed: (0, 0), windows }
    }

    fn window(&mut self, at: Instant) -> &mut Window {
        let number = (at - self.start).as_nanos() / WINDOW.as_nanos();
        self.windows.get_mut(usize::try_from(number).unwrap()).unwrap()
    }

    /// Takes one, if there is one.
    fn take(&mut self, at: Instant) -> bool {
        while self.recent.front().is_some_and(|then| at - *then >= WINDOW) {
            self.recent.pop_front();
        }
        let number = u64::try_from((at - self.start).as_nanos() / WINDOW.as_nanos()).unwrap();
        if self.fixed.0 != number {
            self.fixed = (number, 0);
        }
        let used = if self.sliding { u32::try_from(self.recent.len()).unwrap() } else { self.fixed.1 };
        let granted = used < LIMIT;
        if granted {
            self.recent.push_back(at);
            self.fixed.1 += 1;
        }
        granted
    }

    /// A request of this host, now: what the answer says.
    fn request(&mut self, host: usize) -> (bool, Report) {
        let now = Instant::now();
        while let Some(step) = WINDOW.checked_div(self.others) {
            let at = self.start + step * self.others_seen + step / 2;
            if at > now {
                break;
            }
            self.others_seen += 1;
            if self.take(at) {
                self.window(at).others += 1;
            } else {
                self.window(at).others_refused += 1;
            }
        }
        let granted = self.take(now);
        if granted {
            self.window(now).granted[host] += 1;
        } else {
            self.window(now).refused += 1;
        }
        let (used, reset) = if self.sliding {
            let oldest = self.recent.front().map_or(WINDOW, |at| WINDOW - (now - *at));
            (u32::try_from(self.recent.len()).unwrap(), oldest)
        } else {
            let since = now - self.start;
            (self.fixed.1, WINDOW * (u32::try_from(self.fixed.0).unwrap() + 1) - since)
        };
        let reset = Duration::from_millis(u64::try_from(reset.as_millis()).unwrap());
        (granted, Report { limit: Some(LIMIT), left: Some(LIMIT - used), reset: Some(reset) })
    }
}

/// Hosts with eight readers of four lanes each, for some windows.
async fn simulate(sliding: bool, others: u32, latencies: &[u64]) -> Vec<Window> {
    let remote = Arc::new(Mutex::new(Remote::new(sliding, others, latencies.len())));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for (host, latency) in latencies.iter().enumerate() {
        let registry = Arc::new(Registry::default());
        for lane in 0..32_u64 {
            let (remote, registry) = (Arc::clone(&remote), Arc::clone(&registry));
            let pause = Duration::from_millis(latency / 2 + lane % 7);
            tasks.push(tokio::spawn(async move {
                let bucket = registry.bucket("connector", "store");
                let mut refusals = 0;
                while start.elapsed() < WINDOW * WINDOWS {
                    let permit = bucket.reserve(None);
                    permit.granted().await;
                    tokio::time::sleep(pause).await;
                    let (granted, report) = remote.lock().unwrap().request(host);
                    tokio::time::sleep(pause).await;
                    bucket.report(report);
                    drop(permit);
                    if granted {
                        refusals = 0;
                    } else {
                        let grown = if refusals == 0 { Duration::ZERO } else { Duration::from_millis(500) };
                        refusals += 1;
                        tokio::time::sleep(report.reset.unwrap().max(grown)).await;
                    }
                }
            }));
        }
    }
    for task in tasks {
        let _ = tokio::time::timeout_at(start + WINDOW * WINDOWS + WINDOW / 2, task).await;
    }
    remote.lock().unwrap().windows.clone()
}

/// Of the windows that are judged: requests granted to each host, refused, and the other consumer's granted and refused ones.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    granted: Vec<u32>,
    refused: u32,
    others: u32,
    others_refused: u32,
    /// What the other consumer did not take.
    ours: u32,
}

async fn sum(sliding: bool, others: u32, latencies: &[u64]) -> Sum {
    let windows = simulate(sliding, others, latencies).await;
    let mut sum = Sum { granted: vec![0; latencies.len()], ..Sum::default() };
    for window in windows.get(JUDGED).unwrap() {
        sum.granted.iter_mut().zip(&window.granted).for_each(|(sum, granted)| *sum += granted);
        sum.refused += window.refused;
        sum.others += window.others;
        sum.others_refused += window.others_refused;
        sum.ours += LIMIT - window.others;
    }
    println!("sliding {sliding}, others {others}, latencies {latencies:?}: {sum:?}");
    sum
}

#[tokio::test(start_paused = true)]
async fn who_is_alone_uses_the_whole_allowance_and_hardly_ever_more() {
    for sliding in [false, true] {
        for latency in [2, 20, 200] {
            let sum = sum(sliding, 0, &[latency]).await;
            // What slides is known less exactly: a hundredth is left over, and an old answer says too much now and then.
            let (least, refused) = if sliding { (sum.ours * 98 / 100, sum.ours / 100) } else { (sum.ours, 0) };
            assert!(sum.granted[0] >= least && sum.refused <= refused, "{sum:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_consumer_gets_what_it_asks_for_and_nothing_else_is_wasted() {
    for sliding in [false, true] {
        for (others, latency) in [(15, 20), (30, 100), (45, 20), (45, 200)] {
            let sum = sum(sliding, others, &[latency]).await;
            assert!(sum.granted[0] * 100 >= sum.ours * 96, "{sum:?}");
            assert!(sum.refused * 100 <= sum.granted[0], "{sum:?}");
            assert!(sum.others_refused * 100 <= (sum.others + sum.others_refused) * 5, "{sum:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_that_know_nothing_of_each_other_share() {
    for sliding in [false, true] {
        for latencies in [&[20, 20][..], &[20, 200], &[200, 200]] {
            let sum = sum(sliding, 0, latencies).await;
            let all: u32 = sum.granted.iter().sum();
            assert!(all * 100 >= sum.ours * 97, "{sum:?}");
            assert!(sum.refused * 100 <= all, "{sum:?}");
            assert!(sum.granted.iter().all(|granted| granted * 5 >= all), "{sum:?}");
        }
    }
}
