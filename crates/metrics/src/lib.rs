#![doc = include_str!("../README.md")]

mod distance;
mod error;
mod mask;
mod protocol;
mod statistics;
mod summary;
mod surface;

pub use distance::distance_to;
pub use error::MetricsError;
pub use mask::Mask;
pub use protocol::{CaseScores, ClassScore, ProtocolScore, score_case};
pub use statistics::{Comparison, compare_paired, mean_interval};
pub use summary::{ProtocolSummary, Summary, summarise};
pub use surface::{SurfaceDistances, surface_distances};
