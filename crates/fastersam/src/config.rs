//! What a model is made of: named presets and the resolved configuration.
//!
//! A user writes [`ModelOptions`] (a preset and what differs from it); [`ModelOptions::resolve`]
//! turns them into a [`ModelConfig`], which says everything and is what a checkpoint stores.

use std::path::PathBuf;
use std::str::FromStr;

use fastersam_adapter::{ConvBranchConfig, ConvNorm, Tuning};
use fastersam_decoder::MaskDecoderConfig;
use fastersam_pausing_encoder::{EncoderConfig, WindowPadding};
use serde::{Deserialize, Serialize};

use crate::bounds::{self, MODEL_BOUNDS};
use crate::error::FasterSamError;

/// A named size of the backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "String")]
pub enum Preset {
    /// 96 wide, 6 blocks, made for tests and the embedded phantoms; trained from scratch.
    Tiny,
    /// 192 wide, 6 blocks: small enough to train on real scans with a CPU; trained from scratch.
    Small,
    /// Plain ViT-S/14, from DINOv2.
    VitS,
    /// SAM ViT-B.
    VitB,
    /// SAM ViT-L.
    VitL,
    /// SAM ViT-H.
    VitH,
}

impl Preset {
    /// All of them, from the smallest to the largest.
    pub const ALL: [Self; 6] = [Self::Tiny, Self::Small, Self::VitS, Self::VitB, Self::VitL, Self::VitH];

    /// What configuration files call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::VitS => "vit_s",
            Self::VitB => "vit_b",
            Self::VitL => "vit_l",
            Self::VitH => "vit_h",
        }
    }

    /// Whether weights exist that this backbone starts from (and is then frozen).
    #[must_use]
    pub fn is_pretrained(self) -> bool {
        !matches!(self, Self::Tiny | Self::Small)
    }

    /// The input size that the preset is used at unless told otherwise, pixels.
    #[must_use]
    pub fn default_input_size(self) -> usize {
        if self == Self::Tiny { 128 } else { 224 }
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|preset| preset.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown preset `{text}`; choose {known}")
        })
    }
}

impl TryFrom<String> for Preset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What a user says about a model; everything but the preset has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelOptions {
    /// The size of the backbone.
    pub preset: Preset,
    /// Side of the square network input, pixels. Default: 128 for `tiny`, 224 else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_size: Option<usize>,
    /// Where tokens may pause: 0 is stage 0, `k` after block `k` (1-based). Default: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_points: Option<Vec<usize>>,
    /// The tuning scheme. Default: CNN branch and bottleneck adapters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// Blocks (0-based) before which the CNN branch's features are added. Default: the preset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injection_blocks: Option<Vec<usize>>,
    /// Whether the CNN branch's maps are added in the decoder's upscaling too, where the tuning scheme
    /// injects them.
    #[serde(default = "yes")]
    pub skips: bool,
    /// The normalization in the CNN branch.
    #[serde(default)]
    pub conv_norm: ConvNorm,
    /// What the zero padding of attention windows does.
    #[serde(default)]
    pub window_padding: WindowPadding,
    /// Whether the encoder keeps a class token, as DINOv2's pre-trained form has it. Not with SAM's windows.
    #[serde(default)]
    pub class_token: bool,
    /// Whether the LayerNorms of a frozen backbone are trained.
    #[serde(default = "yes")]
    pub tune_layer_norms: bool,
    /// Whether the neck of a frozen backbone is trained. SAMed freezes it.
    #[serde(default = "yes")]
    pub tune_neck: bool,
    /// The file with the backbone's pre-trained weights, as the user names it. Files are found and read
    /// by [`ModelConfig::init_from`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// A file with weights for the decoder alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_weights: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

impl ModelOptions {
    /// The defaults of a preset.
    #[must_use]
    pub fn new(preset: Preset) -> Self {
        Self {
            preset,
            input_size: None,
            pause_points: None,
            tuning: None,
            injection_blocks: None,
            skips: true,
            conv_norm: ConvNorm::Group,
            window_padding: WindowPadding::Sam,
            class_token: false,
            tune_layer_norms: true,
            tune_neck: true,
            weights: None,
            decoder_weights: None,
        }
    }

