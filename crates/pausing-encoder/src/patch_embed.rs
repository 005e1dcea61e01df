//! Patches to tokens.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use fastersam_kernels::linear;

/// SAM's `PatchEmbed`: a convolution whose stride is its size, computed as one matrix product.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// `[embed_dim, 3, p, p]`
    pub proj: Conv2d,
}

impl PatchEmbed {
    /// # Shapes
    /// - images: `[b, 3, s, s]`; output: packed tokens `[b * g * g, embed_dim]`
    #[must_use]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let [b, channels, height, width] = images.dims();
        let weight = self.proj.weight.val();
        let [d, _, p, _] = weight.dims();
        let (rows, cols) = (height / p, width / p);
        let patches = images
            .reshape([b, channels, rows, p, cols, p])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([b * rows * cols, channels * p * p]);
        let weight = weight.reshape([d, channels * p * p]).transpose();
        linear(patches, weight, self.proj.bias.as_ref().map(|bias| bias.val()))
    }
}
