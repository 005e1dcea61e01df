#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attributes;
mod error;
mod files;
mod frames;
mod geometry;
mod limits;
mod parse;
mod pixels;
mod segmentation;
mod series;

pub use error::{DicomError, SeriesSummary};
pub use segmentation::Segmentation;
pub use series::{DicomSeries, is_dicom_path as is_dicom};
