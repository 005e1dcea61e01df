//! Which raw intensities a scan has, and which a model was trained on.

use serde::{Deserialize, Serialize};

/// Quantiles of a scan's raw intensities, before any scaling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntensityQuantiles {
    /// The first percentile.
    pub p1: f32,
    /// The median.
    pub p50: f32,
    /// The 99th percentile.
    pub p99: f32,
}

/// The raw intensities of the scans that a model was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingIntensities {
    /// For each quantile the lowest one of all scans.
    pub lowest: IntensityQuantiles,
    /// For each quantile the highest one.
    pub highest: IntensityQuantiles,
}

impl TrainingIntensities {
    /// The intensities of all scans together; `None` of none.
    #[must_use]
    pub fn of(scans: impl IntoIterator<Item = IntensityQuantiles>) -> Option<Self> {
        scans.into_iter().map(|scan| Self { lowest: scan, highest: scan }).reduce(|all, scan| {
            let merge = |a: IntensityQuantiles, b: IntensityQuantiles, choose: fn(f32, f32) -> f32| {
                IntensityQuantiles { p1: choose(a.p1, b.p1), p50: choose(a.p50, b.p50), p99: choose(a.p99, b.p99) }
            };
            Self {
                lowest: merge(all.lowest, scan.lowest, f32::min),
                highest: merge(all.highest, scan.highest, f32::max),
            }
        })
    }

    /// What speaks against a scan with these intensities being of the kind that the model was trained on, in words.
    ///
    /// The scan's values, from the first to the 99th percentile, must spread about as far as those of training did, and the
    /// smaller of the two ranges lie in the other one by half at least: a cropped scan without air passes, and one with
    /// metal; values in 0 to 1 or 255 in place of Hounsfield units don't, nor does a CT whose intercept was lost. Of no use
    /// for a model whose scaling [follows each volume](crate::Intensity::follows_volume).
    #[must_use]
    pub fn mismatch(&self, scan: &IntensityQuantiles) -> Option<String> {
        let (low, high) = (self.lowest.p1, self.highest.p99);
        let (spread, spread_found) = (f64::from(high) - f64::from(low), f64::from(scan.p99) - f64::from(scan.p1));
        let shared = f64::from(high.min(scan.p99)) - f64::from(low.max(scan.p1));
        let fits = spread_found <= MAX_WIDER * spread
            && spread <= MAX_NARROWER * spread_found
            && shared >= MIN_SHARED * spread.min(spread_found);
        (!fits).then(|| {
            format!(
                "its intensities go from {} to {} (1st to 99th percentile, median {}); the model was trained on intensities \
                 from {low} to {high} (medians {} to {}): the label map may be of no use",
                scan.p1, scan.p99, scan.p50, self.lowest.p50, self.highest.p50
            )
        })
    }
}

/// Intensities of one kind spread at most so many times as far as those of training: metal does, and bone in soft tissue.
const MAX_WIDER: f64 = 10.0;
/// Those of training spread at most so many times as far: a body without the air around it.
const MAX_NARROWER: f64 = 4.0;
/// Of two ranges of one kind, the smaller one lies in the larger by at least this share.
const MIN_SHARED: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    const fn quantiles(p1: f32, p50: f32, p99: f32) -> IntensityQuantiles {
        IntensityQuantiles { p1, p50, p99 }
    }

    #[test]
    fn values_of_another_kind_are_noticed_and_others_are_not() {
        let abdomen = TrainingIntensities::of([
            quantiles(-1000.0, -90.0, 260.0),
            quantiles(-1010.0, -400.0, 310.0),
            quantiles(-995.0, 10.0, 240.0),
        ])
        .unwrap();
        assert_eq!((abdomen.lowest.p50, abdomen.highest.p50), (-400.0, 10.0));
        for (scan, fits) in [
            (quantiles(-1000.0, -500.0, 250.0), true),
            // Cropped to the body; with metal; a scanner that marks what it has not seen.
            (quantiles(-120.0, 40.0, 300.0), true),
            (quantiles(-1024.0, -100.0, 1800.0), true),
            (quantiles(-2048.0, -700.0, 250.0), true),
            // Scaled to 0..1 and 0..255; without the intercept; constant.
            (quantiles(0.0, 0.3, 0.95), false),
            (quantiles(0.0, 70.0, 245.0), false),
            (quantiles(0.0, 900.0, 1290.0), false),
            (quantiles(40.0, 40.0, 40.0), false),
            (quantiles(0.0, 0.0, 0.0), false),
        ] {
            let found = abdomen.mismatch(&scan);
            assert_eq!(found.is_none(), fits, "{scan:?}: {found:?}");
        }
        let unit = TrainingIntensities::of([quantiles(0.0, 0.2, 0.9), quantiles(0.0, 0.4, 1.0)]).unwrap();
        assert!(unit.mismatch(&quantiles(-1000.0, -90.0, 260.0)).is_some());
        assert!(unit.mismatch(&quantiles(0.0, 70.0, 245.0)).is_some());
        assert!(unit.mismatch(&quantiles(0.0, 0.1, 0.8)).is_none());
        let words = abdomen.mismatch(&quantiles(0.0, 0.25, 1.0)).unwrap();
        assert!(words.contains("from 0 to 1 ") && words.contains("from -1010 to 310"), "{words}");
    }
}
