//! The CNN branch: a light convolutional path beside the frozen encoder.
//!
//! It sees the image at full resolution and gives maps at strides 4, 8 and 16. The last feeds the
//! tokens (injection, stage 0), the first two the decoder (skips). Everything in the tuning that needs
//! a dense map happens here, so that what touches tokens can work row by row.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{PackedConv3x3, gelu};
use serde::{Deserialize, Serialize};

use crate::error::AdapterError;
use crate::group_norm::GroupNorm;

/// Groups of the normalisation.
const N_GROUPS: usize = 8;

/// The normalisation after each convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConvNorm {
    /// `GroupNorm` with 8 groups: an image's result does not depend on its batch mates.
    #[default]
    Group,
    /// `BatchNorm`. In training, the images of a batch see each other.
    Batch,
}

/// Configuration of a [`ConvBranch`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvBranchConfig {
    /// Channels of the maps at strides 4, 8 and 16; the first a multiple of 16, the others of 8.
    pub channels: [usize; 3],
    /// The normalisation after each convolution. Default: group.
    #[serde(default)]
    pub norm: ConvNorm,
}

impl Default for ConvBranchConfig {
    fn default() -> Self {
        Self { channels: [64, 128, 256], norm: ConvNorm::Group }
    }
}

impl ConvBranchConfig {
    /// (channels in, channels out, stride) of each convolution.
    fn layers(&self) -> [(usize, usize, usize); 6] {
        let [c4, c8, c16] = self.channels;
        let stem = c4 / 2;
        [(1, stem, 2), (stem, c4, 2), (c4, c4, 1), (c4, c8, 2), (c8, c8, 1), (c8, c16, 2)]
    }

    /// Checks that the channels can be split into the groups of the normalisation.
    ///
    /// # Errors
    /// Where they can't.
    pub fn validate(&self) -> Result<(), AdapterError> {
        let [c4, c8, c16] = self.channels;
        let splits = |channels: usize, by: usize| channels > 0 && channels.is_multiple_of(by);
        if splits(c4, 2 * N_GROUPS) && splits(c8, N_GROUPS) && splits(c16, N_GROUPS) {
            return Ok(());
        }
        Err(AdapterError::Width {
            what: "channels of the CNN branch",
            expected: format!(
                "a multiple of {} at stride 4, multiples of {N_GROUPS} at strides 8 and 16",
                2 * N_GROUPS
            ),
            found: format!("{:?}", self.channels),
        })
    }

    /// Builds the branch; the configuration must be [valid](Self::validate).
    #[must_use]
    pub fn init(&self, device: &Device) -> ConvBranch {
        let layers = self.layers().map(|(input, output, stride)| {
            ConvLayer::new(input, output, stride, self.norm, device)
        });
        ConvBranch { layers: layers.into() }
    }

    /// Multiply-accumulates for one image of `size` x `size` pixels.
    #[must_use]
    pub fn macs(&self, size: usize) -> u64 {
        let mut side = size;
        let mut macs = 0;
        for (input, output, stride) in self.layers() {
            side = side.div_ceil(stride);
            macs += (9 * input * output * side * side) as u64;
        }
        macs
    }
}

/// The maps of a [`ConvBranch`].
#[derive(Clone, Debug)]
pub struct ConvFeatures {
    /// `[b, channels[0], s / 4, s / 4]`, sizes rounded up
    pub stride4: Tensor<4>,
    /// `[b, channels[1], s / 8, s / 8]`
    pub stride8: Tensor<4>,
    /// `[b, channels[2], s / 16, s / 16]`
    pub stride16: Tensor<4>,
}

/// Six 3 x 3 convolutions, each with normalisation and GELU.
#[derive(Module, Debug)]
pub struct ConvBranch {
    layers: Vec<ConvLayer>,
}

impl ConvBranch {
    /// Packs all weights: faster on the CPU, and nothing but a forward pass afterwards. Does nothing
    /// on other backends and with `BatchNorm`.
    pub fn pack(&mut self) {
        for layer in &mut self.layers {
            layer.packed = layer.group_norm.is_some().then(|| PackedConv3x3::pack(&layer.conv)).flatten();
        }
    }

    /// The maps, computed with channels last; `None` unless packed.
    fn forward_packed(&self, image: Tensor<4>) -> Option<ConvFeatures> {
        let [b, c, height, width] = image.dims();
        let mut size = [height, width];
        let mut x = image.permute([0, 2, 3, 1]).reshape([b * height * width, c]);
        let mut maps = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (conv, norm) = (layer.packed.as_ref()?, layer.group_norm.as_ref()?);
            (x, size) = conv.rows(x, size);
            x = norm.rows_gelu(x, b);
            let c = x.dims()[1];
            maps.push(x.clone().reshape([b, size[0], size[1], c]).permute([0, 3, 1, 2]));
        }
        let [stride16, stride8, stride4] = [5, 4, 2].map(|i| maps.swap_remove(i));
        Some(ConvFeatures { stride4, stride8, stride16 })
    }

    /// # Shapes
    /// - image: `[b, 1, s, s]`, gray values in [0, 1]; any side, odd sizes round up
    #[must_use]
    pub fn forward(&self, image: Tensor<4>) -> ConvFeatures {
        if let Some(features) = self.forward_packed(image.clone()) {
            return features;
        }
        let mut x = image;
        let mut maps = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            x = layer.forward(x);
            maps.push(x.clone());
        }
        let stride8 = maps.swap_remove(4);
        let stride4 = maps.swap_remove(2);
        ConvFeatures { stride4, stride8, stride16: x }
    }
}

#[derive(Module, Debug)]
struct ConvLayer {
    conv: Conv2d,
    group_norm: Option<GroupNorm>,
    batch_norm: Option<BatchNorm>,
    #[module(skip)]
    packed: Option<PackedConv3x3>,
}

impl ConvLayer {
    fn new(input: usize, output: usize, stride: usize, norm: ConvNorm, device: &Device) -> Self {
        let conv = Conv2dConfig::new([input, output], [3, 3])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .init(device);
        let group_norm =
            (norm == ConvNorm::Group).then(|| GroupNorm::new(N_GROUPS, output, device));
        let batch_norm =
            (norm == ConvNorm::Batch).then(|| BatchNormConfig::new(output).init(device));
        Self { conv, group_norm, batch_norm, packed: None }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = self.conv.forward(x);
        if let Some(norm) = &self.group_norm {
            x = norm.forward(x);
        }
        if let Some(norm) = &self.batch_norm {
            x = norm.forward(x);
        }
        gelu(x)
    }
}
