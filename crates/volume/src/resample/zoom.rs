//! `scipy.ndimage.zoom` of orders 0 and 3.
//!
//! Output index `i` samples the input at `i * ((n_in - 1) / (n_out - 1))`, computed in f64 in this
//! order. Where rounding puts that beyond the last input pixel, scipy (mode `constant`) writes 0: at
//! 512 -> 224 the last row and column are 0. Both are reproduced, since published pipelines have them.

use ndarray::{Array2, ArrayView2, Axis};

use super::spline::{prefilter_cols, prefilter_rows};

/// Where each output index samples its axis; `None` where scipy writes 0.
fn coordinates(n_in: usize, n_out: usize) -> Vec<Option<f64>> {
    let step = if n_out > 1 { (n_in as f64 - 1.0) / (n_out as f64 - 1.0) } else { 0.0 };
    let last = n_in as f64 - 1.0;
    (0..n_out)
        .map(|i| {
            let c = i as f64 * step;
            (c <= last).then_some(c)
        })
        .collect()
}

/// `zoom(order=0)`: the input index behind each output index of an axis; `None` where it writes 0.
#[must_use]
pub fn nearest_sources(n_in: usize, n_out: usize) -> Vec<Option<usize>> {
    coordinates(n_in, n_out)
        .into_iter()
        .map(|c| c.map(|c| ((c + 0.5).floor() as usize).min(n_in.saturating_sub(1))))
        .collect()
}

/// `zoom(order=0)` of a label map to `[rows, cols]`.
#[must_use]
pub fn zoom_nearest<T: Copy + Default>(input: ArrayView2<T>, to: [usize; 2]) -> Array2<T> {
    let (n_rows, n_cols) = input.dim();
    if (n_rows, n_cols) == (to[0], to[1]) {
        return input.to_owned();
    }
    let rows = nearest_sources(n_rows, to[0]);
    let cols = nearest_sources(n_cols, to[1]);
    let mut output = Array2::default(to);
    let mut before: Option<(usize, usize)> = None;
    for (i, row) in rows.into_iter().enumerate() {
        let Some(row) = row else { continue };
        if let Some((at, _)) = before.filter(|&(_, source)| source == row) {
            // Neighbours often come from the same row.
            let (done, mut rest) = output.view_mut().split_at(Axis(0), i);
            rest.row_mut(0).assign(&done.row(at));
        } else {
            let line = input.row(row);
            for (target, col) in output.row_mut(i).iter_mut().zip(&cols) {
                *target = col.map_or_else(T::default, |col| line[col]);
            }
        }
        before = Some((i, row));
    }
    output
}

/// `zoom(order=3)` of an image to `[rows, cols]`: cubic B-spline with prefilter, mirror boundary.
#[must_use]
pub fn zoom_cubic(input: ArrayView2<f32>, to: [usize; 2]) -> Array2<f32> {
    let (n_rows, n_cols) = input.dim();
    if (n_rows, n_cols) == (to[0], to[1]) {
        return input.to_owned();
    }
    if n_rows == 0 || n_cols == 0 {
        return Array2::zeros(to);
    }
    let mut coefficients: Vec<f64> = input.iter().map(|&v| f64::from(v)).collect();
    // Along the columns of the array first, as scipy does (axis 0), then along the rows.
    prefilter_rows(&mut coefficients, n_rows, n_cols);
    prefilter_cols(&mut coefficients, n_cols);
    let rows = cubic_taps(n_rows, to[0]);
    let cols = cubic_taps(n_cols, to[1]);
    let mut output = Array2::zeros(to);
    let mut blended = vec![0.0; n_cols];
    for (taps, mut out) in rows.iter().zip(output.rows_mut()) {
        let Some((sources, weights)) = taps else { continue };
        blended.fill(0.0);
        for (&source, &weight) in sources.iter().zip(weights) {
            let line = &coefficients[source * n_cols..(source + 1) * n_cols];
            for (sum, &value) in blended.iter_mut().zip(line) {
                *sum += weight * value;
            }
        }
        for (taps, out) in cols.iter().zip(&mut out) {
            if let Some((sources, weights)) = taps {
                let sum: f64 = sources.iter().zip(weights).map(|(&i, w)| w * blended[i]).sum();
                *out = sum as f32;
            }
        }
    }
    output
}

/// Four sources and weights of each output index.
fn cubic_taps(n_in: usize, n_out: usize) -> Vec<Option<([usize; 4], [f64; 4])>> {
    coordinates(n_in, n_out)
        .into_iter()
        .map(|c| {
            let c = c?;
            let low = c.floor();
            let (y, z) = (c - low, 1.0 - (c - low));
            let middle = |t: f64| (t * t * (t - 2.0) * 3.0 + 4.0) / 6.0;
            let (second, third) = (middle(y), middle(z));
            let first = z * z * z / 6.0;
            let weights = [first, second, third, 1.0 - first - second - third];
            let sources = std::array::from_fn(|i| mirror(low as i64 - 1 + i as i64, n_in));
            Some((sources, weights))
        })
        .collect()
}

/// An index outside the axis, reflected at the centre of the edge pixels.
fn mirror(index: i64, n: usize) -> usize {
    if n <= 1 {
        return 0;
    }
    let period = 2 * (n as i64 - 1);
    let index = index.rem_euclid(period);
    index.min(period - index) as usize
}
