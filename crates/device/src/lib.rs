#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod backend;
mod error;
mod launches;
mod list;
mod name;
mod precision;
mod tests_on;

pub use backend::{Backend, NAMES};
pub use error::DeviceError;
pub use launches::{Launches, count_launches};
pub use list::{DeviceEntry, described, list};
pub use name::{open, set_precision};
pub use precision::Precision;
#[doc(hidden)]
pub use tests_on::{of_tests, tolerance_factor, training_tolerance_factor};
