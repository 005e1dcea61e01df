//! Scores of one case, class by class, under both protocols of the field.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::MetricsError;
use crate::mask::{Mask, check_shape};
use crate::surface::{SurfaceDistances, between, check_spacing};

/// A label map holds bytes: this many classes, background among them.
pub const MAX_CLASSES: usize = 256;

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
    /// Surface scores in voxels; `None` where the class misses in a map.
    pub surface_vox: Option<SurfaceScore>,
    /// Surface scores in millimetres; `None` also where the spacing is unknown.
    pub surface_mm: Option<SurfaceScore>,
}

/// Scores of the distances between two surfaces, all in one unit: voxels or millimetres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurfaceScore {
    /// Hausdorff distance.
    pub hd: f64,
    /// Average distance from the prediction's surface to the truth's.
    pub asd: f64,
    /// Average symmetric surface distance.
    pub assd: f64,
    /// Normalized surface Dice with a tolerance of [`SURFACE_TOLERANCE`].
    pub surface_dice: f64,
}

/// Tolerance of [`SurfaceScore::surface_dice`], in its unit: one voxel or one millimetre.
pub const SURFACE_TOLERANCE: f64 = 1.0;

impl From<&SurfaceDistances> for SurfaceScore {
    fn from(distances: &SurfaceDistances) -> Self {
        Self {
            hd: distances.hd(),
            asd: distances.asd(),
            assd: distances.assd(),
            surface_dice: distances.surface_dice(SURFACE_TOLERANCE),
        }
    }
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
/// Where shapes, lengths or spacing don't fit, or `n_classes` is more than the 256 that bytes can tell apart.
pub fn score_case(
    case: &str,
    prediction: &[u8],
    truth: &[u8],
    shape: &[usize],
    spacing_mm: Option<&[f64]>,
    n_classes: usize,
) -> Result<CaseScores, MetricsError> {
    if n_classes > MAX_CLASSES {
        return Err(MetricsError::Classes(n_classes));
    }
    let (shape3, axes) = check_shape(truth.len(), shape)?;
    if prediction.len() != truth.len() {
        let found = prediction.len();
        return Err(MetricsError::Length { shape: shape.to_vec(), expected: truth.len(), found });
    }
    let spacing = spacing_mm.map(|mm| check_spacing(&axes, shape, mm)).transpose()?;
    let volume = Volume { prediction, truth, shape: shape3, axes };
    let extents = volume.extents(n_classes);
    let classes: Vec<u8> = (1..=u8::MAX).take(n_classes.saturating_sub(1)).collect();
    let classes = classes
        .into_par_iter()
        .map(|class| score_class(class, &volume, &extents[usize::from(class)], spacing))
        .collect();
    Ok(CaseScores { case: case.to_owned(), classes })
}

/// Two label maps of the same shape.
struct Volume<'a> {
    prediction: &'a [u8],
    truth: &'a [u8],
    shape: [usize; 3],
    /// Axes that exist.
    axes: [bool; 3],
}

/// Where a class is, and how much of it.
#[derive(Clone, Copy)]
struct Extent {
    predicted: usize,
    true_: usize,
    both: usize,
    /// (start, end) along each axis, of both maps.
    bounds: [(usize, usize); 3],
}

impl Extent {
    const NONE: Self = Self { predicted: 0, true_: 0, both: 0, bounds: [(usize::MAX, 0); 3] };

    fn merge(&mut self, other: &Self) {
        self.predicted += other.predicted;
        self.true_ += other.true_;
        self.both += other.both;
        for (bound, (low, high)) in self.bounds.iter_mut().zip(other.bounds) {
            *bound = (bound.0.min(low), bound.1.max(high));
        }
    }
}

