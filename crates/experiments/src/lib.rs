//! Training, evaluation, calibration and suites of FasterSAM's experiments.

pub mod baseline;
pub mod calibrate;
pub mod config;
pub mod data;
pub mod device;
pub mod evaluate;
pub mod provenance;
pub mod suite;
pub mod throughput;
pub mod train;
pub mod trained_model;
