#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod list;
mod name;

pub use error::DeviceError;
pub use list::{DeviceEntry, list};
pub use name::{Backend, NAMES, open};
