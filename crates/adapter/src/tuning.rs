//! The tuning schemes by name.

use serde::{Deserialize, Serialize};

/// How an encoder is tuned. Written as `tuning = { scheme = "lora", rank = 4 }`.
///
/// In all of them neck, pause heads and decoder are trained; the schemes differ in what they add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case", try_from = "Written")]
pub enum Tuning {
    /// Nothing.
    None,
    /// Low-rank updates of q and v in every block (SAMed, arXiv 2304.13785).
    Lora {
        /// The rank.
        rank: usize,
    },
    /// The same, and low-rank updates of q and v in the decoder's attentions in place of training
    /// all of it (SAMed_s).
    LoraWithDecoder {
        /// The rank.
        rank: usize,
    },
    /// An adapter after each attention and one parallel to each MLP (MSA, arXiv 2304.12620).
    MedicalSamAdapter {
        /// The embedding is this many times as wide as the bottlenecks; 4 in the original.
        reduction: usize,
    },
    /// A channel gate and a convolution parallel to each MLP (SAM-Med2D, arXiv 2308.16184). Not
    /// point-wise.
    SamMed2d {
        /// The embedding is this many times as wide as the gate's hidden layer; 4 in the original.
        reduction: usize,
    },
    /// Cross-attention from tokens to the CNN branch in the global blocks, and adapters there
    /// (SAMUS, arXiv 2309.06824).
    Samus {
        /// The embedding is this many times as wide as the bottlenecks; 4 in the original.
        reduction: usize,
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

/// A scheme as it is written. Read by way of this, because serde does not refuse superfluous keys
/// beside a tag whose variant has no fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    scheme: String,
    rank: Option<usize>,
    reduction: Option<usize>,
}

impl TryFrom<Written> for Tuning {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { scheme, rank, reduction } = written;
        let takes = |key: &str| Err(format!("the tuning scheme `{scheme}` takes {key}"));
        match (scheme.as_str(), rank, reduction) {
            ("none", None, None) => Ok(Self::None),
            ("conv_branch", None, None) => Ok(Self::ConvBranch),
            ("lora", Some(rank), None) => Ok(Self::Lora { rank }),
            ("lora_with_decoder", Some(rank), None) => Ok(Self::LoraWithDecoder { rank }),
            ("medical_sam_adapter", None, Some(reduction)) => Ok(Self::MedicalSamAdapter { reduction }),
            ("sam_med2d", None, Some(reduction)) => Ok(Self::SamMed2d { reduction }),
            ("samus", None, Some(reduction)) => Ok(Self::Samus { reduction }),
            ("bottleneck", None, Some(reduction)) => Ok(Self::Bottleneck { reduction }),
            ("conv_branch_bottleneck", None, Some(reduction)) => Ok(Self::ConvBranchBottleneck { reduction }),
            ("none" | "conv_branch", ..) => takes("neither `rank` nor `reduction`"),
            ("lora" | "lora_with_decoder", ..) => takes("the key `rank` and no other"),
            ("medical_sam_adapter" | "sam_med2d" | "samus" | "bottleneck" | "conv_branch_bottleneck", ..) => {
                takes("the key `reduction` and no other")
            }
            _ => Err(format!(
                "no tuning scheme `{scheme}`; there are none, lora, lora_with_decoder, \
                 medical_sam_adapter, sam_med2d, samus, conv_branch, bottleneck and \
                 conv_branch_bottleneck"
            )),
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self::ConvBranchBottleneck { reduction: 4 }
    }
}

impl Tuning {
    /// The name in configurations and tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lora { .. } => "lora",
            Self::LoraWithDecoder { .. } => "lora_with_decoder",
            Self::MedicalSamAdapter { .. } => "medical_sam_adapter",
            Self::SamMed2d { .. } => "sam_med2d",
            Self::Samus { .. } => "samus",
            Self::ConvBranch => "conv_branch",
            Self::Bottleneck { .. } => "bottleneck",
            Self::ConvBranchBottleneck { .. } => "conv_branch_bottleneck",
        }
    }

    /// Whether there is a CNN branch.
    #[must_use]
    pub fn uses_conv_branch(&self) -> bool {
        self.uses_injection() || matches!(self, Self::Samus { .. })
    }

    /// Whether the CNN branch's features are added to the tokens and, as skips, to the decoder.
    #[must_use]
    pub fn uses_injection(&self) -> bool {
        matches!(self, Self::ConvBranch | Self::ConvBranchBottleneck { .. })
    }

    /// The reduction of the [bottleneck adapters](crate::BottleneckAdapter) parallel to the MLPs.
    #[must_use]
    pub fn bottleneck_reduction(&self) -> Option<usize> {
        match self {
            Self::Bottleneck { reduction } | Self::ConvBranchBottleneck { reduction } => Some(*reduction),
            _ => None,
        }
    }

    /// The rank of the [updates of q and v](crate::LoraQv) in the encoder.
    #[must_use]
    pub fn lora_rank(&self) -> Option<usize> {
        match self {
            Self::Lora { rank } | Self::LoraWithDecoder { rank } => Some(*rank),
            _ => None,
        }
    }

    /// The rank of the [updates of q and v](crate::LoraLinear) in the decoder.
    #[must_use]
    pub fn decoder_lora_rank(&self) -> Option<usize> {
        match self {
            Self::LoraWithDecoder { rank } => Some(*rank),
            _ => None,
        }
    }

    /// The reduction of [MSA's adapters](crate::MsaAdapters).
    #[must_use]
    pub fn msa_reduction(&self) -> Option<usize> {
        match self {
            Self::MedicalSamAdapter { reduction } => Some(*reduction),
            _ => None,
        }
    }

    /// The reduction of [SAM-Med2D's gate](crate::ChannelGateAdapter).
    #[must_use]
    pub fn channel_gate_reduction(&self) -> Option<usize> {
        match self {
            Self::SamMed2d { reduction } => Some(*reduction),
            _ => None,
        }
    }

    /// The reduction of the adapters of [SAMUS's cross-branch attention](crate::CrossBranch).
    #[must_use]
    pub fn cross_branch_reduction(&self) -> Option<usize> {
        match self {
            Self::Samus { reduction } => Some(*reduction),
            _ => None,
        }
    }

    /// The number in the configuration (a rank or a reduction), which has to be 1 or more.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::None | Self::ConvBranch => None,
            Self::Lora { rank } | Self::LoraWithDecoder { rank } => Some(*rank),
            Self::MedicalSamAdapter { reduction }
            | Self::SamMed2d { reduction }
            | Self::Samus { reduction }
            | Self::Bottleneck { reduction }
            | Self::ConvBranchBottleneck { reduction } => Some(*reduction),
        }
    }

    /// Whether a token's row depends, but for SAM's own attention, on itself and the CNN branch only.
    /// Then pausing tokens stays exact.
    #[must_use]
    pub fn is_point_wise(&self) -> bool {
        !matches!(self, Self::SamMed2d { .. })
    }
}
