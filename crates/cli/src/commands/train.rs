//! `fastersam train`

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;

use super::ExistingRun;
use crate::output::print;
use fastersam_experiments::config::Experiment;
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::run_folder::RunFolder;
use fastersam_experiments::trained_model::TrainedModel;
use fastersam_experiments::{data, train};
use fastersam_progress as progress;
use fastersam_records::NOTICE;
use fastersam_records::write_record;

/// What to train, and where.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Experiment file, for instance configs/experiments/phantom-abdomen.toml, or a built-in experiment: phantom-abdomen
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
    #[command(flatten)]
    existing: ExistingRun,
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
    let folder = RunFolder { path: folder, existing: arguments.existing.choice() };
    folder.check()?;
    progress::say(NOTICE);
    let data = data::load(&experiment, arguments.data.as_deref())?;
    let trained = train::train(&experiment, &data, &folder, device)?;
    let weights = experiment.weight_files.backbone.as_deref();
    let model = TrainedModel::load(&experiment, &data, &trained.checkpoint, weights, device, origin)?;
    write_record(&folder.path.join("records"), &model.training(trained.rows).into())?;
    print(&trained.checkpoint.display().to_string())
}
