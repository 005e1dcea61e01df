//! SAM's decoder attention, which may work in fewer channels than it takes.

use std::sync::Arc;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{PackedLinear, RaggedLayout, ragged_attention};

/// Multi-head attention between packed rows.
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
    #[module(skip)]
    n_heads: usize,
}

impl Attention {
    pub(crate) fn new(dim: usize, n_heads: usize, downsample: usize, device: &Device) -> Self {
        let inner = dim / downsample;
        let projection = || LinearConfig::new(dim, inner).init(device);
        Self {
            q_proj: projection(),
            k_proj: projection(),
            v_proj: projection(),
            out_proj: LinearConfig::new(inner, dim).init(device),
            n_heads,
        }
    }

    /// # Shapes
    /// - q: `[n_queries, dim]`; k, v: `[n_keys, dim]`, one segment of each an image
    /// - output: `[n_queries, dim]`
    #[must_use]
    pub fn forward(
        &self,
        q: Tensor<2>,
        k: Tensor<2>,
        v: Tensor<2>,
        layout: &Arc<RaggedLayout>,
    ) -> Tensor<2> {
        let (q, k, v) = (self.q_proj.rows(q), self.k_proj.rows(k), self.v_proj.rows(v));
        self.out_proj.rows(ragged_attention(q, k, v, layout, self.n_heads, None))
    }
}
