#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod list;
mod name;
mod tests_on;

pub use error::DeviceError;
pub use list::{DeviceEntry, list};
pub use name::{Backend, NAMES, open};
#[doc(hidden)]
pub use tests_on::{of_tests, tolerance_factor};
