//! The encoder's structure and its presets.

use fastersam_adapter::{Tuning, cross_branch_blocks};
use serde::{Deserialize, Serialize};

use crate::error::EncoderError;

/// What the zero padding of windows does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowPadding {
    /// It takes part in the softmax, as in SAM.
    #[default]
    Sam,
    /// It is left out.
    Masked,
}

/// Structure of a [`PausingEncoder`](crate::PausingEncoder).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderConfig {
    /// Side of the square input, pixels.
    pub img_size: usize,
    /// Side of a patch, pixels.
    pub patch_size: usize,
    /// Width of a token.
    pub embed_dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Number of attention heads.
    pub num_heads: usize,
    /// The MLP is this many times as wide as a token, rounded down.
    pub mlp_ratio: f64,
    /// Channels after the neck.
    pub out_chans: usize,
    /// Eps of the LayerNorms.
    pub layer_norm_eps: f64,
    /// Side of an attention window, tokens; 0 for none.
    pub window_size: usize,
    /// Blocks (0-based) with global attention, where there are windows.
    pub global_attn_indexes: Vec<usize>,
    /// What the padding of windows does.
    #[serde(default)]
    pub window_padding: WindowPadding,
    /// Whether attention has decomposed relative positions.
    pub use_rel_pos: bool,
    /// Whether attention and MLP are scaled channel by channel (DINOv2).
    pub layer_scale: bool,
    /// Whether a LayerNorm follows the last block (plain ViTs).
    pub final_norm: bool,
    /// Whether a class token with its own position stands before the patches (DINOv2's pre-trained
    /// form). It never pauses and is not counted; neck and decoder don't see it.
    #[serde(default)]
    pub class_token: bool,
    /// Where tokens may pause: 0 is stage 0, `k` is after block `k` (1-based). Increasing.
    pub pause_points: Vec<usize>,
    /// Classes that the pause heads tell apart, with background.
    pub n_classes: usize,
    /// The tuning scheme.
    pub tuning: Tuning,
    /// Blocks (0-based) before which the CNN branch's features are added.
    pub injection_blocks: Vec<usize>,
    /// Channels of the CNN branch at strides 4, 8 and 16.
    pub conv_channels: [usize; 3],
}

impl EncoderConfig {
    fn sam(img_size: usize, embed_dim: usize, depth: usize, num_heads: usize, step: usize) -> Self {
        Self {
            img_size,
            patch_size: 16,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio: 4.0,
            out_chans: 256,
            layer_norm_eps: 1e-6,
            window_size: 14,
            global_attn_indexes: Vec::new(),
            window_padding: WindowPadding::Sam,
            use_rel_pos: true,
            layer_scale: false,
            final_norm: false,
            class_token: false,
            pause_points: vec![step, 2 * step, 3 * step],
            n_classes: 2,
            tuning: Tuning::default(),
            injection_blocks: vec![0, depth / 4, depth / 2, 3 * depth / 4],
            conv_channels: [64, 128, 256],
        }
    }

    /// SAM ViT-B.
    #[must_use]
    pub fn vit_b(img_size: usize) -> Self {
        Self { global_attn_indexes: vec![2, 5, 8, 11], ..Self::sam(img_size, 768, 12, 12, 3) }
    }

    /// SAM ViT-L.
    #[must_use]
    pub fn vit_l(img_size: usize) -> Self {
        Self { global_attn_indexes: vec![5, 11, 17, 23], ..Self::sam(img_size, 1024, 24, 16, 6) }
    }

    /// SAM ViT-H.
    #[must_use]
    pub fn vit_h(img_size: usize) -> Self {
        Self { global_attn_indexes: vec![7, 15, 23, 31], ..Self::sam(img_size, 1280, 32, 16, 8) }
    }

    /// Plain ViT-S/14 as DINOv2 trained it, without its class token.
    #[must_use]
    pub fn vit_s(img_size: usize) -> Self {
        Self {
            patch_size: 14,
            window_size: 0,
            use_rel_pos: false,
            layer_scale: true,
            final_norm: true,
            ..Self::sam(img_size, 384, 12, 6, 3)
        }
    }

    /// Small enough to train on real scans with a CPU: 192 wide, 6 blocks.
    #[must_use]
    pub fn small(img_size: usize) -> Self {
        Self { embed_dim: 192, conv_channels: [32, 64, 128], ..Self::tiny(img_size) }
    }

