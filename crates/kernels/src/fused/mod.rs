//! The operations fused for the CPU, as an extension of burn's flex backend.
//!
//! [`FusedOps`] is the extension; `Flex` runs the kernels of the modules beside this one and
//! `Autodiff<Flex>` ([`gradients`]) records their hand-written backward passes. The public functions
//! of the crate ask [`applies`] first and take the generic compositions on any other backend; they reach
//! the extension through [`dispatch`].
//!
//! **Where the unsafe code is, and why it can be trusted.** Each operation checks the shapes of all its tensors
//! before it looks at the first value, forward and backward, in one place. What it then hands to kernels is
//! bounded: slices, and the matrices of [`view`], which are made with bounds checks. A kernel that is a safe
//! function checks that its slices are as long as each other's lengths make it believe; one that is not says
//! what its callers promise. No function of these modules can be called safely with arguments that make it read or
//! write out of bounds.

mod attention;
mod attention_backward;
mod conv;
pub(crate) mod dispatch;
mod gelu;
mod gradients;
mod group_norm;
mod linear;
mod math;
mod matmul;
mod memory;
mod narrow;
mod norm;
mod norm_2d;
mod panels;
mod positions;
mod product;
mod simd;
mod softmax;
#[cfg(test)]
mod tests;
mod tile;
mod view;
mod weights;

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, DispatchDevice, ExtensionType, Flex, backend_extension};
use burn::tensor::{DType, Device, Tensor};

use crate::layout::RaggedLayout;
use attention::Inputs;
use view::{View, dense_rows};
use weights::Matrix;

pub(crate) use conv::ConvShape;
pub(crate) use group_norm::GroupNormShape;
pub(crate) use weights::Packed;

/// Whether the fused operations can run on a tensor.
pub(crate) fn applies<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && !crate::generic::is_forced() && is_flex(&x.device())
}

/// Whether a device is the one that they are written for.
pub(crate) fn is_flex(device: &Device) -> bool {
    matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// A tensor that may be missing.
#[derive(ExtensionType)]
pub(crate) enum Maybe<B: Backend> {
    /// It is there.
    Given(FloatTensor<B>),
    /// It is not.
    Missing,
}

/// Tables of relative positions that may be missing.
#[derive(ExtensionType)]
pub(crate) enum Tables<B: Backend> {
    /// `[2 h - 1, head_dim]` and `[2 w - 1, head_dim]`
    Given {
        /// Along the rows of the grid.
        height: FloatTensor<B>,
        /// Along its columns.
        width: FloatTensor<B>,
    },
    /// Attention without relative positions.
    Missing,
}

/// The fused operations; shapes and meaning as for the crate's functions of the same names.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    fn fused_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;

    fn fused_layer_norm_2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self>;

    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn fused_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        #[extension_type] residual: Maybe<Self>,
    ) -> FloatTensor<Self>;

    fn fused_linear_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
    ) -> FloatTensor<Self>;

    /// Without gradients.
    fn fused_prepacked_linear(
        x: FloatTensor<Self>,
        weight: Arc<Packed>,
        #[extension_type] bias: Maybe<Self>,
        #[extension_type] residual: Maybe<Self>,
        gelu: bool,
    ) -> FloatTensor<Self>;

    fn fused_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// Without gradients.
    fn fused_prepacked_conv(
        x: FloatTensor<Self>,
        weight: Arc<Packed>,
        #[extension_type] bias: Maybe<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    fn fused_group_norm_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: GroupNormShape,
    ) -> FloatTensor<Self>;

    fn fused_self_attention(
        qkv: FloatTensor<Self>,
        #[extension_type] tables: Tables<Self>,
        layout: Arc<RaggedLayout>,
        num_heads: usize,
    ) -> FloatTensor<Self>;

    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        #[extension_type] tables: Tables<Self>,
        layout: Arc<RaggedLayout>,
        num_heads: usize,
    ) -> FloatTensor<Self>;
}

impl<B: Backend> Maybe<B> {
    fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Given(tensor) => Some(tensor),
            Self::Missing => None,
        }
    }
}

impl<B: Backend> Tables<B> {
    fn into_option(self) -> Option<(FloatTensor<B>, FloatTensor<B>)> {
        match self {
            Self::Given { height, width } => Some((height, width)),
            Self::Missing => None,
        }
    }
}

impl FusedOps for Flex {
    fn fused_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        norm::layer_norm(x, weight, bias, eps)
    }

    fn fused_layer_norm_2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        norm_2d::layer_norm_2d(x, weight, bias, eps)
    }

    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        gelu::gelu(x)
    }

    fn fused_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
    ) -> FloatTensor<Self> {
        let weight = Matrix::Plain(weight);
        linear::linear(x, &weight, bias.into_option(), residual.into_option(), false)
    }

    fn fused_linear_gelu(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: Maybe<Self>) -> FloatTensor<Self> {
        linear::linear(x, &Matrix::Plain(weight), bias.into_option(), None, true)
    }

    fn fused_prepacked_linear(
        x: FloatTensor<Self>,
        weight: Arc<Packed>,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
        gelu: bool,
    ) -> FloatTensor<Self> {
        let weight = Matrix::Prepacked(weight);
        linear::linear(x, &weight, bias.into_option(), residual.into_option(), gelu)
    }

    fn fused_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Maybe<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        conv::conv(x, &Matrix::Plain(weight), bias.into_option(), shape)
    }

    fn fused_prepacked_conv(
        x: FloatTensor<Self>,
        weight: Arc<Packed>,
        bias: Maybe<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        conv::conv(x, &Matrix::Prepacked(weight), bias.into_option(), shape)
    }

    fn fused_group_norm_gelu(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        shape: GroupNormShape,
    ) -> FloatTensor<Self> {
        group_norm::group_norm_gelu(x, weight, bias, shape)
    }

    fn fused_self_attention(
        qkv: FloatTensor<Self>,
        tables: Tables<Self>,
        layout: Arc<RaggedLayout>,
        num_heads: usize,
    ) -> FloatTensor<Self> {
        let qkv = dense_rows(qkv);
        let inputs = Inputs::of_qkv(View::of(&qkv), &layout, num_heads, tables.into_option());
        attention::attention(&inputs)
    }

    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        tables: Tables<Self>,
        layout: Arc<RaggedLayout>,
        num_heads: usize,
    ) -> FloatTensor<Self> {
        let qkv = [q, k, v].map(dense_rows);
        let inputs = Inputs::new(qkv.each_ref().map(View::of), &layout, num_heads, tables.into_option());
        attention::attention(&inputs)
    }
}
