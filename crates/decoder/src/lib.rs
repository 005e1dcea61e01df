#![doc = include_str!("../README.md")]

mod attention;
mod config;
mod mask_decoder;
mod prompt_encoder;
mod transformer;
mod upscaling;

pub use attention::Attention;
pub use config::MaskDecoderConfig;
pub use mask_decoder::{DecoderOutput, DecoderTrace, MaskDecoder, PromptFreeDecoder};
pub use prompt_encoder::{PositionEmbeddingRandom, PromptEncoder};
pub use transformer::{TwoWayAttentionBlock, TwoWayTransformer};
pub use upscaling::OutputUpscaling;
