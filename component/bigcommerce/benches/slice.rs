//! How fast a body is cut into records, for every way to classify bytes: `cargo bench -p connector-bigcommerce`.
//!
//! 80 bodies of 250 products of about 2.5 KB, as one read of 20,000 products would see them. Reported is the median of
//! several rounds; copying the bodies (the slicer works in place and eats them) is not part of the time.

#[path = "support/products.rs"]
mod products;

use std::hint::black_box;
use std::time::{Duration, Instant};

use connector_bigcommerce::simd::{Best, Bytes, Classify, Words};
use connector_bigcommerce::slice::{Sliced, split_with};
use connector_bigcommerce::table::Envelope;
use products::{PAGES, PER_PAGE, bodies, product};

const ROUNDS: usize = 7;

fn pretty(id: usize) -> String {
    let value: serde_json::Value = serde_json::from_str(&product(id)).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

fn measure(name: &str, bodies: &[Vec<u8>], slice: impl Fn(Vec<u8>) -> Option<Sliced>) {
    let bytes: usize = bodies.iter().map(Vec::len).sum();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let mut time = Duration::ZERO;
            let mut count = 0;
            for body in bodies {
                let body = black_box(body.clone());
                let start = Instant::now();
                let sliced = slice(body);
                time += start.elapsed();
                count += sliced.map_or(0, |sliced| sliced.count as usize);
            }
            assert_eq!(count, PAGES * PER_PAGE, "{name} loses records");
            time
        })
        .collect();
    times.sort_unstable();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
    let rate = bytes as f64 / median.as_secs_f64() / 1e9;
    println!("{name:<28} {:>8.1} MB {:>8.2} ms {rate:>7.2} GB/s", bytes as f64 / 1e6, median.as_secs_f64() * 1e3);
}

fn with<C: Classify>(body: Vec<u8>) -> Option<Sliced> {
    split_with::<C>(body, Envelope::Data).ok()
}

fn main() {
    let compact = bodies(product, ",");
    measure("compact, bytes", &compact, with::<Bytes>);
    measure("compact, words", &compact, with::<Words>);
    measure("compact, vectors", &compact, with::<Best>);
    let printed = bodies(pretty, ",\n  ");
    measure("pretty-printed, words", &printed, with::<Words>);
    measure("pretty-printed, vectors", &printed, with::<Best>);
}
