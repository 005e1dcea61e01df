//! The model for inference alone.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use fastersam_kernels::WeightPrecision;
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
    pub fn prepack(self) -> PrepackedModel {
        self.prepack_as(WeightPrecision::F32)
    }

    /// The model for inference alone, with the weights of the encoder's blocks and the CNN branch in fewer bits: a fraction
    /// of the time and memory on the CPU, for logits that differ by what was rounded. Results of an image still depend on that image only,
    /// bit for bit. On other backends the weights stay as they are.
    #[must_use]
    pub fn prepack_as(mut self, precision: WeightPrecision) -> PrepackedModel {
        self = to_precision_of_device(self);
        if let Some(branch) = &mut self.conv_branch {
            branch.prepack_as(precision);
        }
        self.encoder.prepack_as(precision);
        self.decoder.prepack();
        PrepackedModel(self)
    }
}

/// The model with numbers of the width that its device computes with.
fn to_precision_of_device(model: FasterSam) -> FasterSam {
    struct ToPrecision(DType);

    impl ModuleMapper for ToPrecision {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.cast(self.0))
        }
    }

    let device = model.encoder.pos_embed.val().device();
    let wanted: DType = device.settings().float_dtype.into();
    if model.encoder.pos_embed.val().dtype() == wanted { model } else { model.map(&mut ToPrecision(wanted)) }
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
