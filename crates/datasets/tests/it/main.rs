//! Tests of the data sets.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod files;
mod forms;
mod hostile;
mod phantom;
mod resample_golden;
mod scipy;
mod slices;
mod splits;
