//! The upscaling of the image rows to four times the grid, with skips from a CNN branch.

use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{LayerNorm, Linear, LinearConfig, gelu, linear, resize_bilinear};

/// Eps of the upscaling's `LayerNorm2d`.
const EPS: f64 = 1e-6;

/// SAM's `output_upscaling`: two transposed convolutions of size and stride 2.
///
/// A transposed convolution whose stride is its size is a matrix product and a shuffle of pixels; all
/// of it works on rows, one a pixel.
#[derive(Module, Debug)]
pub struct OutputUpscaling {
    /// `output_upscaling.0`
    pub conv1: ConvTranspose2d,
    /// `output_upscaling.1`
    pub norm: LayerNorm,
    /// `output_upscaling.3`
    pub conv2: ConvTranspose2d,
    /// From the CNN branch's stride-8 map, zero at the start.
    pub skip8: Option<Linear>,
    /// From the CNN branch's stride-4 map, zero at the start.
    pub skip4: Option<Linear>,
    /// The transposed convolutions as matrix products, once prepacked.
    #[module(skip)]
    prepacked: Option<[Linear; 2]>,
}

impl OutputUpscaling {
    pub(crate) fn new(dim: usize, skip_channels: Option<[usize; 2]>, device: &Device) -> Self {
        let conv = |from: usize, to: usize| {
            ConvTranspose2dConfig::new([from, to], [2, 2]).with_stride([2, 2]).init(device)
        };
        let skip =
            |from: usize, to: usize| LinearConfig::new(from, to).with_initializer(Initializer::Zeros).init(device);
        Self {
            conv1: conv(dim, dim / 4),
            norm: LayerNorm::new(dim / 4, EPS, device),
            conv2: conv(dim / 4, dim / 8),
            skip8: skip_channels.map(|[_, stride8]| skip(stride8, dim / 4)),
            skip4: skip_channels.map(|[stride4, _]| skip(stride4, dim / 8)),
            prepacked: None,
        }
    }

    /// [Prepacks](Linear::prepack) all weights.
    pub(crate) fn prepack(&mut self) {
        for skip in [&mut self.skip8, &mut self.skip4].into_iter().flatten() {
            skip.prepack();
        }
        self.prepacked = Some([&self.conv1, &self.conv2].map(|conv| {
            let (weight, bias) = as_matrix(conv);
            let mut layer = Linear::from_parts(weight, bias);
            layer.prepack();
            layer
        }));
    }

    /// # Shapes
    /// - rows: `[b * grid * grid, dim]`; skips: the maps at strides 4 and 8, `[b, c, h, w]`
    /// - output: `[b * 4 grid * 4 grid, dim / 8]`, one row a pixel, image after image
    #[must_use]
    pub fn forward(&self, rows: Tensor<2>, grid: usize, skips: Option<(Tensor<4>, Tensor<4>)>) -> Tensor<2> {
        let (stride4, stride8) = skips.unzip();
        let [prepacked1, prepacked2] = self.prepacked.as_ref().map_or([None, None], |[a, b]| [Some(a), Some(b)]);
        let x = double(&self.conv1, prepacked1, rows, grid);
        let x = add_skip(self.skip8.as_ref(), stride8, x, 2 * grid);
        let x = gelu(self.norm.forward(x));
        let x = double(&self.conv2, prepacked2, x, 2 * grid);
        gelu(add_skip(self.skip4.as_ref(), stride4, x, 4 * grid))
    }
}

/// A 2 x 2 transposed convolution with stride 2: a row becomes the four rows of its pixels.
fn as_matrix(conv: &ConvTranspose2d) -> (Tensor<2>, Option<Tensor<1>>) {
    let weight = conv.weight.val();
    let [from, to, _, _] = weight.dims();
    let weight = weight.permute([0, 2, 3, 1]).reshape([from, 4 * to]);
    (weight, conv.bias.as_ref().map(|bias| bias.val().repeat_dim(0, 4)))
}

/// Such a convolution on rows: `[b * g * g, c] -> [b * 2g * 2g, c']`.
fn double(conv: &ConvTranspose2d, prepacked: Option<&Linear>, rows: Tensor<2>, grid: usize) -> Tensor<2> {
    let b = rows.dims()[0] / (grid * grid).max(1);
    let rows = match prepacked {
        Some(layer) => layer.forward(rows),
        None => {
            let (weight, bias) = as_matrix(conv);
            linear(rows, weight, bias)
        }
    };
    let to = rows.dims()[1] / 4;
    rows.reshape([b * grid, grid, 2, 2 * to]).permute([0, 2, 1, 3]).reshape([b * 4 * grid * grid, to])
}

/// Adds a projected map, resized to `side`, to the rows.
fn add_skip(projection: Option<&Linear>, map: Option<Tensor<4>>, rows: Tensor<2>, side: usize) -> Tensor<2> {
    let (Some(projection), Some(map)) = (projection, map) else { return rows };
    let [b, c, _, _] = map.dims();
    let map = resize_bilinear(map, side).permute([0, 2, 3, 1]).reshape([b * side * side, c]);
    projection.forward_residual(map, rows)
}
