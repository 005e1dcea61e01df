//! The model for inference alone.

use burn::tensor::{Device, Tensor};
use fastersam_pausing_encoder::{EncoderConfig, PauseSettings};

use crate::error::FasterSamError;
use crate::model::{FasterSam, ModelOutput};

/// A model whose weights were brought, once, into the order in which the CPU's kernels read them.
///
/// Faster than [`FasterSam`] and equal to it to rounding, but nothing else than a forward pass: the original weights
/// are gone, so that it can be neither trained nor saved. On other backends the weights stay as they are.
#[derive(Clone, Debug)]
pub struct PrepackedModel(FasterSam);

impl FasterSam {
    /// The model for inference alone.
    #[must_use]
    pub fn prepack(mut self) -> PrepackedModel {
        if let Some(branch) = &mut self.conv_branch {
            branch.prepack();
        }
        self.encoder.prepack();
        self.decoder.prepack();
        PrepackedModel(self)
    }
}

impl PrepackedModel {
    /// Segments a batch; shapes and errors as for [`FasterSam::forward`].
    ///
    /// # Errors
    /// Where the image size or the pause settings don't fit the model.
    pub fn forward(&self, images: Tensor<4>, settings: &PauseSettings) -> Result<ModelOutput, FasterSamError> {
        self.0.forward(images, settings)
    }

    /// The structure of its encoder.
    #[must_use]
    pub fn encoder_config(&self) -> &EncoderConfig {
        self.0.encoder.config()
    }

    /// Where it computes.
    #[must_use]
    pub fn device(&self) -> Device {
        self.0.encoder.pos_embed.val().device()
    }
}
