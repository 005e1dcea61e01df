//! Tests of the metrics.
#![allow(missing_docs, clippy::unwrap_used)]

mod golden;
mod properties;
