//! The training loop: random pausing, checkpoints that survive a kill, exact resumption.
//!
//! Every random draw comes from a generator keyed by (seed, epoch, step, purpose), so that a run that
//! was killed and resumed ends with the same weights, bit for bit, as one that was not.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use fastersam::checkpoint::{self, Checkpoint, CheckpointInfo};
use fastersam::loss::{one_hot, patch_fractions, segmentation_loss, soft_cross_entropy};
use fastersam::{FasterSam, ModelConfig};
use fastersam_datasets::{Batch, BatchLoader, KeyedRng, SliceSet};
use fastersam_kernels::resize_bilinear;
use fastersam_pausing_encoder::{PauseSettings, StageOutput};
use serde::{Deserialize, Serialize};

use crate::config::{Experiment, TrainConfig};
use crate::data::ExperimentData;
use crate::evaluate;
use crate::progress;
use crate::record::EpochRow;

/// Purpose of the draws that decide what pauses in a step.
const PAUSING: u64 = 3;
/// Threads that prepare batches ahead.
const LOADER_THREADS: usize = 2;

const OPTIMIZER: &str = "optimizer.bpk";
const TRAINER: &str = "trainer.json";

/// Where a training stands; lies in every checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    seed: u64,
    train: TrainConfig,
    /// Epochs done.
    epoch: usize,
    /// Steps done in the epoch under way.
    step_in_epoch: usize,
    /// Sums of loss, cross entropy, Dice loss and pause heads' loss over those steps.
    sums: [f64; 4],
    /// One row an epoch done.
    rows: Vec<EpochRow>,
}

/// SHA-256 of the weight files that a model started from.
struct Hashes {
    backbone: Option<String>,
    decoder: Option<String>,
}

/// A trained model.
#[derive(Debug)]
pub struct Trained {
    /// The last checkpoint.
    pub checkpoint: PathBuf,
    /// Training figures by epoch.
    pub rows: Vec<EpochRow>,
}

/// Trains an experiment's model in `folder`, from the start or, with `resume`, from its last checkpoint.
///
/// # Errors
/// Where the loss stops being finite (names the slices), files can't be written, the checkpoint belongs
/// to another training, or the user interrupts.
pub fn train(
    experiment: &Experiment,
    data: &ExperimentData,
    folder: &Path,
    resume: bool,
    device: &Device,
) -> Result<Trained> {
    run(experiment, data, folder, resume, device, usize::MAX)
}

/// Trains from the start and stops dead after `steps` steps, as a kill would: for the test of `resume`.
///
/// # Errors
/// As [`train`].
pub fn train_until(
    experiment: &Experiment,
    data: &ExperimentData,
    folder: &Path,
    device: &Device,
    steps: usize,
) -> Result<()> {
    run(experiment, data, folder, false, device, steps).map(|_| ())
}

fn run(
    experiment: &Experiment,
    data: &ExperimentData,
    folder: &Path,
    resume: bool,
    device: &Device,
    stop_after: usize,
) -> Result<Trained> {
    let config = experiment.model.resolve(data.labels.n_classes())?;
    let checkpoints = folder.join("checkpoints");
    std::fs::create_dir_all(&checkpoints)
        .with_context(|| format!("{} can't be made", checkpoints.display()))?;
    let (mut trainer, hashes) = if resume && checkpoints.join("latest").exists() {
        Trainer::resume(experiment, config, &checkpoints, device)?
    } else {
        Trainer::start(experiment, config, device)?
    };
    let info = CheckpointInfo {
        format: checkpoint::FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: trainer.config.clone(),
        labels: data.labels.clone(),
        intensity: data.intensity.clone(),
        orientation: data.train[0].orientation,
        dataset: data.name.clone(),
        backbone_sha256: hashes.backbone,
        backbone_file: experiment.weight_files.backbone.clone(),
        decoder_sha256: hashes.decoder,
        decoder_file: experiment.weight_files.decoder.clone(),
        recommended_thresholds: None,
    };
    let set = SliceSet::new(data.train.clone(), trainer.config.input_size());
    trainer.stop_after = stop_after;
    let save = |trainer: &Trainer| trainer.save(&checkpoints, &info);
    let mut last = checkpoints.clone();
    while trainer.progress.epoch < experiment.train.epochs {
        let finished = trainer.run_epoch(&set, |trainer| save(trainer).map(|_| ()))?;
        if trainer.stop_after == 0 {
            return Ok(Trained { checkpoint: last, rows: trainer.progress.rows });
        }
        if !finished {
            save(&trainer)?;
            bail!("interrupted; continue with --resume");
        }
        trainer.end_epoch(data, &set)?;
        write_csv(&folder.join("train.csv"), &trainer.progress.rows)?;
        last = save(&trainer)?;
    }
    if last == checkpoints {
        last = checkpoint::resolve(&checkpoints)?;
    }
    Ok(Trained { checkpoint: last, rows: trainer.progress.rows })
}

struct Trainer {
    experiment: Experiment,
    config: ModelConfig,
    device: Device,
    model: FasterSam,
    optimizer: ModuleOptimizer,
    progress: Progress,
    epoch_started: Instant,
    steps_since: usize,
    /// Steps until the run stops dead.
    stop_after: usize,
}

