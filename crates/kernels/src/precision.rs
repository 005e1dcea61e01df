//! The width of prepacked weights.

use std::fmt;
use std::str::FromStr;

/// Numbers that a layer's weights are [prepacked](crate::Linear::prepack) in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightPrecision {
    /// 32 bits: results equal those of the layer as it was, bit for bit.
    #[default]
    F32,
    /// 16 bits with the range of `f32`. Inputs are rounded likewise where the machine multiplies such numbers
    /// (AVX-512 BF16); sums are `f32`.
    Bf16,
    /// 8 bits: integers times one scale an output channel. Inputs are the same times one scale a row, found as they
    /// come; sums are exact.
    Int8,
}

/// Those below 32 bits.
#[cfg(feature = "flex")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NarrowPrecision {
    Bf16,
    Int8,
}

impl WeightPrecision {
    /// From the widest to the narrowest.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// Bits of a weight.
    #[must_use]
    pub fn bits(self) -> usize {
        match self {
            Self::F32 => 32,
            Self::Bf16 => 16,
            Self::Int8 => 8,
        }
    }
}

impl fmt::Display for WeightPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

/// There is no such precision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no precision `{0}` of weights; expected `f32`, `bf16` or `int8`")]
pub struct WeightPrecisionError(String);

impl FromStr for WeightPrecision {
    type Err = WeightPrecisionError;

    fn from_str(name: &str) -> Result<Self, WeightPrecisionError> {
        let found = Self::ALL.into_iter().find(|precision| precision.to_string() == name);
        found.ok_or_else(|| WeightPrecisionError(name.to_owned()))
    }
}
