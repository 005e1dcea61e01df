//! Tokens to the image embedding.

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{LayerNorm, linear};

/// Eps of the `LayerNorm2d`s.
const EPS: f64 = 1e-6;

/// SAM's neck: 1 x 1 convolution, `LayerNorm2d`, 3 x 3 convolution, `LayerNorm2d`.
#[derive(Module, Debug)]
pub struct Neck {
    /// `neck.0`
    pub conv1: Conv2d,
    /// `neck.1`
    pub norm1: LayerNorm,
    /// `neck.2`
    pub conv2: Conv2d,
    /// `neck.3`
    pub norm2: LayerNorm,
}

impl Neck {
    pub(crate) fn new(d: usize, out: usize, device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([d, out], [1, 1]).with_bias(false).init(device),
            norm1: LayerNorm::new(out, EPS, device),
            conv2: Conv2dConfig::new([out, out], [3, 3])
                .with_bias(false)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device),
            norm2: LayerNorm::new(out, EPS, device),
        }
    }

    /// # Shapes
    /// - tokens: full grids `[b * g * g, d]`; output: `[b, out_chans, g, g]`
    #[must_use]
    pub fn forward(&self, tokens: Tensor<2>, grid: usize) -> Tensor<4> {
        let weight = self.conv1.weight.val();
        let [out, d, _, _] = weight.dims();
        // The 1 x 1 convolution and its norm on rows, before the channels come first.
        let rows = linear(tokens, weight.reshape([out, d]).transpose(), None);
        let rows = self.norm1.forward(rows);
        let b = rows.dims()[0] / (grid * grid).max(1);
        let map = rows.reshape([b, grid, grid, out]).permute([0, 3, 1, 2]);
        self.norm2.forward_map(self.conv2.forward(map))
    }
}
