//! Scores of one case, class by class, under both protocols of the field.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::MetricsError;
use crate::mask::Mask;
use crate::surface::{check_spacing, surface_distances};

/// Dice and HD95 under one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolScore {
    /// Dice in [0, 1].
    pub dice: f64,
    /// 95th percentile of the surface distances, in voxels.
    pub hd95_vox: f64,
    /// The same in millimetres, where the spacing is known.
    pub hd95_mm: Option<f64>,
}

/// Scores of one class in one case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassScore {
    /// The class, from 1 on.
    pub class: u8,
    /// What the papers print: an invented organ scores (1, 0), a missed one or none at all (0, 0).
    pub transunet: ProtocolScore,
    /// Missed and invented organs score Dice 0 and the volume's diagonal; `None` where the class is
    /// in neither map, which leaves the case out.
    pub strict: Option<ProtocolScore>,
    /// Jaccard index; `None` where the class is in neither map.
    pub jaccard: Option<f64>,
    /// Average symmetric surface distance in voxels; `None` where the class misses in a map.
    pub assd_vox: Option<f64>,
    /// Normalised surface Dice with a tolerance of one voxel; `None` as for `assd_vox`.
    pub surface_dice_1_vox: Option<f64>,
}

/// Scores of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseScores {
    /// Name of the case.
    pub case: String,
    /// One entry a class, from class 1 on.
    pub classes: Vec<ClassScore>,
}

/// Scores the classes `1..n_classes` of a volume.
///
/// `shape` is that of both label maps in row-major order; `spacing_mm` the distance of neighbours along
/// the same axes.
///
/// # Errors
/// Where shapes, lengths or spacing don't fit.
pub fn score_case(
    case: &str,
    prediction: &[u8],
    truth: &[u8],
    shape: &[usize],
    spacing_mm: Option<&[f64]>,
    n_classes: u8,
) -> Result<CaseScores, MetricsError> {
    let classes = (1..n_classes)
        .into_par_iter()
        .map(|class| {
            let prediction = Mask::of_class(prediction, shape, class)?;
            let truth = Mask::of_class(truth, shape, class)?;
            score_class(class, &prediction, &truth, spacing_mm)
        })
        .collect::<Result<_, _>>()?;
    Ok(CaseScores { case: case.to_owned(), classes })
}

fn score_class(
    class: u8,
    prediction: &Mask,
    truth: &Mask,
    spacing_mm: Option<&[f64]>,
) -> Result<ClassScore, MetricsError> {
    let spacing = check_spacing(prediction, spacing_mm)?;
    let (p, t) = (prediction.count(), truth.count());
    let both = prediction.overlap(truth);
    let known = |value: f64| spacing_mm.map(|_| value);
    if p > 0 && t > 0 {
        // Non-empty masks of the same shape always have distances.
        let in_voxels = surface_distances(prediction, truth, None)?;
        let in_mm = match spacing_mm {
            Some(_) => surface_distances(prediction, truth, spacing_mm)?,
            None => None,
        };
        let score = ProtocolScore {
            dice: 2.0 * both as f64 / (p + t) as f64,
            hd95_vox: in_voxels.as_ref().map_or(0.0, crate::SurfaceDistances::hd95),
            hd95_mm: in_mm.as_ref().map(crate::SurfaceDistances::hd95),
        };
        return Ok(ClassScore {
            class,
            transunet: score,
            strict: Some(score),
            jaccard: Some(both as f64 / (p + t - both) as f64),
            assd_vox: in_voxels.as_ref().map(crate::SurfaceDistances::assd),
            surface_dice_1_vox: in_voxels.as_ref().map(|d| d.surface_dice(1.0)),
        });
    }
    let dice = if p > 0 { 1.0 } else { 0.0 };
    let transunet = ProtocolScore { dice, hd95_vox: 0.0, hd95_mm: known(0.0) };
    let is_in_one = p > 0 || t > 0;
    let diagonal = |spacing: [f64; 3]| {
        let axes = (0..3).filter(|&axis| prediction.axes[axis]);
        axes.map(|axis| (prediction.shape[axis] as f64 * spacing[axis]).powi(2)).sum::<f64>().sqrt()
    };
    let strict = is_in_one.then(|| ProtocolScore {
        dice: 0.0,
        hd95_vox: diagonal([1.0; 3]),
        hd95_mm: known(diagonal(spacing)),
    });
    Ok(ClassScore {
        class,
        transunet,
        strict,
        jaccard: is_in_one.then_some(0.0),
        assd_vox: None,
        surface_dice_1_vox: None,
    })
}
