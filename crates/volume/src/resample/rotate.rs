//! `scipy.ndimage.rotate` of order 0 and `numpy.rot90`.

use ndarray::{Array2, ArrayView2, Axis};

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

/// `numpy.rot90`.
#[must_use]
pub fn rot90<T: Copy>(slice: ArrayView2<T>, quarter_turns: usize) -> Array2<T> {
    let mut view = slice;
    match quarter_turns % 4 {
        1 => {
            view.swap_axes(0, 1);
            view.invert_axis(Axis(0));
        }
        2 => {
            view.invert_axis(Axis(0));
            view.invert_axis(Axis(1));
        }
        3 => {
            view.swap_axes(0, 1);
            view.invert_axis(Axis(1));
        }
        _ => {}
    }
    view.as_standard_layout().into_owned()
}
