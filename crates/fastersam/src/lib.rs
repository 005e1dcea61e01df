#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod budget;
pub mod checkpoint;
mod class_map;
pub mod config;
pub mod error;
pub mod init;
pub mod loss;
pub mod model;
pub mod parameters;
pub mod pretrained;
pub mod segment;
pub mod weights;

pub use budget::{Budget, Outcome};
pub use checkpoint::{Checkpoint, CheckpointInfo};
pub use config::{ModelConfig, ModelOptions, Normalisation, Preset};
pub use error::FasterSamError;
pub use model::{FasterSam, ModelOutput};
pub use parameters::ParameterCounts;
pub use pretrained::{Pretrained, WeightPaths};
pub use segment::Segmenter;
