//! Whether two devices compute the same: the logits and pause decisions of one model.

use std::collections::BTreeSet;

use anyhow::Result;
use burn::tensor::Tensor;
use fastersam_pausing_encoder::{PausePolicy, PauseSettings, ScoredTokens};
use fastersam_progress as progress;
use serde::Serialize;

use crate::trained_model::TrainedModel;

/// Logits agree within this share of the largest.
const LOGITS: f32 = 1e-4;
/// A token so near to what decides may pause on one device alone.
const NEAR: f32 = 1e-4;

/// What two devices made of the same slices.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Slices that both computed.
    pub slices: usize,
    /// Slices of which a token paused on one device alone. What follows from that differs rightly: their logits, and
    /// their decisions at later points, are not compared.
    pub slices_set_apart: usize,
    /// Decisions that were compared: one a token and pause point.
    pub decisions: usize,
    /// Those that differ.
    pub decisions_differing: usize,
    /// Those of them whose criterion is within 1e-4 of what decided.
    pub decisions_differing_near: usize,
    /// The largest logit, whatever its sign.
    pub logits_largest: f32,
    /// The largest difference of two logits.
    pub logits_difference: f32,
    /// The smallest cosine between a token of the encoder's output and the other device's.
    pub least_token_cosine: f64,
    /// The mean of all.
    pub mean_token_cosine: f64,
    /// Times that the host waited for the second device to decide, at most, in one pass.
    pub read_backs: usize,
    /// Different numbers of rows that the second device's blocks computed, over all passes.
    pub shapes: usize,
}

impl Agreement {
    /// Whether nothing differs that should not.
    #[must_use]
    pub fn holds(&self) -> bool {
        let decisions = self.decisions_differing == self.decisions_differing_near;
        decisions && self.logits_difference <= LOGITS * self.logits_largest && self.slices_set_apart < self.slices
    }
}

/// Compares what a model computes on two devices, over all slices of the cases to score.
///
/// # Errors
/// Where the settings don't fit the model, or the user interrupts.
pub fn compare(
    expected: &TrainedModel<'_>,
    found: &TrainedModel<'_>,
    settings: &PauseSettings,
    batch_size: usize,
) -> Result<Agreement> {
    let slices: Vec<_> = expected.data.evaluate.iter().flat_map(|case| case.image.outer_iter()).collect();
    let encoder = found.segmenter.model().encoder_config();
    let (points, n_tokens) = (encoder.pause_points.clone(), encoder.n_tokens());
    let mut agreement = Agreement { slices: slices.len(), ..Agreement::default() };
    let (mut shapes, mut cosines) = (BTreeSet::new(), Vec::new());
    let bar = progress::bar("comparing devices", slices.len(), "slices");
    for batch in slices.chunks(batch_size) {
        if progress::interrupted() {
            anyhow::bail!("interrupted");
        }
        // The last batch is as large as the others, as in a segmentation.
        let filled: Vec<_> = batch.iter().cycle().take(batch_size).copied().collect();
        let forward = |trained: &TrainedModel<'_>| {
            let segmenter = &trained.segmenter;
            segmenter.model().forward(segmenter.prepare(&filled), settings)
        };
        let (expected, found) = (forward(expected)?, forward(found)?);
        shapes.extend(found.execution.rows_of_blocks.iter().copied());
        agreement.read_backs = agreement.read_backs.max(found.execution.read_backs);
        let mut is_apart = vec![false; batch.len()];
        for (expected, found) in expected.stages.iter().zip(&found.stages) {
            let threshold = match settings.policy {
                PausePolicy::KeepRatio(_) => None,
                _ => points.iter().position(|&p| p == expected.point).and_then(|index| settings.value_at(index)),
            };
            let [expected, found] = [expected.read(), found.read()];
            let of_images = of_images(&expected, n_tokens).into_iter().zip(of_images(&found, n_tokens));
            for ((expected, found), is_apart) in of_images.zip(&mut is_apart).filter(|(_, is_apart)| !**is_apart) {
                *is_apart = agreement.add_decisions(&expected, &found, threshold);
            }
        }
        let tokens = [expected.tokens, found.tokens];
        let size = expected.logits.dims()[1..].iter().product();
        let [expected, found] = [numbers(expected.logits), numbers(found.logits)];
        let images = expected.chunks(size).zip(found.chunks(size)).zip(&is_apart);
        for ((expected, found), _) in images.filter(|(_, is_apart)| !**is_apart) {
            agreement.add_logits(expected, found);
        }
        let [_, width] = tokens[0].dims();
        let [expected, found] = tokens.map(numbers);
        let an_image = n_tokens * width;
        let images = expected.chunks(an_image).zip(found.chunks(an_image)).zip(&is_apart);
        for ((expected, found), _) in images.filter(|(_, is_apart)| !**is_apart) {
            cosines.extend(expected.chunks(width).zip(found.chunks(width)).map(|(a, b)| cosine(a, b)));
        }
        agreement.slices_set_apart += is_apart.iter().filter(|&&is_apart| is_apart).count();
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    agreement.shapes = shapes.len();
    agreement.least_token_cosine = cosines.iter().copied().fold(1.0, f64::min);
    agreement.mean_token_cosine = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
    Ok(agreement)
}

