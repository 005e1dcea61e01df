//! The operations fused for the CPU, as an extension of burn's flex backend.
//!
//! [`FusedOps`] is the extension; `Flex` runs the kernels of the modules beside this one and
//! `Autodiff<Flex>` ([`gradients`]) records their hand-written backward passes. The public functions
//! of the crate ask [`applies`] first and take the generic compositions on any other backend.

mod attention;
mod attention_backward;
mod conv;
mod gelu;
mod gradients;
mod gradients_of_maps;
mod group_norm;
mod linear;
mod math;
mod matmul;
mod memory;
mod norm;
mod norm_2d;
mod panels;
mod simd;
mod softmax;

use std::sync::Arc;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, ExtensionType, Flex, backend_extension};
use burn::tensor::{DType, Tensor};

use crate::layout::{RaggedLayout, RelativePositions};
use attention::Inputs;
use memory::{View, dense_rows};
use panels::Matrix;

pub(crate) use conv::ConvShape;
pub(crate) use group_norm::GroupNormShape;
pub(crate) use panels::Panels;

/// Whether the fused operations can run on a tensor.
pub(crate) fn applies<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32
        && !crate::generic::is_forced()
        && matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_))
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
    fn fused_packed_linear(
        x: FloatTensor<Self>,
        weight: Arc<Panels>,
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
    fn fused_packed_conv(
        x: FloatTensor<Self>,
        weight: Arc<Panels>,
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
        n_heads: usize,
    ) -> FloatTensor<Self>;

    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        #[extension_type] tables: Tables<Self>,
        layout: Arc<RaggedLayout>,
        n_heads: usize,
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

    fn fused_packed_linear(
        x: FloatTensor<Self>,
        weight: Arc<Panels>,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
        gelu: bool,
    ) -> FloatTensor<Self> {
        let weight = Matrix::Packed(weight);
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

    fn fused_packed_conv(
        x: FloatTensor<Self>,
        weight: Arc<Panels>,
        bias: Maybe<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self> {
        conv::conv(x, &Matrix::Packed(weight), bias.into_option(), shape)
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
        n_heads: usize,
    ) -> FloatTensor<Self> {
        let qkv = dense_rows(qkv);
        let inputs = Inputs::packed(View::of(&qkv), n_heads);
        attention::attention(&inputs, &layout, tables.into_option())
    }

    fn fused_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        tables: Tables<Self>,
        layout: Arc<RaggedLayout>,
        n_heads: usize,
    ) -> FloatTensor<Self> {
        let [q, k, v] = [q, k, v].map(dense_rows);
        let [q, k, v] = [&q, &k, &v].map(View::of);
        attention::attention(&Inputs { q, k, v, n_heads }, &layout, tables.into_option())
    }
}

/// `Maybe` or `Tables` of what the public functions take.
fn maybe<const D: usize>(tensor: Option<Tensor<D>>) -> Maybe<Dispatch> {
    tensor.map_or(Maybe::Missing, |tensor| Maybe::Given(tensor.into_dispatch()))
}

fn tables(relative_positions: Option<RelativePositions>) -> Tables<Dispatch> {
    relative_positions.map_or(Tables::Missing, |tables| Tables::Given {
        height: tables.height.into_dispatch(),
        width: tables.width.into_dispatch(),
    })
}

pub(crate) fn layer_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<D> {
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_layer_norm(x.into_dispatch(), weight, bias, eps))
}

pub(crate) fn layer_norm_2d(x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<4> {
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_layer_norm_2d(x.into_dispatch(), weight, bias, eps))
}

pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_gelu(x.into_dispatch()))
}

pub(crate) fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_linear(x, weight, maybe(bias), maybe(residual)))
}

pub(crate) fn linear_gelu(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_linear_gelu(x, weight, maybe(bias)))
}

/// The weight of a linear layer, packed for [`packed_linear`]; `None` where it lies on another backend.
pub(crate) fn pack(weight: Tensor<2>) -> Option<Arc<Panels>> {
    if !applies(&weight) || weight.device().is_autodiff() {
        return None;
    }
    let data = weight.into_data();
    let [k, n] = data.shape().dims();
    let values = data.as_slice::<f32>().ok()?;
    Some(Arc::new(Panels::pack(View::of_rows(values.as_ptr(), k, n, n))))
}

pub(crate) fn packed_linear(
    x: Tensor<2>,
    weight: &Arc<Panels>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
    gelu: bool,
) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), Arc::clone(weight));
    Tensor::from_dispatch(Dispatch::fused_packed_linear(x, weight, maybe(bias), maybe(residual), gelu))
}

pub(crate) fn conv(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, shape: ConvShape) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_conv(x, weight, maybe(bias), shape))
}

pub(crate) fn packed_conv(
    x: Tensor<2>,
    weight: &Arc<Panels>,
    bias: Option<Tensor<1>>,
    shape: ConvShape,
) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), Arc::clone(weight));
    Tensor::from_dispatch(Dispatch::fused_packed_conv(x, weight, maybe(bias), shape))
}

pub(crate) fn group_norm_gelu(
    x: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    shape: GroupNormShape,
) -> Tensor<2> {
    let [weight, bias] = [weight, bias].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_group_norm_gelu(x.into_dispatch(), weight, bias, shape))
}

pub(crate) fn self_attention(
    qkv: Tensor<2>,
    layout: &Arc<RaggedLayout>,
    n_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    let (tables, layout) = (tables(relative_positions), Arc::clone(layout));
    let qkv = qkv.into_dispatch();
    Tensor::from_dispatch(Dispatch::fused_self_attention(qkv, tables, layout, n_heads))
}

pub(crate) fn attention(
    qkv: [Tensor<2>; 3],
    layout: &Arc<RaggedLayout>,
    n_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    let (tables, layout) = (tables(relative_positions), Arc::clone(layout));
    let [q, k, v] = qkv.map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_attention(q, k, v, tables, layout, n_heads))
}
