//! To how many rows an image's tokens are padded.

/// Lengths that differ, at most.
const N_LENGTHS: usize = 8;
/// Lengths are multiples of this, as the tiles of matrix kernels are, but for that of the whole grid.
const TILE: usize = 8;

/// The shortest length for `n` of the grid's `n_tokens` patches.
pub(super) fn padded_length(n: usize, n_tokens: usize) -> usize {
    let step = n_tokens.div_ceil(N_LENGTHS).next_multiple_of(TILE);
    n.next_multiple_of(step).min(n_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_fits_and_there_are_few_lengths() {
        for grid in [1_usize, 2, 3, 8, 14, 16, 37, 64] {
            let n_tokens = grid * grid;
            let mut lengths: Vec<usize> = (1..=n_tokens).map(|n| padded_length(n, n_tokens)).collect();
            assert!((1..).zip(&lengths).all(|(n, &length)| length >= n && length <= n_tokens));
            lengths.dedup();
            assert!(lengths.len() <= N_LENGTHS, "{grid}: {lengths:?}");
            assert_eq!(lengths.last(), Some(&n_tokens));
        }
    }
}
