//! Means over cases, then over classes.

use serde::{Deserialize, Serialize};

use crate::protocol::{CaseScores, ClassScore, ProtocolScore};
use crate::statistics::mean_interval;

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
    /// Mean HD95 in millimetres, where every case's spacing is known.
    pub hd95_mm: Option<f64>,
    /// Mean Dice of each class, from class 1 on.
    pub per_class_dice: Vec<Option<f64>>,
    /// Mean HD95 of each class in voxels.
    pub per_class_hd95_vox: Vec<Option<f64>>,
    /// Number of cases left out of each class's mean.
    pub left_out: Vec<usize>,
}

/// Means over cases and classes under both protocols.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// What the papers print.
    pub transunet: ProtocolSummary,
    /// Missed and invented organs count.
    pub strict: ProtocolSummary,
    /// Number of cases.
    pub n_cases: usize,
}

/// Averages over cases per class, then over classes.
#[must_use]
pub fn summarise(cases: &[CaseScores]) -> Summary {
    Summary {
        transunet: protocol(cases, |score| Some(score.transunet)),
        strict: protocol(cases, |score| score.strict),
        n_cases: cases.len(),
    }
}

fn protocol(
    cases: &[CaseScores],
    of: impl Fn(&ClassScore) -> Option<ProtocolScore>,
) -> ProtocolSummary {
    let n_classes = cases.iter().map(|case| case.classes.len()).max().unwrap_or(0);
    let mut summary = ProtocolSummary::default();
    let mut hd95_mm = Vec::new();
    for class in 0..n_classes {
        let scores: Vec<ProtocolScore> =
            cases.iter().filter_map(|case| case.classes.get(class).and_then(&of)).collect();
        summary.left_out.push(cases.len() - scores.len());
        summary.per_class_dice.push(mean(scores.iter().map(|s| Some(s.dice))));
        summary.per_class_hd95_vox.push(mean(scores.iter().map(|s| Some(s.hd95_vox))));
        hd95_mm.push(mean(scores.iter().map(|s| s.hd95_mm)));
    }
    let scored = |values: &[Option<f64>]| mean(values.iter().filter(|v| v.is_some()).copied());
    summary.dice = scored(&summary.per_class_dice);
    summary.hd95_vox = scored(&summary.per_class_hd95_vox);
    summary.hd95_mm = scored(&hd95_mm);
    let by_case: Vec<f64> = cases
        .iter()
        .filter_map(|case| mean(case.classes.iter().filter_map(&of).map(|s| Some(s.dice))))
        .collect();
    summary.dice_interval = mean_interval(&by_case, RESAMPLES, 0);
    summary
}

/// The mean; `None` where there are no values, or one of them is unknown.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
