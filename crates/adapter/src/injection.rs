//! Adding the CNN branch's features to the tokens.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use fastersam_kernels::{Linear, LinearConfig, resize_bilinear};

/// Configuration of an [`Injection`].
#[derive(Clone, Debug)]
pub struct InjectionConfig {
    /// Channels of the CNN branch's stride-16 map.
    pub channels: usize,
    /// Width of the tokens.
    pub embed_dim: usize,
}

impl InjectionConfig {
    /// Builds the injection; its scale starts at 0.1.
    #[must_use]
    pub fn init(&self, device: &Device) -> Injection {
        Injection {
            proj: LinearConfig::new(self.channels, self.embed_dim).init(device),
            gamma: Param::from_tensor(Tensor::full([self.embed_dim], 0.1, device)),
        }
    }
}

/// `gamma * proj(map)` for the rows of a map; point-wise on tokens, so that pausing stays exact.
#[derive(Module, Debug)]
pub struct Injection {
    /// The 1 x 1 convolution.
    pub proj: Linear,
    /// Scale of each channel.
    pub gamma: Param<Tensor<1>>,
}

impl Injection {
    /// [Prepacks](fastersam_kernels::Linear::prepack) all weights.
    pub fn prepack(&mut self) {
        self.proj.prepack();
    }

    /// # Shapes
    /// - map_tokens: `[m, channels]`, the map at the places of the active tokens
    /// - output: `[m, embed_dim]`, to be added to them
    #[must_use]
    pub fn forward(&self, map_tokens: Tensor<2>) -> Tensor<2> {
        self.proj.forward(map_tokens) * self.gamma.val().unsqueeze()
    }
}

/// The rows of a map at the places of the token grid.
///
/// A map of another size is resized first (bilinear, align_corners false).
///
/// # Shapes
/// - map: `[b, c, h, w]`; output: `[b * grid * grid, c]`, image after image, row after row
#[must_use]
pub fn grid_tokens(map: Tensor<4>, grid: usize) -> Tensor<2> {
    let [b, c, _, _] = map.dims();
    let map = resize_bilinear(map, grid);
    map.permute([0, 2, 3, 1]).reshape([b * grid * grid, c])
}
