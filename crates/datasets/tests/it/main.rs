//! Tests of the data sets.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod describe;
mod described;
mod files;
mod forms;
mod hostile;
mod phantom;
mod slices;
mod splits;
#[path = "../../../volume/tests/it/watched.rs"]
mod watched;
