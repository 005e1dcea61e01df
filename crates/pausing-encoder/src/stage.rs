//! What a pause point leaves behind.

use burn::tensor::Tensor;

/// What happened at one pause point.
#[derive(Clone, Debug)]
pub struct StageOutput {
    /// 0 is stage 0, `k` is after block `k` (1-based).
    pub point: usize,
    /// Class logits of the tokens that were active there: `[scored, n_classes]`.
    pub logits: Tensor<2>,
    /// `image * n_tokens + place` of each scored token, ascending.
    pub rows: Vec<u32>,
    /// How hard each is.
    pub criterion: Vec<f32>,
    /// Which of them stay active.
    pub kept: Vec<bool>,
}
