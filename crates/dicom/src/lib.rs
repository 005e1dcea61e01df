#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod attributes;
mod encoding;
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
pub use files::{files_of, is_dicom};
pub use segmentation::Segmentation;
pub use series::DicomSeries;
