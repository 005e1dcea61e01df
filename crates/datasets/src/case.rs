//! A labelled volume, ready for a network.

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::scan::Orientation;

/// One labelled volume in canonical form.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the case, unique within a data set.
    pub id: String,
    /// Gray values in [0, 1], `[slices, rows, columns]`.
    pub image: Array3<f32>,
    /// Classes in the data set's canonical coding, of the same shape.
    pub label: Array3<u8>,
    /// Distance between neighbours along each axis, in the same order; `None` where the files don't say it, as
    /// the npz and h5 forms.
    pub spacing_mm: Option<[f64; 3]>,
    /// Where each axis points.
    pub orientation: Orientation,
}

/// Names of the classes, background first: the class `c` is called `names[c]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelTable {
    /// The names.
    pub names: Vec<String>,
}

impl LabelTable {
    /// A table of `background` and the given classes.
    #[must_use]
    pub fn new(classes: &[&str]) -> Self {
        let names = std::iter::once("background").chain(classes.iter().copied());
        Self { names: names.map(str::to_owned).collect() }
    }

    /// Number of classes with background.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.names.len()
    }
}

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
                let (Some(low), Some(high)) = (percentile_of(voxels, low), percentile_of(voxels, high)) else {
                    return;
                };
                let range = high - low;
                voxels.mapv_inplace(|v| if range > 0.0 { (v.clamp(low, high) - low) / range } else { 0.0 });
            }
            Self::ClipTop { percentile } => {
                let Some(top) = percentile_of(voxels, percentile) else { return };
                let low = voxels.fold(f32::INFINITY, |low, &v| low.min(v));
                let range = top - low;
                voxels.mapv_inplace(|v| if range > 0.0 { (v.min(top) - low) / range } else { 0.0 });
            }
        }
    }
}

impl Intensity {
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

/// numpy's percentile with linear interpolation.
fn percentile_of(voxels: &Array3<f32>, percentile: f64) -> Option<f32> {
    let mut values: Vec<f32> = voxels.iter().copied().collect();
    if values.is_empty() {
        return None;
    }
    let position = percentile / 100.0 * (values.len() - 1) as f64;
    let low = (position.max(0.0).floor() as usize).min(values.len() - 1);
    let part = position.max(0.0).fract();
    let (_, &mut at, above) = values.select_nth_unstable_by(low, f32::total_cmp);
    let next = above.iter().copied().min_by(f32::total_cmp).unwrap_or(at);
    Some((f64::from(at) + part * (f64::from(next) - f64::from(at))) as f32)
}
