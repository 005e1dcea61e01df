//! Means over cases, then over classes.

use serde::{Deserialize, Serialize};

use crate::protocol::{CaseScores, ClassScore, ProtocolScore, SurfaceScore};
use crate::statistics::bootstrap;

/// Resamples behind the confidence intervals.
const RESAMPLES: usize = 2000;

/// Means under one protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolSummary {
    /// Mean over the classes of the mean over the cases; `None` where nothing was scored.
    pub dice: Option<f64>,
    /// 95 % bootstrap interval of the mean Dice, over cases.
    pub dice_interval: Option<(f64, f64)>,
    /// Mean HD95 in voxels.
    pub hd95_vox: Option<f64>,
    /// 95 % bootstrap interval of the mean HD95 in voxels, over cases.
    #[serde(default)]
    pub hd95_vox_interval: Option<(f64, f64)>,
    /// Mean HD95 in millimetres, where every case's spacing is known.
    pub hd95_mm: Option<f64>,
    /// Mean Dice of each class, from class 1 on.
    pub per_class_dice: Vec<Option<f64>>,
    /// 95 % bootstrap interval of each class's mean Dice, over cases.
    #[serde(default)]
    pub per_class_dice_interval: Vec<Option<(f64, f64)>>,
    /// Mean HD95 of each class in voxels.
    pub per_class_hd95_vox: Vec<Option<f64>>,
    /// Mean HD95 of each class in millimetres, where every case's spacing is known.
    #[serde(default)]
    pub per_class_hd95_mm: Vec<Option<f64>>,
    /// Number of cases left out of each class's mean.
    pub left_out: Vec<usize>,
}

/// Means of one measure, over the cases that have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureSummary {
    /// Mean over the classes of the mean over the cases; `None` where nothing was measured.
    pub mean: Option<f64>,
    /// 95 % bootstrap interval of that mean, over cases.
    pub interval: Option<(f64, f64)>,
    /// Mean of each class, from class 1 on.
    pub per_class: Vec<Option<f64>>,
    /// Number of cases left out of each class's mean.
    pub left_out: Vec<usize>,
}

/// Means of the surface scores in one unit. A case without a surface in one of its maps is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurfaceSummary {
    /// Hausdorff distance.
    pub hd: MeasureSummary,
    /// Average distance from the prediction's surface to the truth's.
    pub asd: MeasureSummary,
    /// Average symmetric surface distance.
    pub assd: MeasureSummary,
    /// Normalized surface Dice with a tolerance of [`SURFACE_TOLERANCE`](crate::SURFACE_TOLERANCE).
    pub surface_dice: MeasureSummary,
}

/// Means over cases and classes under both protocols.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// What the papers print.
    pub transunet: ProtocolSummary,
    /// Missed and invented organs count.
    pub strict: ProtocolSummary,
    /// Jaccard index; a case with the class in neither map is left out.
    #[serde(default)]
    pub jaccard: MeasureSummary,
    /// Surface scores in voxels.
    #[serde(default)]
    pub surface_vox: SurfaceSummary,
    /// Surface scores in millimetres; a case of unknown spacing is left out.
    #[serde(default)]
    pub surface_mm: SurfaceSummary,
    /// Number of cases.
    pub n_cases: usize,
}

/// Averages over cases per class, then over classes.
#[must_use]
pub fn summarise(cases: &[CaseScores]) -> Summary {
    Summary {
        transunet: protocol(cases, |score| Some(score.transunet)),
        strict: protocol(cases, |score| score.strict),
        jaccard: measure(cases, |score| score.jaccard),
        surface_vox: surface(cases, |score| score.surface_vox),
        surface_mm: surface(cases, |score| score.surface_mm),
        n_cases: cases.len(),
    }
}

