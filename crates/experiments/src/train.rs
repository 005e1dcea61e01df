//! The training loop: random pausing, checkpoints that survive a kill, exact resumption.
//!
//! Every random draw comes from a generator keyed by (seed, epoch, step, purpose), so that a run that
//! was killed and resumed ends with the same weights, bit for bit, as one that was not.

mod state;
mod step;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use fastersam::checkpoint::{self, CheckpointInfo};
use fastersam::{FasterSam, ModelConfig, VolumeSegmenter};
use fastersam_datasets::{BatchLoader, SliceSet};
use fastersam_files::{FolderLock, remove_leftovers};
use fastersam_kernels::on_workers;

use crate::config::{Experiment, TrainConfig};
use crate::data::ExperimentData;
use crate::error::ExperimentError;
use crate::evaluate;
use crate::run_folder::RunFolder;
use fastersam_progress as progress;
use fastersam_records::EpochRow;
use state::Progress;
pub use state::training;

/// Threads that prepare batches ahead.
const LOADER_THREADS: usize = 2;

/// A trained model.
#[derive(Debug)]
pub struct Trained {
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// Training figures by epoch.
    pub rows: Vec<EpochRow>,
}

/// Trains an experiment's model in `folder`, from the start or, where that is asked for, from its last checkpoint.
///
/// # Errors
/// Where another process is at work in the folder or a run is in it already, where the loss stops being finite (names the
/// slices), files can't be written, the checkpoint belongs to another training, or the user interrupts.
pub fn train(
    experiment: &Experiment,
    data: &ExperimentData,
    folder: &RunFolder,
    device: &Device,
) -> Result<Trained> {
    let _lock = FolderLock::acquire(&folder.path)?;
    folder.check()?;
    for folder in [&folder.path, &folder.checkpoints()] {
        remove_leftovers(folder);
    }
    let config = experiment.model.resolve(data.labels.n_classes())?;
    let checkpoints = folder.checkpoints();
    let (mut trainer, hashes) = if folder.resumes() {
        Trainer::resume(experiment, config, data, &checkpoints, device)?
    } else {
        Trainer::start(experiment, config, data, device)?
    };
    folder.clear();
    folder.make()?;
    let (labels, intensity) = (data.labels.clone(), data.intensity.clone());
    let orientation = data.train[0].orientation;
    let info = CheckpointInfo {
        backbone_sha256: hashes.backbone,
        backbone_file: experiment.weight_files.backbone.clone(),
        decoder_sha256: hashes.decoder,
        decoder_file: experiment.weight_files.decoder.clone(),
        training_intensities: data.training_intensities,
        ..CheckpointInfo::new(trainer.config.clone(), labels, intensity, orientation, data.name.clone())
    };
    let set = SliceSet::new(data.train.clone(), trainer.config.input_size());
    let save = |trainer: &Trainer| trainer.save(&checkpoints, &info);
    while trainer.progress.epoch < experiment.train.epochs {
        let finished = trainer.run_epoch(&set, |trainer| save(trainer).map(|_| ()))?;
        if !finished {
            save(&trainer)?;
            return Err(ExperimentError::TrainingInterrupted { folder: checkpoints }.into());
        }
        if let Err(error) = trainer.end_epoch(data, &set) {
            // Interrupted while validating: the epoch's steps are kept.
            save(&trainer)?;
            return Err(error);
        }
        write_csv(&folder.training_csv(), &trainer.progress.rows)?;
        save(&trainer)?;
    }
    Ok(Trained { checkpoint: checkpoint::resolve(&checkpoints)?, rows: trainer.progress.rows })
}

struct Trainer {
    experiment: Experiment,
    config: ModelConfig,
    device: Device,
    model: FasterSam,
    optimizer: ModuleOptimizer,
    progress: Progress,
    /// When this process began the epoch under way, and the steps that it has done in it.
    since: (Instant, usize),
}

