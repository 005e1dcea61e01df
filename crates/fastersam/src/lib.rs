#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod bounds;
pub mod budget;
pub mod checkpoint;
mod checkpoint_info;
mod class_map;
pub mod config;
pub mod error;
pub mod init;
mod label_map;
pub mod loss;
pub mod model;
pub mod model_file;
pub mod parameters;
mod prepacked;
pub mod pretrained;
pub mod segment;
mod segmenter;
pub mod weights;

pub use budget::{Budget, Outcome};
pub use checkpoint::{Checkpoint, CheckpointInfo};
pub use config::{ModelConfig, ModelOptions, Normalisation, Preset};
pub use error::FasterSamError;
pub use fastersam_adapter::Tuning;
pub use fastersam_kernels::WeightPrecision;
pub use fastersam_pausing_encoder::{
    CalibrationCases, Context, Criterion, PauseError, PausePolicy, PauseSettings, ProfileName, Recommendation,
};
pub use fastersam_volume::{Intensity, LabelTable, Orientation, Scan, ScanFile};
pub use label_map::{ClassStatistics, LabelMap, SliceView, label_names_path, split_ending};
pub use model::{FasterSam, ModelOutput};
pub use model_file::ModelCard;
pub use parameters::ParameterCounts;
pub use prepacked::PrepackedModel;
pub use pretrained::{Pretrained, WeightPaths};
pub use segment::VolumeSegmenter;
pub use segmenter::{SegmentOptions, Segmenter};
