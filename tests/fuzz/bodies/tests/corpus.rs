//! The kept corpora, and mutations of them, on a stable compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fuzz_bodies::TARGETS;

fn fuzz_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The kept inputs of a target, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_kept_input_passes() {
    let mut findings = Vec::new();
    for (target, check) in TARGETS {
        let inputs = corpus(target);
        assert!(inputs.len() >= 10, "the corpus of `{target}` holds {} inputs", inputs.len());
        for (path, input) in inputs {
            if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
                findings.push(path);
            }
        }
    }
    assert!(findings.is_empty(), "findings: {findings:#?}");
}

#[test]
fn mutations_of_the_kept_inputs_pass() {
    let given = std::env::var("CONNECTOR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or(20_260_101);
    println!("CONNECTOR_TEST_SEED={seed}");
    let mut random = Random(seed | 1);
    for (target, check) in TARGETS {
        let inputs = corpus(target);
        for _ in 0..1500 {
            let mut input = inputs[random.below(inputs.len())].1.clone();
            for _ in 0..=random.below(4) {
                random.mutate(&mut input, &inputs);
            }
            if catch_unwind(AssertUnwindSafe(|| check(&input))).is_err() {
                panic!("seed {seed}: `{target}` fails for {:?}", String::from_utf8_lossy(&input));
            }
        }
    }
}

#[test]
fn every_target_has_its_half_of_libfuzzer() {
    let manifest = std::fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"")), "{target}");
        let source = std::fs::read_to_string(fuzz_folder().join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(source.contains(&format!("fuzz_bodies::targets::{target}::check(data)")), "{target}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn mutate(&mut self, input: &mut Vec<u8>, others: &[(PathBuf, Vec<u8>)]) {
        let at = self.below(input.len() + 1);
        match self.below(5) {
            0 => input.truncate(at),
            1 => input.insert(at, self.next() as u8),
            2 if at < input.len() => input[at] = self.next() as u8,
            3 if at < input.len() => {
                input.remove(at);
            }
            _ => {
                let other = &others[self.below(others.len())].1;
                let from = self.below(other.len() + 1);
                let to = (from + self.below(16)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}
