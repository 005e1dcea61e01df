//! From logits to the class of every pixel: bilinear resizing and the choice of the largest in one go, so
//! that the resized logits of all classes never lie in memory.

use ndarray::Array2;

/// An output pixel lies between two input pixels.
struct Between {
    low: usize,
    high: usize,
    /// Of the higher one, in [0, 1].
    share: f32,
}

/// Where the pixels of an axis lie (align_corners false, as `fastersam_kernels::resize_bilinear`).
fn places(n_in: usize, n_out: usize) -> Vec<Between> {
    let scale = n_in as f64 / n_out as f64;
    (0..n_out)
        .map(|out| {
            let source = ((out as f64 + 0.5) * scale - 0.5).max(0.0);
            let low = (source as usize).min(n_in - 1);
            Between { low, high: (low + 1).min(n_in - 1), share: (source - low as f64) as f32 }
        })
        .collect()
}

/// The class with the largest logit of each pixel, the first one of equals, at `[size, size]`.
///
/// `logits` holds the planes `[n_classes, height, width]` of one image.
pub(crate) fn class_map(logits: &[f32], [height, width]: [usize; 2], size: usize) -> Array2<u8> {
    let rows = places(height, size);
    let wide = widen(logits, width, size);
    let mut classes = Vec::with_capacity(size * size);
    let mut best = vec![0.0_f32; size];
    // As wide as the logits, so that both are compared and chosen in vectors.
    let mut winners = vec![0_u32; size];
    for row in &rows {
        best.fill(f32::NEG_INFINITY);
        winners.fill(0);
        for (class, plane) in wide.chunks_exact(height * size).enumerate() {
            let low = &plane[row.low * size..(row.low + 1) * size];
            let high = &plane[row.high * size..(row.high + 1) * size];
            for (((best, winner), low), high) in best.iter_mut().zip(&mut winners).zip(low).zip(high) {
                let value = low + row.share * (high - low);
                let wins = value > *best;
                *best = if wins { value } else { *best };
                *winner = if wins { class as u32 } else { *winner };
            }
        }
        classes.extend(winners.iter().map(|&winner| winner as u8));
    }
    Array2::from_shape_fn((size, size), |(row, col)| classes[row * size + col])
}

/// The planes of all classes with lines as wide as the output.
fn widen(logits: &[f32], width: usize, size: usize) -> Vec<f32> {
    let cols = places(width, size);
    let mut wide = vec![0.0_f32; logits.len() / width.max(1) * size];
    for (line, wide) in logits.chunks_exact(width).zip(wide.chunks_exact_mut(size)) {
        for (value, col) in wide.iter_mut().zip(&cols) {
            *value = line[col.low] + col.share * (line[col.high] - line[col.low]);
        }
    }
    wide
}

/// The probability of each class of each pixel (softmax of the resized logits), a plane `[size, size]` a class. The class of
/// [`class_map`] is the one with the largest.
pub(crate) fn class_probabilities(logits: &[f32], [height, width]: [usize; 2], size: usize) -> Vec<Array2<f32>> {
    let n_classes = logits.len() / (height * width).max(1);
    let wide = widen(logits, width, size);
    let mut planes: Vec<Array2<f32>> = (0..n_classes).map(|_| Array2::zeros((size, size))).collect();
    let mut pixel = vec![0.0_f32; n_classes];
    for (at, row) in places(height, size).iter().enumerate() {
        for col in 0..size {
            for (value, plane) in pixel.iter_mut().zip(wide.chunks_exact(height * size)) {
                let (low, high) = (plane[row.low * size + col], plane[row.high * size + col]);
                *value = low + row.share * (high - low);
            }
            let largest = pixel.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            pixel.iter_mut().for_each(|value| *value = (*value - largest).exp());
            let sum: f32 = pixel.iter().sum();
            planes.iter_mut().zip(&pixel).for_each(|(plane, value)| plane[(at, col)] = value / sum);
        }
    }
    planes
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use fastersam_kernels::resize_bilinear;
    use fastersam_volume::KeyedRng;

    use super::*;

    /// Whole numbers, so that ties are ties in both.
    fn check(n_classes: usize, [height, width]: [usize; 2], size: usize) {
        let mut rng = KeyedRng::new(1, &[height as u64, size as u64]);
        let logits: Vec<f32> =
            (0..n_classes * height * width).map(|_| rng.range(-9.0, 9.0).round() as f32).collect();
        let found = class_map(&logits, [height, width], size);
        let probabilities = class_probabilities(&logits, [height, width], size);
        for (at, &class) in found.indexed_iter() {
            let sum: f32 = probabilities.iter().map(|plane| plane[at]).sum();
            let largest = probabilities.iter().map(|plane| plane[at]).fold(0.0, f32::max);
            assert!((sum - 1.0).abs() < 1e-5, "{sum} at {at:?}");
            assert_eq!(probabilities[usize::from(class)][at], largest, "at {at:?}");
        }
        let map = TensorData::new(logits, [1, n_classes, height, width]);
        let resized = resize_bilinear(Tensor::<4>::from_data(map, &Device::flex()), size);
        let resized = resized.into_data().try_to_vec::<f32>().unwrap_or_default();
        let mut differing = 0;
        for (pixel, &class) in found.iter().enumerate() {
            let of = |class: usize| resized[class * size * size + pixel];
            let largest = (0..n_classes).map(of).fold(f32::MIN, f32::max);
            assert!(of(usize::from(class)) > largest - 1e-4, "pixel {pixel} of {n_classes} x {height} x {width}");
            let first = (0..n_classes).position(|class| of(class) == largest);
            differing += usize::from(first != Some(usize::from(class)));
        }
        // Rounding may turn a tie; a wrong weight or plane would turn far more.
        assert!(differing * 50 <= size * size, "{differing} of {} pixels differ", size * size);
    }

    #[test]
    fn equals_resizing_and_then_choosing() {
        check(9, [56, 56], 224);
        check(3, [7, 5], 16);
        check(4, [32, 32], 32);
        check(2, [16, 16], 8);
        check(1, [1, 1], 3);
    }
}
