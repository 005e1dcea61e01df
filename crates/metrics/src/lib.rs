#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod distance;
mod error;
mod mask;
mod protocol;
mod quantile;
mod runs;
mod statistics;
mod summary;
mod surface;

pub use distance::distance_to;
pub use error::MetricsError;
pub use mask::Mask;
pub use protocol::{
    CaseScores, ClassScore, MAX_CLASSES, ProtocolScore, SURFACE_TOLERANCE, SurfaceScore, score_case,
};
pub use quantile::{interpolate, quantile};
pub use runs::{MeasureComparison, ProtocolComparison, RunComparison, compare_runs};
pub use statistics::{Comparison, compare_paired, mean_interval};
pub use summary::{MeasureSummary, ProtocolSummary, Summary, SurfaceSummary, summarise};
pub use surface::{SurfaceDistances, surface_distances};
