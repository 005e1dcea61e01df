//! Position tables of another size than the checkpoint's, made once, at load.

/// Resizes an absolute position table as SAMed does: bilinear, align_corners false, no antialias.
///
/// # Shapes
/// - table: `[from, from, channels]`, row-major; output: `[to, to, channels]`
#[must_use]
pub fn resize_abs_pos(table: &[f32], from: usize, to: usize, channels: usize) -> Vec<f32> {
    resize_square(table, from, to, channels, &linear_taps(from, to))
}

/// Resizes a relative position table: linear along the rows, align_corners false.
///
/// # Shapes
/// - table: `[from, channels]`; output: `[to, channels]`
#[must_use]
pub fn resize_rel_pos(table: &[f32], from: usize, to: usize, channels: usize) -> Vec<f32> {
    let taps = linear_taps(from, to);
    let mut out = Vec::with_capacity(to * channels);
    for taps in &taps {
        for c in 0..channels {
            out.push(
                taps.iter().map(|&(i, weight)| weight * f64::from(table[i * channels + c])).sum::<f64>() as f32
            );
        }
    }
    out
}

/// Resizes an absolute position table as DINOv2 does: bicubic (a = -0.75), align_corners false, no
/// antialias.
///
/// # Shapes
/// - table: `[from, from, channels]`; output: `[to, to, channels]`
#[must_use]
pub fn resize_abs_pos_bicubic(table: &[f32], from: usize, to: usize, channels: usize) -> Vec<f32> {
    resize_square(table, from, to, channels, &cubic_taps(from, to))
}

/// The weighted sources of each output position.
type Taps = Vec<Vec<(usize, f64)>>;

fn linear_taps(from: usize, to: usize) -> Taps {
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|i| {
            let source = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
            let low = (source.floor() as usize).min(from.saturating_sub(1));
            let high = (low + 1).min(from.saturating_sub(1));
            let part = source - low as f64;
            vec![(low, 1.0 - part), (high, part)]
        })
        .collect()
}

fn cubic_taps(from: usize, to: usize) -> Taps {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|i| {
            let source = (i as f64 + 0.5) * scale - 0.5;
            let (low, part) = (source.floor(), source - source.floor());
            let weights = [far(part + 1.0), near(part), near(1.0 - part), far(2.0 - part)];
            (-1_i64..)
                .zip(weights)
                .map(|(offset, weight)| {
                    let index = (low as i64 + offset).clamp(0, from as i64 - 1);
                    (index as usize, weight)
                })
                .collect()
        })
        .collect()
}

fn resize_square(table: &[f32], from: usize, to: usize, channels: usize, taps: &Taps) -> Vec<f32> {
    if from == to {
        return table.to_vec();
    }
    let mut out = Vec::with_capacity(to * to * channels);
    for rows in taps {
        for cols in taps {
            for c in 0..channels {
                let mut sum = 0.0;
                for &(row, row_weight) in rows {
                    for &(col, col_weight) in cols {
                        let value = f64::from(table[(row * from + col) * channels + c]);
                        sum += row_weight * col_weight * value;
                    }
                }
                out.push(sum as f32);
            }
        }
    }
    out
}
