#![doc = include_str!("../README.md")]

mod generic;
mod layout;
mod nn;
mod resize;

pub use resize::resize_bilinear;
pub use nn::{LayerNorm, PackedLinear};
pub use layout::{Place, RaggedLayout, RelativePositions, Segment};

use std::sync::Arc;

use burn::tensor::Tensor;

/// LayerNorm over the last axis.
///
/// # Shapes
/// - x: `[.., d]`; weight, bias: `[d]`
#[must_use]
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
) -> Tensor<D> {
    generic::layer_norm(x, weight, bias, eps)
}

/// SAM's `LayerNorm2d`: a LayerNorm over the channels of `[b, c, h, w]`.
#[must_use]
pub fn layer_norm_2d(x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<4> {
    generic::layer_norm_2d(x, weight, bias, eps)
}

/// `x * weight + bias` on packed rows.
///
/// # Shapes
/// - x: `[m, d_in]`; weight: `[d_in, d_out]`; bias: `[d_out]`
#[must_use]
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    generic::linear(x, weight, bias)
}

/// [`linear`], then [`gelu`].
#[must_use]
pub fn linear_gelu(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    gelu(generic::linear(x, weight, bias))
}

/// [`linear`], added to `residual` (`[m, d_out]`).
#[must_use]
pub fn linear_residual(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Tensor<2>,
) -> Tensor<2> {
    generic::linear(x, weight, bias) + residual
}

/// The exact GELU (with the error function).
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    burn::tensor::activation::gelu(x)
}

/// Softmax attention in which each segment's query rows attend to its key rows.
///
/// # Shapes
/// - q: `[n_queries, heads * head_dim]`; k, v: `[n_keys, heads * head_dim]`
/// - output: as q; the scale is `head_dim^-0.5`
#[must_use]
pub fn ragged_attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    layout: &Arc<RaggedLayout>,
    n_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    generic::ragged_attention(q, k, v, layout, n_heads, relative_positions)
}

/// [`ragged_attention`] of rows to themselves, from SAM's fused `qkv`.
///
/// # Shapes
/// - qkv: `[m, 3 * heads * head_dim]` (q, k, v beside each other); output: `[m, heads * head_dim]`
#[must_use]
pub fn ragged_self_attention(
    qkv: Tensor<2>,
    layout: &Arc<RaggedLayout>,
    n_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    let [m, wide] = qkv.dims();
    let d = wide / 3;
    let part = |i: usize| qkv.clone().slice([0..m, i * d..(i + 1) * d]);
    ragged_attention(part(0), part(1), part(2), layout, n_heads, relative_positions)
}
