//! SAM's decoder attention, which may work in fewer channels than it takes; optionally with low-rank
//! updates of its q and v projections (`SAMed_s`, arXiv 2304.13785).

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fastersam_adapter::{LoraLinear, LoraLinearConfig};
use fastersam_kernels::{Linear, LinearConfig, RaggedLayout, ragged_attention};

/// Multi-head attention between ragged rows.
#[derive(Module, Debug)]
pub struct Attention {
    /// Projection of the queries.
    pub q_proj: Linear,
    /// Projection of the keys.
    pub k_proj: Linear,
    /// Projection of the values.
    pub v_proj: Linear,
    /// Projection of the output.
    pub out_proj: Linear,
    /// Low-rank update of the queries.
    pub lora_q: Option<LoraLinear>,
    /// Low-rank update of the values.
    pub lora_v: Option<LoraLinear>,
    #[module(skip)]
    num_heads: usize,
}

impl Attention {
    pub(crate) fn new(
        dim: usize,
        num_heads: usize,
        downsample: usize,
        lora_rank: Option<usize>,
        device: &Device,
    ) -> Self {
        let inner = dim / downsample;
        let projection = || LinearConfig::new(dim, inner).init(device);
        let lora = || lora_rank.map(|rank| LoraLinearConfig { d_input: dim, d_output: inner, rank }.init(device));
        Self {
            q_proj: projection(),
            k_proj: projection(),
            v_proj: projection(),
            out_proj: LinearConfig::new(inner, dim).init(device),
            lora_q: lora(),
            lora_v: lora(),
            num_heads,
        }
    }

    /// [Prepacks](Linear::prepack) the projections.
    pub(crate) fn prepack(&mut self) {
        for layer in [&mut self.q_proj, &mut self.k_proj, &mut self.v_proj, &mut self.out_proj] {
            layer.prepack();
        }
    }

    /// # Shapes
    /// - q: `[n_queries, dim]`; k, v: `[n_keys, dim]`, one sequence of each an image
    /// - output: `[n_queries, dim]`
    #[must_use]
    pub fn forward(&self, q: Tensor<2>, k: Tensor<2>, v: Tensor<2>, layout: &Arc<RaggedLayout>) -> Tensor<2> {
        let q = project(&self.q_proj, self.lora_q.as_ref(), q);
        let k = self.k_proj.forward(k);
        let v = project(&self.v_proj, self.lora_v.as_ref(), v);
        self.out_proj.forward(ragged_attention(q, k, v, layout, self.num_heads, None))
    }
}

/// A projection with its update, where there is one.
fn project(layer: &Linear, lora: Option<&LoraLinear>, x: Tensor<2>) -> Tensor<2> {
    match lora {
        Some(lora) => lora.forward(layer, x),
        None => layer.forward(x),
    }
}
