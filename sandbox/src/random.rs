//! SplitMix64, a deterministic pseudo-random generator.
//!
//! The seed data must be equal on every machine and in every release. A library's generator may change its sequence, so
//! the sandbox has its own. Not for secrets.

/// A sequence of numbers.
pub(crate) struct Random(u64);

impl Random {
    /// A sequence that depends on `seed` alone.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits (constants of Steele, Lea and Flood, "Fast splittable generators", 2014).
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias of the remainder is negligible here.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let remainder = self.bits() % u64::from(bound.max(1));
        u32::try_from(remainder).unwrap_or(0)
    }

    /// True with a probability of `of_hundred` per cent.
    pub(crate) fn chance(&mut self, of_hundred: u32) -> bool {
        self.below(100) < of_hundred
    }

    /// A number from `from` to below `to` hundredths.
    pub(crate) fn score(&mut self, from: u32, to: u32) -> f64 {
        f64::from(from + self.below(to.saturating_sub(from))) / 100.0
    }

    /// One of the words; empty if there are none.
    pub(crate) fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let bound = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let at = self.below(bound) as usize;
        words.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_stream_matches_the_published_values() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }
}
