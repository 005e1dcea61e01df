//! `scipy.ndimage`'s `zoom` and `rotate`, to the last pixel, for slices.
//!
//! Output index `i` samples the input at `i * ((n_in - 1) / (n_out - 1))`, computed in f64 in this
//! order. Where rounding puts that beyond the last input pixel, scipy (mode `constant`) writes 0: at
//! 512 -> 224 the last row and column are 0. Both are reproduced, since published pipelines have them.

use ndarray::{Array2, ArrayView2, Axis};

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

/// The pole of the cubic B-spline.
const POLE: f64 = -0.267_949_192_431_122_7; // sqrt(3) - 2

/// What every value is multiplied with before.
const GAIN: f64 = (1.0 - POLE) * (1.0 - 1.0 / POLE);

/// Rows that are filtered side by side: each step of a row waits for the one before.
const ABREAST: usize = 8;

/// Spline coefficients of each row in place (mirror boundary); rows of length 1 are left alone.
fn prefilter_cols(matrix: &mut [f64], n: usize) {
    if n <= 1 {
        return;
    }
    let start = CausalStart::new(n);
    for rows in matrix.chunks_mut(ABREAST * n) {
        let n_rows = rows.len() / n;
        for value in rows.iter_mut() {
            *value *= GAIN;
        }
        for row in rows.chunks_exact_mut(n) {
            row[0] = start.of(|i| row[i]);
        }
        for i in 1..n {
            for row in 0..n_rows {
                rows[row * n + i] += POLE * rows[row * n + i - 1];
            }
        }
        for row in rows.chunks_exact_mut(n) {
            row[n - 1] = (POLE * row[n - 2] + row[n - 1]) * POLE / (POLE * POLE - 1.0);
        }
        for i in (0..n - 1).rev() {
            for row in 0..n_rows {
                rows[row * n + i] = POLE * (rows[row * n + i + 1] - rows[row * n + i]);
            }
        }
    }
}

/// [`prefilter_cols`] along axis 0 of a matrix, all columns at once.
fn prefilter_rows(matrix: &mut [f64], n_rows: usize, n_cols: usize) {
    if n_rows <= 1 {
        return;
    }
    for value in matrix.iter_mut() {
        *value *= GAIN;
    }
    let start = CausalStart::new(n_rows).of_columns(matrix, n_cols);
    matrix[..n_cols].copy_from_slice(&start);
    for row in 1..n_rows {
        let (done, rest) = matrix.split_at_mut(row * n_cols);
        let before = &done[(row - 1) * n_cols..];
        for (value, before) in rest[..n_cols].iter_mut().zip(before) {
            *value += POLE * before;
        }
    }
    for col in 0..n_cols {
        let last = (n_rows - 1) * n_cols + col;
        matrix[last] = (POLE * matrix[last - n_cols] + matrix[last]) * POLE / (POLE * POLE - 1.0);
    }
    for row in (0..n_rows - 1).rev() {
        let (done, rest) = matrix.split_at_mut((row + 1) * n_cols);
        for (value, after) in done[row * n_cols..].iter_mut().zip(&rest[..n_cols]) {
            *value = POLE * (after - *value);
        }
    }
}

/// The first causal coefficient under a mirror boundary, exact: a weighted sum over the line.
struct CausalStart {
    /// `POLE^(n - 1)`, the weight of the last value.
    last: f64,
    /// Of the values between the first and the last.
    weights: Vec<f64>,
}

impl CausalStart {
    /// For lines of `n` values, two at least.
    fn new(n: usize) -> Self {
        let mut power = POLE;
        let weights = (1..n - 1)
            .map(|i| {
                let weight = power + POLE.powi(2 * (n as i32 - 1) - i as i32);
                power *= POLE;
                weight
            })
            .collect();
        Self { last: POLE.powi(n as i32 - 1), weights }
    }

    fn of(&self, value: impl Fn(usize) -> f64) -> f64 {
        let mut sum = value(0) + self.last * value(self.weights.len() + 1);
        for (i, weight) in self.weights.iter().enumerate() {
            sum += weight * value(i + 1);
        }
        sum / (1.0 - self.last * self.last)
    }

    /// Of each column of a matrix.
    fn of_columns(&self, matrix: &[f64], n_cols: usize) -> Vec<f64> {
        let (first, rest) = matrix.split_at(n_cols);
        let (between, last) = rest.split_at(rest.len() - n_cols);
        let mut sums: Vec<f64> = first.iter().zip(last).map(|(first, last)| first + self.last * last).collect();
        for (weight, row) in self.weights.iter().zip(between.chunks_exact(n_cols)) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
        sums.iter().map(|sum| sum / (1.0 - self.last * self.last)).collect()
    }
}

/// `rotate(order=0, reshape=False)` by whole degrees: the source of each output pixel, `None` where
/// scipy writes 0.
#[must_use]
pub fn rotation_sources(shape: [usize; 2], degrees: i32) -> Vec<Option<(usize, usize)>> {
    let angle = f64::from(degrees).to_radians();
    let (sin, cos) = exact_sin_cos(degrees).unwrap_or((angle.sin(), angle.cos()));
    let centre = shape.map(|n| (n as f64 - 1.0) / 2.0);
    let turned = [cos * centre[0] + sin * centre[1], -sin * centre[0] + cos * centre[1]];
    let offset = [centre[0] - turned[0], centre[1] - turned[1]];
    let mut sources = Vec::with_capacity(shape[0] * shape[1]);
    for row in 0..shape[0] {
        for col in 0..shape[1] {
            let (r, c) = (row as f64, col as f64);
            let source = [r * cos + c * sin + offset[0], -r * sin + c * cos + offset[1]];
            let inside = (0..2).all(|axis| source[axis] >= 0.0 && source[axis] <= shape[axis] as f64 - 1.0);
            let nearest = |axis: usize| ((source[axis] + 0.5).floor() as usize).min(shape[axis] - 1);
            sources.push(inside.then(|| (nearest(0), nearest(1))));
        }
    }
    sources
}

/// Sine and cosine at multiples of a right angle, where scipy is exact too.
fn exact_sin_cos(degrees: i32) -> Option<(f64, f64)> {
    match degrees.rem_euclid(360) {
        0 => Some((0.0, 1.0)),
        90 => Some((1.0, 0.0)),
        180 => Some((0.0, -1.0)),
        270 => Some((-1.0, 0.0)),
        _ => None,
    }
}

/// `rotate(order=0, reshape=False)` by whole degrees.
#[must_use]
pub fn rotate_nearest<T: Copy + Default>(input: ArrayView2<T>, degrees: i32) -> Array2<T> {
    let (rows, cols) = input.dim();
    let sources = rotation_sources([rows, cols], degrees);
    Array2::from_shape_fn((rows, cols), |(row, col)| {
        sources[row * cols + col].map_or_else(T::default, |at| input[at])
    })
}
