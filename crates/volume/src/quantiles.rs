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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_set_spans_its_scans() {
        let scan = |p1, p50, p99| IntensityQuantiles { p1, p50, p99 };
        assert_eq!(TrainingIntensities::of([]), None);
        let all = TrainingIntensities::of([scan(-1000.0, -90.0, 260.0), scan(-990.0, -400.0, 310.0)]).unwrap();
        assert_eq!((all.lowest, all.highest), (scan(-1000.0, -400.0, 260.0), scan(-990.0, -90.0, 310.0)));
    }
}
