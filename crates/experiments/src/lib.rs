#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod agreement;
pub mod baseline;
pub mod bounds;
pub mod built_in;
pub mod calibrate;
pub mod config;
pub mod data;
pub mod draft;
mod error;
pub mod evaluate;
pub mod export;
pub mod provenance;
pub mod regression;
pub mod run_folder;
pub mod score;
pub mod suite;
pub mod threads;
pub mod throughput;
pub mod train;
pub mod trained_model;

pub use error::ExperimentError;

/// The project's own README: what it says in Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;
