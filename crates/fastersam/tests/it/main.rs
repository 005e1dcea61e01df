//! Tests of the assembled model.
#![allow(missing_docs, clippy::unwrap_used)]

mod checkpoint;
mod facade;
mod label_map;
mod loss_golden;
mod macs;
mod model;
mod model_file;
mod segment;
mod train_golden;
mod tuning;
mod weights;
