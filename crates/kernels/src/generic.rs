//! The operations as compositions of burn's: what other backends run, and the oracle of the tests.

use burn::tensor::activation::softmax;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::layout::{GridPos, RaggedLayout, RelativePositions, width_of_each};
use crate::switch::{COMPOSED, with};
use crate::workers::on_workers;

/// Runs `work` with the compositions in place of the fused operations, to compare them. Layers that were
/// prepacked before stay fused.
pub fn instead_of_fused<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    // Where `work` itself goes to the workers, it stays on this thread of theirs.
    on_workers(|| with(&COMPOSED, true, work))
}

/// Whether this thread asked for the compositions.
#[cfg(feature = "flex")]
pub(crate) fn is_forced() -> bool {
    COMPOSED.get()
}

/// See [`crate::are_fused_on`].
pub(crate) fn are_fused_on(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    {
        crate::fused::is_flex(device)
    }
    #[cfg(not(feature = "flex"))]
    {
        let _ = device;
        false
    }
}

/// Numbers of 16 bits as those of 32.
fn wide<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 { x } else { x.cast(DType::F32) }
}

/// Runs `work` in f32, whatever the type of the numbers: means, variances and exponentials need it.
fn in_f32<const D: usize>(x: Tensor<D>, work: impl FnOnce(Tensor<D>) -> Tensor<D>) -> Tensor<D> {
    let dtype = x.dtype();
    let y = work(wide(x));
    if dtype == DType::F32 { y } else { y.cast(dtype) }
}

/// Softmax over the last axis, in f32.
#[must_use]
pub fn softmax_in_f32<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    in_f32(x, |x| softmax(x, D - 1))
}

/// See [`crate::layer_norm`].
#[must_use]
pub fn layer_norm<const D: usize>(x: Tensor<D>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<D> {
    in_f32(x, |x| {
        let centred = x.clone() - x.mean_dim(D - 1);
        let variance = centred.clone().square().mean_dim(D - 1);
        let normal = centred / variance.add_scalar(eps).sqrt();
        normal * wide(weight).unsqueeze() + wide(bias).unsqueeze()
    })
}

/// See [`crate::layer_norm_2d`].
#[must_use]
pub fn layer_norm_2d(x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<4> {
    let [channels] = weight.dims();
    in_f32(x, |x| {
        let centred = x.clone() - x.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        let normal = centred / variance.add_scalar(eps).sqrt();
        normal * wide(weight).reshape([1, channels, 1, 1]) + wide(bias).reshape([1, channels, 1, 1])
    })
}

/// See [`crate::gelu`].
#[must_use]
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    burn::tensor::activation::gelu(x)
}

/// See [`crate::group_norm_gelu`].
#[must_use]
pub fn group_norm_gelu(
    x: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    [n_images, n_groups]: [usize; 2],
    eps: f64,
) -> Tensor<2> {
    in_f32(x, |x| group_norm_gelu_in_f32(x, wide(weight), wide(bias), [n_images, n_groups], eps))
}

fn group_norm_gelu_in_f32(
    x: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    [n_images, n_groups]: [usize; 2],
    eps: f64,
) -> Tensor<2> {
    let [m, c] = x.dims();
    let (n, per_group) = (m / n_images, c / n_groups);
    let grouped = x.reshape([n_images, n, n_groups, per_group]).permute([0, 2, 1, 3]);
    let grouped = grouped.reshape([n_images * n_groups, n * per_group]);
    let centred = grouped.clone() - grouped.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    let normal = centred / variance.add_scalar(eps).sqrt();
    let normal = normal.reshape([n_images, n_groups, n, per_group]).permute([0, 2, 1, 3]);
    gelu(normal.reshape([m, c]) * weight.unsqueeze() + bias.unsqueeze())
}

/// See [`crate::conv3x3`].
#[must_use]
pub fn conv3x3(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    [height, width]: [usize; 2],
    stride: usize,
) -> Tensor<2> {
    let ([m, c], [_, out]) = (x.dims(), weight.dims());
    let map = x.reshape([m / (height * width), height, width, c]).permute([0, 3, 1, 2]);
    let weight = weight.reshape([3, 3, c, out]).permute([3, 2, 0, 1]);
    let options = ConvOptions::new([stride; 2], [1; 2], [1; 2], 1);
    let map = conv2d(map, weight, bias, options).permute([0, 2, 3, 1]);
    let [b, rows, cols, _] = map.dims();
    map.reshape([b * rows * cols, out])
}

/// See [`crate::linear`].
#[must_use]
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let y = matmul_rows(x, weight);
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

/// Terms that a matrix product sums up in one go. Longer sums are cut by CPU libraries at places that
/// depend on the number of rows.
const BLOCK: usize = 512;

/// A matrix product in which each row's order of summation is the same whatever the number of rows, so
/// that an image's result does not depend on its batch mates.
fn matmul_rows(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let ([m, k], [_, n]) = (x.dims(), weight.dims());
    if !are_fused_on(&x.device()) {
        // Other libraries choose their tiles by the shape; one product is what they are best at.
        return x.matmul(weight);
    }
    if m == 1 {
        // A single row takes another path; two equal rows take that of all others.
        return matmul_rows(x.repeat_dim(0, 2), weight).slice([0..1, 0..n]);
    }
    if k <= BLOCK {
        return x.matmul(weight);
    }
    (0..k)
        .step_by(BLOCK)
        .map(|start| {
            let end = (start + BLOCK).min(k);
            let rows = weight.clone().slice([start..end, 0..n]);
            x.clone().slice([0..m, start..end]).matmul(rows)
        })
        .reduce(|sum, part| sum + part)
        .unwrap_or_else(|| Tensor::zeros([m, n], &x.device()))
}

/// See [`crate::ragged_self_attention`].
#[must_use]
pub fn ragged_self_attention(
    qkv: Tensor<2>,
    layout: &RaggedLayout,
    num_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    let [m, wide] = qkv.dims();
    let d = width_of_each(wide);
    let part = |i: usize| qkv.clone().slice([0..m, i * d..(i + 1) * d]);
    ragged_attention(part(0), part(1), part(2), layout, num_heads, relative_positions)
}

/// See [`crate::ragged_attention`].
#[must_use]
pub fn ragged_attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    layout: &RaggedLayout,
    num_heads: usize,
    relative_positions: Option<RelativePositions>,
) -> Tensor<2> {
    let [n_queries, d] = q.dims();
    let table_dims = relative_positions.as_ref().map(|tables| [tables.height.dims(), tables.width.dims()]);
    layout.check([q.dims(), k.dims(), v.dims()], num_heads, table_dims);
    if let Some((n_q, n_k)) = layout.uniform() {
        let b = layout.sequences().len();
        let positions =
            relative_positions.map(|tables| (tables, layout.query_positions(), layout.key_positions()));
        return batched(q, k, v, [b, n_q, n_k, num_heads], positions);
    }
    let mut outputs = Vec::with_capacity(layout.sequences().len());
    for sequence in layout.sequences() {
        let (n_q, n_k) = (sequence.queries.len(), sequence.keys.len());
        if n_q == 0 {
            continue;
        }
        let q = q.clone().slice([sequence.queries.clone(), 0..d]);
        if n_k == 0 {
            outputs.push(q.zeros_like());
            continue;
        }
        let k = k.clone().slice([sequence.keys.clone(), 0..d]);
        let v = v.clone().slice([sequence.keys.clone(), 0..d]);
        let positions = relative_positions.clone().map(|tables| {
            let queries = &layout.query_positions()[sequence.queries.clone()];
            (tables, queries, &layout.key_positions()[sequence.keys.clone()])
        });
        outputs.push(batched(q, k, v, [1, n_q, n_k, num_heads], positions));
    }
    if outputs.is_empty() {
        return Tensor::zeros([n_queries, d], &q.device());
    }
    Tensor::cat(outputs, 0)
}

