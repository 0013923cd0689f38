//! Classifies 64 bytes of JSON at a time: which of them are quotes, backslashes, brackets, control characters, not ASCII.
//!
//! One bit per byte, lowest bit first. Whoever reads the masks then handles whole words instead of bytes, which is what makes
//! cutting an answer into records cost less than receiving it. Four implementations give the same masks: plain bytes
//! (the reference), words (any target), SSE2 (always there on `x86_64`) and Wasm's `simd128` (where the build enables it).
//! The only unsafe code of this crate is here: unaligned vector loads out of a `[u8; 64]`.

/// What the bytes of one block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes {
    /// `"`.
    pub quotes: u64,
    /// `\`.
    pub backslashes: u64,
    /// `[`, `]`, `{`, `}`, and also `Y`, `_`, `y` and DEL, which one instruction cannot tell from them and which stand nowhere
    /// outside of a string: there a reader reports them as invalid.
    pub brackets: u64,
    /// Below 0x20.
    pub controls: u64,
    /// 0x80 and above.
    pub high: u64,
}

/// A way to classify a block.
pub trait Classify {
    /// The classes of 64 bytes.
    fn classify(block: &[u8; 64]) -> Classes;
}

/// The fastest implementation that this build has.
#[cfg(target_arch = "x86_64")]
pub type Best = Sse2;
/// The fastest implementation that this build has.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub type Best = Simd128;
/// The fastest implementation that this build has.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
pub type Best = Words;

/// These bits are set in every bracket.
const BRACKET_OR: u8 = 0x26;
/// What a bracket becomes with them.
const BRACKET: u8 = 0x7f;

/// Byte by byte: the reference that the others are tested against.
#[derive(Clone, Copy, Debug)]
pub struct Bytes;

impl Classify for Bytes {
    fn classify(block: &[u8; 64]) -> Classes {
        let mut classes = Classes { quotes: 0, backslashes: 0, brackets: 0, controls: 0, high: 0 };
        for (bit, &byte) in block.iter().enumerate() {
            classes.quotes |= u64::from(byte == b'"') << bit;
            classes.backslashes |= u64::from(byte == b'\\') << bit;
            classes.brackets |= u64::from(byte | BRACKET_OR == BRACKET) << bit;
            classes.controls |= u64::from(byte < 0x20) << bit;
            classes.high |= u64::from(byte >= 0x80) << bit;
        }
        classes
    }
}

/// Eight bytes at a time in ordinary registers.
#[derive(Clone, Copy, Debug)]
pub struct Words;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

impl Words {
    /// The top bit of each byte that is zero in `word`. Exact: no carry crosses a byte.
    #[inline(always)]
    fn zeros(word: u64) -> u64 {
        !(((word & !HIGH) + !HIGH) | word) & HIGH
    }

    /// Gathers the top bits of the bytes into the lowest eight bits.
    #[inline(always)]
    fn gather(tops: u64) -> u64 {
        (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
}

impl Classify for Words {
    #[inline(always)]
    fn classify(block: &[u8; 64]) -> Classes {
        let mut classes = Classes { quotes: 0, backslashes: 0, brackets: 0, controls: 0, high: 0 };
        let (words, _) = block.as_chunks::<8>();
        for (index, bytes) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*bytes);
            let shift = index * 8;
            classes.quotes |= Self::gather(Self::zeros(word ^ (LOW * u64::from(b'"')))) << shift;
            classes.backslashes |= Self::gather(Self::zeros(word ^ (LOW * u64::from(b'\\')))) << shift;
            let brackets = (word | (LOW * u64::from(BRACKET_OR))) ^ (LOW * u64::from(BRACKET));
            classes.brackets |= Self::gather(Self::zeros(brackets)) << shift;
            classes.controls |= Self::gather(Self::zeros(word & (LOW * 0xe0))) << shift;
            classes.high |= Self::gather(word & HIGH) << shift;
        }
        classes
    }
}

/// Sixteen bytes at a time with SSE2, which every `x86_64` processor has.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub struct Sse2;

