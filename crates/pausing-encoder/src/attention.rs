//! SAM's multi-head attention on ragged rows.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use fastersam_adapter::{LoraQv, LoraQvConfig};
use fastersam_kernels::{Linear, LinearConfig, RelativePositions, ragged_attention, ragged_self_attention};

use crate::window_partition::AttentionPlan;

/// SAM's `Attention`; the names of its parameters are the official ones.
#[derive(Module, Debug)]
pub struct Attention {
    /// The fused projection `[d, 3 d]`.
    pub qkv: Linear,
    /// The output projection.
    pub proj: Linear,
    /// Relative positions along the rows, `[2 size - 1, head_dim]`.
    pub rel_pos_h: Option<Param<Tensor<2>>>,
    /// Relative positions along the columns.
    pub rel_pos_w: Option<Param<Tensor<2>>>,
    /// Low-rank updates of q and v, where the tuning scheme has them.
    pub lora: Option<LoraQv>,
    #[module(skip)]
    num_heads: usize,
}

impl Attention {
    pub(crate) fn new(
        d: usize,
        num_heads: usize,
        rel_pos_size: Option<usize>,
        lora_rank: Option<usize>,
        device: &Device,
    ) -> Self {
        let table = |size: usize| {
            let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
            normal.init([2 * size - 1, d / num_heads], device)
        };
        Self {
            qkv: LinearConfig::new(d, 3 * d).init(device),
            proj: LinearConfig::new(d, d).init(device),
            rel_pos_h: rel_pos_size.map(table),
            rel_pos_w: rel_pos_size.map(table),
            lora: lora_rank.map(|rank| LoraQvConfig { embed_dim: d, rank }.init(device)),
            num_heads,
        }
    }

    /// Number of attention heads.
    #[must_use]
    pub fn num_heads(&self) -> usize {
        self.num_heads
    }

    /// The relative-position tables, where the attention has them.
    pub(crate) fn relative_positions(&self) -> Option<RelativePositions> {
        let (height, width) = (self.rel_pos_h.as_ref()?, self.rel_pos_w.as_ref()?);
        Some(RelativePositions { height: height.val(), width: width.val() })
    }

    /// q, k and v beside each other: `[m, d] -> [m, 3 d]`.
    #[must_use]
    pub fn project(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.lora {
            Some(lora) => self.qkv.forward_residual(x.clone(), lora.forward(x)),
            None => self.qkv.forward(x),
        }
    }

    /// Attention without the output projection.
    ///
    /// # Shapes
    /// - x: normalized active rows `[m, d]`; frozen: normalized rows of the plan's paused tokens
    /// - output: `[m, d]`
    pub(crate) fn attend(&self, x: Tensor<2>, frozen: Option<Tensor<2>>, plan: &AttentionPlan) -> Tensor<2> {
        let [m, d] = x.dims();
        let qkv = self.project(x);
        let tables = self.relative_positions();
        let Some(key_order) = &plan.keys else {
            let qkv = plan.window_partition(qkv);
            let output = ragged_self_attention(qkv, &plan.layout, self.num_heads, tables);
            return plan.window_unpartition(output);
        };
        let mut sources = vec![qkv.clone().slice([0..m, d..3 * d])];
        if let Some(frozen) = frozen {
            let p = frozen.dims()[0];
            sources.push(self.project(frozen).slice([0..p, d..3 * d]));
        }
        // Zero padding comes after the norm: its keys and values are the bias.
        sources.push(match &self.qkv.bias {
            Some(bias) => bias.val().unsqueeze::<2>().slice([0..1, d..3 * d]),
            None => Tensor::zeros([1, 2 * d], &qkv.device()),
        });
        let kv = Tensor::cat(sources, 0).select(0, key_order.clone());
        let n_keys = kv.dims()[0];
        let q = plan.window_partition(qkv.slice([0..m, 0..d]));
        let k = kv.clone().slice([0..n_keys, 0..d]);
        let v = kv.slice([0..n_keys, d..2 * d]);
        let output = ragged_attention(q, k, v, &plan.layout, self.num_heads, tables);
        plan.window_unpartition(output)
    }
}
