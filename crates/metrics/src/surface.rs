//! Distances between the surfaces of two masks, as medpy computes them.

use crate::distance::distances_between;
use crate::error::MetricsError;
use crate::mask::Mask;
use crate::quantile::quantile;

/// The distances between two surfaces. medpy's border: mask xor erosion with connectivity 1.
#[derive(Clone, Debug, PartialEq)]
pub struct SurfaceDistances {
    /// From each border voxel of the prediction to the truth's border.
    pub to_truth: Vec<f64>,
    /// From each border voxel of the truth to the prediction's border.
    pub to_prediction: Vec<f64>,
}

/// Measures from each mask's border to the other's; `None` where one of the masks is empty.
///
/// # Errors
/// Where shapes or spacing don't fit.
pub fn surface_distances(
    prediction: &Mask,
    truth: &Mask,
    spacing: Option<&[f64]>,
) -> Result<Option<SurfaceDistances>, MetricsError> {
    if (prediction.shape, prediction.axes) != (truth.shape, truth.axes) {
        return Err(MetricsError::ShapeMismatch {
            prediction: prediction.shape.to_vec(),
            truth: truth.shape.to_vec(),
        });
    }
    let spacing = match spacing {
        Some(given) => check_spacing(&prediction.axes, &prediction.shape, given)?,
        None => [1.0; 3],
    };
    if prediction.count() == 0 || truth.count() == 0 {
        return Ok(None);
    }
    let Some(bounds) = prediction.bounding_box(truth) else { return Ok(None) };
    Ok(between(&prediction.crop(bounds), &truth.crop(bounds), &[spacing]).pop())
}

/// The distances of two masks that are not empty, once for each of the spacings.
///
/// The masks may be cut to the box of both: nothing outside it is a border or nearer than one inside.
pub(crate) fn between(prediction: &Mask, truth: &Mask, spacings: &[[f64; 3]]) -> Vec<SurfaceDistances> {
    let (prediction, truth) = rayon::join(|| prediction.border(), || truth.border());
    let (to_truth, to_prediction) = rayon::join(
        || distances_between(&prediction, &truth, spacings),
        || distances_between(&truth, &prediction, spacings),
    );
    to_truth
        .into_iter()
        .zip(to_prediction)
        .map(|(to_truth, to_prediction)| SurfaceDistances { to_truth, to_prediction })
        .collect()
}

/// The spacing of the three axes, of which `axes` exist; 1 along one that does not.
pub(crate) fn check_spacing(axes: &[bool; 3], shape: &[usize], given: &[f64]) -> Result<[f64; 3], MetricsError> {
    let n_axes = axes.iter().filter(|&&axis| axis).count();
    if given.len() != n_axes || given.iter().any(|mm| !(mm.is_finite() && *mm > 0.0)) {
        return Err(MetricsError::Spacing { spacing: given.to_vec(), shape: shape.to_vec() });
    }
    let mut spacing = [1.0; 3];
    spacing[3 - n_axes..].copy_from_slice(given);
    Ok(spacing)
}

impl SurfaceDistances {
    /// The largest distance of both directions.
    #[must_use]
    pub fn hd(&self) -> f64 {
        self.to_truth.iter().chain(&self.to_prediction).copied().fold(0.0, f64::max)
    }

    /// The 95th percentile of both directions' distances together (numpy's linear interpolation).
    #[must_use]
    pub fn hd95(&self) -> f64 {
        let mut pooled: Vec<f64> = self.to_truth.iter().chain(&self.to_prediction).copied().collect();
        quantile(&mut pooled, 0.95)
    }

    /// Mean distance from the prediction's surface to the truth's.
    #[must_use]
    pub fn asd(&self) -> f64 {
        mean(&self.to_truth)
    }

    /// Mean of both directions' distances together.
    #[must_use]
    pub fn assd(&self) -> f64 {
        let n = self.to_truth.len() + self.to_prediction.len();
        let sum: f64 = self.to_truth.iter().chain(&self.to_prediction).sum();
        sum / n as f64
    }

    /// Normalized surface Dice: the share of border voxels, of both borders, that lie within
    /// `tolerance` of the other one. Voxel borders as medpy's, not surface elements.
    #[must_use]
    pub fn surface_dice(&self, tolerance: f64) -> f64 {
        let n = self.to_truth.len() + self.to_prediction.len();
        let near = self.to_truth.iter().chain(&self.to_prediction).filter(|&&d| d <= tolerance).count();
        near as f64 / n as f64
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
