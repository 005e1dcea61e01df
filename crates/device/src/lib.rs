#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod list;
mod name;
mod precision;
mod tests_on;

pub use error::DeviceError;
pub use list::{DeviceEntry, described, list};
pub use name::{Backend, NAMES, open};
pub use precision::Precision;
#[doc(hidden)]
pub use tests_on::{of_tests, tolerance_factor};
