//! A bottleneck adapter: two linear layers parallel to a block's MLP.

use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::PackedLinear;

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
        BottleneckAdapter {
            down: LinearConfig::new(self.embed_dim, self.hidden_dim).init(device),
            up: LinearConfig::new(self.hidden_dim, self.embed_dim)
                .with_initializer(Initializer::Zeros)
                .init(device),
        }
    }
}

/// `up(gelu(down(x)))`, added by the caller.
#[derive(Module, Debug)]
pub struct BottleneckAdapter {
    /// `embed_dim -> hidden_dim`
    pub down: Linear,
    /// `hidden_dim -> embed_dim`, zero at the start
    pub up: Linear,
}

impl BottleneckAdapter {
    /// # Shapes
    /// - x, output: `[m, embed_dim]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.up.rows(self.down.rows_gelu(x))
    }
}
