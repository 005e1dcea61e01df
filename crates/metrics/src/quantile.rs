//! Quantiles and percentiles, for all crates.

/// `numpy.quantile` with linear interpolation, in its order of operations; the percentile `p` is the quantile
/// `p / 100`. NaN of no values; values that are NaN count as the largest.
///
/// `share` is brought into [0, 1]. The values are reordered.
///
/// ```
/// use fastersam_metrics::quantile;
///
/// assert_eq!(quantile(&mut [4.0, 1.0, 3.0], 0.5), 3.0);
/// assert_eq!(quantile(&mut [0.0_f32, 10.0], 95.0 / 100.0), 9.5);
/// ```
#[must_use]
pub fn quantile<T: Copy + Into<f64>>(values: &mut [T], share: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let position = share.clamp(0.0, 1.0) * last as f64;
    let order = |a: &T, b: &T| f64::total_cmp(&(*a).into(), &(*b).into());
    // A share of NaN gives the place 0, and NaN below.
    let (_, &mut at, above) = values.select_nth_unstable_by(position.floor() as usize, order);
    let next: f64 = above.iter().copied().min_by(order).unwrap_or(at).into();
    interpolate(at.into(), next, position.fract())
}

/// Between two neighbours, `part` (from 0 to 1) of the way, in numpy's order of operations.
#[must_use]
pub fn interpolate(at: f64, next: f64, part: f64) -> f64 {
    if part == 0.0 {
        // Whatever follows, infinity or NaN, has no share in it.
        return at;
    }
    // numpy switches sides at one half so that the result is monotonic.
    if part >= 0.5 { next - (next - at) * (1.0 - part) } else { at + (next - at) * part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_numpy() {
        // numpy.quantile(values, share)
        let mut values = [7.0, -1.5, 3.25, 0.1, 12.0, 3.25];
        for (share, expected) in
            [(0.0, -1.5), (0.1, -0.7), (0.25, 0.8875), (0.5, 3.25), (0.75, 6.0625), (0.95, 10.75), (1.0, 12.0)]
        {
            let found = quantile(&mut values, share);
            assert!((found - expected).abs() < 1e-15 * 12.0, "{share}: {found}");
        }
        assert_eq!(quantile(&mut [5.0], 0.3), 5.0);
    }

    #[test]
    fn odd_input_gives_a_number_or_nan() {
        assert!(quantile::<f64>(&mut [], 0.5).is_nan());
        assert!(quantile(&mut [1.0, 2.0], f64::NAN).is_nan());
        assert_eq!((quantile(&mut [1.0, 2.0], -1.0), quantile(&mut [1.0, 2.0], 7.0)), (1.0, 2.0));
        assert_eq!(quantile(&mut [2.0, f64::NAN, 1.0], 0.5), 2.0);
    }
}
