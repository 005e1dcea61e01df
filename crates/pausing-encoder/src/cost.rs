//! What a forward pass costs, in multiply-accumulates, from the configuration and the number of
//! active tokens alone.

use serde::{Deserialize, Serialize};

use crate::config::{EncoderConfig, WindowPadding};

/// Multiply-accumulates of one image, by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderMacs {
    /// Patch embedding.
    pub patch_embed: f64,
    /// Attention and MLP of all blocks, with relative positions and window padding.
    pub blocks: f64,
    /// Neck.
    pub neck: f64,
    /// Adapters and injection.
    pub adapters: f64,
    /// Pause heads.
    pub heads: f64,
}

impl EncoderMacs {
    /// What the published figures count: patch embedding, blocks, neck.
    #[must_use]
    pub fn backbone(&self) -> f64 {
        self.patch_embed + self.blocks + self.neck
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.backbone() + self.adapters + self.heads
    }
}

impl EncoderConfig {
    /// Multiply-accumulates of one image.
    ///
    /// `active_share` is the share of all tokens that is active after each pause point (empty, or one
    /// value a point). Where windows are cut, the active tokens are taken as evenly spread.
    #[must_use]
    pub fn macs(&self, active_share: &[f64]) -> EncoderMacs {
        let n = self.n_tokens() as f64;
        let d = self.embed_dim as f64;
        let patch = self.patch_size as f64;
        let out = self.out_chans as f64;
        let share_before = |block: usize| {
            self.pause_points
                .iter()
                .zip(active_share)
                .take_while(|(point, _)| **point <= block)
                .last()
                .map_or(1.0, |(_, share)| *share)
        };
        let mut macs = EncoderMacs {
            patch_embed: n * d * 3.0 * patch * patch,
            neck: n * (d * out + 9.0 * out * out),
            ..EncoderMacs::default()
        };
        for block in 0..self.depth {
            let share = share_before(block);
            macs.blocks += self.block_macs(block, share);
            let active = share * n;
            if let Some(reduction) = self.tuning.bottleneck_reduction() {
                macs.adapters += 2.0 * active * d * (self.embed_dim / reduction).max(1) as f64;
            }
            if let Some(rank) = self.tuning.lora_rank() {
                macs.adapters += 4.0 * active * d * rank as f64;
            }
            if self.tuning.uses_conv_branch() && self.injection_blocks.contains(&block) {
                // Before block 0 all tokens are injected: stage 0 decides after it.
                let rows = if block == 0 { n } else { active };
                macs.adapters += rows * self.conv_channels[2] as f64 * d;
            }
        }
        let classes = self.n_classes as f64;
        for (i, &point) in self.pause_points.iter().enumerate() {
            if active_share.is_empty() {
                break;
            }
            macs.heads += if point == 0 {
                n * (self.conv_channels[2] as f64 * 64.0 + 64.0 * classes)
            } else {
                let before = if i == 0 { 1.0 } else { active_share.get(i - 1).copied().unwrap_or(1.0) };
                before * n * d * classes
            };
        }
        macs
    }

    fn block_macs(&self, block: usize, share: f64) -> f64 {
        let (d, n) = (self.embed_dim as f64, self.n_tokens() as f64);
        let active = share * n;
        let mlp = 2.0 * active * d * (self.mlp_ratio * self.embed_dim) as f64;
        let window = self.window_of(block);
        // (windows, queries and keys of each, side of the relative-position tables' grid)
        let (windows, queries, keys, side) = match window {
            None => (1.0, active, active, self.grid()),
            Some(side) => {
                let per_axis = self.grid().div_ceil(side);
                let windows = (per_axis * per_axis) as f64;
                let padding = windows * (side * side) as f64 - n;
                let padding = if self.window_padding == WindowPadding::Sam { padding } else { 0.0 };
                let is_dense = share >= 1.0;
                // Dense SAM computes the padding as queries too.
                let queries = if is_dense { (active + padding) / windows } else { active / windows };
                (windows, queries, (active + padding) / windows, side)
            }
        };
        let rows = windows * queries;
        let projections = 4.0 * rows * d * d;
        let attention = 2.0 * windows * queries * keys * d;
        // SAM multiplies each query with one table row for each row and column of its grid.
        let relative = if self.use_rel_pos { rows * d * (2 * side) as f64 } else { 0.0 };
        projections + attention + relative + mlp
    }
}
