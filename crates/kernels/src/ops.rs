//! The operations: fused on the flex backend, compositions of burn's operations on any other.
//!
//! Tensors whose shapes do not fit together are refused with a panic, as burn's own operations do.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use crate::count;
use crate::generic;
use crate::layout::{RaggedLayout, RelativePositions};

/// Runs the fused operation where the tensor's backend has it, the composition elsewhere.
macro_rules! fused_or_generic {
    ($x:ident, $fused:expr, $generic:expr) => {{
        #[cfg(feature = "flex")]
        if crate::fused::applies(&$x) {
            return $fused;
        }
        $generic
    }};
}

/// Whether the operations are fused on this device, and take ragged rows as they are: on burn's flex backend.
#[must_use]
pub fn are_fused_on(device: &Device) -> bool {
    generic::are_fused_on(device)
}

/// LayerNorm over the last axis.
///
/// # Shapes
/// - x: `[.., d]`; weight, bias: `[d]`
#[must_use]
pub fn layer_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<D> {
    fused_or_generic!(
        x,
        crate::fused::dispatch::layer_norm(x, weight, bias, eps),
        generic::layer_norm(x, weight, bias, eps)
    )
}

/// SAM's `LayerNorm2d`: a LayerNorm over the channels of `[b, c, h, w]`.
#[must_use]
pub fn layer_norm_2d(x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<4> {
    fused_or_generic!(
        x,
        crate::fused::dispatch::layer_norm_2d(x, weight, bias, eps),
        generic::layer_norm_2d(x, weight, bias, eps)
    )
}

/// `x * weight + bias` on rows.
///
/// # Shapes
/// - x: `[m, d_in]`; weight: `[d_in, d_out]`; bias: `[d_out]`
#[must_use]
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    count_linear(&x, &weight);
    fused_or_generic!(x, crate::fused::dispatch::linear(x, weight, bias, None), generic::linear(x, weight, bias))
}

/// [`linear`], then [`gelu`].
#[must_use]
pub fn linear_gelu(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    count_linear(&x, &weight);
    fused_or_generic!(
        x,
        crate::fused::dispatch::linear_gelu(x, weight, bias),
        generic::gelu(generic::linear(x, weight, bias))
    )
}

/// [`linear`], added to `residual` (`[m, d_out]`).
#[must_use]
pub fn linear_residual(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Tensor<2>,
) -> Tensor<2> {
    count_linear(&x, &weight);
    fused_or_generic!(
        x,
        crate::fused::dispatch::linear(x, weight, bias, Some(residual)),
        generic::linear(x, weight, bias) + residual
    )
}

/// The exact GELU (with the error function).
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    fused_or_generic!(x, crate::fused::dispatch::gelu(x), generic::gelu(x))
}

/// A 3 x 3 convolution with padding 1 of maps of `size` (rows, columns) whose channels come last: one
/// row a pixel, image after image.
///
/// # Shapes
/// - x: `[b * h * w, c]`; weight: `[9 c, c']`, the neighbourhood's rows first, then its columns, then the
///   channels; bias: `[c']`
/// - output: `[b * h' * w', c']`, sizes divided by the stride and rounded up
#[must_use]
pub fn conv3x3(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    size: [usize; 2],
    stride: usize,
) -> Tensor<2> {
    count_conv(&x, weight.dims()[1], size, stride);
    fused_or_generic!(
        x,
        {
            let [_, channels] = x.dims();
            crate::fused::dispatch::conv(x, weight, bias, crate::fused::ConvShape::checked(size, channels, stride))
        },
        generic::conv3x3(x, weight, bias, size, stride)
    )
}

/// GroupNorm, then [`gelu`], of maps whose channels come last: one row a pixel, image after image.
///
/// # Shapes
/// - x, output: `[n_images * n, c]`; weight, bias: `[c]`; `n_groups` divides c
#[must_use]
pub fn group_norm_gelu(
    x: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    [n_images, n_groups]: [usize; 2],
    eps: f64,
) -> Tensor<2> {
    fused_or_generic!(
        x,
        {
            let shape = crate::fused::GroupNormShape { n_images, n_groups, eps };
            crate::fused::dispatch::group_norm_gelu(x, weight, bias, shape)
        },
        generic::group_norm_gelu(x, weight, bias, [n_images, n_groups], eps)
    )
}

/// Softmax attention in which each sequence's query rows attend to its key rows; the scale is
/// `head_dim^-0.5`. Queries of a sequence without keys get zeros.
///
/// # Shapes
/// - q: `[n_queries, heads * head_dim]`; k, v: `[n_keys, heads * head_dim]`
/// - output: as q
///
/// # Panics
/// Where the tensors do not fit together or have other rows than the layout, or, with relative positions,
/// where the layout has no positions, or some farther apart than the tables reach.
#[must_use]
pub fn ragged_attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    layout: &Arc<RaggedLayout>,
    num_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    count::attention(layout, q.dims()[1], n_offsets(relative_positions.as_ref()));
    fused_or_generic!(
        q,
        crate::fused::dispatch::attention([q, k, v], layout, num_heads, relative_positions),
        generic::ragged_attention(q, k, v, layout, num_heads, relative_positions)
    )
}

/// [`ragged_attention`] of rows to themselves, from SAM's fused `qkv`.
///
/// # Shapes
/// - qkv: `[m, 3 * heads * head_dim]` (q, k, v beside each other); output: `[m, heads * head_dim]`
///
/// # Panics
/// As [`ragged_attention`].
#[must_use]
pub fn ragged_self_attention(
    qkv: Tensor<2>,
    layout: &Arc<RaggedLayout>,
    num_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    count::attention(layout, qkv.dims()[1] / 3, n_offsets(relative_positions.as_ref()));
    fused_or_generic!(
        qkv,
        crate::fused::dispatch::self_attention(qkv, layout, num_heads, relative_positions),
        generic::ragged_self_attention(qkv, layout, num_heads, relative_positions)
    )
}

fn count_linear(x: &Tensor<2>, weight: &Tensor<2>) {
    let ([m, k], [_, n]) = (x.dims(), weight.dims());
    count::product(m, k, n);
}

/// A 3 x 3 convolution to `out` channels.
pub(crate) fn count_conv(x: &Tensor<2>, out: usize, size: [usize; 2], stride: usize) {
    let [m, c] = x.dims();
    let pixels = |size: [usize; 2]| size[0].saturating_mul(size[1]).max(1);
    let output = size.map(|side| side.div_ceil(stride.max(1)));
    count::product(m / pixels(size) * pixels(output), 9 * c, out);
}

/// Rows of both tables.
fn n_offsets(relative_positions: Option<&RelativePositions>) -> usize {
    relative_positions.map_or(0, |tables| tables.height.dims()[0] + tables.width.dims()[0])
}
