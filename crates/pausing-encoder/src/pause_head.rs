//! The heads that say how hard a token is.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{LayerNorm, Linear, LinearConfig};

/// A pause head: LayerNorm and a linear layer to class logits, token by token.
#[derive(Module, Debug)]
pub struct PauseHead {
    /// The norm.
    pub norm: LayerNorm,
    /// `d -> n_classes`
    pub linear: Linear,
}

impl PauseHead {
    pub(crate) fn new(d: usize, n_classes: usize, eps: f64, device: &Device) -> Self {
        Self { norm: LayerNorm::new(d, eps, device), linear: LinearConfig::new(d, n_classes).init(device) }
    }

    /// [Prepacks](Linear::prepack) all weights.
    pub(crate) fn prepack(&mut self) {
        self.linear.prepack();
    }

    /// # Shapes
    /// - x: `[m, d]`; output: class logits `[m, n_classes]`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.linear.forward(self.norm.forward(x))
    }
}
