//! Softmax of attention logits and its gradient, with decomposed relative positions.

use super::math::{each_vector, exp};
use super::simd::{Vector, multiversion};

/// What relative positions add to a block of logits: the logit of query i and key j gains
/// `products[i][row_start[i] + key_rows[j]] + products[i][col_start[i] + key_cols[j]]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets {
    /// Products of each query with the rows of both tables, `stride` apart.
    pub products: *mut f32,
    pub stride: usize,
    /// For each query, where the products for a key at row (column) 0 stand.
    pub row_starts: *const i32,
    pub col_starts: *const i32,
    /// The keys' rows and columns, negated, with [`PADDING`] more that repeat the last.
    pub key_rows: *const i32,
    pub key_cols: *const i32,
}

/// Vectors of indices are read whole.
pub(crate) const PADDING: usize = 16;

impl Offsets {
    /// # Safety
    /// The query must exist.
    unsafe fn of_query(&self, query: usize) -> [*mut f32; 2] {
        unsafe {
            let products = self.products.add(query * self.stride);
            [
                products.offset(*self.row_starts.add(query) as isize),
                products.offset(*self.col_starts.add(query) as isize),
            ]
        }
    }
}

#[inline(always)]
unsafe fn softmax_body<V: Vector>(
    logits: *mut f32,
    n_queries: usize,
    n_keys: usize,
    scale: f32,
    offsets: Option<&Offsets>,
) {
    unsafe {
        let scale = V::splat(scale);
        let lowest = V::splat(f32::NEG_INFINITY);
        for query in 0..n_queries {
            let row = logits.add(query * n_keys);
            let mut largest = lowest;
            let mut rest_largest = f32::NEG_INFINITY;
            if let Some(offsets) = offsets {
                let [by_row, by_col] = offsets.of_query(query);
                let (rows, cols) = (offsets.key_rows, offsets.key_cols);
                each_vector!(V, n_keys,
                i => {
                    let position = V::gather(by_row, rows.add(i))
                        .add(V::gather(by_col, cols.add(i)));
                    let logit = V::load(row.add(i)).mul_add(scale, position);
                    logit.store(row.add(i));
                    largest = largest.max(logit);
                },
                n => {
                    let position = V::gather(by_row, rows.add(i))
                        .add(V::gather(by_col, cols.add(i)));
                    let logit = V::load_first(row.add(i), n).mul_add(scale, position);
                    logit.store_first(row.add(i), n);
                    for lane in 0..n {
                        rest_largest = rest_largest.max(*row.add(i + lane));
                    }
                });
            } else {
                // The scale is positive: the largest stays the largest.
                each_vector!(V, n_keys,
                i => { largest = largest.max(V::load(row.add(i)).mul(scale)) },
                n => {
                    let logit = V::load_first(row.add(i), n).mul(scale);
                    logit.store_first(row.add(i), n);
                    for lane in 0..n {
                        rest_largest = rest_largest.max(*row.add(i + lane));
                    }
                });
            }
            let top = V::splat(largest.largest().max(rest_largest));
            let mut sum = V::splat(0.0);
            let mut rest_sum = 0.0;
            each_vector!(V, n_keys,
            i => {
                let logit = V::load(row.add(i));
                let logit = if offsets.is_none() { logit.mul(scale) } else { logit };
                let weight = exp(logit.sub(top));
                weight.store(row.add(i));
                sum = sum.add(weight);
            },
            n => {
                let weight = exp(V::load_first(row.add(i), n).sub(top));
                weight.store_first(row.add(i), n);
                for lane in 0..n {
                    rest_sum += *row.add(i + lane);
                }
            });
            let share = V::splat(1.0 / (sum.sum() + rest_sum));
            each_vector!(V, n_keys,
                i => { V::load(row.add(i)).mul(share).store(row.add(i)) },
                n => { V::load_first(row.add(i), n).mul(share).store_first(row.add(i), n) });
        }
    }
}
multiversion! {
    /// Softmax over the keys of `scale * logits + offsets`, in place, for `[n_queries, n_keys]`.
    pub(crate) fn softmax_rows(
        logits: *mut f32,
        n_queries: usize,
        n_keys: usize,
        scale: f32,
        offsets: Option<&Offsets>,
    ) = softmax_body;
}

#[inline(always)]
unsafe fn backward_body<V: Vector>(
    weights: *const f32,
    gradient: *mut f32,
    n_queries: usize,
    n_keys: usize,
    offsets: Option<&Offsets>,
) {
    unsafe {
        for query in 0..n_queries {
            let weights = weights.add(query * n_keys);
            let gradient = gradient.add(query * n_keys);
            let mut sum = V::splat(0.0);
            each_vector!(V, n_keys,
            i => { sum = V::load(weights.add(i)).mul_add(V::load(gradient.add(i)), sum) },
            n => {
                let weights = V::load_first(weights.add(i), n);
                sum = weights.mul_add(V::load_first(gradient.add(i), n), sum);
            });
            let mean = V::splat(sum.sum());
            each_vector!(V, n_keys,
            i => {
                let slope = V::load(gradient.add(i)).sub(mean);
                slope.mul(V::load(weights.add(i))).store(gradient.add(i));
            },
            n => {
                let slope = V::load_first(gradient.add(i), n).sub(mean);
                let slope = slope.mul(V::load_first(weights.add(i), n));
                slope.store_first(gradient.add(i), n);
            });
            if let Some(offsets) = offsets {
                let [by_row, by_col] = offsets.of_query(query);
                for key in 0..n_keys {
                    let slope = *gradient.add(key);
                    *by_row.offset(*offsets.key_rows.add(key) as isize) += slope;
                    *by_col.offset(*offsets.key_cols.add(key) as isize) += slope;
                }
            }
        }
    }
}
multiversion! {
    /// The gradient of the logits from that of the weights, in place; added up in the products of
    /// the offsets.
    pub(crate) fn softmax_backward_rows(
        weights: *const f32,
        gradient: *mut f32,
        n_queries: usize,
        n_keys: usize,
        offsets: Option<&Offsets>,
    ) = backward_body;
}
