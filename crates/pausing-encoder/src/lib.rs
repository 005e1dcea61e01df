#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod active;
mod attention;
mod block;
mod config;
pub mod cost;
mod cross;
mod dense;
mod encoder;
mod error;
mod freeze;
mod init;
mod neck;
mod padded;
mod patch_embed;
mod pause_head;
pub mod position;
mod stage;
mod state;
mod window_partition;

pub use attention::Attention;
pub use block::{Block, MlpBlock};
pub use config::{EncoderConfig, WindowPadding};
pub use cost::EncoderMacs;
pub use dense::DenseOutput;
pub use encoder::{EncoderOutput, Execution, PausingEncoder};
pub use error::EncoderError;
pub use fastersam_pause::{
    CalibrationCases, Context, Criterion, PauseError, PausePolicy, PauseSettings, ProfileName, Recommendation,
};
pub use freeze::{is_backbone, is_backbone_norm};
pub use neck::Neck;
pub use patch_embed::PatchEmbed;
pub use pause_head::PauseHead;
pub use stage::{ScoredTokens, StageOutput};
