//! Layers whose forward pass is one of this crate's operations.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Tensor};

use crate::{WeightPrecision, conv3x3, layer_norm, layer_norm_2d, linear, linear_gelu, linear_residual};

/// LayerNorm with PyTorch's parameter names, for rows and, as `LayerNorm2d`, for maps.
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
    /// The identity of normalized input: weight 1, bias 0.
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

/// A linear layer on rows `[m, d_in] -> [m, d_out]`, with the parameters of burn's.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_in, d_out]`; empty once [prepacked](Self::prepack).
    pub weight: Param<Tensor<2>>,
    /// `[d_out]`
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    prepacked: Prepacked,
}

/// A weight in the order in which the CPU's kernel reads it.
#[derive(Clone, Debug, Default)]
struct Prepacked {
    #[cfg(feature = "flex")]
    weight: Option<std::sync::Arc<crate::fused::Packed>>,
}

/// Structure of a [`Linear`] layer.
#[derive(Debug)]
pub struct LinearConfig(burn::nn::LinearConfig);

impl LinearConfig {
    /// A layer from `d_input` to `d_output` values, with a bias, that starts as PyTorch's does.
    #[must_use]
    pub fn new(d_input: usize, d_output: usize) -> Self {
        Self(burn::nn::LinearConfig::new(d_input, d_output))
    }

    /// With or without a bias.
    #[must_use]
    pub fn with_bias(self, bias: bool) -> Self {
        Self(self.0.with_bias(bias))
    }

    /// Other initial values.
    #[must_use]
    pub fn with_initializer(self, initializer: Initializer) -> Self {
        Self(self.0.with_initializer(initializer))
    }

    /// Builds the layer.
    #[must_use]
    pub fn init(&self, device: &Device) -> Linear {
        let burn::nn::Linear { weight, bias } = self.0.init(device);
        Linear { weight, bias, prepacked: Prepacked::default() }
    }
}

impl Linear {
    /// A layer of given parameters, `[d_in, d_out]` and `[d_out]`, leaves of the graph if there is one.
    #[must_use]
    pub fn from_parts(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        Self {
            weight: Param::from_tensor(weight),
            bias: bias.map(Param::from_tensor),
            prepacked: Prepacked::default(),
        }
    }

    /// `x * weight + bias`
    #[must_use]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x, None, false)
    }

    /// `gelu(x * weight + bias)`
    #[must_use]
    pub fn forward_gelu(&self, x: Tensor<2>) -> Tensor<2> {
        self.apply(x, None, true)
    }

    /// `x * weight + bias + residual`
    #[must_use]
    pub fn forward_residual(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        self.apply(x, Some(residual), false)
    }

    fn apply(&self, x: Tensor<2>, residual: Option<Tensor<2>>, gelu: bool) -> Tensor<2> {
        let bias = self.bias.as_ref().map(Param::val);
        #[cfg(feature = "flex")]
        if let Some(weight) = &self.prepacked.weight {
            crate::count::product(x.dims()[0], x.dims()[1], weight.shape()[1]);
            return crate::fused::dispatch::prepacked_linear(x, weight, bias, residual, gelu);
        }
        let weight = self.weight.val();
        match residual {
            Some(residual) => linear_residual(x, weight, bias, residual),
            None if gelu => linear_gelu(x, weight, bias),
            None => linear(x, weight, bias),
        }
    }

    /// Brings the weight into the order of the CPU's kernel and frees the original: the layer computes the
    /// same, bit for bit, in less time, above all for few rows. It can't be trained or saved any more. Does
    /// nothing on other backends and while gradients are recorded.
    pub fn prepack(&mut self) {
        self.prepack_as(WeightPrecision::F32);
    }

    /// [`prepack`](Self::prepack) in fewer bits: the layer computes nearly the same, in a fraction of time and memory.
    /// A row of the result still depends on its own row only, bit for bit.
    pub fn prepack_as(&mut self, precision: WeightPrecision) {
        #[cfg(not(feature = "flex"))]
        let _ = precision;
        #[cfg(feature = "flex")]
        if self.prepacked.weight.is_none()
            && let Some(weight) = crate::fused::dispatch::prepack(self.weight.val(), precision)
        {
            let device = self.weight.val().device();
            self.prepacked.weight = Some(weight);
            self.weight = Param::from_tensor(Tensor::empty([0, 0], &device));
        }
    }
}

/// A 3 x 3 convolution with padding 1 on maps whose channels come last (one row a pixel, image after
/// image), with the parameters of PyTorch's.
#[derive(Module, Debug)]
pub struct Conv3x3 {
    /// `[c_out, c_in, 3, 3]`
    pub weight: Param<Tensor<4>>,
    /// `[c_out]`
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    prepacked: Prepacked,
}

impl Conv3x3 {
    /// A convolution from `c_in` to `c_out` channels that starts as PyTorch's does.
    #[must_use]
    pub fn new([c_in, c_out]: [usize; 2], stride: usize, has_bias: bool, device: &Device) -> Self {
        let conv = Conv2dConfig::new([c_in, c_out], [3, 3]).with_bias(has_bias).init(device);
        Self { weight: conv.weight, bias: conv.bias, stride, prepacked: Prepacked::default() }
    }

    /// `[9 c_in, c_out]`
    fn matrix(&self) -> Tensor<2> {
        let weight = self.weight.val();
        let [c_out, c_in, _, _] = weight.dims();
        weight.permute([2, 3, 1, 0]).reshape([9 * c_in, c_out])
    }

    /// Applies it to maps of `size` (rows, columns); also returns the size of the result.
    ///
    /// # Shapes
    /// - x: `[b * h * w, c_in]`; output: `[b * h' * w', c_out]`, sizes divided by the stride, rounded up
    #[must_use]
    pub fn forward(&self, x: Tensor<2>, size: [usize; 2]) -> (Tensor<2>, [usize; 2]) {
        let bias = self.bias.as_ref().map(Param::val);
        let output = size.map(|side| side.div_ceil(self.stride));
        #[cfg(feature = "flex")]
        if let Some(weight) = &self.prepacked.weight {
            let [_, channels] = x.dims();
            let shape = crate::fused::ConvShape::checked(size, channels, self.stride);
            crate::ops::count_conv(&x, weight.shape()[1], size, self.stride);
            return (crate::fused::dispatch::prepacked_conv(x, weight, bias, shape), output);
        }
        (conv3x3(x, self.matrix(), bias, size, self.stride), output)
    }

    /// As [`Linear::prepack`].
    pub fn prepack(&mut self) {
        self.prepack_as(WeightPrecision::F32);
    }

    /// As [`Linear::prepack_as`].
    pub fn prepack_as(&mut self, precision: WeightPrecision) {
        #[cfg(not(feature = "flex"))]
        let _ = precision;
        #[cfg(feature = "flex")]
        if self.prepacked.weight.is_none()
            && let Some(weight) = crate::fused::dispatch::prepack(self.matrix(), precision)
        {
            let device = self.weight.val().device();
            self.prepacked.weight = Some(weight);
            self.weight = Param::from_tensor(Tensor::empty([0, 0, 3, 3], &device));
        }
    }
}
