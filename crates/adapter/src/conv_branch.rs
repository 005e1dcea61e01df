//! The CNN branch: a light convolutional path beside the frozen encoder.
//!
//! It sees the image at full resolution and gives maps at strides 4, 8 and 16. The last feeds the
//! tokens (injection, stage 0), the first two the decoder (skips). Everything in the tuning that needs
//! a dense map happens here, so that what touches tokens can work row by row.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Conv3x3, WeightPrecision, gelu};
use serde::{Deserialize, Serialize};

use crate::error::AdapterError;
use crate::group_norm::GroupNorm;

/// Groups of the normalization.
const N_GROUPS: usize = 8;

/// The normalization after each convolution.
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
    /// The normalization after each convolution. Default: group.
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

    /// Checks that the channels can be split into the groups of the normalization.
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
        let layers =
            self.layers().map(|(input, output, stride)| ConvLayer::new(input, output, stride, self.norm, device));
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

/// Six 3 x 3 convolutions, each with normalization and GELU.
#[derive(Module, Debug)]
pub struct ConvBranch {
    layers: Vec<ConvLayer>,
}

impl ConvBranch {
    /// [Prepacks](Conv3x3::prepack) all weights: faster on the CPU, and nothing but a forward pass afterwards.
    pub fn prepack(&mut self) {
        self.prepack_as(WeightPrecision::F32);
    }

    /// [`prepack`](Self::prepack) with all weights but the first layer's, which are few, in sixteen bits where fewer than 32
    /// are asked for: scales for eight would have to be found for every neighbourhood.
    pub fn prepack_as(&mut self, precision: WeightPrecision) {
        let narrow = if precision == WeightPrecision::F32 { precision } else { WeightPrecision::Bf16 };
        for (index, layer) in self.layers.iter_mut().enumerate() {
            layer.conv.prepack_as(if index == 0 { WeightPrecision::F32 } else { narrow });
        }
    }

    /// # Shapes
    /// - image: `[b, 1, s, s]`, gray values in [0, 1]; any side, odd sizes round up
    #[must_use]
    pub fn forward(&self, image: Tensor<4>) -> ConvFeatures {
        let [b, c, height, width] = image.dims();
        let rows = Rows {
            values: image.permute([0, 2, 3, 1]).reshape([b * height * width, c]),
            n_images: b,
            size: [height, width],
        };
        let through =
            |layers: &[ConvLayer], rows: Rows| layers.iter().fold(rows, |rows, layer| layer.forward(rows));
        let stride4 = through(&self.layers[..3], rows);
        let stride8 = through(&self.layers[3..5], stride4.clone());
        let stride16 = through(&self.layers[5..], stride8.clone());
        ConvFeatures { stride4: stride4.into_map(), stride8: stride8.into_map(), stride16: stride16.into_map() }
    }
}

/// Maps whose channels come last: one row a pixel, image after image.
#[derive(Clone)]
struct Rows {
    /// `[n_images * h * w, c]`
    values: Tensor<2>,
    n_images: usize,
    /// Rows and columns of each image.
    size: [usize; 2],
}

impl Rows {
    fn into_map(self) -> Tensor<4> {
        let ([_, c], [height, width]) = (self.values.dims(), self.size);
        self.values.reshape([self.n_images, height, width, c]).permute([0, 3, 1, 2])
    }
}

#[derive(Module, Debug)]
struct ConvLayer {
    conv: Conv3x3,
    group_norm: Option<GroupNorm>,
    batch_norm: Option<BatchNorm>,
}

impl ConvLayer {
    fn new(input: usize, output: usize, stride: usize, norm: ConvNorm, device: &Device) -> Self {
        let group_norm = (norm == ConvNorm::Group).then(|| GroupNorm::new(N_GROUPS, output, device));
        let batch_norm = (norm == ConvNorm::Batch).then(|| BatchNormConfig::new(output).init(device));
        Self { conv: Conv3x3::new([input, output], stride, true, device), group_norm, batch_norm }
    }

    fn forward(&self, x: Rows) -> Rows {
        let n_images = x.n_images;
        let (values, size) = self.conv.forward(x.values, x.size);
        let values = match (&self.group_norm, &self.batch_norm) {
            (Some(norm), _) => norm.forward_gelu(values, n_images),
            // A channel's statistics are over all rows: the norm of a map with one column.
            (None, Some(norm)) => {
                let [m, c] = values.dims();
                gelu(norm.forward(values.reshape([m, c, 1])).reshape([m, c]))
            }
            (None, None) => gelu(values),
        };
        Rows { values, n_images, size }
    }
}
