//! The operations on the tensors of the public functions, through burn's dispatch to the backend.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::view::View;
use super::{ConvShape, FusedOps, GroupNormShape, Maybe, Packed, Tables, applies};
use crate::layout::{RaggedLayout, RelativePositions};
use crate::precision::WeightPrecision;

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

/// A weight in the CPU's own order; `None` where it lies on another backend, or its gradients are recorded.
pub(crate) fn prepack(weight: Tensor<2>, precision: WeightPrecision) -> Option<Arc<Packed>> {
    if !applies(&weight) || weight.device().is_autodiff() {
        return None;
    }
    let shape = weight.dims();
    let data = weight.into_data();
    Some(Arc::new(Packed::of(View::of_rows(data.as_slice::<f32>().ok()?, shape), precision)))
}

pub(crate) fn prepacked_linear(
    x: Tensor<2>,
    weight: &Arc<Packed>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<2>>,
    gelu: bool,
) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), Arc::clone(weight));
    Tensor::from_dispatch(Dispatch::fused_prepacked_linear(x, weight, maybe(bias), maybe(residual), gelu))
}

pub(crate) fn conv(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, shape: ConvShape) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_conv(x, weight, maybe(bias), shape))
}

pub(crate) fn prepacked_conv(
    x: Tensor<2>,
    weight: &Arc<Packed>,
    bias: Option<Tensor<1>>,
    shape: ConvShape,
) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), Arc::clone(weight));
    Tensor::from_dispatch(Dispatch::fused_prepacked_conv(x, weight, maybe(bias), shape))
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
    num_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    let (tables, layout) = (tables(relative_positions), Arc::clone(layout));
    let qkv = qkv.into_dispatch();
    Tensor::from_dispatch(Dispatch::fused_self_attention(qkv, tables, layout, num_heads))
}

pub(crate) fn attention(
    qkv: [Tensor<2>; 3],
    layout: &Arc<RaggedLayout>,
    num_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    let (tables, layout) = (tables(relative_positions), Arc::clone(layout));
    let [q, k, v] = qkv.map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::fused_attention(q, k, v, tables, layout, num_heads))
}
