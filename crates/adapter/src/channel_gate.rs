//! SAM-Med2D's adapter (arXiv 2308.16184): a channel gate and a convolution, parallel to the MLP.
//!
//! Both look at the whole grid, so this adapter is not point-wise: an encoder that has it can't pause
//! tokens exactly.

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{LayerNorm, Linear, LinearConfig};

/// Eps of the norm at the end; PyTorch's default, unlike the encoder's.
const EPS: f64 = 1e-5;

/// Configuration of a [`ChannelGateAdapter`].
#[derive(Clone, Debug)]
pub struct ChannelGateAdapterConfig {
    /// Width of the tokens.
    pub embed_dim: usize,
    /// Width of the gate's hidden layer; a quarter of the tokens' in the original.
    pub hidden_dim: usize,
}

impl ChannelGateAdapterConfig {
    /// Builds the adapter. As in the original, it does not start at zero.
    #[must_use]
    pub fn init(&self, device: &Device) -> ChannelGateAdapter {
        let (d, hidden) = (self.embed_dim, self.hidden_dim);
        ChannelGateAdapter {
            squeeze: LinearConfig::new(d, hidden).with_bias(false).init(device),
            excite: LinearConfig::new(hidden, d).with_bias(false).init(device),
            down: Conv2dConfig::new([d, d], [3, 3])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_bias(false)
                .init(device),
            up: ConvTranspose2dConfig::new([d, d], [4, 4])
                .with_stride([2, 2])
                .with_padding([1, 1])
                .with_bias(false)
                .init(device),
            norm: LayerNorm::new(d, EPS, device),
        }
    }

    /// Multiply-accumulates for one image with `grid` x `grid` tokens.
    #[must_use]
    pub fn macs(&self, grid: usize) -> u64 {
        let (d, half) = (self.embed_dim, grid.div_ceil(2));
        // Each of the transposed convolution's inputs meets all 16 taps.
        (2 * d * self.hidden_dim + (9 + 16) * d * d * half * half) as u64
    }
}

/// `norm(x + relu(up(relu(down(gate * x)))))`, where the gate of a channel is
/// `sigmoid(excite(relu(squeeze(mean over the grid))))`.
#[derive(Module, Debug)]
pub struct ChannelGateAdapter {
    /// `embed_dim -> hidden_dim`, no bias
    pub squeeze: Linear,
    /// `hidden_dim -> embed_dim`, no bias
    pub excite: Linear,
    /// 3 x 3 convolution of stride 2, no bias
    pub down: Conv2d,
    /// 4 x 4 transposed convolution of stride 2, no bias
    pub up: ConvTranspose2d,
    /// The norm at the end.
    pub norm: LayerNorm,
}

impl ChannelGateAdapter {
    /// What is added to the MLP's output.
    ///
    /// # Shapes
    /// - normal: the MLP's normalized input, full grids `[b * grid * grid, d]`
    /// - output: the same shape
    #[must_use]
    pub fn forward(&self, normal: Tensor<2>, grid: usize) -> Tensor<2> {
        let [rows, d] = normal.dims();
        let n = (grid * grid).max(1);
        let b = rows / n;
        let tokens = normal.reshape([b, n, d]);
        let mean = tokens.clone().mean_dim(1).reshape([b, d]);
        let gate = sigmoid(self.excite.forward(relu(self.squeeze.forward(mean))));
        let gated = tokens.clone() * gate.reshape([b, 1, d]);
        let map = gated.reshape([b, grid, grid, d]).permute([0, 3, 1, 2]);
        let map = relu(self.up.forward(relu(self.down.forward(map))));
        // An odd side comes back one longer.
        let map = map.slice([0..b, 0..d, 0..grid, 0..grid]).permute([0, 2, 3, 1]);
        self.norm.forward(tokens.reshape([rows, d]) + map.reshape([rows, d]))
    }
}
