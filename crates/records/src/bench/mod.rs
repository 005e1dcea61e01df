//! What one run of the bench leaves behind: all of its rows, because they are compared with each other.

pub mod targets;
pub mod waterfall;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Provenance;

/// Whose code a row timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// This project.
    FasterSam,
    /// This project's encoder with burn's own operations in place of the fused kernels, nothing prepacked.
    Composed,
    /// The official encoder in PyTorch.
    PyTorch,
    /// The same, compiled by `torch.compile`.
    TorchCompile,
    /// The same in ONNX Runtime.
    OnnxRuntime,
    /// The same in ONNX Runtime, quantised dynamically: weights in eight bits, and inputs as they come.
    OnnxRuntimeInt8,
    /// The same in OpenVINO.
    OpenVino,
    /// The same in OpenVINO, in `bf16` where the machine has it.
    OpenVinoBf16,
    /// The same in OpenVINO, quantised by NNCF with scales measured on sample inputs.
    OpenVinoInt8,
}

impl Program {
    /// As it stands in a row's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FasterSam => "fastersam",
            Self::Composed => "composed",
            Self::PyTorch => "pytorch",
            Self::TorchCompile => "torch_compile",
            Self::OnnxRuntime => "onnxruntime",
            Self::OnnxRuntimeInt8 => "onnxruntime_int8",
            Self::OpenVino => "openvino",
            Self::OpenVinoBf16 => "openvino_bf16",
            Self::OpenVinoInt8 => "openvino_int8",
        }
    }

    /// What runs in a Python beside this program.
    pub const PEERS: [Self; 7] = [
        Self::PyTorch,
        Self::TorchCompile,
        Self::OnnxRuntime,
        Self::OnnxRuntimeInt8,
        Self::OpenVino,
        Self::OpenVinoBf16,
        Self::OpenVinoInt8,
    ];

    /// Whether it is one of [`PEERS`](Self::PEERS).
    #[must_use]
    pub fn is_peer(self) -> bool {
        Self::PEERS.contains(&self)
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::FasterSam => "FasterSAM",
            Self::Composed => "FasterSAM without fused kernels",
            Self::PyTorch => "PyTorch",
            Self::TorchCompile => "torch.compile",
            Self::OnnxRuntime => "ONNX Runtime",
            Self::OnnxRuntimeInt8 => "ONNX Runtime, dynamic int8",
            Self::OpenVino => "OpenVINO",
            Self::OpenVinoBf16 => "OpenVINO, bf16",
            Self::OpenVinoInt8 => "OpenVINO, int8",
        })
    }
}

/// What the time of a row covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BenchScope {
    /// SAM's image encoder alone, without adapters: patches to neck.
    Encoder,
    /// CNN branch, encoder with adapters, decoder: from network input to logits.
    Model,
    /// From a volume's voxels to its class map at native size.
    Volume,
    /// One step of training of an encoder with adapters.
    Training,
}

impl BenchScope {
    /// As it stands in a row's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Model => "model",
            Self::Volume => "volume",
            Self::Training => "training",
        }
    }
}

impl std::fmt::Display for BenchScope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Encoder => "encoder",
            Self::Model => "whole model",
            Self::Volume => "voxels to class map",
            Self::Training => "training step",
        })
    }
}

/// Of records from before there was a choice.
fn f32_weights() -> String {
    "f32".to_owned()
}

/// One row of the bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchRow {
    /// Its name.
    pub id: String,
    /// Whose code.
    pub program: Program,
    /// What the time covers.
    pub scope: BenchScope,
    /// Size of the backbone, as configurations write it.
    pub preset: String,
    /// Side of the network's input, pixels.
    pub input_size: usize,
    /// Slices at a time.
    pub batch_size: usize,
    /// Slices of a pass: one batch, or a volume of several.
    pub slices: usize,
    /// The pause setting, as the tables call it.
    pub pause: String,
    /// Numbers of this project's prepacked weights; the program says it of others.
    #[serde(default = "f32_weights")]
    pub precision: String,
    /// Share of all tokens that is active after each pause point; empty where none can pause.
    pub active_share: Vec<f64>,
    /// Multiply-accumulates of one slice, predicted from shapes and active tokens, in 1e9.
    pub gmacs: Option<f64>,
    /// The same, counted while a pass ran; `None` for what is not all this project's kernels.
    pub counted_gmacs: Option<f64>,
    /// Seconds of a pass, one value a round: the mean over the passes of the round's visit.
    pub seconds: Vec<f64>,
    /// Size of the weights, MiB.
    pub weights_mib: f64,
    /// Peak resident memory of a process of its own over one pass after loading, MiB.
    pub peak_memory_mib: Option<f64>,
    /// How the encoder computed a pass, beside its multiply-accumulates; `None` for what does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<BenchExecution>,
    /// Score of a trained checkpoint at this setting, where records of one were given.
    pub dice: Option<BenchDice>,
}

