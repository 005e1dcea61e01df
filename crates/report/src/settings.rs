//! Pause settings as the report sees them: their names, their order, and the sweeps that they form.

use std::cmp::Ordering;

use fastersam_records::{EvaluationRecord, PauseRecord};

use crate::names::points;
use crate::table::Cell;

/// Whether two records are of the same setting; which of them is recommended makes no difference.
pub fn is_same(a: &PauseRecord, b: &PauseRecord) -> bool {
    (&a.pause_points, &a.settings) == (&b.pause_points, &b.settings)
}

/// The order in print: `never` first, pausing after the blocks (the paper's own) before pausing with stage 0, then by
/// what is saved.
pub fn order(a: &PauseRecord, a_saved: f64, b: &PauseRecord, b_saved: f64) -> Ordering {
    let key = |pause: &PauseRecord| {
        let points = pause.used_points();
        (points.contains(&0), points)
    };
    key(a).cmp(&key(b)).then_with(|| a_saved.total_cmp(&b_saved)).then_with(|| a.label().cmp(&b.label()))
}

/// The pause points that a setting uses, as a cell of a table.
pub fn used_points(pause: &PauseRecord) -> Cell {
    if pause.is_never() { Cell::Missing } else { Cell::Text(points(&pause.used_points())) }
}

/// Those of `values`, one a pause point of the model, that belong to `points`.
pub fn at_points<T: Copy>(pause: &PauseRecord, values: &[T], points: &[usize]) -> Vec<T> {
    let all = pause.pause_points.iter().zip(values);
    all.filter(|(point, _)| points.contains(point)).map(|(_, value)| *value).collect()
}

/// The settings of one method that pause at the same points, in the order of print.
#[derive(Clone, Debug)]
pub struct Sweep<'a> {
    /// `never`, then the settings that pause.
    pub records: Vec<&'a EvaluationRecord>,
    points: Vec<usize>,
}

impl Sweep<'_> {
    /// Row label of the method.
    pub fn method(&self) -> &str {
        &self.records[0].method
    }

    /// The pause points.
    pub fn points(&self) -> &[usize] {
        &self.points
    }
}

/// The sweeps among the records of one split, each with the method's `never` before it. A method that was evaluated at
/// one setting only (a baseline, an untrained model) is no sweep.
pub fn sweeps<'a>(records: &[&'a EvaluationRecord]) -> Vec<Sweep<'a>> {
    let mut sweeps: Vec<Sweep<'_>> = Vec::new();
    for record in records.iter().copied().filter(|record| record.tokens.is_some() && !record.pause.is_never()) {
        let points = record.pause.used_points();
        match sweeps.iter_mut().find(|sweep| sweep.method() == record.method && sweep.points == points) {
            Some(sweep) => sweep.records.push(record),
            None => {
                let never = never_of(record, records);
                sweeps.push(Sweep { records: never.into_iter().chain([record]).collect(), points });
            }
        }
    }
    sweeps.retain(|sweep| sweep.records.len() > 1);
    sweeps
}

/// The `never` record of the same method.
pub fn never_of<'a>(record: &EvaluationRecord, among: &[&'a EvaluationRecord]) -> Option<&'a EvaluationRecord> {
    among.iter().copied().find(|other| {
        other.pause.is_never()
            && other.method == record.method
            && other.pause.pause_points == record.pause.pause_points
    })
}

/// What the recommended settings among the records were chosen on, a note for each list of cases.
pub fn chosen_on(records: &[&EvaluationRecord]) -> Vec<String> {
    let mut cases: Vec<_> = records.iter().filter_map(|record| record.pause.recommended.as_ref()).collect();
    cases.sort_by(|a, b| (&a.cases, a.trained_on).cmp(&(&b.cases, b.trained_on)));
    cases.dedup();
    let note = |cases: &fastersam_records::CalibrationCases| {
        let flatters = if cases.trained_on {
            " The model was also trained on these cases, so the scores behind the choice are optimistic."
        } else {
            ""
        };
        format!("The recommended setting was chosen on {}.{flatters}", cases.cases)
    };
    cases.into_iter().map(note).collect()
}
