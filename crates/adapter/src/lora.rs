//! Low-rank updates of q and v in a fused qkv projection, as in SAMed (arXiv 2304.13785).

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::PackedLinear;

/// Configuration of a [`LoraQv`].
#[derive(Clone, Debug)]
pub struct LoraQvConfig {
    /// Width of the tokens.
    pub embed_dim: usize,
    /// The rank of the updates.
    pub rank: usize,
}

impl LoraQvConfig {
    /// Builds the updates; B starts at zero, so that they change nothing at first.
    #[must_use]
    pub fn init(&self, device: &Device) -> LoraQv {
        let a = || LinearConfig::new(self.embed_dim, self.rank).with_bias(false).init(device);
        let b = || {
            LinearConfig::new(self.rank, self.embed_dim)
                .with_bias(false)
                .with_initializer(Initializer::Zeros)
                .init(device)
        };
        LoraQv { linear_a_q: a(), linear_b_q: b(), linear_a_v: a(), linear_b_v: b() }
    }
}

/// `q += B_q A_q x`, `v += B_v A_v x`; no alpha / rank factor. Names as in SAMed.
#[derive(Module, Debug)]
pub struct LoraQv {
    /// A of q.
    pub linear_a_q: Linear,
    /// B of q.
    pub linear_b_q: Linear,
    /// A of v.
    pub linear_a_v: Linear,
    /// B of v.
    pub linear_b_v: Linear,
}

impl LoraQv {
    /// What is added to the fused projection.
    ///
    /// # Shapes
    /// - x: `[m, d]`; output: `[m, 3 d]`, zero in the k part
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let update = |a: &Linear, b: &Linear| {
            b.rows(a.rows(x.clone()))
        };
        let q = update(&self.linear_a_q, &self.linear_b_q);
        let v = update(&self.linear_a_v, &self.linear_b_v);
        let k = q.zeros_like();
        Tensor::cat(vec![q, k, v], 1)
    }

    /// The fused weight `[d, 3 d]` with the updates folded in.
    #[must_use]
    pub fn merge(&self, qkv_weight: Tensor<2>) -> Tensor<2> {
        let product = |a: &Linear, b: &Linear| a.weight.val().matmul(b.weight.val());
        let q = product(&self.linear_a_q, &self.linear_b_q);
        let v = product(&self.linear_a_v, &self.linear_b_v);
        let k = q.zeros_like();
        qkv_weight + Tensor::cat(vec![q, k, v], 1)
    }
}
