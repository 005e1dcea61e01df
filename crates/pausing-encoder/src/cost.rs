//! What a forward pass costs, in multiply-accumulates (MACs), from the configuration and the number
//! of active tokens alone.
//!
//! Counted are matrix products: patch embedding, projections, attention with relative positions,
//! MLPs, neck; and, apart from them, what the project adds. Norms, softmax and sums are not counted.

use std::ops::{Add, Mul};

use fastersam_adapter::ChannelGateAdapterConfig;
use serde::{Deserialize, Serialize};

use crate::config::{EncoderConfig, WindowPadding};
use crate::encoder::EncoderOutput;
use fastersam_pause::Context;

/// Multiply-accumulates of one image, by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderMacs {
    /// Patch embedding.
    pub patch_embed: f64,
    /// Attention (with relative positions; window padding as keys) and MLP of all blocks.
    pub blocks: f64,
    /// What SAM computes in addition where all tokens are active: it projects the padding of
    /// windows, and lets it ask queries. The ragged path does neither.
    pub window_padding: f64,
    /// Neck.
    pub neck: f64,
    /// CNN features to tokens, and adapters.
    pub adapters: f64,
    /// Pause heads.
    pub heads: f64,
}

impl EncoderMacs {
    /// What published figures of SAM's encoder count: patch embedding, blocks with window padding,
    /// neck.
    #[must_use]
    pub fn backbone(&self) -> f64 {
        self.patch_embed + self.blocks + self.window_padding + self.neck
    }

    /// What this encoder computes: everything but the window padding.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.backbone() - self.window_padding + self.adapters + self.heads
    }
}

impl Add for EncoderMacs {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            patch_embed: self.patch_embed + other.patch_embed,
            blocks: self.blocks + other.blocks,
            window_padding: self.window_padding + other.window_padding,
            neck: self.neck + other.neck,
            adapters: self.adapters + other.adapters,
            heads: self.heads + other.heads,
        }
    }
}

impl Mul<f64> for EncoderMacs {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            patch_embed: self.patch_embed * factor,
            blocks: self.blocks * factor,
            window_padding: self.window_padding * factor,
            neck: self.neck * factor,
            adapters: self.adapters * factor,
            heads: self.heads * factor,
        }
    }
}

impl EncoderOutput {
    /// Mean multiply-accumulates of the batch's images. Attention grows with the square of the active
    /// tokens, so this is more than the cost of the mean number of tokens.
    #[must_use]
    pub fn macs(&self, config: &EncoderConfig, context: Context) -> EncoderMacs {
        let n = config.n_tokens().max(1) as f64;
        let sum = self.n_active.iter().fold(EncoderMacs::default(), |sum, counts| {
            let shares: Vec<f64> = counts.iter().map(|&count| count as f64 / n).collect();
            sum + config.macs_with_context(&shares, context)
        });
        let mean = sum * (1.0 / self.n_active.len().max(1) as f64);
        // Where no point was scored, the heads did not run.
        if self.stages.is_empty() { EncoderMacs { heads: 0.0, ..mean } } else { mean }
    }
}

impl EncoderConfig {
    /// Multiply-accumulates of one image whose active tokens attend to active tokens.
    ///
    /// `active_share` is the share of all tokens that is active after each pause point: one value a
    /// point, or nothing where no point is scored. Where windows are cut, the active tokens are taken
    /// as evenly spread.
    #[must_use]
    pub fn macs(&self, active_share: &[f64]) -> EncoderMacs {
        self.macs_with_context(active_share, Context::None)
    }

    /// [`macs`](Self::macs) with another context of paused tokens.
    #[must_use]
    pub fn macs_with_context(&self, active_share: &[f64], context: Context) -> EncoderMacs {
        let n = self.n_tokens() as f64;
        let d = self.embed_dim as f64;
        let out = self.out_chans as f64;
        let patch = 3.0 * (self.patch_size * self.patch_size) as f64;
        let share_before = |block: usize| {
            let passed = self.pause_points.iter().take_while(|point| **point <= block).count();
            let share = passed.checked_sub(1).and_then(|last| active_share.get(last));
            share.copied().unwrap_or(1.0)
        };
        let mut macs = EncoderMacs {
            patch_embed: n * d * patch,
            neck: n * (d * out + 9.0 * out * out),
            adapters: self.input_adapter_macs(),
            ..EncoderMacs::default()
        };
        for block in 0..self.depth {
            let share = share_before(block);
            macs = macs + self.block_macs(block, share, context);
            macs.adapters += self.block_adapter_macs(block, share);
        }
        let classes = self.n_classes as f64;
        for (i, _) in active_share.iter().enumerate() {
            macs.heads += match self.pause_points.get(i) {
                Some(0) => n * 64.0 * (self.conv_channels[2] as f64 + classes),
                Some(_) => i.checked_sub(1).map_or(1.0, |last| active_share[last]) * n * d * classes,
                None => 0.0,
            };
        }
        macs
    }

