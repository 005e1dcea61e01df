//! The prefilter of the cubic B-spline, as `scipy.ndimage.spline_filter` with mode `mirror`.

/// The pole of the cubic B-spline.
const POLE: f64 = -0.267_949_192_431_122_7; // sqrt(3) - 2

/// What every value is multiplied with before.
const GAIN: f64 = (1.0 - POLE) * (1.0 - 1.0 / POLE);

/// Rows that are filtered side by side: each step of a row waits for the one before.
const ABREAST: usize = 8;

/// Spline coefficients of each row in place (mirror boundary); rows of length 1 are left alone.
pub(super) fn prefilter_cols(matrix: &mut [f64], n: usize) {
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
pub(super) fn prefilter_rows(matrix: &mut [f64], n_rows: usize, n_cols: usize) {
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
