//! The tuning schemes by name.

use serde::{Deserialize, Serialize};

/// How an encoder is tuned. Written as `tuning = { scheme = "lora", rank = 4 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
pub enum Tuning {
    /// The encoder as it is; only neck, heads and decoder are trained.
    None,
    /// Low-rank updates of q and v (SAMed, arXiv 2304.13785).
    Lora {
        /// The rank.
        rank: usize,
    },
    /// The CNN branch with injection and decoder skips.
    ConvBranch,
    /// A bottleneck adapter parallel to each MLP.
    Bottleneck {
        /// The embedding is this many times as wide as the bottleneck.
        reduction: usize,
    },
    /// CNN branch and bottleneck adapters: this project's default.
    ConvBranchBottleneck {
        /// The embedding is this many times as wide as the bottleneck.
        reduction: usize,
    },
}

impl Default for Tuning {
    fn default() -> Self {
        Self::ConvBranchBottleneck { reduction: 4 }
    }
}

impl Tuning {
    /// Whether a CNN branch feeds encoder and decoder.
    #[must_use]
    pub fn uses_conv_branch(&self) -> bool {
        matches!(self, Self::ConvBranch | Self::ConvBranchBottleneck { .. })
    }

    /// The reduction of the bottleneck adapters, where the scheme has them.
    #[must_use]
    pub fn bottleneck_reduction(&self) -> Option<usize> {
        match self {
            Self::Bottleneck { reduction } | Self::ConvBranchBottleneck { reduction } => {
                Some(*reduction)
            }
            _ => None,
        }
    }

    /// The rank of the low-rank updates, where the scheme has them.
    #[must_use]
    pub fn lora_rank(&self) -> Option<usize> {
        match self {
            Self::Lora { rank } => Some(*rank),
            _ => None,
        }
    }

    /// Whether everything that the scheme adds works token by token, so that pausing stays exact.
    #[must_use]
    pub fn is_point_wise(&self) -> bool {
        // Every scheme here is; the CNN branch never sees the tokens.
        true
    }
}
