//! What a pass over all voxels of a scan finds: which values there are, and which are none.

use fastersam_metrics::interpolate;

use crate::quantiles::IntensityQuantiles;

/// A scan with a larger share of voxels that are not finite is refused, unless the user allows it.
pub const MAX_INVALID_SHARE: f64 = 0.1;

/// Ordered keys of f32 are counted by their upper half first, then, where it matters, by their lower half.
const BUCKETS: usize = 1 << 16;

/// The values of a scan, counted in one pass that keeps none of them.
#[derive(Clone, Debug)]
pub struct Survey {
    n_voxels: u64,
    n_invalid: u64,
    n_invalid_slices: u64,
    lowest: f32,
    highest: f32,
    buckets: Vec<u64>,
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            n_voxels: 0,
            n_invalid: 0,
            n_invalid_slices: 0,
            lowest: f32::INFINITY,
            highest: f32::NEG_INFINITY,
            buckets: vec![0; BUCKETS],
        }
    }
}

impl Survey {
    /// Counts the voxels of one more slice.
    pub fn add_slice(&mut self, voxels: impl IntoIterator<Item = f32>) {
        let before = self.n_invalid;
        for value in voxels {
            self.n_voxels += 1;
            if value.is_finite() {
                self.lowest = self.lowest.min(value);
                self.highest = self.highest.max(value);
                self.buckets[(key(value) >> 16) as usize] += 1;
            } else {
                self.n_invalid += 1;
            }
        }
        self.n_invalid_slices += u64::from(self.n_invalid > before);
    }

    /// Number of voxels.
    #[must_use]
    pub fn n_voxels(&self) -> u64 {
        self.n_voxels
    }

    /// Number of voxels that are NaN or infinite.
    #[must_use]
    pub fn n_invalid(&self) -> u64 {
        self.n_invalid
    }

    /// The lowest and the highest finite value; `None` where there is none.
    #[must_use]
    pub fn range(&self) -> Option<[f32; 2]> {
        (self.n_finite() > 0).then_some([self.lowest, self.highest])
    }

    /// Whether all finite voxels have the same value.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.n_finite() > 0 && self.lowest == self.highest
    }

    /// Quantiles of the finite voxels, to within 1 % of their values.
    #[must_use]
    pub fn quantiles(&self) -> Option<IntensityQuantiles> {
        let [lowest, highest] = self.range()?;
        let at = |share: f64| {
            let (bucket, _) = self.bucket_of((share * (self.n_finite() - 1) as f64) as u64);
            // Cut off towards zero: short numbers, as most intensities are, come out whole.
            let value = value_of((bucket as u32) << 16);
            f32::from_bits(value.to_bits() & 0xffff_0000).clamp(lowest, highest)
        };
        Some(IntensityQuantiles { p1: at(0.01), p50: at(0.5), p99: at(0.99) })
    }

    /// What a reader must know of voxels that are no numbers.
    #[must_use]
    pub fn invalid_note(&self) -> Option<String> {
        let (n, all, slices) = (self.n_invalid, self.n_voxels, self.n_invalid_slices);
        let (voxels, are) = if n == 1 { ("voxel", "is") } else { ("voxels", "are") };
        let of_slices = if slices == 1 { "slice" } else { "slices" };
        (n > 0).then(|| {
            format!(
                "{n} {voxels} of {all} ({:.3} %), in {slices} {of_slices}, {are} NaN, infinite or beyond the range of f32, and \
                 counted as the lowest value",
                100.0 * self.invalid_share()
            )
        })
    }

    /// Share of voxels that are NaN or infinite.
    #[must_use]
    pub fn invalid_share(&self) -> f64 {
        self.n_invalid as f64 / self.n_voxels.max(1) as f64
    }

    /// Refuses what has no finite voxel, and what has more than [`MAX_INVALID_SHARE`] that are not, unless `allow_invalid`.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn check(&self, allow_invalid: bool) -> Result<(), String> {
        if self.n_finite() == 0 {
            return Err("none of its voxels is a finite number".to_owned());
        }
        match self.invalid_note() {
            Some(note) if !allow_invalid && self.invalid_share() > MAX_INVALID_SHARE => {
                Err(format!("{note}; more than {} % are not accepted unasked", 100.0 * MAX_INVALID_SHARE))
            }
            _ => Ok(()),
        }
    }

    fn n_finite(&self) -> u64 {
        self.n_voxels - self.n_invalid
    }

    /// The bucket of the value of this rank (from 0), and the rank among the values of the bucket.
    fn bucket_of(&self, rank: u64) -> (usize, u64) {
        let mut below = 0;
        for (bucket, &n) in self.buckets.iter().enumerate() {
            if rank < below + n {
                return (bucket, rank - below);
            }
            below += n;
        }
        (BUCKETS - 1, 0)
    }

    /// The exact quantiles of the finite voxels, as [`fastersam_metrics::quantile`] gives them, for shares in [0, 1].
    /// `pass` gives all voxels once more, in any order.
    ///
    /// # Errors
    /// Those of `pass`.
    pub(crate) fn exact_quantiles<const N: usize, E>(
        &self,
        shares: [f64; N],
        pass: impl FnOnce(&mut dyn FnMut(f32)) -> Result<(), E>,
    ) -> Result<[f64; N], E> {
        let Some(last) = self.n_finite().checked_sub(1) else { return Ok([f64::NAN; N]) };
        let places = shares.map(|share| {
            let position = share.clamp(0.0, 1.0) * last as f64;
            let at = position.floor() as u64;
            (self.bucket_of(at), self.bucket_of((at + 1).min(last)), position.fract())
        });
        let mut wanted: Vec<usize> = places.iter().flat_map(|(at, next, _)| [at.0, next.0]).collect();
        wanted.sort_unstable();
        wanted.dedup();
        // For every bucket in which a wanted value lies, how often each lower half occurs.
        let mut which = vec![None; BUCKETS];
        wanted.iter().enumerate().for_each(|(i, &bucket)| which[bucket] = Some(i));
        let mut counts = vec![vec![0_u64; BUCKETS]; wanted.len()];
        pass(&mut |value| {
            let key = key(value);
            if value.is_finite()
                && let Some(i) = which[(key >> 16) as usize]
            {
                counts[i][(key & 0xffff) as usize] += 1;
            }
        })?;
        let value = |(bucket, rank): (usize, u64)| {
            let counts = which[bucket].map_or(&[][..], |i| &counts[i]);
            let mut below = 0;
            let low = counts.iter().position(|&n| {
                below += n;
                rank < below
            });
            f64::from(value_of((bucket as u32) << 16 | low.unwrap_or(0) as u32))
        };
        Ok(places.map(|(at, next, part)| interpolate(value(at), value(next), part)))
    }
}

