#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod decide;
mod label;
mod profile;
mod recommendation;
mod settings;
mod written;

pub use decide::{criteria, keep};
pub use profile::ProfileName;
pub use recommendation::{CalibrationCases, Recommendation};
pub use settings::{Context, Criterion, PauseError, PausePolicy, PauseSettings};
