//! Low-rank updates of linear layers, as in SAMed (arXiv 2304.13785).
//!
//! In the image encoder SAMed updates q and v inside the fused `qkv` projection ([`LoraQv`]); its
//! smaller variant `SAMed_s` does the same to the separate q and v projections of the mask decoder
//! ([`LoraLinear`]). There is no alpha / rank factor.

use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Linear, LinearConfig};

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
        let (a, b) = (|| down(self.embed_dim, self.rank, device), || up(self.rank, self.embed_dim, device));
        LoraQv { linear_a_q: a(), linear_b_q: b(), linear_a_v: a(), linear_b_v: b() }
    }

    /// Multiply-accumulates for one token.
    #[must_use]
    pub fn macs_per_token(&self) -> u64 {
        4 * (self.embed_dim * self.rank) as u64
    }
}

/// A: drawn from a uniform distribution (Kaiming).
fn down(d_input: usize, rank: usize, device: &Device) -> Linear {
    LinearConfig::new(d_input, rank).with_bias(false).init(device)
}

/// B: zero.
fn up(rank: usize, d_output: usize, device: &Device) -> Linear {
    LinearConfig::new(rank, d_output).with_bias(false).with_initializer(Initializer::Zeros).init(device)
}

/// `q += B_q A_q x`, `v += B_v A_v x`. Names as in SAMed.
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
        let q = self.linear_b_q.forward(self.linear_a_q.forward(x.clone()));
        let v = self.linear_b_v.forward(self.linear_a_v.forward(x));
        fused(q, v)
    }

    /// The fused weight `[d, 3 d]` (burn's layout) with the updates folded in: the same function
    /// without their cost.
    #[must_use]
    pub fn merge(&self, qkv_weight: Tensor<2>) -> Tensor<2> {
        let product = |a: &Linear, b: &Linear| a.weight.val().matmul(b.weight.val());
        let q = product(&self.linear_a_q, &self.linear_b_q);
        let v = product(&self.linear_a_v, &self.linear_b_v);
        qkv_weight + fused(q, v)
    }
}

/// q, nothing for k, v beside each other.
fn fused(q: Tensor<2>, v: Tensor<2>) -> Tensor<2> {
    let k = q.zeros_like();
    Tensor::cat(vec![q, k, v], 1)
}

/// Configuration of a [`LoraLinear`].
#[derive(Clone, Debug)]
pub struct LoraLinearConfig {
    /// Width of the layer's input.
    pub d_input: usize,
    /// Width of its output.
    pub d_output: usize,
    /// The rank of the update.
    pub rank: usize,
}

impl LoraLinearConfig {
    /// Builds the update; B starts at zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> LoraLinear {
        LoraLinear {
            linear_a: down(self.d_input, self.rank, device),
            linear_b: up(self.rank, self.d_output, device),
        }
    }
}

/// `B A x`, added to the output of one linear layer.
#[derive(Module, Debug)]
pub struct LoraLinear {
    /// A.
    pub linear_a: Linear,
    /// B.
    pub linear_b: Linear,
}

impl LoraLinear {
    /// The updated layer's output.
    ///
    /// # Shapes
    /// - x: `[m, d_input]`; output: `[m, d_output]`
    #[must_use]
    pub fn forward(&self, layer: &Linear, x: Tensor<2>) -> Tensor<2> {
        let update = self.linear_b.forward(self.linear_a.forward(x.clone()));
        layer.forward_residual(x, update)
    }

    /// The layer's weight `[d_input, d_output]` with the update folded in.
    #[must_use]
    pub fn merge(&self, weight: Tensor<2>) -> Tensor<2> {
        weight + self.linear_a.weight.val().matmul(self.linear_b.weight.val())
    }
}