    /// The embedded default: 96 wide, 6 blocks.
    #[must_use]
    pub fn tiny(img_size: usize) -> Self {
        Self {
            out_chans: 64,
            window_size: 0,
            use_rel_pos: false,
            pause_points: vec![2, 4],
            injection_blocks: vec![0, 2, 4],
            conv_channels: [16, 32, 64],
            ..Self::sam(img_size, 96, 6, 4, 2)
        }
    }

    /// Side of the token grid.
    #[must_use]
    pub fn grid(&self) -> usize {
        self.img_size / self.patch_size.max(1)
    }

    /// Width of the MLPs.
    #[must_use]
    pub fn mlp_dim(&self) -> usize {
        (self.mlp_ratio * self.embed_dim as f64) as usize
    }

    /// Number of tokens of an image.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.grid() * self.grid()
    }

    /// The side of block `block`'s windows, or `None` where its attention is global.
    ///
    /// A window as large as the grid is global attention.
    #[must_use]
    pub fn window_of(&self, block: usize) -> Option<usize> {
        let windowed =
            self.window_size > 0 && self.window_size != self.grid() && !self.global_attn_indexes.contains(&block);
        windowed.then_some(self.window_size)
    }

    /// The blocks (0-based) that look at the CNN branch under SAMUS' scheme.
    #[must_use]
    pub fn cross_branch_blocks(&self) -> Vec<usize> {
        if self.tuning.cross_branch_reduction().is_none() {
            return Vec::new();
        }
        let global = if self.window_size > 0 { &self.global_attn_indexes[..] } else { &[] };
        cross_branch_blocks(global, &self.injection_blocks)
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// Names the first thing that does not fit.
    pub fn validate(&self) -> Result<(), EncoderError> {
        let complain = |what: String| Err(EncoderError::Config(what));
        if self.patch_size == 0 || self.img_size == 0 || !self.img_size.is_multiple_of(self.patch_size) {
            return complain(format!(
                "an input of {} pixels can't be cut into patches of {}",
                self.img_size, self.patch_size
            ));
        }
        if self.grid() > usize::from(u16::MAX) {
            return complain(format!("a grid of {} tokens a side is too large", self.grid()));
        }
        if self.num_heads == 0 || self.embed_dim == 0 || !self.embed_dim.is_multiple_of(self.num_heads) {
            return complain(format!("{} channels can't be split into {} heads", self.embed_dim, self.num_heads));
        }
        for (name, size) in
            [("depth", self.depth), ("out_chans", self.out_chans), ("conv_channels", self.conv_channels[2])]
        {
            if size == 0 {
                return complain(format!("{name} is 0"));
            }
        }
        // More would be a typing error, and not fit into memory.
        if !(self.mlp_ratio <= 64.0 && self.mlp_dim() > 0) {
            return complain(format!("the MLP's ratio is {}", self.mlp_ratio));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps.is_finite()) {
            return complain(format!("the LayerNorms' eps is {}", self.layer_norm_eps));
        }
        if self.class_token && (self.window_size > 0 || self.use_rel_pos) {
            return complain("a class token has no place in windows or relative positions".to_owned());
        }
        if !self.pause_points.is_sorted_by(|a, b| a < b) {
            return complain(format!("the pause points {:?} do not increase", self.pause_points));
        }
        if let Some(point) = self.pause_points.iter().find(|&&point| point > self.depth) {
            return complain(format!("pause point {point} lies beyond the {} blocks", self.depth));
        }
        if self.pause_points.first() == Some(&0) && !self.tuning.uses_conv_branch() {
            return complain(
                "stage 0 (pause point 0) needs a CNN branch, which the tuning scheme lacks".to_owned(),
            );
        }
        if self.window_size > 0
            && let Some(block) = self.global_attn_indexes.iter().find(|&&block| block >= self.depth)
        {
            return complain(format!("global attention in block {block} of {}", self.depth));
        }
        if let Some(block) = self.injection_blocks.iter().find(|&&block| block >= self.depth) {
            return complain(format!("injection before block {block} of {}", self.depth));
        }
        if !self.injection_blocks.is_sorted_by(|a, b| a < b) {
            return complain(format!("the injection blocks {:?} do not increase", self.injection_blocks));
        }
        if self.n_classes < 2 {
            return complain(format!("pause heads need two classes or more, not {}", self.n_classes));
        }
        if self.tuning.size() == Some(0) {
            return complain(format!("the rank or reduction of `{}` is 0", self.tuning.name()));
        }
        if self.class_token && !self.tuning.is_point_wise() {
            return complain(format!("`{}` has no use for a class token", self.tuning.name()));
        }
        Ok(())
    }
}