impl Trainer {
    fn start(experiment: &Experiment, config: ModelConfig, device: &Device) -> Result<(Self, Hashes)> {
        let device = device.clone().autodiff();
        let (model, pretrained) = config.init_from(&experiment.weight_files, experiment.seed, &device)?;
        for report in [&pretrained.backbone, &pretrained.decoder].into_iter().flatten() {
            progress::say(&format!(
                "{}: {}: {} tensors used, {} not, SHA-256 {}",
                experiment.id,
                report.architecture,
                report.used.len(),
                report.unused.len() + report.set_aside.len(),
                report.sha256
            ));
        }
        let counts = config.count_parameters(&model);
        progress::say(&format!("{}: {} of {} parameters are trained", experiment.id, counts.trained, counts.all));
        let hashes = Hashes {
            backbone: pretrained.backbone.map(|report| report.sha256),
            decoder: pretrained.decoder.map(|report| report.sha256),
        };
        let progress = Progress {
            seed: experiment.seed,
            train: experiment.train.clone(),
            epoch: 0,
            step_in_epoch: 0,
            sums: [0.0; 4],
            rows: Vec::new(),
        };
        let optimizer = optimizer(&experiment.train);
        Ok((Self::new(experiment, config, device, model, optimizer, progress), hashes))
    }

    fn resume(
        experiment: &Experiment,
        config: ModelConfig,
        checkpoints: &Path,
        device: &Device,
    ) -> Result<(Self, Hashes)> {
        let device = device.clone().autodiff();
        let backbone = experiment.weight_files.backbone.as_deref();
        let Checkpoint { info, model, folder, .. } = Checkpoint::load_with(checkpoints, backbone, &device)?;
        let path = folder.join(TRAINER);
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let progress: Progress =
            serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let same = info.model == config
            && progress.seed == experiment.seed
            && progress.train == experiment.train;
        if !same {
            bail!(
                "{} was trained with another model, seed or training configuration; resume with the \
                 same experiment file, or start anew in another folder",
                folder.display()
            );
        }
        let optimizer = optimizer(&experiment.train)
            .load(folder.join(OPTIMIZER))
            .with_context(|| format!("the optimiser's state in {} can't be read", folder.display()))?;
        let hashes = Hashes { backbone: info.backbone_sha256, decoder: info.decoder_sha256 };
        Ok((Self::new(experiment, config, device, model, optimizer, progress), hashes))
    }

