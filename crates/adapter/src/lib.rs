#![doc = include_str!("../README.md")]

mod bottleneck;
mod conv_branch;
mod injection;
mod lora;
mod stage_zero;
mod tuning;

pub use bottleneck::{BottleneckAdapter, BottleneckAdapterConfig};
pub use conv_branch::{ConvBranch, ConvBranchConfig, ConvFeatures, ConvNorm};
pub use injection::{Injection, InjectionConfig, grid_tokens};
pub use lora::{LoraQv, LoraQvConfig};
pub use stage_zero::{StageZeroHead, StageZeroHeadConfig};
pub use tuning::Tuning;
