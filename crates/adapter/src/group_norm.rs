//! Group normalization of maps.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::group_norm_gelu;

/// `GroupNorm` (arXiv 1803.08494) with PyTorch's parameter names, followed by GELU.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale of each channel.
    pub weight: Param<Tensor<1>>,
    /// Shift of each channel.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    n_groups: usize,
}

/// Keeps the variance away from zero; PyTorch's default.
const EPS: f64 = 1e-5;

impl GroupNorm {
    /// Weight 1, bias 0. `channels` must be a multiple of `n_groups`.
    #[must_use]
    pub fn new(n_groups: usize, channels: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            n_groups,
        }
    }

    /// The norm, then GELU, of maps whose channels come last.
    ///
    /// # Shapes
    /// - x, output: `[n_images * h * w, c]`, one row a pixel, image after image
    #[must_use]
    pub fn forward_gelu(&self, x: Tensor<2>, n_images: usize) -> Tensor<2> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        group_norm_gelu(x, weight, bias, [n_images, self.n_groups], EPS)
    }
}
