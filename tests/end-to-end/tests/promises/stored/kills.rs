//! Random changes, killed at random moments. A soak kills more.

use std::time::{Duration, Instant};

use super::{CHANGES, Folder, Trial};
use crate::model::rounds;

#[test]
fn whatever_is_killed_at_any_moment_keeps_what_was_confirmed_and_no_half_change() {
    let trials: Vec<_> = CHANGES.iter().map(|change| (change, Trial::new(Folder::full(), change))).collect();
    let mut killed = 0;
    let mut usual = Duration::from_millis(100);
    for (seed, mut rng) in rounds("kills", 50) {
        let (change, trial) = rng.pick(&trials);
        let folder = trial.template.copy();
        // Somewhere in the time that the last one that was not killed took.
        let after = usual.mul_f64(rng.below(1000) as f64 / 800.0);
        let began = Instant::now();
        let ended = crash_points::kill_after(&mut folder.command(change.arguments, change.stdin), after);
        if ended.completed() {
            usual = began.elapsed().max(after).min(Duration::from_secs(2));
        } else {
            killed += 1;
        }
        let how = format!("CONNECTOR_TEST_SEED={seed}: {:?} {ended}", change.arguments);
        folder.holds(&trial.before, &trial.after, ended.completed(), &how);
    }
    println!("killed before it was done: {killed} times");
    assert!(killed > 0, "nothing was killed before it was done");
}