impl Trainer {
    /// Runs what is left of the epoch; false where the user interrupted.
    fn run_epoch(&mut self, set: &SliceSet, mut save: impl FnMut(&Self) -> Result<()>) -> Result<bool> {
        let (seed, epoch) = (self.experiment.seed, self.progress.epoch);
        let train = self.experiment.train.clone();
        let order = set.order(seed, epoch);
        let n_batches = BatchLoader::n_batches(order.len(), train.batch_size);
        let augment = train.augment.then_some((seed, epoch));
        let first = self.progress.step_in_epoch;
        let loader = BatchLoader::new(set, order, train.batch_size, first, augment, LOADER_THREADS);
        let title = format!("{} epoch {}/{}", self.experiment.id, epoch + 1, train.epochs);
        let bar = progress::bar(&title, n_batches, "steps");
        bar.set_position(first as u64);
        self.since = (Instant::now(), 0);
        for batch in loader {
            let step = epoch * n_batches + self.progress.step_in_epoch;
            let rate = learning_rate(&train, step, train.epochs * n_batches);
            let losses = on_workers(|| self.step(set, &batch, rate))?;
            for (sum, loss) in self.progress.sums.iter_mut().zip(losses) {
                *sum += loss;
            }
            self.progress.step_in_epoch += 1;
            self.since.1 += 1;
            bar.set_message(format!("loss {:.4}", losses[0]));
            bar.inc(1);
            if progress::interrupted() {
                bar.finish_and_clear();
                return Ok(false);
            }
            let at_end = self.progress.step_in_epoch == n_batches;
            if !at_end && (step + 1).is_multiple_of(train.checkpoint_every_steps.max(1)) {
                save(self)?;
            }
        }
        bar.finish_and_clear();
        Ok(true)
    }

    fn end_epoch(&mut self, data: &ExperimentData, set: &SliceSet) -> Result<()> {
        let train = &self.experiment.train;
        let n_batches = self.progress.step_in_epoch;
        let mean = self.progress.sums.map(|sum| sum / n_batches.max(1) as f64);
        let (started, steps) = self.since;
        let slices_per_s = (steps * train.batch_size) as f64 / started.elapsed().as_secs_f64().max(1e-9);
        let done = self.progress.epoch + 1;
        let validates = done.is_multiple_of(train.validate_every_epochs.max(1)) || done == train.epochs;
        let validation_dice = if validates {
            let segmenter = VolumeSegmenter::new(self.model.valid().prepack());
            evaluate::mean_dice(&segmenter, &self.config, &data.calibrate)?
        } else {
            None
        };
        let step = done * n_batches;
        self.progress.rows.push(EpochRow {
            epoch: done as u32,
            step: step as u64,
            loss: mean[0],
            ce: mean[1],
            dice: mean[2],
            aux: mean[3],
            validation_dice,
            learning_rate: learning_rate(train, step.saturating_sub(1), train.epochs * n_batches),
            slices_per_s,
        });
        progress::say(&format!(
            "{}: epoch {done}/{}, {}, loss {:.4}{}, {slices_per_s:.1} slices/s",
            self.experiment.id,
            train.epochs,
            progress::count(set.len(), "slice"),
            mean[0],
            validation_dice.map_or_else(String::new, |dice| format!(", Dice {dice:.4} on {}", data.calibrated_on)),
        ));
        self.progress.epoch = done;
        self.progress.step_in_epoch = 0;
        self.progress.sums = [0.0; 4];
        Ok(())
    }
}

/// Linear warm-up, then polynomial decay to zero.
fn learning_rate(train: &TrainConfig, step: usize, n_steps: usize) -> f64 {
    if step < train.warmup_steps {
        return train.learning_rate * (step + 1) as f64 / train.warmup_steps as f64;
    }
    let left = n_steps.saturating_sub(train.warmup_steps).max(1) as f64;
    let done = (step - train.warmup_steps) as f64 / left;
    train.learning_rate * (1.0 - done).max(0.0).powf(train.decay_power)
}

fn write_csv(path: &Path, rows: &[EpochRow]) -> Result<()> {
    let mut text = EpochRow::csv_header();
    for row in rows {
        text.push('\n');
        text.push_str(&row.to_csv());
    }
    text.push('\n');
    fastersam_files::write_atomically(path, text.as_bytes())?;
    Ok(())
}
