//! From a configuration to an encoder.

use burn::nn::conv::Conv2dConfig;
use burn::nn::{Initializer, PaddingConfig2d};
use burn::tensor::Device;
use fastersam_adapter::{CrossBranchConfig, InjectionConfig, PreEncoderHeadConfig};
use fastersam_kernels::LayerNorm;

use crate::block::{Block, BlockConfig};
use crate::config::EncoderConfig;
use crate::encoder::PausingEncoder;
use crate::neck::Neck;
use crate::patch_embed::PatchEmbed;
use crate::pause_head::PauseHead;

impl EncoderConfig {
    /// Builds the encoder with burn's initial values.
    #[must_use]
    pub fn init(&self, device: &Device) -> PausingEncoder {
        let (d, grid) = (self.embed_dim, self.grid());
        let proj = Conv2dConfig::new([3, d], [self.patch_size, self.patch_size])
            .with_stride([self.patch_size, self.patch_size])
            .with_padding(PaddingConfig2d::Valid)
            .init(device);
        let blocks =
            (0..self.depth).map(|index| BlockConfig { encoder: self, index }.init(device)).collect::<Vec<Block>>();
        let injections = if self.tuning.uses_injection() {
            let config = InjectionConfig { channels: self.conv_channels[2], embed_dim: d };
            self.injection_blocks.iter().map(|_| config.init(device)).collect()
        } else {
            Vec::new()
        };
        let cross_branch = self.tuning.cross_branch_reduction().map(|reduction| {
            CrossBranchConfig {
                channels: self.conv_channels[2],
                embed_dim: d,
                num_heads: self.num_heads,
                hidden_dim: (d / reduction.max(1)).max(1),
                n_blocks: self.cross_branch_blocks().len(),
            }
            .init(device)
        });
        let pre_encoder = (self.pause_points.first() == Some(&0)).then(|| {
            PreEncoderHeadConfig { channels: self.conv_channels[2], hidden_dim: 64, n_classes: self.n_classes }
                .init(device)
        });
        let pause_heads = self
            .pause_points
            .iter()
            .filter(|&&point| point > 0)
            .map(|_| PauseHead::new(d, self.n_classes, self.layer_norm_eps, device))
            .collect();
        // Replaced by pre-trained tables or by values drawn from the project's own generators, which
        // leave constants alone: so these must not start as constants.
        let table = Initializer::Normal { mean: 0.0, std: 0.02 };
        PausingEncoder {
            patch_embed: PatchEmbed::new(proj),
            pos_embed: table.init([1, grid, grid, d], device),
            cls_token: self.class_token.then(|| table.init([1, 1, d], device)),
            cls_pos_embed: self.class_token.then(|| table.init([1, 1, d], device)),
            blocks,
            norm: self.final_norm.then(|| LayerNorm::new(d, self.layer_norm_eps, device)),
            neck: Neck::new(d, self.out_chans, device),
            injections,
            cross_branch,
            pre_encoder,
            pause_heads,
            config: self.clone(),
        }
    }
}
