//! Training, evaluation, tables and plots of FasterSAM.

pub mod baseline;
pub mod bench;
pub mod cli;
pub mod commands;
pub mod compare;
pub mod config;
pub mod data;
pub mod data_commands;
pub mod device;
pub mod evaluate;
pub mod inspect;
pub mod pause;
pub mod progress;
pub mod provenance;
pub mod record;
pub mod report;
pub mod subject;
pub mod suite;
pub mod throughput;
pub mod train;
