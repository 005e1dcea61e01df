//! Bottleneck adapters: two linear layers with a GELU between, token by token.
//!
//! This project's adapter runs parallel to a block's MLP and starts at zero. The two adapters of the
//! Medical SAM Adapter (MSA, arXiv 2304.12620) are the same layers at two places.

use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Linear, LinearConfig};

/// Configuration of a [`BottleneckAdapter`].
#[derive(Clone, Debug)]
pub struct BottleneckAdapterConfig {
    /// Width of the tokens.
    pub embed_dim: usize,
    /// Width of the bottleneck.
    pub hidden_dim: usize,
}

impl BottleneckAdapterConfig {
    /// Builds the adapter; its up-projection starts at zero, so that it changes nothing at first.
    #[must_use]
    pub fn init(&self, device: &Device) -> BottleneckAdapter {
        let zeros = Initializer::Zeros;
        BottleneckAdapter {
            down: LinearConfig::new(self.embed_dim, self.hidden_dim).init(device),
            up: LinearConfig::new(self.hidden_dim, self.embed_dim).with_initializer(zeros).init(device),
        }
    }

    /// Builds the adapter with both projections drawn, as MSA and SAMUS start theirs.
    #[must_use]
    pub fn init_drawn(&self, device: &Device) -> BottleneckAdapter {
        BottleneckAdapter {
            down: LinearConfig::new(self.embed_dim, self.hidden_dim).init(device),
            up: LinearConfig::new(self.hidden_dim, self.embed_dim).init(device),
        }
    }

    /// Multiply-accumulates for one token.
    #[must_use]
    pub fn macs_per_token(&self) -> u64 {
        2 * (self.embed_dim * self.hidden_dim) as u64
    }
}

/// `up(gelu(down(x)))`, added by the caller.
#[derive(Module, Debug)]
pub struct BottleneckAdapter {
    /// `embed_dim -> hidden_dim`
    pub down: Linear,
    /// `hidden_dim -> embed_dim`
    pub up: Linear,
}

impl BottleneckAdapter {
    /// [Prepacks](fastersam_kernels::Linear::prepack) all weights.
    pub fn prepack(&mut self) {
        self.down.prepack();
        self.up.prepack();
    }

    /// # Shapes
    /// - x, output: `[m, embed_dim]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.up.forward(self.down.forward_gelu(x))
    }

    /// `residual + up(gelu(down(x)))`
    ///
    /// # Shapes
    /// - x, residual, output: `[m, embed_dim]`
    #[must_use]
    pub fn forward_residual(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        self.up.forward_residual(self.down.forward_gelu(x), residual)
    }

    /// `x + up(gelu(down(x)))`
    ///
    /// # Shapes
    /// - x, output: `[m, embed_dim]`
    #[must_use]
    pub fn forward_with_skip(&self, x: Tensor<2>) -> Tensor<2> {
        self.forward_residual(x.clone(), x)
    }
}

/// How much an adapter parallel to the MLP counts in MSA and SAMUS.
const PARALLEL_SCALE: f64 = 0.5;

/// Configuration of [`MsaAdapters`].
#[derive(Clone, Debug)]
pub struct MsaAdaptersConfig {
    /// Width of the tokens.
    pub embed_dim: usize,
    /// Width of both bottlenecks; a quarter of the tokens' in the original.
    pub hidden_dim: usize,
}

impl MsaAdaptersConfig {
    /// Builds both adapters, drawn as in the original.
    #[must_use]
    pub fn init(&self, device: &Device) -> MsaAdapters {
        let config = BottleneckAdapterConfig { embed_dim: self.embed_dim, hidden_dim: self.hidden_dim };
        MsaAdapters { space: config.init_drawn(device), mlp: config.init_drawn(device) }
    }
}

/// The two adapters of an MSA block.
#[derive(Module, Debug)]
pub struct MsaAdapters {
    /// After the attention.
    pub space: BottleneckAdapter,
    /// Parallel to the MLP.
    pub mlp: BottleneckAdapter,
}

impl MsaAdapters {
    /// Replaces the attention's output (after its projection, before the residual), with a skip.
    ///
    /// # Shapes
    /// - attended, output: `[m, embed_dim]`
    #[must_use]
    pub fn after_attention(&self, attended: Tensor<2>) -> Tensor<2> {
        self.space.forward_with_skip(attended)
    }

    /// What is added to the MLP's output: half of the adapter's, on the MLP's normalized input.
    ///
    /// # Shapes
    /// - normal, output: `[m, embed_dim]`
    #[must_use]
    pub fn parallel_to_mlp(&self, normal: Tensor<2>) -> Tensor<2> {
        parallel_to_mlp(&self.mlp, normal)
    }
}

/// Half of an adapter's output.
pub(crate) fn parallel_to_mlp(adapter: &BottleneckAdapter, normal: Tensor<2>) -> Tensor<2> {
    adapter.forward(normal).mul_scalar(PARALLEL_SCALE)
}
