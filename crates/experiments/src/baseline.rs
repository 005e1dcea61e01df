//! What a model must beat to be worth anything: a per-pixel linear classifier.

use fastersam_datasets::Case;
use fastersam_volume::KeyedRng;
use ndarray::Array3;

/// Pixels that the classifier is fitted to.
const PIXELS: usize = 40_000;
const STEPS: usize = 600;
/// Intensity, row, column and a constant.
const FEATURES: usize = 4;

/// Multinomial logistic regression on a pixel's gray value and place.
#[derive(Clone, Debug)]
pub struct LinearClassifier {
    /// One row of weights a class.
    weights: Vec<[f64; FEATURES]>,
}

impl LinearClassifier {
    /// Fits to random pixels of the cases by gradient descent.
    #[must_use]
    pub fn fit(cases: &[Case], n_classes: usize, seed: u64) -> Self {
        let mut rng = KeyedRng::new(seed, &[0x6c69_6e65]);
        let pixels: Vec<([f64; FEATURES], usize)> = (0..PIXELS)
            .map(|_| {
                let case = &cases[rng.below(cases.len())];
                let (slices, rows, cols) = case.image.dim();
                let at = (rng.below(slices), rng.below(rows), rng.below(cols));
                (features(case.image[at], at.1, at.2, rows, cols), usize::from(case.label[at]))
            })
            .collect();
        let mut weights = vec![[0.0; FEATURES]; n_classes];
        let rate = 2.0 / PIXELS as f64;
        for _ in 0..STEPS {
            let mut gradient = vec![[0.0; FEATURES]; n_classes];
            for (x, class) in &pixels {
                let scores: Vec<f64> = weights.iter().map(|w| dot(w, x)).collect();
                let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
                let sum: f64 = powers.iter().sum();
                for (c, (gradient, power)) in gradient.iter_mut().zip(&powers).enumerate() {
                    let error = power / sum - f64::from(u8::from(c == *class));
                    for (g, x) in gradient.iter_mut().zip(x) {
                        *g += error * x;
                    }
                }
            }
            for (weights, gradient) in weights.iter_mut().zip(&gradient) {
                for (w, g) in weights.iter_mut().zip(gradient) {
                    *w -= rate * g;
                }
            }
        }
        Self { weights }
    }

    /// The most likely class of every voxel.
    #[must_use]
    pub fn classify(&self, image: &Array3<f32>) -> Array3<u8> {
        let (slices, rows, cols) = image.dim();
        Array3::from_shape_fn((slices, rows, cols), |at| {
            let x = features(image[at], at.1, at.2, rows, cols);
            let score = |c: usize| dot(&self.weights[c], &x);
            (0..self.weights.len()).fold(0, |best, c| if score(c) > score(best) { c } else { best }) as u8
        })
    }
}

/// Features of comparable size, so that plain gradient descent converges.
fn features(gray: f32, row: usize, col: usize, rows: usize, cols: usize) -> [f64; FEATURES] {
    let centred = |at: usize, n: usize| 4.0 * (at as f64 + 0.5) / n as f64 - 2.0;
    [6.0 * (f64::from(gray) - 0.4), centred(row, rows), centred(col, cols), 1.0]
}

fn dot(a: &[f64; FEATURES], b: &[f64; FEATURES]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