/// Larger for larger numbers.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn value_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyedRng;

    fn survey(values: &[f32]) -> Survey {
        let mut survey = Survey::default();
        values.chunks(7).for_each(|slice| survey.add_slice(slice.iter().copied()));
        survey
    }

    #[test]
    fn quantiles_are_those_of_sorting_whatever_the_values() {
        let mut rng = KeyedRng::new(3, &[]);
        let shares = [0.0, 0.005, 0.3, 0.5, 0.99, 0.995, 1.0];
        for round in 0..40 {
            let n = 1 + rng.below(500);
            let mut values: Vec<f32> = (0..n)
                .map(|_| match round % 4 {
                    0 => (rng.normal() * 1000.0) as f32,
                    1 => rng.below(4096) as f32 - 1024.0,
                    2 => (rng.normal() * 1e-30) as f32,
                    _ => 0.0,
                })
                .collect();
            let found = survey(&values)
                .exact_quantiles(shares, |see| {
                    values.iter().rev().for_each(|&value| see(value));
                    Ok::<_, ()>(())
                })
                .unwrap();
            for (share, found) in shares.into_iter().zip(found) {
                assert_eq!(found, fastersam_metrics::quantile(&mut values, share), "{share} of {n}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_counted_and_left_out() {
        let mut values = vec![5.0; 70];
        values[3] = 1.0;
        values[69] = 9.0;
        let clean = survey(&values);
        values.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        let found = survey(&values);
        assert_eq!((found.n_voxels(), found.n_invalid(), found.n_invalid_slices), (73, 3, 1));
        assert_eq!((found.range(), found.quantiles()), (clean.range(), clean.quantiles()));
        let note = found.invalid_note().unwrap();
        assert!(note.starts_with("3 voxels of 73 (4.110 %), in 1 slice, are NaN"), "{note}");
        assert!(found.check(false).is_ok() && clean.invalid_note().is_none());
        values.extend([f32::NAN; 10]);
        assert!(survey(&values).check(false).unwrap_err().contains("more than 10 %"));
        assert!(survey(&values).check(true).is_ok());
        assert!(survey(&[f32::NAN; 4]).check(true).unwrap_err().contains("none of its voxels"));
        assert!(survey(&[]).check(true).is_err() && survey(&[]).quantiles().is_none());
        assert!(survey(&[2.0, 2.0, f32::NAN]).is_constant());
    }

    #[test]
    fn quick_quantiles_are_near() {
        let values: Vec<f32> = (0..10_000).map(|i| i as f32 / 10.0 - 300.0).collect();
        let IntensityQuantiles { p1, p50, p99 } = survey(&values).quantiles().unwrap();
        for (found, exact) in [(p1, -290.0_f32), (p50, 200.0), (p99, 690.0)] {
            assert!((found - exact).abs() < 0.01 * exact.abs(), "{found} for {exact}");
        }
    }
}
