//! The saved records sorted for reading, and what the tables and plots ask of them.

use std::cmp::Ordering;

use crate::record::{
    EvaluationRecord, PauseRecord, Provenance, Record, Scope, SliceRecord, ThroughputRecord,
    TrainingRecord,
};

pub(super) use crate::record::slug;

/// All records, by kind, in the order in which they are printed.
#[derive(Debug, Default)]
pub struct Results {
    pub evaluations: Vec<EvaluationRecord>,
    pub throughputs: Vec<ThroughputRecord>,
    pub slices: Vec<SliceRecord>,
    pub trainings: Vec<TrainingRecord>,
}

impl Results {
    /// Sorts the records: by data set, methods from the lowest score to the highest, then by pause points,
    /// then settings from `never` to the most saved.
    pub fn new(records: Vec<Record>) -> Self {
        let mut results = Self::default();
        for record in records {
            match record {
                Record::Evaluation(record) => results.evaluations.push(*record),
                Record::Throughput(record) => results.throughputs.push(*record),
                Record::Slice(record) => results.slices.push(*record),
                Record::Training(record) => results.trainings.push(*record),
            }
        }
        results.complete_costs();
        let best: Vec<(String, f64)> = results
            .evaluations
            .iter()
            .map(|record| (record.method.clone(), dice(record)))
            .collect();
        let rank = |method: &str| {
            best.iter()
                .filter(|(name, _)| name == method)
                .map(|(_, dice)| *dice)
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let by_method = |a: &str, b: &str| rank(a).total_cmp(&rank(b)).then_with(|| a.cmp(b));
        results.evaluations.sort_by(|a, b| {
            (&a.dataset, split_order(&a.split), &a.split)
                .cmp(&(&b.dataset, split_order(&b.split), &b.split))
                .then_with(|| by_method(&a.method, &b.method))
                .then_with(|| setting_order(&a.pause, saved(a), &b.pause, saved(b)))
                .then_with(|| a.experiment.cmp(&b.experiment))
        });
        let saved = |record: &ThroughputRecord| {
            record
                .cost
                .as_ref()
                .map_or(0.0, |cost| cost.encoder_macs_saved)
        };
        results.throughputs.sort_by(|a, b| {
            (&a.dataset, a.scope, a.batch_size, a.input_size)
                .cmp(&(&b.dataset, b.scope, b.batch_size, b.input_size))
                .then_with(|| by_method(&a.method, &b.method))
                .then_with(|| setting_order(&a.pause, saved(a), &b.pause, saved(b)))
                .then_with(|| a.experiment.cmp(&b.experiment))
        });
        results.slices.sort_by(|a, b| {
            (&a.dataset, &a.case, a.slice, &a.method)
                .cmp(&(&b.dataset, &b.case, b.slice, &b.method))
                .then_with(|| setting_order(&a.pause, paused_share(a), &b.pause, paused_share(b)))
        });
        results.trainings.sort_by(|a, b| {
            (&a.dataset, &a.method, &a.experiment).cmp(&(&b.dataset, &b.method, &b.experiment))
        });
        results
    }

    /// Speeds that were recorded without a cost get that of the same setting's evaluation.
    fn complete_costs(&mut self) {
        let evaluations = &self.evaluations;
        for speed in self
            .throughputs
            .iter_mut()
            .filter(|speed| speed.cost.is_none())
        {
            let same = |record: &&EvaluationRecord| {
                record.method == speed.method
                    && record.dataset == speed.dataset
                    && same_setting(&record.pause, &speed.pause)
            };
            let costs = evaluations
                .iter()
                .filter(same)
                .min_by_key(|record| split_order(&record.split));
            speed.cost = costs.and_then(|record| record.cost.clone());
        }
    }

    /// The data sets and splits with scores, the test split first.
    pub fn evaluated(&self) -> Vec<(String, String)> {
        let mut sets: Vec<(String, String)> = self
            .evaluations
            .iter()
            .map(|record| (record.dataset.clone(), record.split.clone()))
            .collect();
        sets.dedup();
        sets
    }

    /// Whether this is the first split of its data set, which the pictures go with.
    pub fn is_main_split(&self, dataset: &str, split: &str) -> bool {
        self.evaluated()
            .iter()
            .find(|(name, _)| name == dataset)
            .is_some_and(|(_, first)| first == split)
    }

    /// The scores on one split.
    pub fn evaluations_on(&self, dataset: &str, split: &str) -> Vec<&EvaluationRecord> {
        self.evaluations
            .iter()
            .filter(|record| record.dataset == dataset && record.split == split)
            .collect()
    }

    /// The lead paragraph of a data set.
    pub fn describe(&self, records: &[&EvaluationRecord]) -> String {
        let cases = records
            .iter()
            .map(|record| record.summary.n_cases)
            .max()
            .unwrap_or(0);
        let note = records
            .iter()
            .find_map(|record| record.dataset_note.clone());
        let note = note.map_or_else(String::new, |note| format!(" Note: {note}."));
        let classes = records
            .first()
            .map(|record| record.class_names.join(", "))
            .unwrap_or_default();
        format!(
            "{cases} volumes, scored whole after slice-wise prediction. Classes: {classes}.{note}"
        )
    }

    /// The speed that belongs to a score: same method, data set and setting; measured from network input
    /// to logits where there is one, then with the largest batch.
    pub fn throughput_of(&self, record: &EvaluationRecord) -> Option<&ThroughputRecord> {
        let same = |speed: &&ThroughputRecord| {
            speed.method == record.method
                && speed.dataset == record.dataset
                && same_setting(&speed.pause, &record.pause)
        };
        self.throughputs.iter().filter(same).min_by_key(|speed| {
            (
                speed.scope,
                std::cmp::Reverse(speed.batch_size),
                speed.input_size,
            )
        })
    }

    /// Every provenance.
    pub fn provenances(&self) -> impl Iterator<Item = &Provenance> {
        let evaluations = self.evaluations.iter().map(|record| &record.provenance);
        let throughputs = self.throughputs.iter().map(|record| &record.provenance);
        let trainings = self.trainings.iter().map(|record| &record.provenance);
        let slices = self.slices.iter().map(|record| &record.provenance);
        evaluations
            .chain(throughputs)
            .chain(trainings)
            .chain(slices)
    }
}

/// The settings of one checkpoint: records that agree in method and pause points. A method that was
/// evaluated at one setting only (a baseline, an untrained model) is no sweep.
pub fn sweeps<'a>(records: &[&'a EvaluationRecord]) -> Vec<Vec<&'a EvaluationRecord>> {
    let mut sweeps: Vec<Vec<&EvaluationRecord>> = Vec::new();
    for record in records
        .iter()
        .copied()
        .filter(|record| record.tokens.is_some() && !record.pause.pause_points.is_empty())
    {
        let same = |sweep: &&mut Vec<&EvaluationRecord>| {
            sweep[0].method == record.method
                && sweep[0].pause.pause_points == record.pause.pause_points
        };
        match sweeps.iter_mut().find(same) {
            Some(sweep) => sweep.push(record),
            None => sweeps.push(vec![record]),
        }
    }
    sweeps.retain(|sweep| sweep.len() > 1);
    sweeps
}