    /// Fills in what the options leave open.
    ///
    /// # Errors
    /// Where the parts don't fit together: sizes, pause points, injection blocks.
    pub fn resolve(&self, n_classes: usize) -> Result<ModelConfig, FasterSamError> {
        let input_size = self.input_size.unwrap_or(self.preset.default_input_size());
        let mut encoder = match self.preset {
            Preset::Tiny => EncoderConfig::tiny(input_size),
            Preset::Small => EncoderConfig::small(input_size),
            Preset::VitS => EncoderConfig::vit_s(input_size),
            Preset::VitB => EncoderConfig::vit_b(input_size),
            Preset::VitL => EncoderConfig::vit_l(input_size),
            Preset::VitH => EncoderConfig::vit_h(input_size),
        };
        encoder.n_classes = n_classes;
        if let Some(points) = &self.pause_points {
            encoder.pause_points.clone_from(points);
        }
        if let Some(blocks) = &self.injection_blocks {
            encoder.injection_blocks.clone_from(blocks);
        }
        if let Some(tuning) = &self.tuning {
            encoder.tuning = tuning.clone();
        }
        encoder.window_padding = self.window_padding;
        encoder.class_token = self.class_token;
        let conv_branch = encoder
            .tuning
            .uses_conv_branch()
            .then_some(ConvBranchConfig { channels: encoder.conv_channels, norm: self.conv_norm });
        let mut decoder = match self.preset {
            Preset::Tiny | Preset::Small => MaskDecoderConfig::tiny(n_classes),
            _ => MaskDecoderConfig::sam(n_classes),
        };
        decoder.transformer_dim = encoder.out_chans;
        if encoder.tuning.uses_injection() && self.skips {
            decoder.skip_channels = conv_branch.as_ref().map(|c| [c.channels[0], c.channels[1]]);
        }
        decoder.lora_rank = encoder.tuning.decoder_lora_rank();
        let config = ModelConfig {
            preset: self.preset,
            normalisation: match self.preset {
                Preset::Tiny | Preset::Small => Normalisation::UNIT,
                Preset::VitS => Normalisation::IMAGENET_UNIT,
                _ => Normalisation::SAM,
            },
            train_backbone: !self.preset.is_pretrained(),
            tune_layer_norms: self.tune_layer_norms,
            tune_neck: self.tune_neck,
            encoder,
            conv_branch,
            decoder,
        };
        config.validate()?;
        Ok(config)
    }
}

/// Everything that fixes a model's structure and its pixel normalization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The preset this came from.
    pub preset: Preset,
    /// The image encoder with its pause points and adapters.
    pub encoder: EncoderConfig,
    /// The CNN branch, where the tuning has one.
    pub conv_branch: Option<ConvBranchConfig>,
    /// The mask decoder.
    pub decoder: MaskDecoderConfig,
    /// Mean and standard deviation that the backbone expects.
    pub normalisation: Normalisation,
    /// Whether all of the backbone is trained (no pre-trained weights).
    pub train_backbone: bool,
    /// Whether the LayerNorms of a frozen backbone are trained.
    pub tune_layer_norms: bool,
    /// Whether the neck of a frozen backbone is trained.
    #[serde(default = "yes")]
    pub tune_neck: bool,
}

impl ModelConfig {
    /// Side of the square network input, pixels.
    #[must_use]
    pub fn input_size(&self) -> usize {
        self.encoder.img_size
    }

    /// Number of classes with background.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.encoder.n_classes
    }

    /// Side of the token grid.
    #[must_use]
    pub fn grid(&self) -> usize {
        self.encoder.img_size / self.encoder.patch_size.max(1)
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// Names the first thing that does not fit.
    pub fn validate(&self) -> Result<(), FasterSamError> {
        bounds::check(self, MODEL_BOUNDS).map_err(FasterSamError::Config)?;
        self.encoder.validate()?;
        let complain = |what: String| Err(FasterSamError::Config(what));
        if self.decoder.n_mask_tokens != self.n_classes() {
            return complain(format!(
                "the decoder has {} mask tokens, but there are {} classes",
                self.decoder.n_mask_tokens,
                self.n_classes()
            ));
        }
        if self.decoder.transformer_dim != self.encoder.out_chans {
            return complain(format!(
                "the neck gives {} channels, the decoder takes {}",
                self.encoder.out_chans, self.decoder.transformer_dim
            ));
        }
        let tuning = &self.encoder.tuning;
        if self.conv_branch.is_some() != tuning.uses_conv_branch() {
            let (is, takes) = if self.conv_branch.is_some() { ("a", "none") } else { ("no", "one") };
            return complain(format!(
                "there is {is} CNN branch, but the tuning scheme `{}` takes {takes}",
                tuning.name()
            ));
        }
        if let Some(branch) = &self.conv_branch {
            branch.validate()?;
            if branch.channels != self.encoder.conv_channels {
                return complain(format!(
                    "the CNN branch gives {:?} channels, the encoder expects {:?}",
                    branch.channels, self.encoder.conv_channels
                ));
            }
        }
        let skips = self.conv_branch.as_ref().map(|branch| [branch.channels[0], branch.channels[1]]);
        if self.decoder.skip_channels.is_some() && self.decoder.skip_channels != skips {
            return complain(format!(
                "the decoder's skips take {:?} channels, the CNN branch gives {:?}",
                self.decoder.skip_channels, skips
            ));
        }
        if self.decoder.lora_rank != tuning.decoder_lora_rank() {
            return complain(format!(
                "the decoder's low-rank updates have rank {:?}, the tuning scheme `{}` asks for {:?}",
                self.decoder.lora_rank,
                tuning.name(),
                tuning.decoder_lora_rank()
            ));
        }
        Ok(self.decoder.validate()?)
    }
}

/// Mean and standard deviation of each channel, for pixels in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Subtracted from each of the three channels.
    pub mean: [f32; 3],
    /// Each of the three channels is divided by it.
    pub std: [f32; 3],
}

impl Normalisation {
    /// SAM's pixel mean and standard deviation (given there for [0, 255]).
    pub const SAM: Self = Self {
        mean: [123.675 / 255.0, 116.28 / 255.0, 103.53 / 255.0],
        std: [58.395 / 255.0, 57.12 / 255.0, 57.375 / 255.0],
    };
    /// `ImageNet`'s, as DINOv2 uses them.
    pub const IMAGENET_UNIT: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
    /// For backbones trained from scratch: [0, 1] becomes [-2, 2].
    pub const UNIT: Self = Self { mean: [0.5; 3], std: [0.25; 3] };
}
