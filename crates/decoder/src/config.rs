//! Structure of the decoder.

use serde::{Deserialize, Serialize};

use crate::error::DecoderError;

/// Configuration of a [`PromptFreeDecoder`](crate::PromptFreeDecoder).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskDecoderConfig {
    /// Channels of the image embedding.
    pub transformer_dim: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Width of the transformer's MLPs.
    pub mlp_dim: usize,
    /// Two-way blocks.
    pub depth: usize,
    /// Mask tokens: one a class, background first.
    pub n_mask_tokens: usize,
    /// Layers of the head that predicts the masks' quality.
    pub iou_head_depth: usize,
    /// Width of that head.
    pub iou_head_hidden_dim: usize,
    /// Channels of the CNN branch at strides 4 and 8, where its maps are added in the upscaling.
    pub skip_channels: Option<[usize; 2]>,
    /// Rank of low-rank updates of q and v in the transformer's attentions (`SAMed_s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora_rank: Option<usize>,
}

impl MaskDecoderConfig {
    /// SAM's decoder with one mask token a class.
    #[must_use]
    pub fn sam(n_classes: usize) -> Self {
        Self {
            transformer_dim: 256,
            num_heads: 8,
            mlp_dim: 2048,
            depth: 2,
            n_mask_tokens: n_classes,
            iou_head_depth: 3,
            iou_head_hidden_dim: 256,
            skip_channels: None,
            lora_rank: None,
        }
    }

    /// 64 wide: the decoder of the small presets.
    #[must_use]
    pub fn tiny(n_classes: usize) -> Self {
        Self { transformer_dim: 64, num_heads: 4, mlp_dim: 256, iou_head_hidden_dim: 64, ..Self::sam(n_classes) }
    }

    /// Checks that the sizes fit together.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn validate(&self) -> Result<(), DecoderError> {
        let complain = |what: String| Err(DecoderError::Config(what));
        let d = self.transformer_dim;
        // The upscaling ends with an eighth of the channels; two attentions work in half of them.
        if d == 0 || !d.is_multiple_of(8) || self.num_heads == 0 || !(d / 2).is_multiple_of(self.num_heads) {
            return complain(format!(
                "a decoder of {d} channels with {} heads; it takes a multiple of 8, whose half the heads divide",
                self.num_heads
            ));
        }
        for (name, size) in [
            ("mlp_dim", self.mlp_dim),
            ("n_mask_tokens", self.n_mask_tokens),
            ("iou_head_hidden_dim", self.iou_head_hidden_dim),
            ("depth", self.depth),
            ("iou_head_depth", self.iou_head_depth),
            ("lora_rank", self.lora_rank.unwrap_or(1)),
            ("skip_channels", self.skip_channels.map_or(1, |[a, b]| a.min(b))),
        ] {
            if size == 0 {
                return complain(format!("{name} is 0"));
            }
        }
        Ok(())
    }

    /// Multiply-accumulates of one image with a token grid of `grid` x `grid`.
    #[must_use]
    pub fn macs(&self, grid: usize) -> u64 {
        let (n, d) = (grid * grid, self.transformer_dim);
        let (t, half) = (self.n_mask_tokens + 1, d / 2);
        // Projections and products of an attention from `q` to `k` rows through `inner` channels.
        let rank = self.lora_rank.unwrap_or(0);
        let attention = |q: usize, k: usize, inner: usize| {
            2 * (q + k) * d * inner + 2 * q * k * inner + (q + k) * rank * (d + inner)
        };
        let cross = attention(t, n, half);
        let layer = attention(t, t, d) + 2 * cross + 2 * t * d * self.mlp_dim;
        let (c1, c2) = (d / 4, d / 8);
        let upscaling = n * d * 4 * c1 + 4 * n * c1 * 4 * c2;
        let skips =
            self.skip_channels.map_or(0, |[stride4, stride8]| 4 * n * stride8 * c1 + 16 * n * stride4 * c2);
        let hypernetworks = self.n_mask_tokens * (2 * d * d + d * c2);
        let masks = self.n_mask_tokens * 16 * n * c2;
        (self.depth * layer + cross + upscaling + skips + hypernetworks + masks) as u64
    }
}