#[cfg(target_arch = "x86_64")]
impl Classify for Sse2 {
    #[inline(always)]
    #[allow(unsafe_code)]
    fn classify(block: &[u8; 64]) -> Classes {
        // SSE2 is part of the target's baseline, which the compiler wants to be told nevertheless.
        unsafe { classify_sse2(block) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
#[allow(unsafe_code)]
fn classify_sse2(block: &[u8; 64]) -> Classes {
    use core::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    let mut classes = Classes { quotes: 0, backslashes: 0, brackets: 0, controls: 0, high: 0 };
    let (lanes, _) = block.as_chunks::<16>();
    for (index, bytes) in lanes.iter().enumerate() {
        // Reads exactly the 16 bytes of the array, without asking for an alignment.
        let lane = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        let shift = index * 16;
        // A mask of 16 bits that sits in an i32: the cast loses nothing.
        let mask = |lane| u64::from(_mm_movemask_epi8(lane) as u32) << shift;
        classes.quotes |= mask(_mm_cmpeq_epi8(lane, _mm_set1_epi8(b'"' as i8)));
        classes.backslashes |= mask(_mm_cmpeq_epi8(lane, _mm_set1_epi8(b'\\' as i8)));
        let brackets = _mm_or_si128(lane, _mm_set1_epi8(BRACKET_OR as i8));
        classes.brackets |= mask(_mm_cmpeq_epi8(brackets, _mm_set1_epi8(BRACKET as i8)));
        classes.controls |= mask(_mm_cmpeq_epi8(_mm_min_epu8(lane, _mm_set1_epi8(0x1f)), lane));
        classes.high |= mask(lane);
    }
    classes
}

/// Sixteen bytes at a time with Wasm's vector instructions.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[derive(Clone, Copy, Debug)]
pub struct Simd128;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
impl Classify for Simd128 {
    #[inline(always)]
    #[allow(unsafe_code)]
    fn classify(block: &[u8; 64]) -> Classes {
        use core::arch::wasm32::{i8x16_bitmask, i8x16_eq, u8x16_min, u8x16_splat, v128_load, v128_or};
        let mut classes = Classes { quotes: 0, backslashes: 0, brackets: 0, controls: 0, high: 0 };
        let (lanes, _) = block.as_chunks::<16>();
        for (index, bytes) in lanes.iter().enumerate() {
            // Reads exactly the 16 bytes of the array; Wasm loads need no alignment.
            let lane = unsafe { v128_load(bytes.as_ptr().cast()) };
            let shift = index * 16;
            let mask = |lane| u64::from(i8x16_bitmask(lane)) << shift;
            classes.quotes |= mask(i8x16_eq(lane, u8x16_splat(b'"')));
            classes.backslashes |= mask(i8x16_eq(lane, u8x16_splat(b'\\')));
            let brackets = v128_or(lane, u8x16_splat(BRACKET_OR));
            classes.brackets |= mask(i8x16_eq(brackets, u8x16_splat(BRACKET)));
            classes.controls |= mask(i8x16_eq(u8x16_min(lane, u8x16_splat(0x1f)), lane));
            classes.high |= mask(lane);
        }
        classes
    }
}

/// Follows strings from block to block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strings {
    /// All ones if the block before ended inside a string.
    inside: u64,
    /// 1 if the block before ended with a backslash that escapes this block's first byte.
    escape: u64,
}

impl Strings {
    /// The bytes of this block that are in a string, its opening quote included, its closing quote not.
    #[inline(always)]
    pub fn mask(&mut self, classes: &Classes) -> u64 {
        let quotes = classes.quotes & !self.escaped(classes.backslashes);
        // Bit n of the result says whether the quotes up to n are odd in number.
        let mut mask = quotes;
        mask ^= mask << 1;
        mask ^= mask << 2;
        mask ^= mask << 4;
        mask ^= mask << 8;
        mask ^= mask << 16;
        mask ^= mask << 32;
        mask ^= self.inside;
        self.inside = 0u64.wrapping_sub(mask >> 63);
        mask
    }

    /// The bytes that a backslash escapes: those after runs of backslashes of odd length.
    #[inline(always)]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return core::mem::take(&mut self.escape);
        }
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let backslashes = backslashes & !self.escape;
        let follows = (backslashes << 1) | self.escape;
        // Adding a run's first bit to the run carries to the bit behind it; where that lands tells odd from even lengths.
        let odd_starts = backslashes & !EVEN & !follows;
        let (carried, overflow) = odd_starts.overflowing_add(backslashes);
        self.escape = u64::from(overflow);
        (EVEN ^ (carried << 1)) & follows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of its own, so that a failure can be repeated from the printed seed alone.
    fn blocks(seed: u64) -> impl Iterator<Item = [u8; 64]> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            let mut block = [0; 64];
            for byte in &mut block {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let random = (state >> 33) as u32;
                *byte = if random & 1 == 0 {
                    b"\"\\{}[]\n\x1f \x7f_yY\x80\xff\x20"[(random >> 1) as usize % 16]
                } else {
                    (random >> 8) as u8
                };
            }
            block
        })
    }

    #[test]
    fn every_implementation_gives_the_masks_of_the_reference() {
        let seed = 0x5eed_0001;
        for (round, block) in blocks(seed).take(20_000).enumerate() {
            let expected = Bytes::classify(&block);
            assert_eq!(Words::classify(&block), expected, "seed {seed}, round {round}");
            assert_eq!(Best::classify(&block), expected, "seed {seed}, round {round}");
        }
        for byte in 0..=255 {
            let block = [byte; 64];
            assert_eq!(Words::classify(&block), Bytes::classify(&block), "byte {byte}");
            assert_eq!(Best::classify(&block), Bytes::classify(&block), "byte {byte}");
        }
    }

    #[test]
    fn strings_are_followed_over_escapes_and_block_edges() {
        let seed = 0x5eed_0002;
        let mut strings = Strings::default();
        let (mut inside, mut escaped) = (false, false);
        for (round, mut block) in blocks(seed).take(20_000).enumerate() {
            // Mostly backslashes and quotes, so that runs of every length meet the edges.
            for (index, byte) in block.iter_mut().enumerate() {
                if (round + index) % 3 != 0 && *byte < 0xa0 {
                    *byte = b'\\';
                }
            }
            let mut expected = 0u64;
            for (bit, &byte) in block.iter().enumerate() {
                // As in the code, a backslash outside of a string escapes too: it is invalid there either way.
                let quote = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                if quote {
                    inside = !inside;
                }
                expected |= u64::from(inside) << bit;
            }
            assert_eq!(strings.mask(&Bytes::classify(&block)), expected, "seed {seed}, round {round}");
        }
    }
}
