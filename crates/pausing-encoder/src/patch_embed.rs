//! Patches to tokens.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use fastersam_kernels::{Linear, linear};

/// SAM's `PatchEmbed`: a convolution whose stride is its size, computed as one matrix product.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// `[embed_dim, 3, p, p]`
    pub proj: Conv2d,
    #[module(skip)]
    prepacked: Option<Linear>,
}

impl PatchEmbed {
    pub(crate) fn new(proj: Conv2d) -> Self {
        Self { proj, prepacked: None }
    }

    /// [Prepacks](Linear::prepack) the weight.
    pub(crate) fn prepack(&mut self) {
        let (weight, bias) = self.as_matrix();
        let mut layer = Linear::from_parts(weight, bias);
        layer.prepack();
        self.prepacked = Some(layer);
    }

    fn as_matrix(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        let weight = self.proj.weight.val();
        let [d, channels, p, _] = weight.dims();
        let weight = weight.reshape([d, channels * p * p]).transpose();
        (weight, self.proj.bias.as_ref().map(|bias| bias.val()))
    }

    /// # Shapes
    /// - images: `[b, 3, s, s]`; output: ragged tokens `[b * g * g, embed_dim]`
    #[must_use]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let [b, channels, height, width] = images.dims();
        let [_, _, p, _] = self.proj.weight.dims();
        let (rows, cols) = (height / p, width / p);
        let patches = images
            .reshape([b, channels, rows, p, cols, p])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([b * rows * cols, channels * p * p]);
        match &self.prepacked {
            Some(layer) => layer.forward(patches),
            None => {
                let (weight, bias) = self.as_matrix();
                linear(patches, weight, bias)
            }
        }
    }
}
