#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bottleneck;
mod channel_gate;
mod conv_branch;
mod cross_branch;
mod error;
mod group_norm;
mod injection;
mod lora;
mod pre_encoder;
mod tuning;

pub use bottleneck::{BottleneckAdapter, BottleneckAdapterConfig, MsaAdapters, MsaAdaptersConfig};
pub use channel_gate::{ChannelGateAdapter, ChannelGateAdapterConfig};
pub use conv_branch::{ConvBranch, ConvBranchConfig, ConvFeatures, ConvNorm};
pub use cross_branch::{
    CrossAttention, CrossBranch, CrossBranchBlock, CrossBranchConfig, cross_branch_blocks, cross_branch_layout,
};
pub use error::AdapterError;
pub use group_norm::GroupNorm;
pub use injection::{Injection, InjectionConfig, grid_tokens};
pub use lora::{LoraLinear, LoraLinearConfig, LoraQv, LoraQvConfig};
pub use pre_encoder::{PreEncoderHead, PreEncoderHeadConfig};
pub use tuning::Tuning;
