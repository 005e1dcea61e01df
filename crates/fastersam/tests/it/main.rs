//! Tests of the assembled model.
#![allow(missing_docs, clippy::unwrap_used)]

mod loss_golden;
mod model;
mod weights;
