//! From raw intensities to gray values in [0, 1].

use fastersam_metrics::quantile;
use ndarray::Array3;
use serde::{Deserialize, Serialize};

/// How raw intensities become gray values in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Intensity {
    /// Clip to a window and scale it to [0, 1] (CT).
    Window {
        /// Becomes 0.
        low: f32,
        /// Becomes 1.
        high: f32,
    },
    /// Clip values above a percentile of the volume, then scale minimum and maximum to 0 and 1 (MR).
    ClipTop {
        /// In per cent, 99 for ACDC.
        percentile: f64,
    },
    /// Clip to two percentiles of the volume, then scale these to 0 and 1.
    Percentiles {
        /// In per cent; becomes 0.
        low: f64,
        /// In per cent; becomes 1.
        high: f64,
    },
    /// The values are in [0, 1] already.
    Unit,
}

impl Intensity {
    /// Scales a whole volume in place.
    pub fn scale(&self, voxels: &mut Array3<f32>) {
        match *self {
            Self::Unit => {}
            Self::Window { low, high } => {
                voxels.mapv_inplace(|v| (v.clamp(low, high) - low) / (high - low));
            }
            Self::Percentiles { low, high } => {
                let (low, high) = (percentile(voxels, low), percentile(voxels, high));
                let range = high - low;
                voxels.mapv_inplace(|v| if range > 0.0 { (v.clamp(low, high) - low) / range } else { 0.0 });
            }
            Self::ClipTop { percentile: percent } => {
                let top = percentile(voxels, percent);
                let low = voxels.fold(f32::INFINITY, |low, &v| low.min(v));
                let range = top - low;
                voxels.mapv_inplace(|v| if range > 0.0 { (v.min(top) - low) / range } else { 0.0 });
            }
        }
    }

    /// What makes the parameters useless: a window without width, percentiles outside 0 to 100.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn validate(&self) -> Result<(), String> {
        let is_percentile = |p: f64| (0.0..=100.0).contains(&p);
        match *self {
            Self::Window { low, high } if !(low.is_finite() && high.is_finite() && low < high) => {
                Err(format!("the window from {low} to {high} has no width"))
            }
            Self::Percentiles { low, high } if !(is_percentile(low) && is_percentile(high) && low < high) => {
                Err(format!("percentiles {low} and {high}: two ascending numbers from 0 to 100 are needed"))
            }
            Self::ClipTop { percentile } if !is_percentile(percentile) => {
                Err(format!("the percentile {percentile} is not in 0 to 100"))
            }
            _ => Ok(()),
        }
    }
}

/// NaN of an empty volume, in which there is nothing to scale.
fn percentile(voxels: &Array3<f32>, percent: f64) -> f32 {
    let mut values: Vec<f32> = voxels.iter().copied().collect();
    quantile(&mut values, percent / 100.0) as f32
}
