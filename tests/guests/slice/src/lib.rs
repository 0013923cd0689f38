//! The record slicer with something to slice. `cargo xtask bench` compiles it for wasm32 with and without simd128, and runs both
//! modules beside the same code compiled natively.

#[path = "../../../../component/bigcommerce/benches/support/products.rs"]
mod products;

use connector_bigcommerce::slice::split;
use connector_bigcommerce::table::Envelope;

/// Bodies of answers, and a copy of them: the slicer works in place and eats what it is given.
#[derive(Debug)]
pub struct Work {
    bodies: Vec<Vec<u8>>,
    copies: Vec<Vec<u8>>,
}

impl Work {
    /// 20,000 products on 80 pages.
    #[allow(clippy::new_without_default, reason = "it is work, not a default")]
    pub fn new() -> Self {
        Self { bodies: products::bodies(products::product, ","), copies: Vec::new() }
    }

    /// Bytes of all bodies.
    pub fn bytes(&self) -> u64 {
        self.bodies.iter().map(|body| body.len() as u64).sum()
    }

    /// Records of all bodies.
    pub const RECORDS: u64 = (products::PAGES * products::PER_PAGE) as u64;

    /// Makes the copy that the next [`Work::slice`] eats.
    pub fn copy(&mut self) {
        self.copies.clone_from(&self.bodies);
    }

    /// Cuts the copies into records, and counts them. This is what is timed.
    pub fn slice(&mut self) -> u64 {
        let sliced = self.copies.drain(..).filter_map(|body| split(body, Envelope::Data).ok());
        sliced.map(|sliced| u64::from(sliced.count)).sum()
    }
}

#[cfg(target_arch = "wasm32")]
mod exports {
    #![allow(unsafe_code, reason = "an export needs its name as it is")]

    use std::cell::RefCell;

    use super::Work;

    thread_local!(static WORK: RefCell<Work> = RefCell::new(Work::new()));

    #[unsafe(no_mangle)]
    extern "C" fn bytes() -> u64 {
        WORK.with_borrow(Work::bytes)
    }

    #[unsafe(no_mangle)]
    extern "C" fn copy() {
        WORK.with_borrow_mut(Work::copy);
    }

    #[unsafe(no_mangle)]
    extern "C" fn slice() -> u64 {
        WORK.with_borrow_mut(Work::slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_of_every_copy_is_cut_out() {
        let mut work = Work::new();
        assert_eq!(work.slice(), 0, "nothing is there before the copy");
        work.copy();
        assert_eq!(work.slice(), Work::RECORDS);
        assert!(work.bytes() > 40_000_000);
    }
}
