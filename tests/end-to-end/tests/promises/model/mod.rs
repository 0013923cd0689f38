//! Random stores, queries, writes and deletes under random faults, held against a model.
//!
//! Every test prints the seed of each of its rounds. They are the same in every run, so that nobody's change fails by what
//! another one broke; `CONNECTOR_TEST_SEED` sets the first, `CONNECTOR_TEST_ROUNDS` how many. A soak sets both.

mod customers;
mod deleting;
mod reading;
mod writing;

use bigcommerce_emulator::{Config, Sizes};

/// Random numbers that depend on the seed alone (SplitMix64).
pub(crate) struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True once in `n`.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// The rounds of a test: a seed and its random numbers each, printed before it runs.
pub(crate) fn rounds(test: &'static str, usual: usize) -> impl Iterator<Item = (u64, Rng)> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let first = number("CONNECTOR_TEST_SEED").unwrap_or(20_260_101);
    let rounds = number("CONNECTOR_TEST_ROUNDS").unwrap_or(usual as u64);
    (0..rounds).map(move |round| {
        let seed = first + round;
        println!("{test}: CONNECTOR_TEST_SEED={seed}");
        (seed, Rng(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5EED))
    })
}

/// A store of random size.
pub(crate) fn store(seed: u64, rng: &mut Rng, most: usize) -> Config {
    let sizes = Sizes {
        products: rng.between(1, most),
        brands: rng.below(most / 2),
        categories: rng.between(1, 20),
        customers: rng.between(1, most / 2),
        orders: rng.below(most / 2),
        coupons: rng.below(most / 2),
        others: rng.between(1, 4),
    };
    Config { seed, sizes, https: false, ..Config::default() }
}
