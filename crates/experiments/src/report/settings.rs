//! Pause settings as the report sees them: their names, their order, and the sweeps that they form.

use std::cmp::Ordering;

use crate::record::{EvaluationRecord, PauseRecord, TokenRecord};

/// Whether no token pauses.
pub fn is_never(pause: &PauseRecord) -> bool {
    pause.policy == "never"
}

/// What the tables call a setting.
pub fn setting(pause: &PauseRecord) -> String {
    let mut label = pause.label.clone();
    if !is_never(pause) && pause.criterion != "entropy" {
        label = format!("{label}, {}", pause.criterion.replace('_', " "));
    }
    if pause.context != "none" {
        label = format!("{label}, context {}", pause.context.replace('_', " "));
    }
    label
}

/// Whether stage 0 is a pause point of the checkpoint, but switched off by this setting.
fn leaves_out_stage_zero(pause: &PauseRecord) -> bool {
    let first = (pause.pause_points.first(), pause.values.first());
    match (pause.policy.as_str(), first) {
        ("threshold", (Some(0), Some(tau))) => *tau <= 0.0,
        ("keep_ratio", (Some(0), Some(ratio))) => *ratio >= 1.0,
        _ => false,
    }
}

/// The pause points in use: those of the checkpoint, without stage 0 where the setting switches it off.
/// `never` has all of its checkpoint's.
pub fn points_in_use(pause: &PauseRecord) -> &[usize] {
    &pause.pause_points[usize::from(leaves_out_stage_zero(pause))..]
}

/// What the tables call a list of pause points: `stage 0 + blocks 2, 4`.
pub fn points(points: &[usize]) -> String {
    let blocks: Vec<String> = points
        .iter()
        .filter(|point| **point > 0)
        .map(ToString::to_string)
        .collect();
    let blocks = match blocks.len() {
        0 => None,
        1 => Some(format!("block {}", blocks[0])),
        _ => Some(format!("blocks {}", blocks.join(", "))),
    };
    let stage_zero = points.contains(&0).then(|| "stage 0".to_owned());
    let parts: Vec<String> = stage_zero.into_iter().chain(blocks).collect();
    if parts.is_empty() {
        "none".into()
    } else {
        parts.join(" + ")
    }
}

/// What a figure calls one pause point.
pub fn point(point: usize) -> String {
    if point == 0 {
        "stage 0".into()
    } else {
        format!("block {point}")
    }
}

/// Whether two records are of the same setting; which of them is recommended makes no difference.
pub fn is_same(a: &PauseRecord, b: &PauseRecord) -> bool {
    let key = |pause: &PauseRecord| PauseRecord {
        recommended: false,
        chosen_on: None,
        ..pause.clone()
    };
    key(a) == key(b)
}

/// The order in print: by checkpoint, `never` first, pausing after the blocks (the paper's own) before
/// pausing with stage 0, then by what is saved.
pub fn order(a: &PauseRecord, a_saved: f64, b: &PauseRecord, b_saved: f64) -> Ordering {
    let key = |pause: &PauseRecord| {
        let with_stage_zero = points_in_use(pause).contains(&0);
        (
            pause.pause_points.clone(),
            !is_never(pause),
            with_stage_zero,
        )
    };
    let names = |pause: &PauseRecord| {
        (
            pause.criterion.clone(),
            pause.context.clone(),
            pause.label.clone(),
        )
    };
    // A checkpoint without stage 0 stands before one with it.
    let rank = |pause: &PauseRecord| pause.pause_points.contains(&0);
    rank(a)
        .cmp(&rank(b))
        .then_with(|| key(a).cmp(&key(b)))
        .then_with(|| a_saved.total_cmp(&b_saved))
        .then_with(|| names(a).cmp(&names(b)))
}

/// The settings of one checkpoint that pause at the same points, from `never` on.
#[derive(Clone, Debug)]
pub struct Sweep<'a> {
    /// The pause points in use.
    pub points: &'a [usize],
    /// The records in the order of print.
    pub records: Vec<&'a EvaluationRecord>,
}

impl Sweep<'_> {
    /// Row label of the method.
    pub fn method(&self) -> &str {
        &self.records[0].method
    }
}

/// The sweeps among the records of one split. A method that was evaluated at one setting only (a
/// baseline, an untrained model) is no sweep; a `never` record begins each sweep of its checkpoint.
pub fn sweeps<'a>(records: &[&'a EvaluationRecord]) -> Vec<Sweep<'a>> {
    let mut sweeps: Vec<Sweep<'_>> = Vec::new();
    let pausing = records
        .iter()
        .copied()
        .filter(|record| !is_never(&record.pause));
    for record in pausing.filter(|record| record.tokens.is_some()) {
        let points = points_in_use(&record.pause);
        let same = |sweep: &&mut Sweep<'_>| {
            sweep.points == points
                && sweep.method() == record.method
                && sweep.records[0].pause.pause_points == record.pause.pause_points
        };
        match sweeps.iter_mut().find(same) {
            Some(sweep) => sweep.records.push(record),
            None => {
                let never = never_of(record, records);
                sweeps.push(Sweep {
                    points,
                    records: never.into_iter().chain([record]).collect(),
                });
            }
        }
    }
    sweeps
}

/// The `never` record with the same checkpoint, split and pause points.
pub fn never_of<'a>(
    record: &EvaluationRecord,
    among: &[&'a EvaluationRecord],
) -> Option<&'a EvaluationRecord> {
    among.iter().copied().find(|other| {
        is_never(&other.pause)
            && other.method == record.method
            && other.pause.pause_points == record.pause.pause_points
    })
}

/// Share of active tokens and accuracy of the head, each at the given points; `None` where unknown.
pub fn at_points(
    pause: &PauseRecord,
    tokens: &TokenRecord,
    points: &[usize],
) -> Vec<(Option<f64>, Option<f64>)> {
    let place = |point: &usize| pause.pause_points.iter().position(|other| other == point);
    let values = points.iter().map(|point| {
        let place = place(point)?;
        let share = tokens.active_share_after_stage.get(place).copied();
        Some((
            share,
            tokens.head_accuracy_on_paused.get(place).copied().flatten(),
        ))
    });
    values.map(Option::unwrap_or_default).collect()
}