    fn new(
        experiment: &Experiment,
        config: ModelConfig,
        device: Device,
        model: FasterSam,
        optimizer: ModuleOptimizer,
        progress: Progress,
    ) -> Self {
        let experiment = experiment.clone();
        let epoch_started = Instant::now();
        Self { experiment, config, device, model, optimizer, progress, epoch_started, steps_since: 0, stop_after: usize::MAX }
    }

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
        self.epoch_started = Instant::now();
        self.steps_since = 0;
        for batch in loader {
            let step = epoch * n_batches + self.progress.step_in_epoch;
            let rate = learning_rate(&train, step, train.epochs * n_batches);
            let losses = self.step(set, &batch, rate)?;
            for (sum, loss) in self.progress.sums.iter_mut().zip(losses) {
                *sum += loss;
            }
            self.progress.step_in_epoch += 1;
            self.steps_since += 1;
            bar.set_message(format!("loss {:.4}", losses[0]));
            bar.inc(1);
            if progress::interrupted() {
                return Ok(false);
            }
            self.stop_after -= 1;
            if self.stop_after == 0 {
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

    /// One step of the optimiser; gives loss, cross entropy, Dice loss and pause heads' loss.
    fn step(&mut self, set: &SliceSet, batch: &Batch, learning_rate: f64) -> Result<[f64; 4]> {
        let (b, s) = (batch.slices.len(), self.config.input_size());
        let n_classes = self.config.n_classes();
        let images = TensorData::new(batch.images.clone(), [b, 1, s, s]);
        let images = Tensor::<4>::from_data(images, &self.device);
        let settings = self.random_pausing();
        let output = self.model.forward(images, &settings)?;
        let logits = resize_bilinear(output.logits, s);
        let target = one_hot(&batch.labels, [b, s, s], n_classes, &self.device);
        let segmentation = segmentation_loss(logits, target);
        let aux = self.heads_loss(&output.stages, batch);
        let mut loss = segmentation.combined();
        if let Some(aux) = &aux {
            loss = loss + aux.clone().mul_scalar(self.experiment.train.lambda_aux);
        }
        let value = |tensor: Tensor<1>| f64::from(tensor.into_scalar::<f32>());
        let losses = [
            value(loss.clone()),
            value(segmentation.cross_entropy),
            value(segmentation.dice),
            aux.map_or(0.0, value),
        ];
        if !losses[0].is_finite() {
            let names: Vec<String> = batch.slices.iter().map(|&slice| set.name(slice)).collect();
            bail!(
                "the loss is {} at epoch {}, step {}; the batch holds: {}. The last checkpoint is intact. \
                 Look at these slices, or lower the learning rate",
                losses[0],
                self.progress.epoch + 1,
                self.progress.step_in_epoch + 1,
                names.join(", ")
            );
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        self.model = self.optimizer.step(learning_rate, self.model.clone(), gradients);
        Ok(losses)
    }

    /// The mean of the pause heads' losses over the tokens that were active at each.
    fn heads_loss(&self, stages: &[StageOutput], batch: &Batch) -> Option<Tensor<1>> {
        let (s, n_classes) = (self.config.input_size(), self.config.n_classes());
        let patch = self.config.encoder.patch_size;
        let fractions = patch_fractions(&batch.labels, s, patch, n_classes);
        let losses: Vec<Tensor<1>> = stages
            .iter()
            .filter(|stage| !stage.rows.is_empty())
            .map(|stage| {
                let rows: Vec<f32> = stage
                    .rows
                    .iter()
                    .flat_map(|&row| &fractions[row as usize * n_classes..(row as usize + 1) * n_classes])
                    .copied()
                    .collect();
                let target = TensorData::new(rows, [stage.rows.len(), n_classes]);
                soft_cross_entropy(stage.logits.clone(), Tensor::from_data(target, &self.device))
            })
            .collect();
        let n = losses.len();
        losses.into_iter().reduce(|a, b| a + b).map(|sum| sum.div_scalar(n as f64))
    }

    /// One step in four never pauses; in the others each point keeps a random share, the same in all
    /// images.
    fn random_pausing(&self) -> PauseSettings {
        let key = [PAUSING, self.progress.epoch as u64, self.progress.step_in_epoch as u64];
        let mut rng = KeyedRng::new(self.experiment.seed, &key);
        let points = &self.config.encoder.pause_points;
        let mut settings = if rng.below(4) == 0 || points.is_empty() {
            PauseSettings::never()
        } else {
            let ratio = |&point: &usize| rng.range(if point == 0 { 0.15 } else { 0.4 }, 1.0);
            PauseSettings::keep_ratio(points.iter().map(ratio).collect::<Vec<f64>>())
        };
        settings.score_heads = true;
        settings
    }

    fn end_epoch(&mut self, data: &ExperimentData, set: &SliceSet) -> Result<()> {
        let train = &self.experiment.train;
        let n_batches = self.progress.step_in_epoch;
        let mean = self.progress.sums.map(|sum| sum / n_batches.max(1) as f64);
        let seconds = self.epoch_started.elapsed().as_secs_f64();
        let done = self.progress.epoch + 1;
        let validates = done.is_multiple_of(train.validate_every_epochs.max(1)) || done == train.epochs;
        let validation_dice = if validates {
            let model = self.model.valid();
            let device = self.device.clone().inner();
            evaluate::mean_dice(&model, &self.config, &data.calibrate, &device)?
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
            slices_per_s: (self.steps_since * train.batch_size) as f64 / seconds.max(1e-9),
        });
        progress::say(&format!(
            "{}: epoch {done}/{}, {} slices, loss {:.4}{}, {:.1} slices/s",
            self.experiment.id,
            train.epochs,
            set.len(),
            mean[0],
            validation_dice.map_or_else(String::new, |dice| format!(", validation Dice {dice:.4}")),
            (self.steps_since * train.batch_size) as f64 / seconds.max(1e-9),
        ));
        self.progress.epoch = done;
        self.progress.step_in_epoch = 0;
        self.progress.sums = [0.0; 4];
        Ok(())
    }

    fn save(&self, checkpoints: &Path, info: &CheckpointInfo) -> Result<PathBuf> {
        let name = format!("step-{:03}-{:05}", self.progress.epoch, self.progress.step_in_epoch);
        let place = checkpoint::save(checkpoints, &name, info, &self.model, |folder| {
            checkpoint::write_synced(
                &folder.join(TRAINER),
                checkpoint::to_json(&self.progress)?.as_bytes(),
            )?;
            let path = folder.join(OPTIMIZER);
            self.optimizer.save(&path).map_err(|e| fastersam::FasterSamError::Checkpoint {
                path,
                reason: format!("the optimiser's state can't be written: {e}"),
            })
        })?;
        Ok(place)
    }
}

fn optimizer(train: &TrainConfig) -> ModuleOptimizer {
    AdamWConfig::new()
        .with_beta_1(0.9)
        .with_beta_2(0.999)
        .with_epsilon(1e-8)
        .with_weight_decay(train.weight_decay as f32)
        .init()
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
    checkpoint::write_atomically(path, text.as_bytes())?;
    Ok(())
}

/// Number of all and of trained parameters.
#[must_use]
pub fn count_parameters(model: &impl Module) -> (u64, u64) {
    struct Counter {
        all: u64,
        trained: u64,
    }
    impl ModuleVisitor for Counter {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let n = param.val().shape().num_elements() as u64;
            self.all += n;
            if param.is_require_grad() {
                self.trained += n;
            }
        }
    }
    let mut counter = Counter { all: 0, trained: 0 };
    model.visit(&mut counter);
    (counter.all, counter.trained)
}
