//! A transformer block on packed rows.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use fastersam_adapter::{BottleneckAdapter, BottleneckAdapterConfig};
use fastersam_kernels::{LayerNorm, PackedLinear};

use crate::active::AttentionPlan;
use crate::attention::Attention;

/// Structure of a [`Block`].
pub(crate) struct BlockConfig {
    pub embed_dim: usize,
    pub n_heads: usize,
    pub hidden_dim: usize,
    pub eps: f64,
    /// Side of the grid or window that relative positions cover.
    pub rel_pos_size: Option<usize>,
    pub layer_scale: bool,
    pub bottleneck_dim: Option<usize>,
    pub lora_rank: Option<usize>,
}

impl BlockConfig {
    pub fn init(&self, device: &Device) -> Block {
        let d = self.embed_dim;
        let scale = || self.layer_scale.then(|| Param::from_tensor(Tensor::ones([d], device)));
        Block {
            norm1: LayerNorm::new(d, self.eps, device),
            attn: Attention::new(d, self.n_heads, self.rel_pos_size, self.lora_rank, device),
            norm2: LayerNorm::new(d, self.eps, device),
            mlp: MlpBlock {
                lin1: LinearConfig::new(d, self.hidden_dim).init(device),
                lin2: LinearConfig::new(self.hidden_dim, d).init(device),
            },
            layer_scale1: scale(),
            layer_scale2: scale(),
            adapter: self.bottleneck_dim.map(|hidden_dim| {
                BottleneckAdapterConfig { embed_dim: d, hidden_dim }.init(device)
            }),
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
/// (DINOv2) and with a bottleneck adapter parallel to the MLP, on the same normalised tokens.
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
    /// The bottleneck adapter.
    pub adapter: Option<BottleneckAdapter>,
}

impl Block {
    /// # Shapes
    /// - x, output: active rows `[m, d]`
    pub(crate) fn forward(&self, x: Tensor<2>, plan: &AttentionPlan) -> Tensor<2> {
        let frozen = plan.frozen.clone().map(|rows| self.norm1.forward(rows));
        let attended = self.attn.attend(self.norm1.forward(x.clone()), frozen, plan);
        self.finish(x, attended)
    }

    /// Everything after the attention: output projection, residual, MLP and adapter.
    pub(crate) fn finish(&self, x: Tensor<2>, attended: Tensor<2>) -> Tensor<2> {
        let x = scaled_residual(&self.attn.proj, attended, x, self.layer_scale1.as_ref());
        let normal = self.norm2.forward(x.clone());
        let hidden = self.mlp.lin1.rows_gelu(normal.clone());
        let y = scaled_residual(&self.mlp.lin2, hidden, x, self.layer_scale2.as_ref());
        match &self.adapter {
            Some(adapter) => y + adapter.forward(normal),
            None => y,
        }
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
        Some(scale) => residual + layer.rows(x) * scale.val().unsqueeze(),
        None => layer.rows_residual(x, residual),
    }
}
