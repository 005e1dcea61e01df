//! As much of SAM's prompt encoder as a decoder without prompts needs.

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Distribution, Tensor, TensorData};

/// Random Fourier features of places (SAM's `PositionEmbeddingRandom`).
#[derive(Module, Debug)]
pub struct PositionEmbeddingRandom {
    /// `[2, dim / 2]`; a buffer: it is never trained.
    pub positional_encoding_gaussian_matrix: Param<Tensor<2>>,
}

impl PositionEmbeddingRandom {
    fn new(dim: usize, device: &Device) -> Self {
        let matrix = Tensor::random([2, dim / 2], Distribution::Normal(0.0, 1.0), device);
        Self { positional_encoding_gaussian_matrix: Param::from_tensor(matrix).set_require_grad(false) }
    }

    /// The encoding of every place of a square grid: `[grid * grid, dim]`, row after row.
    #[must_use]
    pub fn forward(&self, grid: usize) -> Tensor<2> {
        let matrix = self.positional_encoding_gaussian_matrix.val().detach();
        let mut places = Vec::with_capacity(2 * grid * grid);
        for row in 0..grid {
            for col in 0..grid {
                // Centre of the place in [-1, 1], x first.
                places.push(2.0 * (col as f32 + 0.5) / grid as f32 - 1.0);
                places.push(2.0 * (row as f32 + 0.5) / grid as f32 - 1.0);
            }
        }
        let places = TensorData::new(places, [grid * grid, 2]);
        let places = Tensor::<2>::from_data(places, &matrix.device());
        let phase = places.matmul(matrix).mul_scalar(2.0 * std::f32::consts::PI);
        Tensor::cat(vec![phase.clone().sin(), phase.cos()], 1)
    }
}

/// SAM's `PromptEncoder` without prompts: sparse embeddings are empty, the dense one is
/// `no_mask_embed` everywhere.
#[derive(Module, Debug)]
pub struct PromptEncoder {
    /// The encoding of places.
    pub pe_layer: PositionEmbeddingRandom,
    /// `[1, dim]`
    pub no_mask_embed: Embedding,
}

impl PromptEncoder {
    pub(crate) fn new(dim: usize, device: &Device) -> Self {
        Self {
            pe_layer: PositionEmbeddingRandom::new(dim, device),
            no_mask_embed: EmbeddingConfig::new(1, dim).init(device),
        }
    }
}
