//! Two runs on the same cases, compared case by case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::MetricsError;
use crate::protocol::{CaseScores, ClassScore, ProtocolScore};
use crate::statistics::{Comparison, compare_paired};
use crate::summary::{Table, mean};

/// One measure of two runs, second minus first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureComparison {
    /// Of each case's mean over its classes; `None` where no case is scored in both runs.
    pub mean: Option<Comparison>,
    /// Of each class, from class 1 on.
    pub per_class: Vec<Option<Comparison>>,
    /// Number of cases left out of each class: those that one of the runs leaves out.
    pub left_out: Vec<usize>,
}

/// Two runs under one protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolComparison {
    /// Dice: a positive difference means that the second run is better.
    pub dice: MeasureComparison,
    /// HD95 in voxels: a negative difference means that the second run is better.
    pub hd95_vox: MeasureComparison,
}

/// Two runs on the same cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunComparison {
    /// What the papers print.
    pub transunet: ProtocolComparison,
    /// Missed and invented organs count.
    pub strict: ProtocolComparison,
    /// Number of cases.
    pub n_cases: usize,
}

/// Compares the run `b` with the run `a`. Cases are paired by their names, whatever their order is.
///
/// # Errors
/// Where a run is empty, or has a case or a class that the other one lacks, or a case twice.
pub fn compare_runs(
    a: &[CaseScores],
    b: &[CaseScores],
    resamples: usize,
    seed: u64,
) -> Result<RunComparison, MetricsError> {
    let paired = pair(a, b)?;
    let protocol = |of: fn(&ClassScore) -> Option<ProtocolScore>| -> Result<ProtocolComparison, MetricsError> {
        let compare = |value: fn(ProtocolScore) -> f64| {
            let of = |score: &ClassScore| of(score).map(value);
            compare_tables(&Table::new(a, of), &Table::new(&paired, of), resamples, seed)
        };
        Ok(ProtocolComparison { dice: compare(|s| s.dice)?, hd95_vox: compare(|s| s.hd95_vox)? })
    };
    Ok(RunComparison {
        transunet: protocol(|score| Some(score.transunet))?,
        strict: protocol(|score| score.strict)?,
        n_cases: a.len(),
    })
}

/// The cases of `b` in the order of `a`.
fn pair(a: &[CaseScores], b: &[CaseScores]) -> Result<Vec<CaseScores>, MetricsError> {
    let unpaired = |reason: String| Err(MetricsError::Unpaired(reason));
    let mut by_name: BTreeMap<&str, &CaseScores> = BTreeMap::new();
    for case in b {
        if by_name.insert(&case.case, case).is_some() {
            return unpaired(format!("the second run has the case {:?} twice", case.case));
        }
    }
    let mut paired = Vec::with_capacity(a.len());
    for case in a {
        let Some(other) = by_name.remove(case.case.as_str()) else {
            return unpaired(format!("the second run has no (or no second) case {:?}", case.case));
        };
        if other.classes.len() != case.classes.len() {
            let (n, m) = (case.classes.len(), other.classes.len());
            return unpaired(format!("the case {:?} has {n} classes and {m}", case.case));
        }
        paired.push(other.clone());
    }
    match by_name.into_keys().next() {
        Some(case) => unpaired(format!("the first run has no case {case:?}")),
        None if a.is_empty() => unpaired("they have no cases".to_owned()),
        None => Ok(paired),
    }
}

fn compare_tables(a: &Table, b: &Table, resamples: usize, seed: u64) -> Result<MeasureComparison, MetricsError> {
    let compare = |pairs: Vec<(f64, f64)>| {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        if a.is_empty() { Ok(None) } else { compare_paired(&a, &b, resamples, seed).map(Some) }
    };
    let columns = || (0..a.n_classes()).map(|class| a.column(class).zip(b.column(class)).map(|(a, b)| a.zip(b)));
    let rows = (0..a.n_cases()).map(|case| {
        let pairs = || a.row(case).zip(b.row(case)).map(|(a, b)| a.zip(b));
        mean(pairs().map(|pair| Some(pair?.0))).zip(mean(pairs().map(|pair| Some(pair?.1))))
    });
    Ok(MeasureComparison {
        mean: compare(rows.flatten().collect())?,
        per_class: columns().map(|pairs| compare(pairs.flatten().collect())).collect::<Result<_, _>>()?,
        left_out: columns().map(|pairs| pairs.filter(Option::is_none).count()).collect(),
    })
}
