//! The saved records sorted for reading, and what the tables and plots ask of them.

use fastersam_records::{
    BenchRecord, EvaluationRecord, Provenance, Record, SliceRecord, ThroughputRecord, TrainingRecord,
};

use crate::scores::{Protocol, scores};
use crate::settings;

/// All records, by kind, in the order in which they are printed.
#[derive(Debug, Default)]
pub struct Results {
    pub evaluations: Vec<EvaluationRecord>,
    pub throughputs: Vec<ThroughputRecord>,
    pub slices: Vec<SliceRecord>,
    pub trainings: Vec<TrainingRecord>,
    pub benches: Vec<BenchRecord>,
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
                Record::Bench(record) => results.benches.push(*record),
            }
        }
        results.complete_costs();
        let best: Vec<(String, f64)> =
            results.evaluations.iter().map(|record| (record.method.clone(), dice(record))).collect();
        let rank = |method: &str| {
            best.iter().filter(|(name, _)| name == method).map(|(_, dice)| *dice).fold(f64::NEG_INFINITY, f64::max)
        };
        let by_method = |a: &str, b: &str| rank(a).total_cmp(&rank(b)).then_with(|| a.cmp(b));
        results.evaluations.sort_by(|a, b| {
            (&a.dataset, split_order(&a.split), &a.split)
                .cmp(&(&b.dataset, split_order(&b.split), &b.split))
                .then_with(|| by_method(&a.method, &b.method))
                .then_with(|| settings::order(&a.pause, saved(a), &b.pause, saved(b)))
                .then_with(|| a.experiment.cmp(&b.experiment))
        });
        let saved = |record: &ThroughputRecord| record.cost.as_ref().map_or(0.0, |cost| cost.encoder_macs_saved);
        results.throughputs.sort_by(|a, b| {
            (&a.dataset, a.scope, a.batch_size, a.input_size)
                .cmp(&(&b.dataset, b.scope, b.batch_size, b.input_size))
                .then_with(|| by_method(&a.method, &b.method))
                .then_with(|| a.provenance.device.cmp(&b.provenance.device))
                .then_with(|| settings::order(&a.pause, saved(a), &b.pause, saved(b)))
                .then_with(|| a.experiment.cmp(&b.experiment))
        });
        results.slices.sort_by(|a, b| {
            (&a.dataset, &a.case, a.slice, &a.method)
                .cmp(&(&b.dataset, &b.case, b.slice, &b.method))
                .then_with(|| settings::order(&a.pause, paused_share(a), &b.pause, paused_share(b)))
        });
        results
            .trainings
            .sort_by(|a, b| (&a.dataset, &a.method, &a.experiment).cmp(&(&b.dataset, &b.method, &b.experiment)));
        results.benches.sort_by(|a, b| a.experiment.cmp(&b.experiment));
        results
    }

    /// Speeds that were recorded without a cost get that of the same setting's evaluation.
    fn complete_costs(&mut self) {
        let evaluations = &self.evaluations;
        for speed in self.throughputs.iter_mut().filter(|speed| speed.cost.is_none()) {
            let same = |record: &&EvaluationRecord| {
                record.method == speed.method
                    && record.dataset == speed.dataset
                    && settings::is_same(&record.pause, &speed.pause)
            };
            let costs = evaluations.iter().filter(same).min_by_key(|record| split_order(&record.split));
            speed.cost = costs.and_then(|record| record.cost.clone());
        }
    }

    /// The data sets and splits with scores, the test split first.
    pub fn evaluated(&self) -> Vec<(String, String)> {
        let mut sets: Vec<(String, String)> =
            self.evaluations.iter().map(|record| (record.dataset.clone(), record.split.clone())).collect();
        sets.dedup();
        sets
    }

    /// Whether this is the first split of its data set, which the pictures go with.
    pub fn is_main_split(&self, dataset: &str, split: &str) -> bool {
        self.evaluated().iter().find(|(name, _)| name == dataset).is_some_and(|(_, first)| first == split)
    }

    /// The scores on one split.
    pub fn evaluations_on(&self, dataset: &str, split: &str) -> Vec<&EvaluationRecord> {
        self.evaluations.iter().filter(|record| record.dataset == dataset && record.split == split).collect()
    }

    /// The lead paragraph of a data set.
    pub fn describe(&self, records: &[&EvaluationRecord]) -> String {
        let cases = records.iter().map(|record| record.summary.n_cases).max().unwrap_or(0);
        let note = records.iter().find_map(|record| record.dataset_note.clone());
        let note = note.map_or_else(String::new, |note| format!(" Note: {note}."));
        let classes = records.first().map(|record| record.class_names.join(", ")).unwrap_or_default();
        let volumes = if cases == 1 { "volume" } else { "volumes" };
        format!(
            "{cases} {volumes}, predicted slice by slice and scored as whole volumes. Classes: {classes}.{note}"
        )
    }

    /// The speed that belongs to a score: same method, data set and setting; measured on the same device where there is
    /// one, then from network input to logits, then with the largest batch.
    pub fn throughput_of(&self, record: &EvaluationRecord) -> Option<&ThroughputRecord> {
        let same = |speed: &&ThroughputRecord| {
            speed.method == record.method
                && speed.dataset == record.dataset
                && settings::is_same(&speed.pause, &record.pause)
        };
        self.throughputs.iter().filter(same).min_by_key(|speed| {
            let is_elsewhere = speed.provenance.device != record.provenance.device;
            (is_elsewhere, speed.scope, std::cmp::Reverse(speed.batch_size), speed.input_size)
        })
    }

    /// The speed without pausing that a speed is compared with in print: same method, data set, scope, batch, input and device. Where
    /// it was measured again since, the ratio of the two printed numbers is not that of one measurement.
    pub fn never_of_speed(&self, speed: &ThroughputRecord) -> Option<&ThroughputRecord> {
        let key = |speed: &ThroughputRecord| (speed.scope, speed.batch_size, speed.input_size);
        self.throughputs.iter().find(|other| {
            other.pause.is_never()
                && (&other.method, &other.dataset) == (&speed.method, &speed.dataset)
                && other.pause.pause_points == speed.pause.pause_points
                && other.experiment == speed.experiment
                && other.provenance.device == speed.provenance.device
                && key(other) == key(speed)
        })
    }

    /// Times as fast as without pausing: the ratio of the two speeds that are printed, or else what the record says.
    pub fn speed_up(&self, speed: &ThroughputRecord) -> f64 {
        let never = self.never_of_speed(speed).filter(|never| never.slices_per_s > 0.0);
        never.map_or(speed.speed_up_over_never, |never| speed.slices_per_s / never.slices_per_s)
    }

    /// Said where some speeds were not measured in the same run as those without pausing beside them.
    pub fn about_speed_ups<'a>(&self, speeds: impl IntoIterator<Item = &'a ThroughputRecord>) -> Option<String> {
        /// The record's own ratio is of the same medians, but for rounding.
        const SAME: f64 = 5e-3;
        let is_apart = |speed: &ThroughputRecord| {
            (self.speed_up(speed) - speed.speed_up_over_never).abs() > SAME * speed.speed_up_over_never
        };
        speeds.into_iter().any(is_apart).then(|| {
            "Some speeds without pausing were measured again, in another run than the speeds beside them: these speed-ups are \
             ratios of two runs."
                .to_owned()
        })
    }

    /// Every provenance.
    pub fn provenances(&self) -> impl Iterator<Item = &Provenance> {
        let evaluations = self.evaluations.iter().map(|record| &record.provenance);
        let throughputs = self.throughputs.iter().map(|record| &record.provenance);
        let trainings = self.trainings.iter().map(|record| &record.provenance);
        let slices = self.slices.iter().map(|record| &record.provenance);
        let benches = self.benches.iter().map(|record| &record.provenance);
        evaluations.chain(throughputs).chain(trainings).chain(slices).chain(benches)
    }
}

/// The score that methods are ordered by, in [0, 1].
fn dice(record: &EvaluationRecord) -> f64 {
    scores(record, Protocol::TransUnet).dice.unwrap_or(0.0)
}

fn saved(record: &EvaluationRecord) -> f64 {
    record.cost.as_ref().map_or(0.0, |cost| cost.encoder_macs_saved)
}

fn paused_share(record: &SliceRecord) -> f64 {
    record.paused_after.iter().filter(|point| **point > 0).count() as f64
}

fn split_order(split: &str) -> usize {
    match split {
        "test" => 0,
        "train" => 3,
        split if split.starts_with("valid") => 2,
        _ => 1,
    }
}
