//! The same encoder without packing: plain `[b, n, d]` tensors, windows cut as in SAM.
//!
//! Slow and simple; what the packed path is compared with.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, TensorData};
use fastersam_adapter::ConvFeatures;

use crate::attention::Attention;
use crate::block::Block;
use crate::encoder::PausingEncoder;
use crate::error::EncoderError;

impl PausingEncoder {
    /// Encodes a batch without pause points, block by block.
    ///
    /// # Shapes
    /// - images: `[b, 3, s, s]`, normalised; output: the tokens after the embedding and after each
    ///   block, `[b * g * g, d]` each
    ///
    /// # Errors
    /// Where the inputs don't fit the encoder, or windows need another padding than SAM's.
    pub fn forward_dense(
        &self,
        images: Tensor<4>,
        conv: Option<&ConvFeatures>,
    ) -> Result<Vec<Tensor<2>>, EncoderError> {
        let map = self.map_tokens(&images, conv)?;
        let (config, grid) = (self.config(), self.config().grid());
        let mut tokens = self.embed(images);
        let mut outputs = vec![tokens.clone()];
        for (i, block) in self.blocks.iter().enumerate() {
            let injection = config.injection_blocks.iter().position(|&b| b == i);
            if let (Some(injection), Some(map)) =
                (injection.and_then(|i| self.injections.get(i)), &map)
            {
                tokens = tokens + injection.forward(map.clone());
            }
            tokens = dense_block(block, tokens, grid, config.window_of(i));
            outputs.push(tokens.clone());
        }
        Ok(outputs)
    }
}

fn dense_block(block: &Block, tokens: Tensor<2>, grid: usize, window: Option<usize>) -> Tensor<2> {
    let [m, d] = tokens.dims();
    let b = m / (grid * grid);
    let normal = block.norm1.forward(tokens.clone()).reshape([b, grid, grid, d]);
    let attended = match window {
        None => dense_attention(&block.attn, normal),
        Some(size) => {
            let windows = window_partition(normal, size);
            window_unpartition(dense_attention(&block.attn, windows), size, grid)
        }
    };
    block.finish(tokens, attended.reshape([m, d]))
}

/// `[b, h, w, d]` to `[b * windows, size, size, d]`, padded with zeros at the bottom and the right.
fn window_partition(x: Tensor<4>, size: usize) -> Tensor<4> {
    let [b, h, w, d] = x.dims();
    let (rows, cols) = (h.div_ceil(size), w.div_ceil(size));
    let device = x.device();
    let mut padded = x;
    if rows * size > h {
        padded = Tensor::cat(vec![padded, Tensor::zeros([b, rows * size - h, w, d], &device)], 1);
    }
    if cols * size > w {
        let bottom = Tensor::zeros([b, rows * size, cols * size - w, d], &device);
        padded = Tensor::cat(vec![padded, bottom], 2);
    }
    padded
        .reshape([b, rows, size, cols, size, d])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([b * rows * cols, size, size, d])
}

/// The way back from [`window_partition`], without the padding.
fn window_unpartition(windows: Tensor<4>, size: usize, grid: usize) -> Tensor<4> {
    let [n, _, _, d] = windows.dims();
    let per_axis = grid.div_ceil(size);
    let b = n / (per_axis * per_axis);
    let full = per_axis * size;
    windows
        .reshape([b, per_axis, per_axis, size, size, d])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([b, full, full, d])
        .slice([0..b, 0..grid, 0..grid, 0..d])
}

/// Attention of every place of `[b, h, w, d]` to every other, without the output projection.
fn dense_attention(attention: &Attention, x: Tensor<4>) -> Tensor<4> {
    let [b, h, w, d] = x.dims();
    let (n, heads) = (h * w, attention.n_heads());
    let head_dim = d / heads;
    let qkv = attention
        .project(x.reshape([b * n, d]))
        .reshape([b, n, 3, heads, head_dim])
        .permute([2, 0, 3, 1, 4]);
    let part = |i: usize| {
        qkv.clone().slice([i..i + 1, 0..b, 0..heads, 0..n, 0..head_dim]).reshape([
            b,
            heads,
            n,
            head_dim,
        ])
    };
    let (q, k, v) = (part(0), part(1), part(2));
    let scale = (head_dim as f64).powf(-0.5);
    let mut logits = q.clone().mul_scalar(scale).matmul(k.transpose());
    if let Some(tables) = attention.relative_positions() {
        logits = logits + relative_term(&q, tables.height, h, w, |place| place / w);
        logits = logits + relative_term(&q, tables.width, h, w, |place| place % w);
    }
    softmax(logits, 3).matmul(v).swap_dims(1, 2).reshape([b, h, w, d])
}

/// `[b, heads, n, n]`: each query's product with the table row of its offset to each key.
fn relative_term(
    q: &Tensor<4>,
    table: Tensor<2>,
    h: usize,
    w: usize,
    coordinate: impl Fn(usize) -> usize,
) -> Tensor<4> {
    let [b, heads, n, _] = q.dims();
    let origin = table.dims()[0] / 2;
    let offsets: Vec<i64> = (0..h * w)
        .flat_map(|query| (0..h * w).map(move |key| (query, key)))
        .map(|(query, key)| (coordinate(query) + origin - coordinate(key)) as i64)
        .collect();
    let offsets = Tensor::<4, Int>::from_data(TensorData::new(offsets, [1, 1, n, n]), &q.device());
    let products = q.clone().matmul(table.transpose().unsqueeze::<4>());
    products.gather(3, offsets.expand([b, heads, n, n]))
}
