//! Attention of padded rows, in one call a block.

use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use fastersam_kernels::RelativePositions;
use fastersam_kernels::generic::softmax_in_f32;

use super::rows::Rows;
use crate::attention::Attention;
use crate::block::Block;
use crate::config::{EncoderConfig, WindowPadding};

/// A logit that leaves nothing to a key, in half precision too. Not minus infinity: an image without active tokens has no
/// key, and what its padding computes must stay a number.
const MASKED: f32 = -3e4;

/// Attention of block `index` without its output projection.
///
/// # Shapes
/// - normal, output: normalized rows `[b * n_rows, d]`
pub(super) fn attend(
    config: &EncoderConfig,
    block: &Block,
    index: usize,
    normal: Tensor<2>,
    rows: &Rows,
    sees_paused: bool,
) -> Tensor<2> {
    let attn = &block.attn;
    // Windows as large as the grid are the grid.
    let window = config.window_of(index).filter(|&side| side != config.grid());
    let sees_paused = sees_paused && rows.slots().is_some();
    let [m, wide] = normal.dims();
    if let Some(side) = window {
        // Windows are cut out of the grid, whatever is active: the projections, which are most of the work, are not.
        let qkv = if sees_paused {
            attn.project(block.norm1.forward(rows.restored()))
        } else {
            rows.at_slots(attn.project(normal))
        };
        let is_key = rows.are_active().filter(|_| !sees_paused);
        let output = windowed(config, attn, qkv, side, is_key, rows.batch());
        return rows.at_rows(output);
    }
    if sees_paused {
        let all = attn.project(block.norm1.forward(rows.restored()));
        let slots = all.dims()[0];
        let keys = all.slice([0..slots, wide..3 * wide]);
        let queries = attn.project(normal).slice([0..m, 0..wide]);
        let positions = attn.relative_positions().map(|tables| Positions {
            tables,
            queries: on_grid(rows.slots(), rows, config, &queries.device()),
            keys: on_grid(None, rows, config, &queries.device()),
        });
        return global(attn.num_heads(), queries, keys, rows.batch(), None, positions);
    }
    let qkv = attn.project(normal);
    let (queries, keys) = (qkv.clone().slice([0..m, 0..wide]), qkv.slice([0..m, wide..3 * wide]));
    let positions = attn.relative_positions().map(|tables| {
        let places = on_grid(rows.slots(), rows, config, &queries.device());
        Positions { tables, queries: places.clone(), keys: places }
    });
    global(attn.num_heads(), queries, keys, rows.batch(), rows.are_tokens(), positions)
}

/// Where queries and keys lie, for relative positions.
struct Positions {
    tables: RelativePositions,
    /// Row and column of each, `[b or 1, n]`.
    queries: [Tensor<2, Int>; 2],
    keys: [Tensor<2, Int>; 2],
}

/// Row and column on the grid of each slot: `[b, n]`, or `[1, n_slots]` of all. Relative positions and class tokens don't
/// occur together.
fn on_grid(
    slots: Option<Tensor<2, Int>>,
    rows: &Rows,
    config: &EncoderConfig,
    device: &Device,
) -> [Tensor<2, Int>; 2] {
    let n = rows.n_slots();
    let slots = slots.unwrap_or_else(|| Tensor::<1, Int>::arange(0..n as i64, device).reshape([1, n]));
    let grid = config.grid() as i64;
    [slots.clone().div_scalar(grid), slots.remainder_scalar(grid)]
}

/// `[b * n, heads * head_dim]` to `[b, heads, n, head_dim]`
fn heads(x: Tensor<2>, b: usize, num_heads: usize) -> Tensor<4> {
    let [m, d] = x.dims();
    x.reshape([b, m / b, num_heads, d / num_heads]).swap_dims(1, 2)
}

/// Attention of each image's queries `[b * n_q, d]` to its keys and values `[b * n_k, 2 d]`, to those where `is_key`
/// (`[b, n_k]`) is true.
fn global(
    num_heads: usize,
    queries: Tensor<2>,
    keys: Tensor<2>,
    b: usize,
    is_key: Option<Tensor<2, Bool>>,
    positions: Option<Positions>,
) -> Tensor<2> {
    let ([n_queries, d], [n_keys, _]) = (queries.dims(), keys.dims());
    let k = heads(keys.clone().slice([0..n_keys, 0..d]), b, num_heads);
    let v = heads(keys.slice([0..n_keys, d..2 * d]), b, num_heads);
    let q = heads(queries, b, num_heads);
    let mask = is_key.map(|is_key| is_key.bool_not().reshape([b, 1, 1, n_keys / b]));
    let bias = positions.map(|positions| {
        let [rows_q, cols_q] = positions.queries;
        let [rows_k, cols_k] = positions.keys;
        relative_term(&q, positions.tables.height, rows_q, rows_k)
            + relative_term(&q, positions.tables.width, cols_q, cols_k)
    });
    attended(q, k, v, mask, bias).swap_dims(1, 2).reshape([n_queries, d])
}

/// Softmax attention: `[b, heads, n_q, head_dim]`. `mask` (`[b, 1, 1, n_k]`) is true where a key takes no part.
fn attended(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Option<Tensor<4, Bool>>,
    bias: Option<Tensor<4>>,
) -> Tensor<4> {
    let [b, num_heads, n_q, head_dim] = q.dims();
    let n_k = k.dims()[2];
    if mask.is_none() && bias.is_none() {
        return attention(q, k, v, None, None, AttentionModuleOptions::default());
    }
    let mut logits = q.mul_scalar((head_dim as f64).powf(-0.5)).matmul(k.transpose());
    if let Some(bias) = bias {
        logits = logits + bias;
    }
    if let Some(mask) = mask {
        logits = logits.mask_fill(mask.expand([b, num_heads, n_q, n_k]), MASKED);
    }
    softmax_in_f32(logits).matmul(v)
}

