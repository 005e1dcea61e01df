//! Tests of the assembled model.
#![allow(missing_docs, clippy::unwrap_used)]

mod loss_golden;
mod checkpoint;
mod model;
mod train_golden;
mod tuning;
mod weights;
