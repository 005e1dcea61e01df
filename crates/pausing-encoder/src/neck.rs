//! Tokens to the image embedding.

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{LayerNorm, Linear, PackedConv3x3, linear};

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
    #[module(skip)]
    packed: Option<(Linear, PackedConv3x3)>,
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
            packed: None,
        }
    }

    /// [Packs](Linear::pack) both convolutions.
    pub(crate) fn pack(&mut self) {
        let Some(conv2) = PackedConv3x3::pack(&self.conv2) else { return };
        let mut conv1 = Linear::from_parts(self.conv1_matrix(), None);
        conv1.pack();
        self.packed = Some((conv1, conv2));
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
        if let Some((conv1, conv2)) = &self.packed {
            let rows = self.norm1.forward(conv1.rows(tokens));
            let (rows, _) = conv2.rows(rows, [grid, grid]);
            let rows = self.norm2.forward(rows);
            let [m, out] = rows.dims();
            return rows.reshape([m / (grid * grid), grid, grid, out]).permute([0, 3, 1, 2]);
        }
        // The 1 x 1 convolution and its norm on rows, before the channels come first.
        let rows = self.norm1.forward(linear(tokens, self.conv1_matrix(), None));
        let [m, out] = rows.dims();
        let b = m / (grid * grid).max(1);
        let map = rows.reshape([b, grid, grid, out]).permute([0, 3, 1, 2]);
        self.norm2.forward_map(self.conv2.forward(map))
    }
}
