//! From SAM as it is published to this project at its fastest, step by step.

use super::{BenchRecord, BenchRow};

/// A step and its row.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What is new.
    pub what: &'static str,
    /// The row that shows it.
    pub row: &'a BenchRow,
}

/// What is new, and the row that shows it. Without a peer the first three are missing, and this project's
/// own encoder at the same sizes stands for them.
const STEPS: [(&str, &str); 18] = [
    ("SAM encoder, 1024 px, PyTorch", "pytorch-vit_b-1024-b1-encoder-never"),
    ("SAM encoder, 512 px, PyTorch", "pytorch-vit_b-512-b1-encoder-never"),
    ("SAM encoder, 224 px, PyTorch", "pytorch-vit_b-224-b1-encoder-never"),
    ("SAM encoder, 1024 px, FasterSAM", "fastersam-vit_b-1024-b1-encoder-never"),
    ("SAM encoder, 512 px, FasterSAM", "fastersam-vit_b-512-b1-encoder-never"),
    ("SAM encoder, 224 px, FasterSAM without fused kernels", "composed-vit_b-224-b1-encoder-never"),
    ("SAM encoder, 224 px, FasterSAM", "fastersam-vit_b-224-b1-encoder-never"),
    ("+ CNN branch, adapters, decoder", "fastersam-vit_b-224-b1-model-never"),
    ("+ pausing, keep 0.7 / 0.7 / 0.7", "fastersam-vit_b-224-b1-model-mild"),
    ("+ pausing, keep 0.5 / 0.5 / 1.0", "fastersam-vit_b-224-b1-model-half"),
    ("+ pausing, keep 0.3 / 1.0 / 1.0", "fastersam-vit_b-224-b1-model-strong"),
    ("+ stage 0", "fastersam-vit_b-224-b1-model-stage0"),
    ("whole model, batch size 8", "fastersam-vit_b-224-b8-model-never"),
    ("+ pausing, keep 0.5 / 0.5 / 1.0, batch size 8", "fastersam-vit_b-224-b8-model-half"),
    ("+ stage 0, batch size 8", "fastersam-vit_b-224-b8-model-stage0"),
    ("voxels to class map, never, batch size 8", "fastersam-vit_b-224-b8-volume-never"),
    ("voxels to class map, stage 0, batch size 1", "fastersam-vit_b-224-b1-volume-stage0"),
    ("voxels to class map, stage 0, batch size 8", "fastersam-vit_b-224-b8-volume-stage0"),
];

/// The steps that were measured.
#[must_use]
pub fn waterfall(record: &BenchRecord) -> Vec<Step<'_>> {
    STEPS.iter().filter_map(|&(what, id)| Some(Step { what, row: record.row(id)? })).collect()
}

/// The rows that it shows.
pub fn needed() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|(_, id)| *id)
}
