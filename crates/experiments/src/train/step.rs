//! One step of training: forward pass with random pausing, losses, update.

use anyhow::{Result, bail};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use fastersam::loss::{one_hot, patch_fractions, segmentation_loss, soft_cross_entropy};
use fastersam_datasets::{Batch, SliceSet};
use fastersam_kernels::resize_bilinear;
use fastersam_pausing_encoder::{PauseSettings, StageOutput};
use fastersam_volume::KeyedRng;

use super::Trainer;

/// Purpose of the draws that decide what pauses in a step.
const PAUSING: u64 = 3;

impl Trainer {
    /// One step of the optimizer; gives loss, cross entropy, Dice loss and pause heads' loss.
    pub(super) fn step(&mut self, set: &SliceSet, batch: &Batch, learning_rate: f64) -> Result<[f64; 4]> {
        let (b, s) = (batch.slices.len(), self.config.input_size());
        let n_classes = self.config.n_classes();
        let images = TensorData::new(batch.images.clone(), [b, 1, s, s]);
        let images = Tensor::<4>::from_data(images, &self.device);
        let settings = self.random_pausing();
        let output = self.model.forward(images, &settings)?;
        let logits = resize_bilinear(output.logits, s);
        let target = one_hot(&batch.labels, [b, s, s], n_classes, &self.device);
        let segmentation = segmentation_loss(logits, target);
        let aux = self.heads_loss(&output.stages, batch);
        let mut loss = segmentation.combined();
        if let Some(aux) = &aux {
            loss = loss + aux.clone().mul_scalar(self.experiment.train.lambda_aux);
        }
        let value = |tensor: Tensor<1>| f64::from(tensor.into_scalar::<f32>());
        let losses = [
            value(loss.clone()),
            value(segmentation.cross_entropy),
            value(segmentation.dice),
            aux.map_or(0.0, value),
        ];
        if !losses[0].is_finite() {
            let names: Vec<String> = batch.slices.iter().map(|&slice| set.name(slice)).collect();
            bail!(
                "the loss is {} at epoch {}, step {}; the batch holds: {}. Checkpoints are as they were. Look at \
                 these slices, or lower the learning rate",
                losses[0],
                self.progress.epoch + 1,
                self.progress.step_in_epoch + 1,
                names.join(", ")
            );
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        self.model = self.optimizer.step(learning_rate, self.model.clone(), gradients);
        Ok(losses)
    }

    /// The mean of the pause heads' losses over the tokens that were active at each.
    fn heads_loss(&self, stages: &[StageOutput], batch: &Batch) -> Option<Tensor<1>> {
        let (s, n_classes) = (self.config.input_size(), self.config.n_classes());
        let patch = self.config.encoder.patch_size;
        let fractions = patch_fractions(&batch.labels, s, patch, n_classes);
        let n_tokens = fractions.len() / n_classes.max(1);
        let fractions = TensorData::new(fractions, [n_tokens, n_classes]);
        let fractions = Tensor::<2>::from_data(fractions, &self.device);
        let losses: Vec<Tensor<1>> = stages
            .iter()
            .map(|stage| {
                let (target, n_scored) = stage.rows_of(fractions.clone());
                let n_rows = target.dims()[0];
                let loss = soft_cross_entropy(stage.logits.clone(), target);
                // The mean of the tokens: padding adds nothing to the sum.
                if n_rows == n_scored { loss } else { loss.mul_scalar(n_rows as f64 / n_scored.max(1) as f64) }
            })
            .collect();
        let n = losses.len();
        losses.into_iter().reduce(|a, b| a + b).map(|sum| sum.div_scalar(n as f64))
    }

    /// One step in four never pauses; in the others each point keeps a random share, the same in all
    /// images.
    fn random_pausing(&self) -> PauseSettings {
        let key = [PAUSING, self.progress.epoch as u64, self.progress.step_in_epoch as u64];
        let mut rng = KeyedRng::new(self.experiment.seed, &key);
        let points = &self.config.encoder.pause_points;
        let mut settings = if rng.below(4) == 0 || points.is_empty() {
            PauseSettings::never()
        } else {
            let ratio = |&point: &usize| rng.range(if point == 0 { 0.15 } else { 0.4 }, 1.0);
            PauseSettings::keep_ratio(points.iter().map(ratio).collect::<Vec<f64>>())
        };
        settings.score_heads = true;
        settings
    }
}
