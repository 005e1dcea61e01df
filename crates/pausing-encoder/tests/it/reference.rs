//! Pausing, slowly: one block on all tokens of one image in plain loops, from METHOD's words.

use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Linear, generic};
use fastersam_pausing_encoder::{Block, Context, EncoderConfig, PausingEncoder, WindowPadding};

use crate::support::{tensor, values};

/// One head of one token.
type Row<'a> = &'a [f32];

struct Tables {
    height: Vec<f32>,
    width: Vec<f32>,
    size: usize,
}

/// A linear layer as burn's own operations compute it.
fn dense(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    generic::linear(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()))
}

/// `[n, d]` features of one image after `block`; only `active` tokens (a flag each) move.
pub fn block(
    config: &EncoderConfig,
    block: &Block,
    window: Option<usize>,
    context: Context,
    x: &[f32],
    active: &[bool],
) -> Vec<f32> {
    let device = Device::flex();
    let (grid, d, heads) = (config.grid(), config.embed_dim, config.num_heads);
    let (n, head_dim) = (grid * grid, d / heads);
    let side = window.unwrap_or(grid);
    let tokens = tensor(x.to_vec(), [n, d], &device);
    let qkv = values(&block.attn.project(block.norm1.forward(tokens.clone())));
    let padding = values(&block.attn.qkv.bias.as_ref().unwrap().val());
    let tables = block.attn.rel_pos_h.as_ref().map(|height| Tables {
        height: values(&height.val()),
        width: values(&block.attn.rel_pos_w.as_ref().unwrap().val()),
        size: side,
    });
    let part = |row: Row<'_>, i: usize, head: usize| -> Vec<f32> {
        row[i * d + head * head_dim..i * d + (head + 1) * head_dim].to_vec()
    };

    let mut attended = vec![0.0; n * d];
    for query in (0..n).filter(|&place| active[place]) {
        let (row, col) = (query / grid, query % grid);
        let (top, left) = (row / side * side, col / side * side);
        // Every place of the window, inside the grid or not: its offset and its keys and values.
        let keys: Vec<(i64, i64, Row<'_>)> = (top..top + side)
            .flat_map(|r| (left..left + side).map(move |c| (r, c)))
            .filter_map(|(r, c)| {
                let offset = (row as i64 - r as i64, col as i64 - c as i64);
                if r >= grid || c >= grid {
                    let takes_part = config.window_padding == WindowPadding::Sam;
                    return takes_part.then_some((offset.0, offset.1, &padding[..]));
                }
                let place = r * grid + c;
                let takes_part = active[place] || context == Context::FrozenKv;
                takes_part.then_some((offset.0, offset.1, &qkv[place * 3 * d..(place + 1) * 3 * d]))
            })
            .collect();
        for head in 0..heads {
            let q = part(&qkv[query * 3 * d..(query + 1) * 3 * d], 0, head);
            let dot =
                |other: &[f32]| -> f64 { q.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
            let logits: Vec<f64> = keys
                .iter()
                .map(|(rows, cols, key)| {
                    let mut logit = dot(&part(key, 1, head)) / (head_dim as f64).sqrt();
                    if let Some(tables) = &tables {
                        for (table, offset) in [(&tables.height, rows), (&tables.width, cols)] {
                            let at = (offset + tables.size as i64 - 1) as usize * head_dim;
                            logit += dot(&table[at..at + head_dim]);
                        }
                    }
                    logit
                })
                .collect();
            let largest = logits.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for c in 0..head_dim {
                let value: f64 = keys
                    .iter()
                    .zip(&weights)
                    .map(|((.., key), weight)| weight * f64::from(part(key, 2, head)[c]))
                    .sum();
                attended[query * d + head * head_dim + c] = (value / sum) as f32;
            }
        }
    }

    let scale = |layer_scale: &Option<burn::module::Param<burn::tensor::Tensor<1>>>, y| match layer_scale {
        Some(scale) => y * scale.val().unsqueeze(),
        None => y,
    };
    let y = dense(&block.attn.proj, tensor(attended, [n, d], &device));
    let y = tokens + scale(&block.layer_scale1, y);
    let normal = block.norm2.forward(y.clone());
    let hidden = burn::tensor::activation::gelu(dense(&block.mlp.lin1, normal.clone()));
    let mut z = y + scale(&block.layer_scale2, dense(&block.mlp.lin2, hidden));
    if let Some(adapter) = &block.adapter {
        z = z + adapter.up.forward(burn::tensor::activation::gelu(adapter.down.forward(normal)));
    }
    let z = values(&z);
    (0..n * d).map(|i| if active[i / d] { z[i] } else { x[i] }).collect()
}

/// The encoder's tokens of one image, given which tokens stay active after each pause point.
pub fn encode(
    encoder: &PausingEncoder,
    embedded: &[f32],
    map: &[f32],
    kept_after: &[(usize, Vec<bool>)],
    context: Context,
) -> Vec<f32> {
    let config = encoder.config();
    let (n, d) = (config.n_tokens(), config.embed_dim);
    let device = Device::flex();
    let mut x = embedded.to_vec();
    let mut active = vec![true; n];
    let pause = |point: usize, active: &mut Vec<bool>| {
        if let Some((_, kept)) = kept_after.iter().find(|(p, _)| *p == point) {
            active.iter_mut().zip(kept).for_each(|(a, k)| *a &= k);
        }
    };
    for (i, one) in encoder.blocks.iter().enumerate() {
        if let Some(index) = config.injection_blocks.iter().position(|&b| b == i) {
            let rows = tensor(map.to_vec(), [n, map.len() / n], &device);
            let added = values(&encoder.injections[index].forward(rows));
            for place in (0..n).filter(|&place| active[place]) {
                for c in place * d..(place + 1) * d {
                    x[c] += added[c];
                }
            }
        }
        if i == 0 {
            pause(0, &mut active);
        }
        x = block(config, one, config.window_of(i), context, &x, &active);
        pause(i + 1, &mut active);
    }
    x
}
