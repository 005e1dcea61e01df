//! Tokens to the image embedding.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Conv3x3, LayerNorm, Linear, linear};

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
    pub conv2: Conv3x3,
    /// `neck.3`
    pub norm2: LayerNorm,
    /// `conv1` as a matrix product, once prepacked.
    #[module(skip)]
    prepacked: Option<Linear>,
}

impl Neck {
    pub(crate) fn new(d: usize, out: usize, device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([d, out], [1, 1]).with_bias(false).init(device),
            norm1: LayerNorm::new(out, EPS, device),
            conv2: Conv3x3::new([out, out], 1, false, device),
            norm2: LayerNorm::new(out, EPS, device),
            prepacked: None,
        }
    }

    /// [Prepacks](Linear::prepack) both convolutions.
    pub(crate) fn prepack(&mut self) {
        let mut conv1 = Linear::from_parts(self.conv1_matrix(), None);
        conv1.prepack();
        self.prepacked = Some(conv1);
        self.conv2.prepack();
    }

    /// `[d, out]`
    fn conv1_matrix(&self) -> Tensor<2> {
        let weight = self.conv1.weight.val();
        let [out, d, _, _] = weight.dims();
        weight.reshape([out, d]).transpose()
    }

    /// # Shapes
    /// - tokens: full grids `[b * g * g, d]`; output: `[b, out_chans, g, g]`
    #[must_use]
    pub fn forward(&self, tokens: Tensor<2>, grid: usize) -> Tensor<4> {
        // Both convolutions on rows, one a place of the grid; the first is 1 x 1.
        let rows = match &self.prepacked {
            Some(conv1) => conv1.forward(tokens),
            None => linear(tokens, self.conv1_matrix(), None),
        };
        let (rows, _) = self.conv2.forward(self.norm1.forward(rows), [grid, grid]);
        let rows = self.norm2.forward(rows);
        let [m, out] = rows.dims();
        rows.reshape([m / (grid * grid).max(1), grid, grid, out]).permute([0, 3, 1, 2])
    }
}
