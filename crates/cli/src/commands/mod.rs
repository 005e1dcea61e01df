//! The commands of the program: what each takes, and what it does.

pub mod bench;
pub mod benchmark;
pub mod calibrate;
pub mod compare;
pub mod data;
pub mod evaluate;
pub mod inspect;
pub mod reproduce;
pub mod segment;
pub mod train;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use fastersam::checkpoint;
use serde::Serialize;

use fastersam_experiments::config::Experiment;
use fastersam_experiments::data::ExperimentData;
use fastersam_experiments::pause::Thresholds;
use fastersam_records::NOTICE;

/// What is measured on what.
#[derive(Debug, Args)]
pub struct Measured {
    /// Checkpoint: the folder `checkpoints` that training wrote, or one in it
    #[arg(long, short, value_name = "FOLDER")]
    model: PathBuf,
    /// Experiment file that names the data, for instance configs/experiments/phantom-heart.toml
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Folder that real data sets lie in
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The backbone's weight file, or the folder of all weight files, where they lie elsewhere than in training
    #[arg(long, value_name = "PATH")]
    weights: Option<PathBuf>,
    /// Override a value of the experiment file, for instance data.evaluate=valid
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Folder for records; `fastersam report` draws them [default: the run's own, RUN/records]
    #[arg(long, value_name = "FOLDER")]
    records: Option<PathBuf>,
    /// Slices at a time
    #[arg(long, default_value_t = 8, value_name = "N")]
    batch_size: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Measured {
    fn read(&self) -> Result<(Experiment, ExperimentData)> {
        let experiment = Experiment::read(&self.config, &self.overrides)?;
        let data = fastersam_experiments::data::load(&experiment, self.data.as_deref())?;
        Ok((experiment, data))
    }

    /// Where the records go: beside the folder `checkpoints`.
    fn records(&self) -> Result<PathBuf> {
        if let Some(records) = &self.records {
            return Ok(records.clone());
        }
        let checkpoint = checkpoint::resolve(&self.model)?;
        let run = checkpoint.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        Ok(run.join("records"))
    }
}

/// A record as one line of JSON, with the file that it lies in and the notice.
fn with_notice(record: &impl Serialize, path: &Path) -> Result<String> {
    let mut value = serde_json::to_value(record)?;
    value["record"] = serde_json::to_value(path)?;
    value["notice"] = NOTICE.into();
    Ok(value.to_string())
}

/// The option that says what pauses.
#[derive(Debug, Args)]
pub struct Pausing {
    /// Pause tokens whose normalised entropy is below this. From 0 (nothing pauses) to 1; one value, one for
    /// each pause point (0.1,0.05,0.05), or `recommended` for what the checkpoint's calibration found
    #[arg(long, value_name = "THRESHOLD")]
    pause_threshold: Option<Thresholds>,
}