/// A token at a pause point: how hard it is, and whether it stays.
type Decision = (f32, bool);

impl Agreement {
    /// Whether an image's decisions at one point differ anywhere.
    fn add_decisions(&mut self, expected: &[Decision], found: &[Decision], threshold: Option<f64>) -> bool {
        // Where a ratio decides, the least hard token that stays is what the others are held against.
        let last = expected.iter().filter(|(_, kept)| *kept).map(|&(criterion, _)| criterion).reduce(f32::min);
        let decisive = threshold.map_or(last, |threshold| Some(threshold as f32));
        self.decisions += expected.len();
        let mut is_apart = expected.len() != found.len();
        for (expected, _) in expected.iter().zip(found).filter(|(expected, found)| expected.1 != found.1) {
            is_apart = true;
            self.decisions_differing += 1;
            let near = decisive.is_some_and(|decisive| (expected.0 - decisive).abs() <= NEAR);
            self.decisions_differing_near += usize::from(near);
        }
        is_apart
    }

    fn add_logits(&mut self, expected: &[f32], found: &[f32]) {
        for (&expected, &found) in expected.iter().zip(found) {
            self.logits_largest = self.logits_largest.max(expected.abs());
            // What is no number differs from everything.
            let difference = if found.is_finite() { (expected - found).abs() } else { f32::INFINITY };
            self.logits_difference = self.logits_difference.max(difference);
        }
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Of the angle between two lists of numbers; of nothing, and of what is no number, zero.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let cosine = product(a, b) / (product(a, a) * product(b, b)).sqrt();
    if cosine.is_finite() { cosine } else { 0.0 }
}

/// The decisions of each image, in the order of the grid.
fn of_images(tokens: &ScoredTokens, n_tokens: usize) -> Vec<Vec<Decision>> {
    let mut images = Vec::new();
    for ((&row, &criterion), &kept) in tokens.rows.iter().zip(&tokens.criterion).zip(&tokens.kept) {
        let image = row as usize / n_tokens;
        images.resize_with(images.len().max(image + 1), Vec::new);
        images[image].push((criterion, kept));
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_at_the_threshold_may_differ() {
        let mut agreement = Agreement { slices: 1, ..Agreement::default() };
        let expected = [(0.5, true), (0.1, false), (0.300_02, true)];
        assert!(!agreement.add_decisions(&expected, &expected, Some(0.3)));
        agreement.add_logits(&[1.0, -8.0], &[1.0, -8.0007]);
        assert!(agreement.holds(), "{agreement:?}");
        assert!(agreement.add_decisions(&expected, &[(0.5, true), (0.1, false), (0.299_99, false)], Some(0.3)));
        assert!(agreement.holds(), "{agreement:?}");
        assert!(agreement.add_decisions(&expected, &[(0.5, false), (0.1, false), (0.300_02, true)], Some(0.3)));
        assert!(!agreement.holds(), "{agreement:?}");
        assert_eq!((agreement.decisions, agreement.decisions_differing), (9, 2));
        assert_eq!(agreement.decisions_differing_near, 1);
    }

    #[test]
    fn logits_that_are_off_or_no_numbers_do_not_agree() {
        for wrong in [-8.001, f32::NAN, f32::INFINITY] {
            let mut agreement = Agreement { slices: 1, ..Agreement::default() };
            agreement.add_logits(&[1.0, -8.0], &[1.0, wrong]);
            assert!(!agreement.holds(), "{wrong}");
        }
    }

    #[test]
    fn a_keep_ratio_decides_by_the_last_that_stays() {
        let mut agreement = Agreement { slices: 1, ..Agreement::default() };
        let expected = [(0.5, true), (0.4, true), (0.399_95, false)];
        agreement.add_decisions(&expected, &[(0.5, true), (0.4, false), (0.399_95, true)], None);
        assert_eq!((agreement.decisions_differing, agreement.decisions_differing_near), (2, 2));
    }
}
