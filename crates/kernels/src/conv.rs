//! Convolutions packed for the CPU.

use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// A 3 x 3 convolution with padding 1 whose weights are packed for the CPU's kernel, on maps whose
/// channels come last: one row a pixel, image after image. It has no gradients.
#[derive(Clone, Debug)]
pub struct PackedConv3x3 {
    #[cfg(feature = "flex")]
    panels: std::sync::Arc<crate::fused::Panels>,
    #[cfg(feature = "flex")]
    channels: usize,
    bias: Option<Tensor<1>>,
    stride: usize,
}

impl PackedConv3x3 {
    /// Packs a convolution; `None` where it is none of this kind or where its backend is not the CPU's
    /// (or records gradients).
    #[must_use]
    pub fn pack(conv: &Conv2d) -> Option<Self> {
        #[cfg(feature = "flex")]
        {
            let weight = conv.weight.val();
            let [out, channels, height, width] = weight.dims();
            let [stride, other_stride] = conv.stride;
            let is_plain = conv.groups == 1 && conv.dilation == [1, 1] && stride == other_stride;
            if [height, width] != [3, 3] || !is_plain {
                return None;
            }
            let weight = weight.permute([2, 3, 1, 0]).reshape([9 * channels, out]);
            let panels = crate::fused::pack(weight)?;
            let bias = conv.bias.as_ref().map(|bias| bias.val());
            Some(Self { panels, channels, bias, stride })
        }
        #[cfg(not(feature = "flex"))]
        {
            let _ = conv;
            None
        }
    }

    /// Applies it to maps of `size` (rows, columns); also returns the size of the result.
    ///
    /// # Shapes
    /// - x: `[b * h * w, c]`; output: `[b * h' * w', c']`, sizes rounded up
    #[must_use]
    pub fn rows(&self, x: Tensor<2>, size: [usize; 2]) -> (Tensor<2>, [usize; 2]) {
        #[cfg(feature = "flex")]
        {
            let (channels, stride) = (self.channels, self.stride);
            let shape = crate::fused::ConvShape { size, channels, stride };
            let bias = self.bias.clone();
            let [n_rows, n_cols] = shape.output();
            let n_images = x.dims()[0] / (size[0] * size[1]).max(1);
            crate::count::product(n_images * n_rows * n_cols, 9 * channels, self.panels.n());
            (crate::fused::packed_conv(x, &self.panels, bias, shape), shape.output())
        }
        #[cfg(not(feature = "flex"))]
        {
            // It can't be made without the feature.
            let _ = (&self.bias, self.stride);
            (x, size)
        }
    }
}
