//! A transformer block on ragged rows.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use fastersam_adapter::{
    BottleneckAdapter, BottleneckAdapterConfig, ChannelGateAdapter, ChannelGateAdapterConfig, CrossBranchBlock,
    MsaAdapters, MsaAdaptersConfig,
};
use fastersam_kernels::{LayerNorm, Linear, LinearConfig, RaggedLayout, WeightPrecision};

use crate::attention::Attention;
use crate::config::EncoderConfig;
use crate::window_partition::AttentionPlan;

/// Structure of a [`Block`].
pub(crate) struct BlockConfig<'a> {
    pub encoder: &'a EncoderConfig,
    /// Its number, 0-based.
    pub index: usize,
}

impl BlockConfig<'_> {
    pub fn init(&self, device: &Device) -> Block {
        let encoder = self.encoder;
        let (d, eps, tuning) = (encoder.embed_dim, encoder.layer_norm_eps, &encoder.tuning);
        let hidden_dim = encoder.mlp_dim();
        let scale = || encoder.layer_scale.then(|| Param::from_tensor(Tensor::ones([d], device)));
        // Relative positions cover the windows, or the grid.
        let rel_pos_size = encoder.use_rel_pos.then(|| encoder.window_of(self.index).unwrap_or(encoder.grid()));
        let narrow = |reduction: usize| (d / reduction.max(1)).max(1);
        Block {
            norm1: LayerNorm::new(d, eps, device),
            attn: Attention::new(d, encoder.num_heads, rel_pos_size, tuning.lora_rank(), device),
            norm2: LayerNorm::new(d, eps, device),
            mlp: MlpBlock {
                lin1: LinearConfig::new(d, hidden_dim).init(device),
                lin2: LinearConfig::new(hidden_dim, d).init(device),
            },
            layer_scale1: scale(),
            layer_scale2: scale(),
            adapter: tuning.bottleneck_reduction().map(|reduction| {
                let hidden_dim = narrow(reduction);
                BottleneckAdapterConfig { embed_dim: d, hidden_dim }.init(device)
            }),
            msa_adapters: tuning
                .msa_reduction()
                .map(|reduction| MsaAdaptersConfig { embed_dim: d, hidden_dim: narrow(reduction) }.init(device)),
            channel_gate: tuning.channel_gate_reduction().map(|reduction| {
                let hidden_dim = narrow(reduction);
                ChannelGateAdapterConfig { embed_dim: d, hidden_dim }.init(device)
            }),
            grid: encoder.grid(),
        }
    }
}

/// SAM's `MLPBlock`.
#[derive(Module, Debug)]
pub struct MlpBlock {
    /// `d -> hidden`
    pub lin1: Linear,
    /// `hidden -> d`
    pub lin2: Linear,
}

/// SAM's `Block`: attention and MLP, each after a LayerNorm, each with a residual; optionally scaled
/// (DINOv2), and with what a tuning scheme adds.
///
/// With the bottleneck adapter `y = x + attention(norm1(x))` is followed by
/// `y + mlp(norm2(y)) + adapter(norm2(y))`.
#[derive(Module, Debug)]
pub struct Block {
    /// The norm before the attention.
    pub norm1: LayerNorm,
    /// The attention.
    pub attn: Attention,
    /// The norm before the MLP.
    pub norm2: LayerNorm,
    /// The MLP.
    pub mlp: MlpBlock,
    /// Scale of the attention's output.
    pub layer_scale1: Option<Param<Tensor<1>>>,
    /// Scale of the MLP's output.
    pub layer_scale2: Option<Param<Tensor<1>>>,
    /// The bottleneck adapter parallel to the MLP.
    pub adapter: Option<BottleneckAdapter>,
    /// MSA's adapters, after the attention and parallel to the MLP.
    pub msa_adapters: Option<MsaAdapters>,
    /// SAM-Med2D's adapter, parallel to the MLP. It needs the full grid.
    pub channel_gate: Option<ChannelGateAdapter>,
    #[module(skip)]
    grid: usize,
}

/// What a block sees of the CNN branch under SAMUS' scheme.
#[derive(Clone, Copy)]
pub(crate) struct CrossView<'a> {
    pub block: &'a CrossBranchBlock,
    /// `[b * n, d]`
    pub map: &'a Tensor<2>,
    /// Which rows see which part of the map.
    pub layout: &'a Arc<RaggedLayout>,
}

impl Block {
    /// [Prepacks](fastersam_kernels::Linear::prepack_as) the weights of attention and MLP, and those of the bottleneck in
    /// `f32`.
    pub(crate) fn prepack_as(&mut self, precision: WeightPrecision) {
        let Attention { qkv, proj, .. } = &mut self.attn;
        for layer in [qkv, proj, &mut self.mlp.lin1, &mut self.mlp.lin2] {
            layer.prepack_as(precision);
        }
        if let Some(adapter) = &mut self.adapter {
            adapter.prepack();
        }
    }

    /// # Shapes
    /// - x, output: active rows `[m, d]`
    pub(crate) fn forward(&self, x: Tensor<2>, plan: &AttentionPlan, cross: Option<CrossView<'_>>) -> Tensor<2> {
        let frozen = plan.frozen.clone().map(|rows| self.norm1.forward(rows));
        let normal = self.attention_input(x.clone(), cross);
        let attended = self.attn.attend(normal, frozen, plan);
        self.finish(x, attended, cross)
    }

    /// The normalized rows, with what they gather from the CNN branch.
    pub(crate) fn attention_input(&self, x: Tensor<2>, cross: Option<CrossView<'_>>) -> Tensor<2> {
        let normal = self.norm1.forward(x);
        match cross {
            Some(CrossView { block, map, layout }) => block.attend(normal, map.clone(), layout),
            None => normal,
        }
    }

    /// Everything after the attention: output projection, residual, MLP and what is parallel to it.
    pub(crate) fn finish(&self, x: Tensor<2>, attended: Tensor<2>, cross: Option<CrossView<'_>>) -> Tensor<2> {
        let x = match &self.msa_adapters {
            Some(adapters) => {
                let attended = adapters.after_attention(self.attn.proj.forward(attended));
                x + scaled(attended, self.layer_scale1.as_ref())
            }
            None => scaled_residual(&self.attn.proj, attended, x, self.layer_scale1.as_ref()),
        };
        let normal = self.norm2.forward(x.clone());
        let hidden = self.mlp.lin1.forward_gelu(normal.clone());
        let mut y = scaled_residual(&self.mlp.lin2, hidden, x, self.layer_scale2.as_ref());
        if let Some(adapter) = &self.adapter {
            y = adapter.forward_residual(normal.clone(), y);
        }
        if let Some(adapters) = &self.msa_adapters {
            y = y + adapters.parallel_to_mlp(normal.clone());
        }
        if let Some(gate) = &self.channel_gate {
            y = y + gate.forward(normal.clone(), self.grid);
        }
        if let Some(CrossView { block, .. }) = cross {
            y = y + block.parallel_to_mlp(normal);
        }
        y
    }
}

fn scaled(x: Tensor<2>, scale: Option<&Param<Tensor<1>>>) -> Tensor<2> {
    match scale {
        Some(scale) => x * scale.val().unsqueeze(),
        None => x,
    }
}

/// `residual + scale * layer(x)`
fn scaled_residual(
    layer: &Linear,
    x: Tensor<2>,
    residual: Tensor<2>,
    scale: Option<&Param<Tensor<1>>>,
) -> Tensor<2> {
    match scale {
        Some(_) => residual + scaled(layer.forward(x), scale),
        None => layer.forward_residual(x, residual),
    }
}
