//! Random numbers by seed, campaign and number of the try: the same on every machine.

/// `SplitMix64`.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of one try.
    pub fn new(seed: u64, campaign: &str, number: u64) -> Self {
        let mut random = Self(seed);
        let words = campaign.bytes().map(u64::from).chain([number]);
        random.0 = words.fold(random.next(), |state, word| Self(state ^ word).next());
        random
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `n - 1`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// One of several.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_repeatable_and_differ() {
        let first = |seed, name, number| Random::new(seed, name, number).next();
        assert_eq!(first(1, "kill", 7), first(1, "kill", 7));
        let mut all = vec![first(1, "kill", 7), first(2, "kill", 7), first(1, "pairs", 7), first(1, "kill", 8)];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4);
        let mut random = Random::new(1, "x", 0);
        assert!((0..1000).all(|_| random.below(3) < 3) && random.below(0) == 0);
    }
}
