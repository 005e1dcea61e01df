//! The assembled model: CNN branch, pausing encoder, prompt-free decoder.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fastersam_adapter::ConvBranch;
use fastersam_decoder::PromptFreeDecoder;
use fastersam_kernels::on_workers;
use fastersam_pausing_encoder::{EncoderError, Execution, PauseSettings, PausingEncoder, StageOutput};
use tracing::info_span;

use crate::config::{ModelConfig, Normalisation};
use crate::error::FasterSamError;
use crate::init::initialise;

/// A SAM encoder that pauses tokens, tuned by a CNN branch, with SAM's mask decoder.
#[derive(Module, Debug)]
pub struct FasterSam {
    /// The CNN branch, where the tuning has one.
    pub conv_branch: Option<ConvBranch>,
    /// The image encoder.
    pub encoder: PausingEncoder,
    /// The mask decoder.
    pub decoder: PromptFreeDecoder,
    #[module(skip)]
    normalisation: Normalisation,
}

/// What a forward pass gives.
#[derive(Debug)]
pub struct ModelOutput {
    /// Class logits `[b, n_classes, 4 g, 4 g]`; resize them with
    /// `fastersam_kernels::resize_bilinear`.
    pub logits: Tensor<4>,
    /// The encoder's tokens before its neck, every patch at its place: `[b * g * g, d]`.
    pub tokens: Tensor<2>,
    /// One entry a pause point that was scored, in order.
    pub stages: Vec<StageOutput>,
    /// How the encoder computed it.
    pub execution: Execution,
}

impl ModelConfig {
    /// Builds the model with initial values drawn from `seed`, frozen as the configuration says.
    ///
    /// # Errors
    /// Where the configuration does not [validate](Self::validate).
    pub fn init(&self, seed: u64, device: &Device) -> Result<FasterSam, FasterSamError> {
        Ok(initialise(self.freeze(self.build(device)?), seed))
    }

    /// The model with parameters that burn makes when they are first used.
    pub(crate) fn build(&self, device: &Device) -> Result<FasterSam, FasterSamError> {
        self.validate()?;
        Ok(FasterSam {
            conv_branch: self.conv_branch.as_ref().map(|branch| branch.init(device)),
            encoder: self.encoder.init(device),
            decoder: self.decoder.init(device),
            normalisation: self.normalisation,
        })
    }
}

impl FasterSam {
    /// Segments a batch.
    ///
    /// # Shapes
    /// - images: `[b, 1, s, s]`, gray values in [0, 1]
    /// - logits: `[b, n_classes, 4 g, 4 g]`
    ///
    /// # Errors
    /// Where the image size or the pause settings don't fit the model.
    pub fn forward(&self, images: Tensor<4>, settings: &PauseSettings) -> Result<ModelOutput, FasterSamError> {
        let size = self.encoder.config().img_size;
        let [batch, shape @ ..] = images.dims();
        if batch == 0 || shape != [1, size, size] {
            return Err(FasterSamError::Encoder(EncoderError::Shape {
                what: "images",
                expected: format!("[b, 1, {size}, {size}] with b of 1 or more"),
                found: format!("{:?}", images.dims()),
            }));
        }
        on_workers(|| {
            // The spans are what the bench times; without a listener they cost nothing.
            let conv = info_span!("cnn_branch")
                .in_scope(|| self.conv_branch.as_ref().map(|branch| branch.forward(images.clone())));
            let encoded = info_span!("encoder")
                .in_scope(|| self.encoder.forward(self.normalise(images), conv.as_ref(), settings))?;
            let skips = conv.map(|features| (features.stride4, features.stride8));
            let decoded = info_span!("decoder").in_scope(|| self.decoder.forward(encoded.embedding, skips))?;
            Ok(ModelOutput {
                logits: decoded.masks,
                tokens: encoded.tokens,
                stages: encoded.stages,
                execution: encoded.execution,
            })
        })
    }

    /// Gray `[b, 1, s, s]` in [0, 1] to the three normalized channels that the backbone expects.
    #[must_use]
    pub fn normalise(&self, images: Tensor<4>) -> Tensor<4> {
        let Normalisation { mean, std } = self.normalisation;
        let channels = (0..3).map(|c| images.clone().sub_scalar(mean[c]).div_scalar(std[c])).collect();
        Tensor::cat(channels, 1)
    }
}