fn protocol(cases: &[CaseScores], of: impl Fn(&ClassScore) -> Option<ProtocolScore>) -> ProtocolSummary {
    let dice = Table::new(cases, |score| of(score).map(|s| s.dice));
    let hd95_vox = Table::new(cases, |score| of(score).map(|s| s.hd95_vox));
    let hd95_mm = Table::new(cases, |score| of(score).and_then(|s| s.hd95_mm));
    let left_out = dice.left_out();
    // The mean of some cases only would stand beside the other means as if it were of all.
    let is_known = hd95_mm.left_out() == left_out;
    ProtocolSummary {
        dice: dice.mean(),
        dice_interval: dice.interval(),
        hd95_vox: hd95_vox.mean(),
        hd95_vox_interval: hd95_vox.interval(),
        hd95_mm: hd95_mm.mean().filter(|_| is_known),
        per_class_dice: dice.per_class(),
        per_class_dice_interval: dice.per_class_interval(),
        per_class_hd95_vox: hd95_vox.per_class(),
        per_class_hd95_mm: if is_known { hd95_mm.per_class() } else { vec![None; left_out.len()] },
        left_out,
    }
}

fn surface(cases: &[CaseScores], of: impl Fn(&ClassScore) -> Option<SurfaceScore>) -> SurfaceSummary {
    SurfaceSummary {
        hd: measure(cases, |score| of(score).map(|s| s.hd)),
        asd: measure(cases, |score| of(score).map(|s| s.asd)),
        assd: measure(cases, |score| of(score).map(|s| s.assd)),
        surface_dice: measure(cases, |score| of(score).map(|s| s.surface_dice)),
    }
}

fn measure(cases: &[CaseScores], of: impl Fn(&ClassScore) -> Option<f64>) -> MeasureSummary {
    let table = Table::new(cases, of);
    MeasureSummary {
        mean: table.mean(),
        interval: table.interval(),
        per_class: table.per_class(),
        left_out: table.left_out(),
    }
}

/// One measure of every case and class.
pub(crate) struct Table {
    /// `values[case][class - 1]`; `None` where the case is left out.
    values: Vec<Vec<Option<f64>>>,
    n_classes: usize,
}

impl Table {
    pub(crate) fn new(cases: &[CaseScores], of: impl Fn(&ClassScore) -> Option<f64>) -> Self {
        let n_classes = cases.iter().map(|case| case.classes.len()).max().unwrap_or(0);
        let row = |case: &CaseScores| {
            (0..n_classes).map(|class| case.classes.get(class).and_then(&of)).collect::<Vec<_>>()
        };
        Self { values: cases.iter().map(row).collect(), n_classes }
    }

    /// The cases' values of a class (from 0 on), those left out among them.
    pub(crate) fn column(&self, class: usize) -> impl Iterator<Item = Option<f64>> {
        self.values.iter().map(move |row| row[class])
    }

    /// The classes' values of a case.
    pub(crate) fn row(&self, case: usize) -> impl Iterator<Item = Option<f64>> {
        self.values[case].iter().copied()
    }

    pub(crate) fn n_classes(&self) -> usize {
        self.n_classes
    }

    pub(crate) fn n_cases(&self) -> usize {
        self.values.len()
    }

    fn left_out(&self) -> Vec<usize> {
        (0..self.n_classes).map(|class| self.column(class).filter(Option::is_none).count()).collect()
    }

    fn per_class(&self) -> Vec<Option<f64>> {
        (0..self.n_classes).map(|class| mean(self.column(class))).collect()
    }

    fn mean(&self) -> Option<f64> {
        mean(self.per_class().into_iter())
    }

    /// Cases are drawn anew; each draw is averaged as the cases themselves are.
    fn interval(&self) -> Option<(f64, f64)> {
        bootstrap(self.values.len(), RESAMPLES, 0, |drawn| {
            let of_class = |class: usize| mean(drawn.iter().map(|&case| self.values[case][class]));
            mean((0..self.n_classes).map(of_class))
        })
    }

    fn per_class_interval(&self) -> Vec<Option<(f64, f64)>> {
        let of_class = |class: usize| {
            let there: Vec<f64> = self.column(class).flatten().collect();
            crate::statistics::mean_interval(&there, RESAMPLES, 0)
        };
        (0..self.n_classes).map(of_class).collect()
    }
}

/// The mean of the values that are there; `None` where none is.
pub(crate) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0_usize);
    for value in values.flatten() {
        sum += value;
        n += 1;
    }
    (n > 0).then(|| sum / n as f64)
}
