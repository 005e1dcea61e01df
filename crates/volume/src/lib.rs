#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod components;
mod error;
mod intensity;
mod labels;
mod limits;
mod orientation;
mod quantiles;
pub mod resample;
mod rng;
mod scan;
mod survey;

pub use components::Components;
pub use error::VolumeError;
pub use fastersam_metrics::quantile;
pub use intensity::{Intensity, Scaling};
pub use labels::{LabelTable, label_color};
pub use limits::{MAX_DEFLATE_RATIO, MAX_VOXELS, MAX_VOXELS_IN_MEMORY};
pub use orientation::Orientation;
pub use quantiles::{IntensityQuantiles, TrainingIntensities};
pub use rng::KeyedRng;
pub use scan::{Grid, Planes, Scan, ScanFile, write_image, write_image_volume, write_label_volume, write_labels};
pub use survey::{MAX_INVALID_SHARE, Survey};
