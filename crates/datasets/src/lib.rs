#![doc = include_str!("../README.md")]

pub mod acdc;
pub mod augment;
mod case;
pub mod coding;
mod error;
pub mod h5;
pub mod manifest;
pub mod phantom;
pub mod resample;
mod rng;
mod scan;
mod slices;
pub mod split;
pub mod synapse;

pub use case::{Case, Intensity, LabelTable};
pub use error::DatasetError;
pub use rng::KeyedRng;
pub use scan::{Orientation, Scan, write_image, write_labels};
pub use slices::{Batch, BatchLoader, Sample, SliceSet};
