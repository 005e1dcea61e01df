//! The same encoder with padding instead of ragged rows: plain `[b, n, d]` tensors, windows cut as in SAM.
//!
//! Slow and simple; what the ragged path is compared with.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, TensorData};
use fastersam_adapter::ConvFeatures;

use crate::active::ActiveTokens;
use crate::attention::Attention;
use crate::block::{Block, CrossView};
use crate::config::WindowPadding;
use crate::encoder::{EncoderOutput, EncoderScores, PausingEncoder};
use crate::error::EncoderError;

/// What the plain path gives.
#[derive(Debug)]
pub struct DenseOutput {
    /// After patch embedding and positions: `[b * g * g, d]`, with class tokens
    /// `[b * (1 + g * g), d]`.
    pub tokens_embed: Tensor<2>,
    /// After each block, in the same shape.
    pub blocks: Vec<Tensor<2>>,
    /// Before the neck, without class tokens: `[b * g * g, d]`.
    pub tokens: Tensor<2>,
    /// The class tokens `[b, d]`, where the encoder keeps them.
    pub class_tokens: Option<Tensor<2>>,
    /// After the neck: `[b, out_chans, g, g]`.
    pub embedding: Tensor<4>,
}

impl PausingEncoder {
    /// Encodes a batch without pause points, block by block.
    ///
    /// # Shapes
    /// - images: `[b, 3, s, s]`, normalized
    ///
    /// # Errors
    /// Where the inputs don't fit the encoder.
    pub fn forward_dense(
        &self,
        images: Tensor<4>,
        conv: Option<&ConvFeatures>,
    ) -> Result<DenseOutput, EncoderError> {
        let map = self.map_tokens(&images, conv)?;
        let (batch, grid) = (images.dims()[0], self.config.grid());
        let all = ActiveTokens::all(batch, grid, self.config.class_token);
        let mut cross = self.cross_attention(map.as_ref());
        let tokens_embed = self.embed(images);
        let mut tokens = tokens_embed.clone();
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            if let (Some(injection), Some(map)) = (self.injection(i), &map) {
                let [m, d] = tokens.dims();
                let mut rows = injection.forward(map.clone()).reshape([batch as i32, -1, d as i32]);
                if self.config.class_token {
                    let nothing = Tensor::zeros([batch, 1, d], &rows.device());
                    rows = Tensor::cat(vec![nothing, rows], 1);
                }
                tokens = tokens + rows.reshape([m, d]);
            }
            let layout = cross.layout(i, &all);
            let view = cross.view(i, layout.as_ref());
            tokens = self.dense_block(block, tokens, batch, self.config.window_of(i), view);
            cross.refine(i, grid);
            blocks.push(tokens.clone());
        }
        let merge = |patches| cross.merge(patches);
        let EncoderOutput { tokens, class_tokens, embedding, .. } =
            self.output(tokens, merge, EncoderScores::default());
        Ok(DenseOutput { tokens_embed, blocks, tokens, class_tokens, embedding })
    }

    fn dense_block(
        &self,
        block: &Block,
        tokens: Tensor<2>,
        batch: usize,
        window: Option<usize>,
        cross: Option<CrossView<'_>>,
    ) -> Tensor<2> {
        let [m, d] = tokens.dims();
        let grid = self.config.grid();
        let normal = block.attention_input(tokens.clone(), cross);
        let attended = match window {
            None => {
                // A class token makes the grid no square; it has no use for places either.
                let (h, w) = if m == batch * grid * grid { (grid, grid) } else { (1, m / batch) };
                dense_attention(&block.attn, normal.reshape([batch, h, w, d]), None)
            }
            Some(size) => {
                let is_masked = self.config.window_padding == WindowPadding::Masked;
                let mask = is_masked.then(|| {
                    let ones = Tensor::ones([batch, grid, grid, 1], &normal.device());
                    window_partition(ones, size)
                });
                let windows = window_partition(normal.reshape([batch, grid, grid, d]), size);
                window_unpartition(dense_attention(&block.attn, windows, mask), size, grid)
            }
        };
        block.finish(tokens, attended.reshape([m, d]), cross)
    }
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
    padded.reshape([b, rows, size, cols, size, d]).permute([0, 1, 3, 2, 4, 5]).reshape([
        b * rows * cols,
        size,
        size,
        d,
    ])
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

/// Attention of every place of `[b, h, w, d]` to every other (to those where `mask` `[b, h, w, 1]` is
/// 1), without the output projection.
fn dense_attention(attention: &Attention, x: Tensor<4>, mask: Option<Tensor<4>>) -> Tensor<4> {
    let [b, h, w, d] = x.dims();
    let (n, heads) = (h * w, attention.num_heads());
    let head_dim = d / heads;
    let qkv =
        attention.project(x.reshape([b * n, d])).reshape([b, n, 3, heads, head_dim]).permute([2, 0, 3, 1, 4]);
    let part = |i: usize| {
        qkv.clone().slice([i..i + 1, 0..b, 0..heads, 0..n, 0..head_dim]).reshape([b, heads, n, head_dim])
    };
    let (q, k, v) = (part(0), part(1), part(2));
    let scale = (head_dim as f64).powf(-0.5);
    let mut logits = q.clone().mul_scalar(scale).matmul(k.transpose());
    if let Some(tables) = attention.relative_positions() {
        logits = logits + relative_term(&q, tables.height, h, w, |place| place / w);
        logits = logits + relative_term(&q, tables.width, h, w, |place| place % w);
    }
    if let Some(mask) = mask {
        logits = logits + (mask.reshape([b, 1, 1, n]) - 1.0).mul_scalar(1e9);
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
