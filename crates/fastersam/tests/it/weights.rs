//! Reading weight files, good and bad, and filling models from them.

mod files;
mod golden;
mod loading;
mod reading;
mod real;