/// What decides a GPU's speed beside the multiply-accumulates of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchExecution {
    /// Times that the host waited for the device to decide what pauses.
    pub read_backs: usize,
    /// Different numbers of rows that the blocks computed.
    pub shapes: usize,
    /// What the device was asked to run; `None` where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launches: Option<BenchLaunches>,
}

/// The kernels of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchLaunches {
    /// Kernels that the device was asked to run.
    pub total: usize,
    /// Different kernels among them, each of which is compiled once.
    pub kernels: usize,
}

/// A score that goes with a speed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchDice {
    /// Mean Dice (`transunet` protocol), in [0, 1].
    pub dice: f64,
    /// Where it was scored: data set and split.
    pub scored_on: String,
    /// The checkpoint's pause setting, as its tables call it.
    pub setting: String,
    /// Share of all tokens that was active after each of its pause points.
    pub active_share: Vec<f64>,
}

impl BenchRow {
    /// A quantile of the rounds, milliseconds a slice.
    #[must_use]
    pub fn ms_per_slice(&self, share: f64) -> f64 {
        1e3 * quantile(&self.seconds, share) / self.slices as f64
    }

    /// Billions of floating-point operations a second (two a multiply-accumulate), from the median.
    #[must_use]
    pub fn gflops(&self) -> Option<f64> {
        Some(2e3 * self.gmacs? / self.ms_per_slice(0.5))
    }
}

/// Speed of one matrix product of `gemm`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductRow {
    /// Rows, depth and columns.
    pub shape: [usize; 3],
    /// Seconds of a product, one value a round.
    pub seconds: Vec<f64>,
}

impl ProductRow {
    /// Billions of floating-point operations a second, from the median.
    #[must_use]
    pub fn gflops(&self) -> f64 {
        2e-9 * self.shape.iter().product::<usize>() as f64 / quantile(&self.seconds, 0.5)
    }
}

/// What PyTorch's side ran on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerVersions {
    /// Python.
    pub python: String,
    /// PyTorch.
    pub torch: String,
    /// The official code.
    pub segment_anything: String,
    /// Threads that PyTorch used.
    pub threads: usize,
    /// Other packages that it has of those that peers need, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, String>,
}

/// One part of the work from a scan's file to the file of its class map, or all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndToEndRow {
    /// What is done.
    pub part: String,
    /// Whether this is all of it in one go, as the program does it, and not a part.
    pub is_whole: bool,
    /// Slices at a time.
    pub batch_size: usize,
    /// The pause setting, as the tables call it.
    pub pause: String,
    /// Milliseconds a slice, one value a round.
    pub ms_per_slice: Vec<f64>,
}

impl EndToEndRow {
    /// Milliseconds a slice, the median of the rounds.
    #[must_use]
    pub fn median(&self) -> f64 {
        quantile(&self.ms_per_slice, 0.5)
    }
}

/// Where the time goes from a scan's file to the file of its class map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndToEnd {
    /// Size of the backbone, as configurations write it.
    pub preset: String,
    /// Side of the network's input, pixels.
    pub input_size: usize,
    /// Slices, rows and columns of the scan.
    pub scan: [usize; 3],
    /// Size of its compressed file, MiB.
    pub scan_mib: f64,
    /// The parts, for each batch size and pause setting.
    pub rows: Vec<EndToEndRow>,
}

/// A run of the bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchRecord {
    /// Identifier of the run: `bench`.
    pub experiment: String,
    /// Processors that the system has.
    pub cores: usize,
    /// The widest vector instructions that the kernels use here.
    pub vectors: String,
    /// Share of the processors' time that other programs used during the rounds, in [0, 1].
    pub used_by_others: Option<f64>,
    /// Versions of the peer, where there was one.
    pub peer: Option<PeerVersions>,
    /// The matrix products.
    pub products: Vec<ProductRow>,
    /// The rows.
    pub rows: Vec<BenchRow>,
    /// Where the time goes from a scan's file to the file of its class map, where that was measured.
    pub end_to_end: Option<EndToEnd>,
    /// Where the result comes from.
    pub provenance: Provenance,
}

impl BenchRecord {
    /// The row of this name.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<&BenchRow> {
        self.rows.iter().find(|row| row.id == id)
    }

    /// The machine's matrix peak: the best of the products' medians, in 1e9 operations a second.
    #[must_use]
    pub fn peak_gflops(&self) -> Option<f64> {
        self.products.iter().map(ProductRow::gflops).max_by(f64::total_cmp)
    }
}

/// A quantile of measurements, linear between neighbours; NaN of none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    fastersam_metrics::quantile(&mut values.to_vec(), share)
}
