//! How sure a mean is, and whether two runs differ.

use serde::{Deserialize, Serialize};

use crate::error::MetricsError;

/// A small generator (`SplitMix64`): the same numbers everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

/// 95 % percentile-bootstrap interval of the mean; `None` for fewer than two values.
#[must_use]
pub fn mean_interval(values: &[f64], resamples: usize, seed: u64) -> Option<(f64, f64)> {
    let mean = |drawn: &[usize]| Some(drawn.iter().map(|&i| values[i]).sum::<f64>() / drawn.len() as f64);
    bootstrap(values.len(), resamples, seed, mean)
}

/// 95 % percentile-bootstrap interval of a statistic of `n` cases, which gets the cases of each draw. Draws that
/// it gives no value for don't count; `None` for fewer than two cases, or where no draw counts.
pub(crate) fn bootstrap(
    n: usize,
    resamples: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<(f64, f64)> {
    if n < 2 {
        return None;
    }
    let mut rng = Rng(seed);
    let mut drawn = vec![0; n];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        drawn.iter_mut().for_each(|case| *case = rng.below(n));
        values.extend(statistic(&drawn));
    }
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)? as f64;
    let at = |share: f64| values[(share * last).round() as usize];
    Some((at(0.025), at(0.975)))
}

/// The difference between two runs on the same cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Mean of `b - a` over the cases.
    pub mean_difference: f64,
    /// 95 % bootstrap interval of that mean; `None` for fewer than two cases.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p-value of a sign-flip permutation test of the mean difference.
    pub p_value: f64,
    /// Number of cases.
    pub n_cases: usize,
}

/// Compares two runs' values case by case.
///
/// # Errors
/// Where the numbers of values differ or there are none.
pub fn compare_paired(a: &[f64], b: &[f64], resamples: usize, seed: u64) -> Result<Comparison, MetricsError> {
    if a.len() != b.len() || a.is_empty() {
        return Err(MetricsError::Unpaired(format!("{} and {} values", a.len(), b.len())));
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
    let n = differences.len();
    let mean_difference = differences.iter().sum::<f64>() / n as f64;
    let mut rng = Rng(seed ^ 0x5eed);
    let as_large = (0..resamples)
        .filter(|_| {
            let sum: f64 = differences.iter().map(|d| if rng.next() >> 63 == 0 { *d } else { -*d }).sum();
            (sum / n as f64).abs() >= mean_difference.abs() - 1e-15
        })
        .count();
    Ok(Comparison {
        mean_difference,
        interval: mean_interval(&differences, resamples, seed),
        p_value: (as_large + 1) as f64 / (resamples + 1) as f64,
        n_cases: n,
    })
}
