//! `fastersam train`

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::Args;

use crate::output::print;
use fastersam_experiments::config::Experiment;
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::trained_model::TrainedModel;
use fastersam_experiments::{data, train};
use fastersam_progress as progress;
use fastersam_records::NOTICE;
use fastersam_records::write_record;

/// What to train, and where.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Experiment file, for instance configs/experiments/phantom-abdomen.toml
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Folder that real data sets lie in
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Folder that pre-trained weights lie in, or the backbone's weight file
    #[arg(long, value_name = "PATH")]
    weights: Option<PathBuf>,
    /// Folder for checkpoints and figures [default: runs/ID]
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Continue from the last checkpoint in the folder
    #[arg(long)]
    resume: bool,
    /// Override a value of the file, for instance train.epochs=3
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of every random draw [default: the file's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Trains and prints the checkpoint's folder.
///
/// # Errors
/// As [`train::train`], and where the experiment file or its data can't be read.
pub fn run(arguments: &TrainArgs, device: &Device, origin: &Origin) -> Result<()> {
    progress::catch_interrupt()?;
    let mut experiment = Experiment::read(&arguments.config, &arguments.overrides)?;
    experiment.seed = arguments.seed.unwrap_or(experiment.seed);
    experiment.find_weights(arguments.weights.as_deref())?;
    let folder = arguments.output.clone().unwrap_or_else(|| Path::new("runs").join(&experiment.id));
    if !arguments.resume && folder.join("checkpoints/latest").exists() {
        bail!(
            "{} holds a trained model already; continue it with --resume, or name another folder with --output",
            folder.display()
        );
    }
    progress::say(NOTICE);
    let data = data::load(&experiment, arguments.data.as_deref())?;
    let trained = train::train(&experiment, &data, &folder, arguments.resume, device)?;
    let weights = experiment.weight_files.backbone.as_deref();
    let model = TrainedModel::load(&experiment, &data, &trained.checkpoint, weights, device, origin)?;
    write_record(&folder.join("records"), &model.training(trained.rows).into())?;
    print(&trained.checkpoint.display().to_string());
    Ok(())
}