/// The score that methods are ordered by, in [0, 1].
pub fn dice(record: &EvaluationRecord) -> f64 {
    super::scores::scores(record, super::scores::Protocol::TransUnet)
        .dice
        .unwrap_or(0.0)
}

/// The `never` record with the same checkpoint, split and pause points.
pub fn never_of<'a>(
    record: &EvaluationRecord,
    among: &[&'a EvaluationRecord],
) -> Option<&'a EvaluationRecord> {
    let same = |other: &&EvaluationRecord| {
        other.method == record.method
            && other.pause.pause_points == record.pause.pause_points
            && is_never(&other.pause)
    };
    among.iter().copied().find(same)
}

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

/// What the tables call a list of pause points: `stage 0, blocks 2, 4`.
pub fn points(pause: &PauseRecord) -> String {
    let blocks: Vec<String> = pause
        .pause_points
        .iter()
        .filter(|point| **point > 0)
        .map(ToString::to_string)
        .collect();
    let blocks = match blocks.len() {
        0 => None,
        1 => Some(format!("block {}", blocks[0])),
        _ => Some(format!("blocks {}", blocks.join(", "))),
    };
    let stage_zero = pause
        .pause_points
        .contains(&0)
        .then(|| "stage 0".to_owned());
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

fn same_setting(a: &PauseRecord, b: &PauseRecord) -> bool {
    (
        &a.pause_points,
        &a.label,
        &a.policy,
        &a.values,
        &a.criterion,
        &a.context,
    ) == (
        &b.pause_points,
        &b.label,
        &b.policy,
        &b.values,
        &b.criterion,
        &b.context,
    )
}

fn saved(record: &EvaluationRecord) -> f64 {
    record
        .cost
        .as_ref()
        .map_or(0.0, |cost| cost.encoder_macs_saved)
}

fn paused_share(record: &SliceRecord) -> f64 {
    record
        .paused_after
        .iter()
        .filter(|point| **point > 0)
        .count() as f64
}

fn setting_order(a: &PauseRecord, a_saved: f64, b: &PauseRecord, b_saved: f64) -> Ordering {
    // Pausing after the blocks, the paper's own, stands before the variant with stage 0.
    let key = |pause: &PauseRecord| (pause.pause_points.contains(&0), pause.pause_points.clone());
    let rest = |pause: &PauseRecord| {
        (
            pause.criterion.clone(),
            pause.context.clone(),
            pause.label.clone(),
        )
    };
    key(a)
        .cmp(&key(b))
        .then_with(|| is_never(b).cmp(&is_never(a)))
        .then_with(|| a_saved.total_cmp(&b_saved))
        .then_with(|| rest(a).cmp(&rest(b)))
}

fn split_order(split: &str) -> usize {
    match split {
        "test" => 0,
        "train" => 3,
        split if split.starts_with("valid") => 2,
        _ => 1,
    }
}

/// How a scope is named on an axis.
pub fn scope(scope: Scope, batch_size: usize) -> String {
    format!("{scope}, batch {batch_size}")
}