    /// Attention and MLP of one block; `share` of all tokens is active.
    fn block_macs(&self, block: usize, share: f64, context: Context) -> EncoderMacs {
        if share <= 0.0 {
            return EncoderMacs::default();
        }
        let (d, n) = (self.embed_dim as f64, self.n_tokens() as f64);
        let class_token = f64::from(u8::from(self.class_token));
        let active = share * n + class_token;
        let frozen = if context == Context::FrozenKv { (1.0 - share) * n } else { 0.0 };
        let (n_windows, side) = match self.window_of(block) {
            None => (1.0, self.grid()),
            Some(side) => (self.grid().div_ceil(side).pow(2) as f64, side),
        };
        let places = (side * side) as f64;
        let padding = (n_windows * places - n).max(0.0);
        // Tokens in the window of a token, on average over the tokens: windows at the edges hold fewer.
        let (whole, rest) = (self.grid() / side, self.grid() % side);
        let in_window = ((whole * side * side + rest * rest) as f64).powi(2) / n;
        let keys = (active + frozen) / n * in_window
            + match self.window_padding {
                WindowPadding::Sam => places - in_window,
                WindowPadding::Masked => 0.0,
            };
        // `queries` rows, and for each one row of the tables a row and column of the window.
        let attention = |queries: f64| {
            let relative = if self.use_rel_pos { d * (2 * side) as f64 } else { 0.0 };
            queries * (2.0 * keys * d + relative)
        };
        let projections = |queries: f64| 4.0 * queries * d * d;
        let mlp = 2.0 * active * d * self.mlp_dim() as f64;
        // The fused projection gives the paused tokens queries too; nobody asks them.
        let frozen_keys = 3.0 * frozen * d * d;
        let sam_padding = share >= 1.0 && self.window_padding == WindowPadding::Sam;
        EncoderMacs {
            blocks: projections(active) + attention(active) + frozen_keys + mlp,
            window_padding: if sam_padding { projections(padding) + attention(padding) } else { 0.0 },
            ..EncoderMacs::default()
        }
    }

    /// What the tuning scheme adds before the blocks.
    fn input_adapter_macs(&self) -> f64 {
        let (n, d) = (self.n_tokens() as f64, self.embed_dim as f64);
        self.tuning
            .cross_branch_reduction()
            .map_or(0.0, |reduction| n * d * (self.conv_channels[2] as f64 + 2.0 * self.narrow_dim(reduction)))
    }

    /// What the tuning scheme adds to one block.
    fn block_adapter_macs(&self, block: usize, share: f64) -> f64 {
        let (n, d) = (self.n_tokens() as f64, self.embed_dim as f64);
        let active = share * n;
        let bottleneck = |reduction: usize| 2.0 * active * d * self.narrow_dim(reduction);
        let tuning = &self.tuning;
        let mut macs = 0.0;
        macs += tuning.bottleneck_reduction().map_or(0.0, bottleneck);
        macs += tuning.msa_reduction().map_or(0.0, |reduction| 2.0 * bottleneck(reduction));
        macs += tuning.lora_rank().map_or(0.0, |rank| 4.0 * active * d * rank as f64);
        macs += tuning.channel_gate_reduction().map_or(0.0, |reduction| {
            let hidden_dim = self.narrow_dim(reduction) as usize;
            ChannelGateAdapterConfig { embed_dim: self.embed_dim, hidden_dim }.macs(self.grid()) as f64
        });
        if self.cross_branch_blocks().contains(&block) {
            let reduction = tuning.cross_branch_reduction().unwrap_or(1);
            // Queries and output of the active tokens, keys and values of the map; its refinement.
            macs += 2.0 * active * d * d + 2.0 * n * d * d + 2.0 * active * n * d;
            macs += 9.0 * n * d * d + bottleneck(reduction);
        }
        if tuning.uses_injection() && self.injection_blocks.contains(&block) {
            // Before block 0 all tokens are injected: stage 0 decides after it.
            let rows = if block == 0 { n } else { active };
            macs += rows * self.conv_channels[2] as f64 * d;
        }
        macs
    }

    fn narrow_dim(&self, reduction: usize) -> f64 {
        (self.embed_dim / reduction.max(1)).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what: &str, macs: f64, expected_giga: f64) {
        let giga = macs / 1e9;
        assert!((giga / expected_giga - 1.0).abs() < 0.01, "{what}: {giga:.2} G, not {expected_giga}");
    }

    #[test]
    fn vit_b_at_the_sizes_of_the_method() {
        for (size, giga) in [(1024, 486.0), (512, 113.6), (256, 34.5), (224, 17.7)] {
            let macs = EncoderConfig::vit_b(size).macs(&[]);
            check(&format!("{size}"), macs.backbone(), giga);
        }
        assert_eq!(EncoderConfig::vit_b(224).macs(&[]).window_padding, 0.0);
    }

    #[test]
    fn pausing_at_224() {
        let config = EncoderConfig::vit_b(224);
        for (shares, giga) in [([0.7, 0.49, 0.343], 11.2), ([0.5, 0.25, 0.25], 8.9), ([0.3, 0.3, 0.3], 8.4)] {
            check(&format!("{shares:?}"), config.macs(&shares).backbone(), giga);
        }
    }

    #[test]
    fn the_padding_of_windows_is_never_saved_by_pausing() {
        // What the ragged path computes falls with the tokens, without a step at the first of them.
        let config = EncoderConfig::vit_b(256);
        let (never, few) = (config.macs(&[]).total(), config.macs(&[0.999; 3]).total());
        assert!(few < never * 1.001 && few > never * 0.99, "{few} {never}");
    }

    #[test]
    fn nothing_active_costs_patches_first_blocks_and_neck() {
        let mut config = EncoderConfig::tiny(128);
        config.pause_points = vec![0, 2];
        let macs = config.macs(&[0.0, 0.0]);
        assert_eq!(macs.blocks, 0.0);
        assert!(macs.heads > 0.0 && macs.patch_embed > 0.0 && macs.neck > 0.0);
    }

    #[test]
    fn frozen_keys_cost_more() {
        let config = EncoderConfig::vit_b(224);
        let shares = [0.5; 3];
        let frozen = config.macs_with_context(&shares, Context::FrozenKv).blocks;
        assert!(frozen > config.macs(&shares).blocks && frozen < config.macs(&[]).blocks);
    }
}
