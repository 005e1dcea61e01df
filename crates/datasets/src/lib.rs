#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod acdc;
pub mod augment;
mod case;
pub mod check;
pub mod coding;
pub mod custom;
mod dataset;
mod error;
mod form;
pub mod h5;
pub mod manifest;
pub mod npz;
pub mod phantom;
pub mod prepared;
pub mod resample;
mod rng;
mod scan;
mod slices;
pub mod split;
pub mod synapse;
pub mod write;

pub use case::{Case, Intensity, LabelTable};
pub use dataset::{DataSet, OpenOptions};
pub use error::DatasetError;
pub use form::Form;
pub use rng::KeyedRng;
pub use scan::{Orientation, Scan, write_image, write_image_volume, write_label_volume, write_labels};
pub use slices::{Batch, BatchLoader, Sample, SliceSet};
