#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod bench;
mod files;
pub mod regression;
#[cfg(feature = "samples")]
pub mod samples;
mod training;

use fastersam_metrics::{CaseScores, Summary};
pub use fastersam_pause::{CalibrationCases, PauseSettings};
use serde::{Deserialize, Serialize};

pub use bench::{
    BenchDice, BenchExecution, BenchLaunches, BenchRecord, BenchRow, BenchScope, EndToEnd, EndToEndRow,
    PeerVersions, ProductRow, Program, quantile,
};
pub use files::{RECORD_SCHEMA, RecordError, has_records, read_records, remove_records, slug, write_record};
pub use training::{EPOCH_COLUMNS, EpochRow, TrainingRecord};

/// Said wherever a result is printed, in one line.
pub const NOTICE: &str = "FasterSAM reconstructed from the paper's abstract; not the authors' code.";

/// Where a result comes from: enough to make it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The resolved configuration, defaults included.
    pub config: serde_json::Value,
    /// Seed of every random draw.
    pub seed: u64,
    /// SHA-256 (hex) of the data set's manifest.
    pub data_manifest_sha256: String,
    /// SHA-256 (hex) of the weights; `None` for a method without a weight file.
    pub weights_sha256: Option<String>,
    /// SHA-256 (hex) of the pre-trained weights that the model was tuned on, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone_sha256: Option<String>,
    /// SHA-256 (hex) of the pre-trained weights that its decoder started from, if these were others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_sha256: Option<String>,
    /// Commit of the source tree; `unknown` outside a checkout.
    pub commit: String,
    /// Version of this project.
    pub version: String,
    /// Version of burn.
    pub burn_version: String,
    /// Device by name; a GPU with its hardware and the numbers that it computed with: `flex`, `cuda:0 (NVIDIA H100, bf16)`.
    pub device: String,
    /// Number of threads.
    pub threads: usize,
    /// Processor, as the operating system names it.
    pub cpu: String,
    /// When the record was made, RFC 3339 in UTC.
    pub date: String,
}

/// A pause setting of one checkpoint: one point of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRecord {
    /// The model's pause points: 0 is stage 0, `k` is after block `k` (1-based). Empty for a method without pausing.
    pub pause_points: Vec<usize>,
    /// The settings as the encoder was given them.
    pub settings: PauseSettings,
    /// What the setting was chosen on, where it is the one that is recommended for its checkpoint.
    pub recommended: Option<CalibrationCases>,
}

impl PauseRecord {
    /// The policy `never` on a model with these pause points.
    #[must_use]
    pub fn never(pause_points: &[usize]) -> Self {
        Self { pause_points: pause_points.to_vec(), ..Self::default() }
    }

    /// What the tables call the setting: `never`, `threshold 0.02`, ...
    #[must_use]
    pub fn label(&self) -> String {
        self.settings.label(&self.pause_points)
    }

    /// The pause points at which something can pause.
    #[must_use]
    pub fn used_points(&self) -> Vec<usize> {
        self.settings.used_points(&self.pause_points)
    }

    /// Whether nothing can pause.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.used_points().is_empty()
    }
}

/// Where the tokens were while the split was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// Tokens of one image.
    pub n_tokens: usize,
    /// Share of all tokens still active after each of the model's pause points, in [0, 1].
    pub active_share_after_stage: Vec<f64>,
    /// Accuracy of each of these points' heads on the tokens that paused there, in [0, 1]; `None` where none
    /// paused.
    pub head_accuracy_on_paused: Vec<Option<f64>>,
}

/// What one slice costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRecord {
    /// Multiply-accumulates of the encoder per slice, in 1e9.
    pub encoder_gmacs: f64,
    /// Multiply-accumulates of the whole model per slice, in 1e9.
    pub model_gmacs: f64,
    /// Share of the encoder's multiply-accumulates saved against `never`, in [0, 1].
    pub encoder_macs_saved: f64,
    /// All parameters.
    pub parameters: u64,
    /// The trained ones among them.
    pub trained_parameters: u64,
}

/// A data set that other methods have published results on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedSet {
    /// Synapse multi-organ CT, eight organs.
    Synapse,
    /// ACDC cardiac MRI, three structures.
    Acdc,
}

