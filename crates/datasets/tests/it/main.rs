//! Tests of the data sets.
#![allow(missing_docs, clippy::unwrap_used)]

mod phantom;
mod resample_golden;
