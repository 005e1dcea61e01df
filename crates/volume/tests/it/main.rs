//! Tests of scans and resampling.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod geometry;
mod hostile;
mod resample_golden;
mod scan;
mod scipy;
mod watched;
