//! The width of the numbers that a device computes with.

use std::fmt;
use std::str::FromStr;

/// Numbers of a forward pass. Means, variances, softmax and pause decisions stay f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with the range of f32 and 8 bits of mantissa.
    Bf16,
    /// 16 bits with 11 bits of mantissa; on GPUs.
    F16,
    /// 8 bits: integers with scales, as inputs and weights of the encoder's blocks; on this CPU's own backend.
    Int8,
}

impl Precision {
    const ALL: [Self; 4] = [Self::F32, Self::Bf16, Self::F16, Self::Int8];
}

impl fmt::Display for Precision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|precision| precision.to_string() == text);
        found.ok_or_else(|| format!("there is no precision {text:?}; there are: f32, bf16, f16, int8"))
    }
}