/// Scores of one method at one pause setting on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationRecord {
    /// Identifier of the experiment that made the record.
    pub experiment: String,
    /// Row label: `FasterSAM tiny`, `untrained`, `per-pixel linear classifier`.
    pub method: String,
    /// Name of the data set.
    pub dataset: String,
    /// Which published rows belong beside this result; `None` for phantoms.
    pub published: Option<PublishedSet>,
    /// What a reader must know beside a published row: `257 x 257 slices`, `voxel distances`.
    pub dataset_note: Option<String>,
    /// `train`, `valid`, `test` or a fold.
    pub split: String,
    /// Backbone, as the tables name it: `tiny`, `ViT-S/14 (DINOv2)`; `None` for a method without one.
    pub backbone: Option<String>,
    /// Side of the network's input in pixels; `None` for a method that works at the native size.
    pub input_size: Option<usize>,
    /// Names of the scored classes, background left out.
    pub class_names: Vec<String>,
    /// The pause setting.
    pub pause: PauseRecord,
    /// Means over the cases under both protocols.
    pub summary: Summary,
    /// Scores of each case.
    pub cases: Vec<CaseScores>,
    /// Token statistics; `None` for a method without tokens.
    pub tokens: Option<TokenRecord>,
    /// Cost per slice; `None` where it was not counted.
    pub cost: Option<CostRecord>,
    /// Where the result comes from.
    pub provenance: Provenance,
}

/// What part of the way a throughput measurement covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// From the network's input to its logits.
    #[serde(rename = "network input to logits")]
    NetworkInputToLogits,
    /// From a volume's voxels to its class map at native size.
    #[serde(rename = "voxels to class map")]
    VoxelsToClassMap,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NetworkInputToLogits => "network input to logits",
            Self::VoxelsToClassMap => "voxels to class map",
        })
    }
}

/// Speed and memory of one method at one pause setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThroughputRecord {
    /// Identifier of the experiment that made the record.
    pub experiment: String,
    /// Row label, as in [`EvaluationRecord::method`].
    pub method: String,
    /// Data set that the slices came from.
    pub dataset: String,
    /// The pause setting.
    pub pause: PauseRecord,
    /// Slices a batch.
    pub batch_size: usize,
    /// Side of the network's input in pixels.
    pub input_size: usize,
    /// Timed runs.
    pub runs: usize,
    /// Slices per second, from the median.
    pub slices_per_s: f64,
    /// Times as fast as `never` in the same measurement.
    pub speed_up_over_never: f64,
    /// Milliseconds a slice, median of the runs.
    pub ms_per_slice_median: f64,
    /// The same, 10th percentile.
    pub ms_per_slice_p10: f64,
    /// The same, 90th percentile.
    pub ms_per_slice_p90: f64,
    /// Peak resident memory of the process in MiB, where the system tells it.
    pub peak_memory_mib: Option<f64>,
    /// Cost per slice; where it is `None`, reports take that of the evaluation at the same setting.
    pub cost: Option<CostRecord>,
    /// What the time covers.
    pub scope: Scope,
    /// Where the result comes from.
    pub provenance: Provenance,
}

/// One slice to draw: image, truth, prediction and where its tokens paused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceRecord {
    /// Identifier of the experiment that made the record.
    pub experiment: String,
    /// Row label, as in [`EvaluationRecord::method`].
    pub method: String,
    /// Name of the data set.
    pub dataset: String,
    /// Case that the slice belongs to.
    pub case: String,
    /// Index of the slice in its volume, from 0.
    pub slice: usize,
    /// Names of the classes from label 1 on.
    pub class_names: Vec<String>,
    /// The pause setting.
    pub pause: PauseRecord,
    /// Rows of image, truth and prediction.
    pub rows: usize,
    /// Columns of image, truth and prediction.
    pub cols: usize,
    /// Gray values 0 to 255, row-major, `rows * cols`.
    #[serde(with = "hex")]
    pub image: Vec<u8>,
    /// True labels, 0 background, `rows * cols`.
    #[serde(with = "hex")]
    pub truth: Vec<u8>,
    /// Predicted labels, `rows * cols`.
    #[serde(with = "hex")]
    pub prediction: Vec<u8>,
    /// Side of the token grid.
    pub grid: usize,
    /// For each token, row-major, `grid * grid`: 0 = never paused, `k` = paused at the `k`-th pause
    /// point (1-based), that is at `pause.pause_points[k - 1]`.
    #[serde(with = "hex")]
    pub paused_after: Vec<u8>,
    /// Where the result comes from.
    pub provenance: Provenance,
}

/// Any record, as it lies in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// Scores.
    Evaluation(Box<EvaluationRecord>),
    /// Speed and memory.
    Throughput(Box<ThroughputRecord>),
    /// A picture to draw.
    Slice(Box<SliceRecord>),
    /// A training run's figures by epoch.
    Training(Box<TrainingRecord>),
    /// A run of the bench.
    Bench(Box<BenchRecord>),
}

macro_rules! into_record {
    ($($record:ident => $variant:ident),+) => {$(
        impl From<$record> for Record {
            fn from(record: $record) -> Self {
                Self::$variant(Box::new(record))
            }
        }
    )+};
}
into_record!(EvaluationRecord => Evaluation, ThroughputRecord => Throughput,
    SliceRecord => Slice, TrainingRecord => Training, BenchRecord => Bench);
