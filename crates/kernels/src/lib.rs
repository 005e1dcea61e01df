#![doc = include_str!("../README.md")]
#![deny(clippy::undocumented_unsafe_blocks)]

#[doc(hidden)]
pub mod count;
#[cfg(feature = "flex")]
mod fused;
#[doc(hidden)]
pub mod generic;
mod instruction_set;
mod layout;
#[cfg(feature = "flex")]
#[doc(hidden)]
pub mod level;
mod nn;
mod ops;
mod precision;
mod resize;
mod switch;
#[cfg(all(test, feature = "flex"))]
mod tests;
mod workers;

pub use layout::{GridPos, RaggedLayout, RelativePositions, Sequence};
pub use nn::{Conv3x3, LayerNorm, Linear, LinearConfig};
pub use ops::{
    are_fused_on, conv3x3, gelu, group_norm_gelu, layer_norm, layer_norm_2d, linear, linear_gelu, linear_residual,
    ragged_attention, ragged_self_attention,
};
pub use precision::{WeightPrecision, WeightPrecisionError};
pub use resize::resize_bilinear;
pub use workers::on_workers;