/// `[b, heads, n_q, n_k]`: each query's product with the table row of its offset to each key.
fn relative_term(q: &Tensor<4>, table: Tensor<2>, queries: Tensor<2, Int>, keys: Tensor<2, Int>) -> Tensor<4> {
    let ([b, num_heads, n_q, _], n_k) = (q.dims(), keys.dims()[1]);
    let origin = (table.dims()[0] / 2) as i64;
    let [b_q, _] = queries.dims();
    let [b_k, _] = keys.dims();
    let queries = queries.reshape([b_q, 1, n_q, 1]).expand([b, 1, n_q, n_k]);
    let keys = keys.reshape([b_k, 1, 1, n_k]).expand([b, 1, n_q, n_k]);
    let offsets = (queries - keys).add_scalar(origin).expand([b, num_heads, n_q, n_k]);
    q.clone().matmul(table.transpose().unsqueeze::<4>()).gather(3, offsets)
}

/// Attention within windows of `side` places, of all slots `[b * n_slots, 3 d]`; those where `is_key` (`[b, n_slots]`) is
/// false are no keys.
fn windowed(
    config: &EncoderConfig,
    attn: &Attention,
    qkv: Tensor<2>,
    side: usize,
    is_key: Option<Tensor<2, Bool>>,
    b: usize,
) -> Tensor<2> {
    let ([m, wide], device) = (qkv.dims(), qkv.device());
    let (n, d) = (m / b, wide / 3);
    let cut = Windows::new(config.grid(), side);
    let (n_windows, n_inside) = (cut.count(), side * side);
    let indices = |numbers: Vec<i64>| {
        let length = numbers.len();
        Tensor::<1, Int>::from_data(TensorData::new(numbers, [length]), &device)
    };
    // Zero padding comes after the norm: its queries, keys and values are the bias.
    let padding = match &attn.qkv.bias {
        Some(bias) => bias.val().reshape([1, 1, wide]).expand([b, 1, wide]),
        None => Tensor::zeros([b, 1, wide], &device),
    };
    let slots = indices(cut.slots());
    let inside = Tensor::cat(vec![qkv.reshape([b, n, wide]), padding], 1).select(1, slots.clone());
    let inside = inside.reshape([b * n_windows * n_inside, wide]);
    let part = |i: usize| {
        let rows = b * n_windows * n_inside;
        heads(inside.clone().slice([0..rows, i * d..(i + 1) * d]), b * n_windows, attn.num_heads())
    };
    let (q, k, v) = (part(0), part(1), part(2));
    let has_padding = cut.has_padding();
    let is_masked = has_padding && config.window_padding == WindowPadding::Masked;
    let mask = (is_key.is_some() || is_masked).then(|| {
        let ones = |width: usize| Tensor::<2, Int>::ones([b, width], &device);
        let is_key = is_key.map_or_else(|| ones(n), |is_key| is_key.int());
        let of_padding = if is_masked { ones(1).mul_scalar(0) } else { ones(1) };
        let is_key = Tensor::cat(vec![is_key, of_padding], 1).select(1, slots);
        is_key.reshape([b * n_windows, 1, 1, n_inside]).equal_elem(0)
    });
    let bias = attn.relative_positions().map(|tables| {
        let places = Tensor::<1, Int>::arange(0..n_inside as i64, &device).reshape([1, n_inside]);
        let (rows, cols) = (places.clone().div_scalar(side as i64), places.remainder_scalar(side as i64));
        relative_term(&q, tables.height, rows.clone(), rows) + relative_term(&q, tables.width, cols.clone(), cols)
    });
    let output = attended(q, k, v, mask, bias).swap_dims(1, 2).reshape([b, n_windows * n_inside, d]);
    output.select(1, indices(cut.places())).reshape([m, d])
}

/// How a grid is cut into windows, those at its end reaching over it.
struct Windows {
    grid: usize,
    side: usize,
    per_axis: usize,
}

impl Windows {
    fn new(grid: usize, side: usize) -> Self {
        let side = side.max(1);
        Self { grid, side, per_axis: grid.div_ceil(side) }
    }

    fn count(&self) -> usize {
        self.per_axis * self.per_axis
    }

    fn has_padding(&self) -> bool {
        !self.grid.is_multiple_of(self.side)
    }

    /// The slot at each place of each window; `grid * grid` for padding.
    fn slots(&self) -> Vec<i64> {
        let Self { grid, side, per_axis } = *self;
        let mut slots = Vec::with_capacity(self.count() * side * side);
        for (top, left) in (0..per_axis).flat_map(|row| (0..per_axis).map(move |col| (row * side, col * side))) {
            for (row, col) in (top..top + side).flat_map(|row| (left..left + side).map(move |col| (row, col))) {
                let slot = if row < grid && col < grid { row * grid + col } else { grid * grid };
                slots.push(slot as i64);
            }
        }
        slots
    }

    /// Where each slot lies in the windows: the way back.
    fn places(&self) -> Vec<i64> {
        let Self { grid, side, per_axis } = *self;
        let place = |row: usize, col: usize| {
            let window = (row / side) * per_axis + col / side;
            (window * side + row % side) * side + col % side
        };
        (0..grid).flat_map(|row| (0..grid).map(move |col| place(row, col) as i64)).collect()
    }
}
