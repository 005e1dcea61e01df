//! Tests of the data sets.
#![allow(missing_docs, clippy::unwrap_used)]

mod resample_golden;
