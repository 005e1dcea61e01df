#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod augment;
mod axis_order;
mod case;
pub mod check;
pub mod custom;
mod dataset;
mod error;
pub mod forms;
pub mod h5;
pub mod intensity;
pub mod label_maps;
pub mod label_scheme;
mod names;
pub mod npz;
pub mod phantom;
pub mod prepared;
mod slices;
pub mod split;
mod text;

pub use axis_order::AxisOrder;
pub use case::{Case, sha256_of_cases};
pub use dataset::{DataSet, Entry, FileForm, Form, OpenOptions};
pub use error::DatasetError;
pub use label_scheme::LabelScheme;
pub use slices::{Batch, BatchLoader, Sample, SliceSet};