impl Volume<'_> {
    /// Counts and boxes of all classes, in one pass over both maps.
    fn extents(&self, n_classes: usize) -> Vec<Extent> {
        let [_, rows, cols] = self.shape;
        let none = || vec![Extent::NONE; n_classes];
        let is_scored = |class: u8| (1..n_classes).contains(&usize::from(class));
        let of_slice = |slice: usize| {
            let mut extents = none();
            for row in 0..rows {
                let line = (slice * rows + row) * cols;
                let (p, t) = (&self.prediction[line..line + cols], &self.truth[line..line + cols]);
                let mut at = 0;
                // Runs of the same pair of classes: most lines have few.
                while at < cols {
                    let pair = (p[at], t[at]);
                    let run = p[at..].iter().zip(&t[at..]).take_while(|(p, t)| (**p, **t) == pair).count();
                    let of_run = |class: u8| Extent {
                        predicted: if pair.0 == class { run } else { 0 },
                        true_: if pair.1 == class { run } else { 0 },
                        both: if pair == (class, class) { run } else { 0 },
                        bounds: [(slice, slice + 1), (row, row + 1), (at, at + run)],
                    };
                    if is_scored(pair.0) {
                        extents[usize::from(pair.0)].merge(&of_run(pair.0));
                    }
                    if pair.1 != pair.0 && is_scored(pair.1) {
                        extents[usize::from(pair.1)].merge(&of_run(pair.1));
                    }
                    at += run;
                }
            }
            extents
        };
        (0..self.shape[0]).into_par_iter().map(of_slice).reduce(none, |mut a, b| {
            a.iter_mut().zip(&b).for_each(|(a, b)| a.merge(b));
            a
        })
    }

    /// A class in one of the maps, inside a box.
    fn mask(&self, labels: &[u8], class: u8, bounds: [(usize, usize); 3]) -> Mask {
        let [_, rows, cols] = self.shape;
        let shape = bounds.map(|(start, end)| end - start);
        let mut voxels = Vec::with_capacity(shape.iter().product());
        for slice in bounds[0].0..bounds[0].1 {
            for row in bounds[1].0..bounds[1].1 {
                let line = (slice * rows + row) * cols;
                let line = &labels[line + bounds[2].0..line + bounds[2].1];
                voxels.extend(line.iter().map(|&label| label == class));
            }
        }
        Mask { voxels, shape, axes: self.axes }
    }
}

fn score_class(class: u8, volume: &Volume, extent: &Extent, spacing: Option<[f64; 3]>) -> ClassScore {
    let (p, t, both) = (extent.predicted, extent.true_, extent.both);
    let known = |value: f64| spacing.map(|_| value);
    if p > 0 && t > 0 {
        let prediction = volume.mask(volume.prediction, class, extent.bounds);
        let truth = volume.mask(volume.truth, class, extent.bounds);
        let spacings: Vec<[f64; 3]> = std::iter::once([1.0; 3]).chain(spacing).collect();
        let found = between(&prediction, &truth, &spacings);
        let (in_voxels, in_mm) = (&found[0], found.get(1));
        let score = ProtocolScore {
            dice: 2.0 * both as f64 / (p + t) as f64,
            hd95_vox: in_voxels.hd95(),
            hd95_mm: in_mm.map(SurfaceDistances::hd95),
        };
        return ClassScore {
            class,
            transunet: score,
            strict: Some(score),
            jaccard: Some(both as f64 / (p + t - both) as f64),
            surface_vox: Some(in_voxels.into()),
            surface_mm: in_mm.map(SurfaceScore::from),
        };
    }
    let dice = if p > 0 { 1.0 } else { 0.0 };
    let transunet = ProtocolScore { dice, hd95_vox: 0.0, hd95_mm: known(0.0) };
    let is_in_one = p > 0 || t > 0;
    let diagonal = |spacing: [f64; 3]| {
        let axes = (0..3).filter(|&axis| volume.axes[axis]);
        axes.map(|axis| (volume.shape[axis] as f64 * spacing[axis]).powi(2)).sum::<f64>().sqrt()
    };
    let strict = is_in_one.then(|| ProtocolScore {
        dice: 0.0,
        hd95_vox: diagonal([1.0; 3]),
        hd95_mm: spacing.map(diagonal),
    });
    ClassScore { class, transunet, strict, jaccard: is_in_one.then_some(0.0), surface_vox: None, surface_mm: None }
}
