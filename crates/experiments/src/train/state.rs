//! Where a training stands: from the start, in checkpoints, and back.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::Device;
use burn_pack::{Reader, Writer};
use fastersam::ModelConfig;
use fastersam::checkpoint::{self, Checkpoint, CheckpointInfo};
use fastersam::model_file::Training;
use fastersam_files::{FileError, read_text};
use serde::{Deserialize, Serialize};

use super::Trainer;
use crate::config::{Experiment, TrainConfig};
use crate::data::ExperimentData;
use crate::error::ExperimentError;
use fastersam_progress::say;
use fastersam_records::EpochRow;

const OPTIMIZER: &str = "optimizer.bpk";
const TRAINER: &str = "trainer.json";
/// Rows of a hundred thousand epochs have less.
const MAX_BYTES: u64 = 64 << 20;

/// Where a training stands; lies in every checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// Seed of every random draw.
    pub seed: u64,
    /// How it trains.
    pub train: TrainConfig,
    /// SHA-256 of the data.
    pub data_sha256: String,
    /// Epochs done.
    pub epoch: usize,
    /// Steps done in the epoch under way.
    pub step_in_epoch: usize,
    /// Sums of loss, cross entropy, Dice loss and pause heads' loss over those steps.
    pub sums: [f64; 4],
    /// One row an epoch done.
    pub rows: Vec<EpochRow>,
}

impl Progress {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(TRAINER);
        let text = read_text(&path, MAX_BYTES)?;
        serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))
    }
}

/// The training that made a checkpoint, where it still says so.
///
/// # Errors
/// Where the file that says so is damaged.
pub fn training(checkpoint: &Path) -> Result<Option<Training>> {
    if !checkpoint.join(TRAINER).exists() {
        return Ok(None);
    }
    let progress = Progress::read(checkpoint)?;
    Ok(Some(Training {
        seed: progress.seed,
        epochs: progress.epoch,
        data_sha256: progress.data_sha256,
        cases: None,
        settings: serde_json::to_value(progress.train)?,
    }))
}

/// SHA-256 of the weight files that a model started from.
pub(super) struct Hashes {
    pub backbone: Option<String>,
    pub decoder: Option<String>,
}

impl Trainer {
    pub(super) fn start(
        experiment: &Experiment,
        config: ModelConfig,
        data: &ExperimentData,
        device: &Device,
    ) -> Result<(Self, Hashes)> {
        let device = device.clone().autodiff();
        let (model, pretrained) = config.init_from(&experiment.weight_files, experiment.seed, &device)?;
        for report in [&pretrained.backbone, &pretrained.decoder].into_iter().flatten() {
            say(&format!(
                "{}: {}: {} tensors used, {} not, SHA-256 {}",
                experiment.id,
                report.architecture,
                report.used.len(),
                report.unused.len() + report.set_aside.len(),
                report.sha256
            ));
        }
        let counts = config.count_parameters(&model);
        say(&format!("{}: {} of {} parameters are trained", experiment.id, counts.trained, counts.all));
        let hashes = Hashes {
            backbone: pretrained.backbone.map(|report| report.sha256),
            decoder: pretrained.decoder.map(|report| report.sha256),
        };
        let progress = Progress {
            seed: experiment.seed,
            train: experiment.train.clone(),
            data_sha256: data.sha256.clone(),
            epoch: 0,
            step_in_epoch: 0,
            sums: [0.0; 4],
            rows: Vec::new(),
        };
        let trainer = Self {
            experiment: experiment.clone(),
            config,
            device,
            model,
            optimizer: optimizer(&experiment.train),
            progress,
            since: (Instant::now(), 0),
        };
        Ok((trainer, hashes))
    }

    pub(super) fn resume(
        experiment: &Experiment,
        config: ModelConfig,
        data: &ExperimentData,
        checkpoints: &Path,
        device: &Device,
    ) -> Result<(Self, Hashes)> {
        let device = device.clone().autodiff();
        let backbone = experiment.weight_files.backbone.as_deref();
        let Checkpoint { info, model, folder, .. } = Checkpoint::load_with(checkpoints, backbone, &device)?;
        let progress = Progress::read(&folder)?;
        let other = [
            (info.model != config, "model"),
            (progress.seed != experiment.seed, "seed"),
            (progress.train != experiment.train, "[train] section"),
            (progress.data_sha256 != data.sha256, "data"),
        ];
        if let Some(&(_, what)) = other.iter().find(|(differs, _)| *differs) {
            return Err(ExperimentError::OtherTraining { folder, what }.into());
        }
        let optimizer = optimizer(&experiment.train)
            .load(folder.join(OPTIMIZER))
            .with_context(|| format!("the optimizer's state in {} can't be read", folder.display()))?;
        let (epoch, step) = (progress.epoch + 1, progress.step_in_epoch + 1);
        say(&if epoch > experiment.train.epochs {
            format!("{}: already trained, skipping", experiment.id)
        } else {
            format!("{}: resuming at epoch {epoch} of {}, step {step}", experiment.id, experiment.train.epochs)
        });
        let hashes = Hashes { backbone: info.backbone_sha256, decoder: info.decoder_sha256 };
        let experiment = experiment.clone();
        let since = (Instant::now(), 0);
        Ok((Self { experiment, config, device, model, optimizer, progress, since }, hashes))
    }

    pub(super) fn save(&self, checkpoints: &Path, info: &CheckpointInfo) -> Result<PathBuf> {
        let name = format!("step-{:03}-{:05}", self.progress.epoch, self.progress.step_in_epoch);
        let place = checkpoint::save(checkpoints, &name, info, &self.model, |folder| {
            let trainer = folder.join(TRAINER);
            std::fs::write(&trainer, checkpoint::to_json(&self.progress)?).map_err(FileError::at(&trainer))?;
            let path = folder.join(OPTIMIZER);
            let saved = save_sorted(&self.optimizer, &path);
            Ok(saved.map_err(|error| FileError { path, cause: std::io::Error::other(error.to_string()) })?)
        });
        place.map_err(|error| {
            let (folder, cause) = (checkpoints.to_owned(), error.to_string());
            ExperimentError::CheckpointNotWritten { folder, cause }.into()
        })
    }
}

/// Writes an optimizer's state with its tensors in the order of their names; burn's own order changes from one process to
/// the next. Equal trainings then leave equal files.
fn save_sorted(optimizer: &ModuleOptimizer, path: &Path) -> Result<()> {
    let state = Reader::from_bytes(optimizer.into_bytes()?)?;
    let (paths, scalars) = (state.metadata().clone(), state.scalars().clone());
    let mut tensors = state.into_tensors()?;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let writer = paths.iter().fold(Writer::new(tensors), |writer, (id, path)| writer.with_metadata(id, path));
    scalars.iter().fold(writer, |writer, (name, value)| writer.with_scalar(name, *value)).write_to_file(path)?;
    Ok(())
}

fn optimizer(train: &TrainConfig) -> ModuleOptimizer {
    AdamWConfig::new()
        .with_beta_1(0.9)
        .with_beta_2(0.999)
        .with_epsilon(1e-8)
        .with_weight_decay(train.weight_decay as f32)
        .init()
}
