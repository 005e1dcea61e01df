//! The pause head of stage 0: it scores tokens from the CNN branch, before any block runs.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Linear, LinearConfig};

/// Configuration of a [`PreEncoderHead`].
#[derive(Clone, Debug)]
pub struct PreEncoderHeadConfig {
    /// Channels of the CNN branch's stride-16 map.
    pub channels: usize,
    /// Width of the hidden layer.
    pub hidden_dim: usize,
    /// Number of classes with background.
    pub n_classes: usize,
}

impl PreEncoderHeadConfig {
    /// Builds the head.
    #[must_use]
    pub fn init(&self, device: &Device) -> PreEncoderHead {
        PreEncoderHead {
            hidden: LinearConfig::new(self.channels, self.hidden_dim).init(device),
            classes: LinearConfig::new(self.hidden_dim, self.n_classes).init(device),
        }
    }
}

/// Two 1 x 1 convolutions with a GELU between, on the rows of the map.
#[derive(Module, Debug)]
pub struct PreEncoderHead {
    /// `channels -> hidden_dim`
    pub hidden: Linear,
    /// `hidden_dim -> n_classes`
    pub classes: Linear,
}

impl PreEncoderHead {
    /// [Prepacks](fastersam_kernels::Linear::prepack) all weights.
    pub fn prepack(&mut self) {
        self.hidden.prepack();
        self.classes.prepack();
    }

    /// # Shapes
    /// - map_tokens: `[m, channels]`, see [`grid_tokens`](crate::grid_tokens)
    /// - output: logits `[m, n_classes]`
    #[must_use]
    pub fn forward(&self, map_tokens: Tensor<2>) -> Tensor<2> {
        self.classes.forward(self.hidden.forward_gelu(map_tokens))
    }
}