/// Attention over `b` sequences of equal lengths; the positions are those of all sequences in a row.
fn batched(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    [b, n_q, n_k, num_heads]: [usize; 4],
    positions: Option<(RelativePositions, &[GridPos], &[GridPos])>,
) -> Tensor<2> {
    let d = q.dims()[1];
    if n_q == 1 {
        // As in `matmul_rows`: a single query takes the path of all others as one of two.
        let twice = q.reshape([b, 1, d]).repeat_dim(1, 2).reshape([2 * b, d]);
        let doubled: Option<Vec<GridPos>> =
            positions.as_ref().map(|(_, queries, _)| queries.iter().flat_map(|&p| [p, p]).collect());
        let positions =
            positions.zip(doubled.as_deref()).map(|((tables, _, keys), queries)| (tables, queries, keys));
        return batched(twice, k, v, [b, 2, n_k, num_heads], positions)
            .reshape([b, 2, d])
            .slice([0..b, 0..1, 0..d])
            .reshape([b, d]);
    }
    let head_dim = d / num_heads;
    let heads = |x: Tensor<2>, n: usize| x.reshape([b, n, num_heads, head_dim]).swap_dims(1, 2);
    let (q, k, v) = (heads(q, n_q), heads(k, n_k), heads(v, n_k));
    let scale = (head_dim as f64).powf(-0.5);
    let mut logits = q.clone().mul_scalar(scale).matmul(k.transpose());
    if let Some((tables, queries, keys)) = positions {
        for (table, coordinate) in
            [(tables.height, (|p: &GridPos| p.row) as fn(&GridPos) -> u16), (tables.width, |p: &GridPos| p.col)]
        {
            logits = logits + positional(q.clone(), table, queries, keys, coordinate);
        }
    }
    let output = softmax_in_f32(logits).matmul(v);
    output.swap_dims(1, 2).reshape([b * n_q, d])
}

/// `[b, heads, n_q, n_k]`: the product of each query with the table row of its offset to each key.
fn positional(
    q: Tensor<4>,
    table: Tensor<2>,
    queries: &[GridPos],
    keys: &[GridPos],
    coordinate: fn(&GridPos) -> u16,
) -> Tensor<4> {
    let [b, num_heads, n_q, _] = q.dims();
    let n_k = keys.len() / b;
    let [rows, _] = table.dims();
    let origin = rows / 2;
    let mut offsets = Vec::with_capacity(b * n_q * n_k);
    for sequence in 0..b {
        for query in &queries[sequence * n_q..(sequence + 1) * n_q] {
            for key in &keys[sequence * n_k..(sequence + 1) * n_k] {
                let offset = usize::from(coordinate(query)) + origin - usize::from(coordinate(key));
                offsets.push(offset as i64);
            }
        }
    }
    let offsets = Tensor::<4, Int>::from_data(TensorData::new(offsets, [b, 1, n_q, n_k]), &q.device());
    let products = q.matmul(table.transpose().unsqueeze::<4>());
    products.gather(3, offsets.expand([b, num_heads, n_q, n_k]))
}
