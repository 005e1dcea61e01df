//! Softmax of attention logits and its gradient, with decomposed relative positions.

use super::math::exp;
use super::positions::Offsets;
use super::simd::{Vector, each_vector, multiversion};

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn softmax_body<V: Vector>(
    logits: &mut [f32],
    n_keys: usize,
    scale: f32,
    offsets: Option<(Offsets<'_>, &[f32])>,
) {
    let n_queries = logits.len() / n_keys;
    assert!(logits.len() == n_queries * n_keys);
    if let Some((offsets, products)) = &offsets {
        assert!(offsets.n_queries() == n_queries && offsets.n_keys() == n_keys);
        assert!(products.len() == n_queries * offsets.n_products());
    }
    let logits = logits.as_mut_ptr();
    // SAFETY: there are `n_queries` rows of `n_keys` logits. Of the products, `Offsets` looks up those that exist,
    // and holds a vector's worth of indices from any key on. The rest is the caller's promise.
    unsafe {
        let scale = V::splat(scale);
        let lowest = V::splat(f32::NEG_INFINITY);
        for query in 0..n_queries {
            let row = logits.add(query * n_keys);
            let mut largest = lowest;
            let mut rest_largest = f32::NEG_INFINITY;
            if let Some((offsets, products)) = &offsets {
                let products = products.as_ptr().add(query * offsets.n_products());
                let [by_row, by_col] = offsets.of_query(query).map(|start| products.offset(start as isize));
                let [rows, cols] = offsets.of_keys().map(<[i32]>::as_ptr);
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
    /// Softmax over the keys of `scale * logits`, and what relative positions add to it, in place, for
    /// `[n_queries, n_keys]`. The products are those of each query with the rows of the tables.
    pub(crate) fn softmax_rows(
        logits: &mut [f32],
        n_keys: usize,
        scale: f32,
        offsets: Option<(Offsets<'_>, &[f32])>,
    ) = softmax_body;
}

/// # Safety
/// The machine must have the instruction set.
#[inline(always)]
unsafe fn backward_body<V: Vector>(
    weights: &[f32],
    gradient: &mut [f32],
    n_keys: usize,
    offsets: Option<(Offsets<'_>, &mut [f32])>,
) {
    let n_queries = weights.len() / n_keys;
    assert!(weights.len() == n_queries * n_keys && gradient.len() == weights.len());
    for query in 0..n_queries {
        let keys = query * n_keys..(query + 1) * n_keys;
        let (weights, gradient) = (weights[keys.clone()].as_ptr(), gradient[keys].as_mut_ptr());
        // SAFETY: both hold `n_keys` values; the rest is the caller's promise.
        unsafe {
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
        }
    }
    let Some((offsets, products)) = offsets else { return };
    assert!(offsets.n_queries() == n_queries && offsets.n_keys() == n_keys);
    let [rows, cols] = offsets.of_keys();
    let queries = gradient.chunks(n_keys).zip(products.chunks_mut(offsets.n_products()));
    for (query, (gradient, products)) in queries.enumerate() {
        let [by_row, by_col] = offsets.of_query(query);
        for ((slope, row), col) in gradient.iter().zip(rows).zip(cols) {
            products[(by_row + row) as usize] += slope;
            products[(by_col + col) as usize] += slope;
        }
    }
}
multiversion! {
    /// The gradient of the logits from that of the weights, in place; added up in the products of
    /// the offsets.
    pub(crate) fn softmax_backward_rows(
        weights: &[f32],
        gradient: &mut [f32],
        n_keys: usize,
        offsets: Option<(Offsets<'_>, &mut [f32])>,
    ) = backward_body;
}
