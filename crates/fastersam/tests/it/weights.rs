//! Reading weight files, good and bad, and filling models from them.

pub mod files;
pub mod golden;
mod hostile;
pub mod loading;
mod reading;
mod real;
