#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attention;
mod config;
mod error;
mod mask_decoder;
mod prompt_encoder;
mod transformer;
mod upscaling;

pub use attention::Attention;
pub use config::MaskDecoderConfig;
pub use error::DecoderError;
pub use mask_decoder::{DecoderOutput, DecoderTrace, MaskDecoder, Mlp, PromptFreeDecoder, Skips};
pub use prompt_encoder::{PositionEmbeddingRandom, PromptEncoder};
pub use transformer::{MlpBlock, TwoWayAttentionBlock, TwoWayTransformer};
pub use upscaling::OutputUpscaling;
