#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod intensity;
mod labels;
mod limits;
mod orientation;
pub mod resample;
mod rng;
mod scan;

pub use error::VolumeError;
pub use fastersam_metrics::quantile;
pub use intensity::Intensity;
pub use labels::LabelTable;
pub use limits::{MAX_DEFLATE_RATIO, MAX_VOXELS};
pub use orientation::Orientation;
pub use rng::KeyedRng;
pub use scan::{Scan, write_image, write_image_volume, write_label_volume, write_labels};
