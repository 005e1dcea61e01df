//! The losses: cross entropy and Dice on the logits, soft cross entropy for the pause heads.
//!
//! `0.2 CE + 0.8 Dice` as in SAMed (arXiv 2304.13785) and `TransUNet`: Dice with squared denominators and
//! smoothing 1e-5, summed over batch and pixels, averaged over all classes with background.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

/// Weight of the cross entropy in the segmentation loss.
pub const CE_WEIGHT: f64 = 0.2;
/// Weight of the Dice loss in the segmentation loss.
pub const DICE_WEIGHT: f64 = 0.8;
const SMOOTH: f64 = 1e-5;

/// Cross entropy and Dice loss of one batch.
#[derive(Clone, Debug)]
pub struct SegmentationLoss {
    /// Mean cross entropy over all pixels.
    pub cross_entropy: Tensor<1>,
    /// Mean Dice loss over all classes.
    pub dice: Tensor<1>,
}

impl SegmentationLoss {
    /// `0.2 CE + 0.8 Dice`
    #[must_use]
    pub fn combined(&self) -> Tensor<1> {
        self.cross_entropy.clone().mul_scalar(CE_WEIGHT) + self.dice.clone().mul_scalar(DICE_WEIGHT)
    }
}

/// Classes as indicators: `[b, h, w]` to `[b, n_classes, h * w]`.
#[must_use]
pub fn one_hot(labels: &[u8], [b, h, w]: [usize; 3], n_classes: usize, device: &Device) -> Tensor<3> {
    let pixels = h * w;
    let mut indicators = vec![0.0_f32; b * n_classes * pixels];
    for (i, &class) in labels.iter().enumerate() {
        let (image, pixel) = (i / pixels, i % pixels);
        if usize::from(class) < n_classes {
            indicators[(image * n_classes + usize::from(class)) * pixels + pixel] = 1.0;
        }
    }
    Tensor::from_data(TensorData::new(indicators, [b, n_classes, pixels]), device)
}

/// Both losses of `logits` `[b, n_classes, h, w]` against `target`, see [`one_hot`].
#[must_use]
pub fn segmentation_loss(logits: Tensor<4>, target: Tensor<3>) -> SegmentationLoss {
    let [b, n_classes, h, w] = logits.dims();
    let log_p = log_softmax(logits.reshape([b, n_classes, h * w]), 1);
    let n_pixels = (b * h * w) as f64;
    let cross_entropy = (log_p.clone() * target.clone()).sum().mul_scalar(-1.0 / n_pixels);
    let p = log_p.exp();
    // Sums over batch and pixels, class by class.
    let over = |x: Tensor<3>| x.sum_dim(2).sum_dim(0).reshape([n_classes]);
    let overlap = over(p.clone() * target.clone());
    let predicted = over(p.square());
    // Indicators are their own squares.
    let labelled = over(target);
    let score = (overlap.mul_scalar(2.0).add_scalar(SMOOTH)) / (predicted + labelled).add_scalar(SMOOTH);
    let dice = score.mean().mul_scalar(-1.0).add_scalar(1.0);
    SegmentationLoss { cross_entropy, dice }
}

/// Mean cross entropy of rows of logits `[m, n_classes]` against class fractions of the same shape.
#[must_use]
pub fn soft_cross_entropy(logits: Tensor<2>, fractions: Tensor<2>) -> Tensor<1> {
    let m = logits.dims()[0].max(1) as f64;
    (log_softmax(logits, 1) * fractions).sum().mul_scalar(-1.0 / m)
}

/// The class fractions of every patch, the pause heads' target.
///
/// `labels` holds images of `size` x `size`; the result one row of `n_classes` for each patch, image
/// after image, patch row after patch row.
#[must_use]
pub fn patch_fractions(labels: &[u8], size: usize, patch: usize, n_classes: usize) -> Vec<f32> {
    let grid = size / patch.max(1);
    let images = labels.len() / (size * size).max(1);
    let mut fractions = vec![0.0; images * grid * grid * n_classes];
    let share = 1.0 / (patch * patch) as f32;
    for (i, &class) in labels.iter().enumerate() {
        let (image, row, col) = (i / (size * size), i / size % size, i % size);
        let (row, col) = (row / patch, col / patch);
        if row < grid && col < grid && usize::from(class) < n_classes {
            let token = (image * grid + row) * grid + col;
            fractions[token * n_classes + usize::from(class)] += share;
        }
    }
    fractions
}

/// How hard every patch is by its label: the entropy of its class fractions divided by the logarithm of the
/// number of classes, on the scale of the pause heads' own. For the criterion `oracle`, which is for
/// analysis only.
///
/// `fractions` are those of [`patch_fractions`].
#[must_use]
pub fn oracle_hardness(fractions: &[f32], n_classes: usize) -> Vec<f32> {
    fractions
        .chunks_exact(n_classes.max(1))
        .map(|classes| {
            let entropy: f64 =
                classes.iter().map(|&p| f64::from(p)).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
            // A single class leaves nothing to know.
            (entropy / (n_classes.max(2) as f64).ln()) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_and_hardness_of_patches() {
        // Two patches of 2 x 2: one of class 0, one half of each class; then two of class 1.
        let labels = [0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1];
        let fractions = patch_fractions(&labels, 4, 2, 2);
        assert_eq!(fractions, [1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(oracle_hardness(&fractions, 2), [0.0, 1.0, 0.0, 0.0]);
        assert!((oracle_hardness(&[0.5, 0.5, 0.0, 0.0], 4)[0] - 0.5).abs() < 1e-6);
    }
}
