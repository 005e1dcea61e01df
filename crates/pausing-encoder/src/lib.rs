#![doc = include_str!("../README.md")]

mod active;
mod attention;
mod block;
mod config;
pub mod cost;
mod decide;
mod dense;
mod encoder;
mod error;
mod patch_embed;
pub mod position;
mod settings;

pub use block::Block;
pub use config::{EncoderConfig, WindowPadding};
pub use encoder::{EncoderOutput, PausingEncoder, StageOutput};
pub use error::EncoderError;
pub use settings::{Context, Criterion, PausePolicy, PauseSettings};
