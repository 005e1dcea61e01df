//! Layers whose forward pass is one of this crate's operations.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use crate::{layer_norm, layer_norm_2d, linear, linear_gelu, linear_residual};

/// LayerNorm with PyTorch's parameter names, for packed rows and, as `LayerNorm2d`, for maps.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale of each channel.
    pub weight: Param<Tensor<1>>,
    /// Shift of each channel.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    eps: f64,
}

impl LayerNorm {
    /// The identity of normalised input: weight 1, bias 0.
    #[must_use]
    pub fn new(channels: usize, eps: f64, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            eps,
        }
    }

    /// Normalises the last axis of `[.., channels]`.
    #[must_use]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        layer_norm(x, self.weight.val(), self.bias.val(), self.eps)
    }

    /// Normalises the channels of `[b, channels, h, w]`.
    #[must_use]
    pub fn forward_map(&self, x: Tensor<4>) -> Tensor<4> {
        layer_norm_2d(x, self.weight.val(), self.bias.val(), self.eps)
    }
}

/// Burn's `Linear` on packed rows `[m, d_in] -> [m, d_out]`.
pub trait PackedLinear {
    /// `x * weight + bias`
    fn rows(&self, x: Tensor<2>) -> Tensor<2>;
    /// `gelu(x * weight + bias)`
    fn rows_gelu(&self, x: Tensor<2>) -> Tensor<2>;
    /// `x * weight + bias + residual`
    fn rows_residual(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2>;
}

impl PackedLinear for Linear {
    fn rows(&self, x: Tensor<2>) -> Tensor<2> {
        linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    fn rows_gelu(&self, x: Tensor<2>) -> Tensor<2> {
        linear_gelu(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    fn rows_residual(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        linear_residual(x, self.weight.val(), self.bias.as_ref().map(Param::val), residual)
    }
}
