//! The encoder on devices that like few shapes and no questions: all images of a batch have equally many rows, and what a
//! pause point decides stays on the device.
//!
//! A GPU compiles and tunes its kernels for every shape, runs behind the host, and is waited for where a number is read back.
//! So the rows of an image are padded to one of a few lengths; decisions, gather and restore are tensor operations; and the
//! only numbers that are read back are how many tokens a threshold left active in each image. The CPU's ragged path, which
//! computes no row that nobody reads, gives the same but for rounding.

mod attention;
mod decide;
mod lengths;
mod rows;

use burn::tensor::{Device, Tensor};
use fastersam_adapter::ConvFeatures;
use fastersam_pause::{Context, PauseSettings};

use self::rows::Rows;
use crate::encoder::{EncoderOutput, EncoderScores, Execution, PausingEncoder};
use crate::error::EncoderError;
use crate::stage::{DeviceScores, StageOutput};

impl PausingEncoder {
    /// Whether [`forward`](Self::forward) pads rows on this device under these settings.
    ///
    /// The CPU's own kernels take ragged rows as they are. SAMUS' cross-branch attention and `keep_per_class` are written for
    /// ragged rows alone.
    #[must_use]
    pub fn pads_rows(&self, settings: &PauseSettings, device: &Device) -> bool {
        !fastersam_kernels::are_fused_on(device) && self.can_pad_rows(settings)
    }

    fn can_pad_rows(&self, settings: &PauseSettings) -> bool {
        self.cross_branch.is_none() && settings.keep_per_class == 0
    }

    /// [`forward`](Self::forward) with padded rows, whatever the device.
    ///
    /// # Shapes
    /// - images: `[b, 3, s, s]`, normalized
    ///
    /// # Errors
    /// As `forward`, and under settings or tuning schemes that need ragged rows.
    pub fn forward_padded(
        &self,
        images: Tensor<4>,
        conv: Option<&ConvFeatures>,
        settings: &PauseSettings,
    ) -> Result<EncoderOutput, EncoderError> {
        let map = self.map_tokens(&images, conv)?;
        let batch = images.dims()[0];
        self.check_settings(settings, batch)?;
        if !self.can_pad_rows(settings) {
            return Err(EncoderError::Config(
                "rows can't be padded with cross-branch attention or `keep_per_class`".to_owned(),
            ));
        }
        let tokens = self.embed(images);
        let mut pass = Pass {
            rows: Rows::all(tokens, batch, self.config.class_token),
            map,
            settings,
            scores: EncoderScores {
                stages: Vec::new(),
                n_active: vec![Vec::new(); batch],
                execution: Execution::default(),
            },
        };
        for (i, block) in self.blocks.iter().enumerate() {
            self.inject_padded(i, &mut pass);
            if i == 0 {
                self.pause_padded(0, &mut pass);
            }
            if let Some(tokens) = pass.rows.tokens() {
                pass.scores.execution.rows_of_blocks.push(tokens.dims()[0]);
                let normal = block.attention_input(tokens.clone(), None);
                let sees_paused = settings.context == Context::FrozenKv;
                let attended = attention::attend(&self.config, block, i, normal, &pass.rows, sees_paused);
                pass.rows.set_tokens(block.finish(tokens, attended, None));
            }
            self.pause_padded(i + 1, &mut pass);
        }
        let Pass { rows, scores, .. } = pass;
        Ok(self.output(rows.restored(), |patches| patches, scores))
    }

    /// Adds the CNN branch's features to the tokens, where block `block` asks for it.
    fn inject_padded(&self, block: usize, pass: &mut Pass<'_>) {
        let (Some(injection), Some(map)) = (self.injection(block), &pass.map) else { return };
        if pass.rows.n_rows() == 0 {
            return;
        }
        let map = pass.rows.of_patches(map.clone());
        pass.rows.add_to_patches(injection.forward(map));
    }

    /// Scores the active tokens at a pause point and pauses those that the settings name.
    fn pause_padded(&self, point: usize, pass: &mut Pass<'_>) {
        let Some(index) = self.config.pause_points.iter().position(|&p| p == point) else { return };
        let settings = pass.settings;
        let patches = pass.rows.patches().filter(|_| settings.score_heads || settings.can_pause_at(index));
        if let Some(patches) = patches
            && let Some(logits) = self.score(point, index, pass.map.as_ref(), || patches)
        {
            let places = pass.rows.places();
            let is_token = pass.rows.patches_are_tokens();
            let counts = pass.rows.counts().to_vec();
            let scored = decide::Scored { places: &places, is_token: is_token.as_ref(), counts: &counts };
            let criterion =
                decide::criterion(settings, logits.clone().detach(), &scored, self.config.n_tokens(), point);
            let kept = decide::keep(settings, index, criterion.clone(), &scored);
            pass.scores.execution.read_backs += usize::from(kept.was_read_back);
            pass.scores.stages.push(StageOutput::on_device(
                point,
                logits,
                DeviceScores {
                    places,
                    criterion,
                    kept: kept.mask.clone(),
                    counts,
                    n_tokens: self.config.n_tokens(),
                },
            ));
            pass.rows.keep(kept.mask, kept.counts);
        }
        for (counts, &count) in pass.scores.n_active.iter_mut().zip(pass.rows.counts()) {
            counts.push(count);
        }
    }
}

/// A forward pass under way.
struct Pass<'a> {
    rows: Rows,
    /// The CNN branch's map, one row a place of the grid.
    map: Option<Tensor<2>>,
    settings: &'a PauseSettings,
    scores: EncoderScores,
}
