//! Pause settings as the report sees them: their names, their order, and the sweeps that they form.

use std::cmp::Ordering;

use fastersam_records::{EvaluationRecord, PauseRecord};

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

/// Whether two records are of the same setting; which of them is recommended makes no difference.
pub fn is_same(a: &PauseRecord, b: &PauseRecord) -> bool {
    let key = |pause: &PauseRecord| PauseRecord { recommended: false, chosen_on: None, ..pause.clone() };
    key(a) == key(b)
}

/// The order in print: pausing after the blocks (the paper's own) before pausing with stage 0, `never`
/// first, then by what is saved.
pub fn order(a: &PauseRecord, a_saved: f64, b: &PauseRecord, b_saved: f64) -> Ordering {
    let key = |pause: &PauseRecord| {
        let points = pause.pause_points.clone();
        (points.contains(&0), points, !is_never(pause))
    };
    let names = |pause: &PauseRecord| (pause.criterion.clone(), pause.context.clone(), pause.label.clone());
    key(a).cmp(&key(b)).then_with(|| a_saved.total_cmp(&b_saved)).then_with(|| names(a).cmp(&names(b)))
}

/// The settings of one method that pause at the same points, in the order of print.
#[derive(Clone, Debug)]
pub struct Sweep<'a> {
    /// The records, at least two.
    pub records: Vec<&'a EvaluationRecord>,
}

impl Sweep<'_> {
    /// Row label of the method.
    pub fn method(&self) -> &str {
        &self.records[0].method
    }

    /// The pause points.
    pub fn points(&self) -> &[usize] {
        &self.records[0].pause.pause_points
    }
}

/// The sweeps among the records of one split. A method that was evaluated at one setting only (a
/// baseline, an untrained model) is no sweep.
pub fn sweeps<'a>(records: &[&'a EvaluationRecord]) -> Vec<Sweep<'a>> {
    let mut sweeps: Vec<Sweep<'_>> = Vec::new();
    let with_points =
        |record: &&EvaluationRecord| record.tokens.is_some() && !record.pause.pause_points.is_empty();
    for record in records.iter().copied().filter(with_points) {
        let same = |sweep: &&mut Sweep<'_>| {
            sweep.method() == record.method && sweep.points() == record.pause.pause_points
        };
        match sweeps.iter_mut().find(same) {
            Some(sweep) => sweep.records.push(record),
            None => sweeps.push(Sweep { records: vec![record] }),
        }
    }
    sweeps.retain(|sweep| sweep.records.len() > 1);
    sweeps
}

/// The `never` record of the same method and pause points.
pub fn never_of<'a>(record: &EvaluationRecord, among: &[&'a EvaluationRecord]) -> Option<&'a EvaluationRecord> {
    among.iter().copied().find(|other| {
        is_never(&other.pause)
            && other.method == record.method
            && other.pause.pause_points == record.pause.pause_points
    })
}
