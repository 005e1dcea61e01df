//! Tests of the metrics.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod golden;
mod properties;
