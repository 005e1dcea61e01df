//! Targets: ratios within one run, and what they should be.

use super::{BenchRecord, BenchRow, quantile};

/// A ratio with what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What is compared.
    pub what: &'static str,
    /// At least (or at most, see `at_most`) this.
    pub wanted: f64,
    /// Whether smaller is better.
    pub at_most: bool,
    /// The rows that it needs.
    pub rows: Vec<String>,
    /// The ratio of medians, where it was measured.
    pub measured: Option<f64>,
    /// 10th and 90th percentile of the rounds' ratios, where there are rounds.
    pub spread: Option<(f64, f64)>,
}

impl Target {
    /// Whether the target is met, where it was measured.
    pub fn is_met(&self) -> Option<bool> {
        Some(if self.at_most { self.measured? <= self.wanted } else { self.measured? >= self.wanted })
    }
}

const ENCODER: &str = "fastersam-vit_b-224-b1-encoder-never";
const PEER: &str = "pytorch-vit_b-224-b1-encoder-never";
const PEER_512: &str = "pytorch-vit_b-512-b1-encoder-never";
const PEER_1024: &str = "pytorch-vit_b-1024-b1-encoder-never";
const MODEL_HALF: &str = "fastersam-vit_b-224-b1-model-half";

/// How often `fast` runs in the time of `slow`, per slice: what, target, slow, fast.
const SPEED_UPS: [(&str, f64, &str, &str); 8] = [
    ("speed-up of the SAM encoder (224 px) over PyTorch", 1.1, PEER, ENCODER),
    (
        "speed-up of the SAM encoder (224 px, batch size 8) over PyTorch",
        1.1,
        "pytorch-vit_b-224-b8-encoder-never",
        "fastersam-vit_b-224-b8-encoder-never",
    ),
    (
        "speed-up of the SAM encoder by pausing (keep 0.5 / 0.5 / 1.0)",
        1.8,
        ENCODER,
        "fastersam-vit_b-224-b1-encoder-half",
    ),
    (
        "speed-up of the whole model (224 px, keep 0.5 / 0.5 / 1.0) over PyTorch's SAM encoder at 512 px",
        12.0,
        PEER_512,
        MODEL_HALF,
    ),
    (
        "speed-up of the whole model (224 px, keep 0.5 / 0.5 / 1.0) over PyTorch's SAM encoder at 1024 px",
        75.0,
        PEER_1024,
        MODEL_HALF,
    ),
    (
        "speed-up of the whole model (224 px, stage 0) over PyTorch's SAM encoder at 512 px",
        22.0,
        PEER_512,
        "fastersam-vit_b-224-b1-model-stage0",
    ),
    (
        "speed-up of the whole model (224 px, stage 0, batch size 8) over PyTorch's SAM encoder at 512 px",
        28.0,
        PEER_512,
        "fastersam-vit_b-224-b8-model-stage0",
    ),
    (
        "speed-up of a training step (ViT-S encoder with adapters, 8 x 256 tokens) over PyTorch",
        1.0,
        "pytorch-vit_s-224-b8-training-never",
        "fastersam-vit_s-224-b8-training-never",
    ),
];

/// All targets with what a run measured.
pub fn targets(record: &BenchRecord) -> Vec<Target> {
    let mut targets: Vec<Target> = SPEED_UPS
        .into_iter()
        .map(|(what, wanted, slow, fast)| {
            let ratio = record.row(slow).zip(record.row(fast)).map(|(slow, fast)| speed_up(slow, fast));
            target(what, wanted, &[slow, fast], ratio)
        })
        .collect();
    let share = |row: &BenchRow| Some((row.gflops()? / record.peak_gflops()?, None));
    let of_peak = record.row(ENCODER).and_then(share);
    targets.insert(
        1,
        target("share of the gemm peak that the SAM encoder (224 px) reaches", 0.8, &[ENCODER], of_peak),
    );
    let model = "fastersam-vit_b-224-b1-model-never";
    let memory = record.row(model).and_then(|row| Some((row.peak_memory_mib? / row.weights_mib, None)));
    let what = "peak memory / weights of the whole model (224 px)";
    targets.push(Target { at_most: true, ..target(what, 1.3, &[model], memory) });
    targets
}

/// The rows that the targets need.
pub fn needed() -> Vec<&'static str> {
    let mut rows: Vec<&str> = SPEED_UPS.iter().flat_map(|(_, _, slow, fast)| [*slow, *fast]).collect();
    rows.push("fastersam-vit_b-224-b1-model-never");
    rows
}

type Ratio = (f64, Option<(f64, f64)>);

fn target(what: &'static str, wanted: f64, rows: &[&str], ratio: Option<Ratio>) -> Target {
    Target {
        what,
        wanted,
        at_most: false,
        rows: rows.iter().map(|&row| row.to_owned()).collect(),
        measured: ratio.map(|(ratio, _)| ratio),
        spread: ratio.and_then(|(_, spread)| spread),
    }
}

/// How many times as fast as `slow` the other is, per slice: ratio of medians, and the spread of the
/// rounds' ratios.
pub fn speed_up(slow: &BenchRow, fast: &BenchRow) -> Ratio {
    let per_slice = fast.slices as f64 / slow.slices as f64;
    let median = quantile(&slow.seconds, 0.5) / quantile(&fast.seconds, 0.5) * per_slice;
    let rounds: Vec<f64> =
        slow.seconds.iter().zip(&fast.seconds).map(|(slow, fast)| slow / fast * per_slice).collect();
    let spread = (rounds.len() > 1).then(|| (quantile(&rounds, 0.1), quantile(&rounds, 0.9)));
    (median, spread)
}
