//! Experiment and suite files: what is trained on what, and what is measured.
//!
//! Files are TOML and refuse unknown keys. Any value can be overridden on the command line with
//! `train.epochs=3`; the layers are merged with the `config` crate.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fastersam::{ModelOptions, WeightPaths};
use fastersam_datasets::phantom::Phantom;
use fastersam_datasets::{AxisOrder, LabelScheme};
use fastersam_files::read_text;
use fastersam_pausing_encoder::{PausePolicy, PauseSettings};
use serde::{Deserialize, Serialize};

use crate::bounds::BOUNDS;
use crate::built_in;
use crate::error::ExperimentError;
use crate::suite::slurm::Cluster;

/// Experiment files have a few KiB.
const MAX_BYTES: u64 = 1 << 20;

/// One experiment: a data set, a model, its training and what is measured on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Short name, used in file names.
    pub id: String,
    /// What the report calls it.
    pub title: String,
    /// Seed of every random draw.
    #[serde(default = "one")]
    pub seed: u64,
    /// The data.
    pub data: DataConfig,
    /// The model.
    pub model: ModelOptions,
    /// Its training.
    #[serde(default)]
    pub train: TrainConfig,
    /// What is measured.
    #[serde(default)]
    pub measure: MeasureConfig,
    /// Folder of the file that this was read from. Weight files are looked for there.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The weight files that the model names, where they were found.
    #[serde(skip)]
    pub weight_files: WeightPaths,
}

/// Where the cases come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataConfig {
    /// Generated volumes; training, calibration and test phantoms are different ones.
    Phantom {
        /// The family.
        family: Phantom,
        /// Number of training volumes.
        train_cases: usize,
        /// Number of volumes that choose the recommended pause setting.
        calibrate_cases: usize,
        /// Number of volumes that are scored.
        evaluate_cases: usize,
    },
    /// Synapse multi-organ CT in any of its forms.
    Synapse {
        /// Its folder, relative to `--data`.
        folder: PathBuf,
        /// The label scheme of the files.
        label_scheme: LabelScheme,
        /// The order of the axes in npz and h5 files.
        #[serde(default)]
        axes: AxisOrder,
        /// Split to train on.
        train: String,
        /// Which cases choose the pause setting.
        calibrate: Calibrate,
        /// Split to score.
        evaluate: String,
        /// What a reader must know beside a published row.
        note: Option<String>,
    },
    /// ACDC in any of its forms.
    Acdc {
        /// Its folder, relative to `--data`.
        folder: PathBuf,
        /// Whether the files' spacing is that of the scans; else distances are given in voxels only.
        #[serde(default = "yes")]
        spacing_known: bool,
        /// The order of the axes in npz and h5 files.
        #[serde(default)]
        axes: AxisOrder,
        /// Split to train on.
        train: String,
        /// Which cases choose the pause setting.
        calibrate: Calibrate,
        /// Split to score.
        evaluate: String,
        /// What a reader must know beside a published row.
        note: Option<String>,
    },
    /// A prepared data set, or one's own files as a TOML file describes them.
    Files {
        /// The folder or the TOML file, relative to `--data` where that is given, else to the experiment's own file.
        path: PathBuf,
        /// Split to train on.
        train: String,
        /// Which cases choose the pause setting.
        calibrate: Calibrate,
        /// Split to score.
        evaluate: String,
        /// What a reader must know beside a published row.
        note: Option<String>,
    },
}

/// Which cases choose the pause setting and tell, after each epoch, how good the model is.
///
/// Patients, where a patient has several scans, stay together: the numbers are numbers of patients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "the name of a split, { hold_out = N } or { from_training = N } was expected")]
pub enum Calibrate {
    /// The cases of another split than those that are trained on or scored.
    Split(String),
    /// Cases of the training split, at even distances in its order, that are not trained on.
    HoldOut(HoldOut),
    /// Cases of the training split that are trained on as well; every result says so.
    FromTraining(FromTraining),
}

/// Number of cases that leave the training set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldOut {
    /// Number of cases or patients.
    pub hold_out: usize,
}

/// Number of cases that stay in the training set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromTraining {
    /// Number of cases or patients.
    pub from_training: usize,
}

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training slices.
    pub epochs: usize,
    /// Slices a step.
    pub batch_size: usize,
    /// Learning rate after the warm-up.
    pub learning_rate: f64,
    /// Steps in which the learning rate rises linearly.
    pub warmup_steps: usize,
    /// Exponent of the polynomial decay after the warm-up.
    pub decay_power: f64,
    /// Decoupled weight decay of `AdamW`.
    pub weight_decay: f64,
    /// Weight of the pause heads' loss.
    pub lambda_aux: f64,
    /// Whether slices are turned, flipped and rotated.
    pub augment: bool,
    /// Validation Dice is measured after each this many epochs, and after the last.
    pub validate_every_epochs: usize,
    /// A checkpoint is written after each this many steps, and after each epoch.
    pub checkpoint_every_steps: usize,
}

/// What is measured on a trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureConfig {
    /// Slices a batch while scoring.
    pub batch_size: usize,
    /// Entropy thresholds of the sweep, used at all pause points; with and without stage 0.
    pub thresholds: Vec<f64>,
    /// What the settings of the sweep have beside their thresholds: criterion, context, tokens that stay.
    pub pause: PauseSettings,
    /// The recommended setting saves most among those that lose at most this much Dice on the
    /// calibration cases.
    pub dice_tolerance: f64,
    /// Batch sizes of the throughput measurement.
    pub throughput_batch_sizes: Vec<usize>,
    /// Timed rounds of the throughput measurement.
    pub throughput_runs: usize,
    /// Whether an untrained model and a per-pixel classifier are scored beside the model.
    pub baselines: bool,
    /// Slices that the report shows.
    pub shown_slices: usize,
}

impl Default for TrainConfig {
    /// Enough for a small model on some dozen scans.
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 8,
            learning_rate: 1e-3,
            warmup_steps: 50,
            decay_power: 0.9,
            weight_decay: 0.05,
            lambda_aux: 0.3,
            augment: true,
            validate_every_epochs: 1,
            checkpoint_every_steps: 200,
        }
    }
}

impl Default for MeasureConfig {
    fn default() -> Self {
        Self {
            batch_size: 8,
            thresholds: vec![0.005, 0.02, 0.05, 0.1, 0.2, 0.4],
            pause: PauseSettings::default(),
            dice_tolerance: 0.003,
            throughput_batch_sizes: vec![1, 8],
            throughput_runs: 5,
            baselines: false,
            shown_slices: 3,
        }
    }
}

/// A list of experiments that make one report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// What the report is called.
    pub title: String,
    /// Experiment files, relative to the suite's folder.
    pub experiments: Vec<PathBuf>,
    /// Every experiment is run with each of these seeds; none: with its own, once.
    #[serde(default)]
    pub seeds: Vec<u64>,
    /// What a job asks a cluster for.
    #[serde(default)]
    pub cluster: Cluster,
}

fn yes() -> bool {
    true
}
fn one() -> u64 {
    1
}

impl Experiment {
    /// Reads an experiment file and applies `key=value` overrides. The name of a [built-in](built_in::EXPERIMENTS) one will do
    /// where no file is called so.
    ///
    /// # Errors
    /// Where the file can't be read, holds an unknown key or lacks one.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let built_in = path.to_str().and_then(|name| built_in::text(&built_in::EXPERIMENTS, name));
        match built_in.filter(|_| !path.exists()) {
            Some(text) => Self::parse(text, overrides)
                .with_context(|| format!("in an override or in the built-in experiment {}", path.display())),
            None if !path.exists() => {
                let known = built_in::EXPERIMENTS.map(|(name, _)| name).join(", ");
                bail!(
                    "{} does not exist; give an experiment file, or the name of a built-in experiment: {known}",
                    path.display()
                )
            }
            None => Self::read_file(path, overrides),
        }
    }

    fn read_file(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = read_text(path, MAX_BYTES)?;
        let place = if overrides.is_empty() { "in" } else { "in an override or in" };
        let experiment = Self::parse(&text, overrides);
        let mut experiment = experiment.with_context(|| format!("{place} {}", path.display()))?;
        path.parent().unwrap_or(Path::new("")).clone_into(&mut experiment.folder);
        Ok(experiment)
    }

    /// Finds the weight files that the model names: in `given` (a folder, or the backbone's file itself),
    /// else relative to the experiment's own file.
    ///
    /// # Errors
    /// Where one is in neither place, or where a backbone that is not trained has none.
    pub fn find_weights(&mut self, given: Option<&Path>) -> Result<()> {
        let find = |name: &Path| {
            let places = [given.map(|folder| folder.join(name)), Some(self.folder.join(name))];
            let places: Vec<PathBuf> = places.into_iter().flatten().collect();
            let Some(found) = places.iter().find(|place| place.is_file()) else {
                let tried: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
                let (id, name, tried) = (self.id.clone(), name.to_owned(), tried.join(" and "));
                return Err(ExperimentError::WeightsNotFound { id, name, tried }.into());
            };
            std::path::absolute(found).with_context(|| format!("{} has no absolute path", found.display()))
        };
        let backbone = match (given, &self.model.weights) {
            (Some(file), _) if file.is_file() => Some(file.to_owned()),
            (_, Some(name)) => Some(find(name)?),
            (_, None) => None,
        };
        let decoder = self.model.decoder_weights.as_deref().map(find).transpose()?;
        if backbone.is_none() && self.model.preset.is_pretrained() {
            return Err(ExperimentError::NoWeights { id: self.id.clone() }.into());
        }
        self.weight_files = WeightPaths { backbone, decoder };
        Ok(())
    }

    /// Parses an experiment and applies `key=value` overrides.
    ///
    /// # Errors
    /// Where it holds an unknown key, lacks one, or asks for what can't be.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self> {
        let mut builder =
            config::Config::builder().add_source(config::File::from_str(text, config::FileFormat::Toml));
        for entry in overrides {
            let (key, value) = entry
                .split_once('=')
                .with_context(|| format!("the override {entry:?} is not of the form key=value"))?;
            // The value in TOML's own syntax; what that can't parse is text.
            let value = toml_value(value);
            builder = builder.set_override(key, value).with_context(|| format!("in the override {entry:?}"))?;
        }
        let experiment: Self = builder.build()?.try_deserialize()?;
        experiment.validate()?;
        Ok(experiment)
    }

    /// One experiment a seed, each with an id of its own; the experiment itself where there are no seeds.
    fn with_seeds(self, seeds: &[u64]) -> Vec<Self> {
        if seeds.is_empty() {
            return vec![self];
        }
        let of_seed = |&seed: &u64| Self { id: format!("{}-seed-{seed}", self.id), seed, ..self.clone() };
        seeds.iter().map(of_seed).collect()
    }

    fn validate(&self) -> Result<()> {
        let plain = self.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if self.id.is_empty() || !plain {
            bail!("the id {:?} must consist of letters, digits, - and _", self.id);
        }
        if let Err(reason) = fastersam::bounds::check(self, BOUNDS) {
            bail!(reason);
        }
        if self.measure.pause.policy != PausePolicy::Never {
            bail!("[measure] pause takes no thresholds or ratios: those of the sweep are `thresholds`");
        }
        if !self.measure.thresholds.is_empty() {
            self.measure.pause.with_thresholds(self.measure.thresholds.clone()).validate_values()?;
        }
        // Any number of classes will do: before the data are read, the parts of the model must fit.
        self.model.resolve(2).context("in [model]")?;
        Ok(())
    }
}

impl Suite {
    /// Reads a suite and its experiments.
    ///
    /// # Errors
    /// Where one of the files can't be read or parsed.
    pub fn read(path: &Path, overrides: &[String]) -> Result<(Self, Vec<Experiment>)> {
        let text = read_text(path, MAX_BYTES)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, path, |file| Experiment::read_file(&beside(folder, file), overrides))
    }

    /// A [built-in](built_in::SUITES) suite with its experiments; none if no suite is called so.
    pub fn built_in(name: &str, overrides: &[String]) -> Option<Result<(Self, Vec<Experiment>)>> {
        let text = built_in::text(&built_in::SUITES, name)?;
        Some(Self::parse(text, Path::new(name), |file| {
            let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let text = built_in::text(&built_in::EXPERIMENTS, stem);
            let text = text.with_context(|| format!("the experiment {stem} is not built in"))?;
            Experiment::parse(text, overrides)
                .with_context(|| format!("in an override or in the built-in experiment {stem}"))
        }))
    }

    fn parse(
        text: &str,
        path: &Path,
        read: impl Fn(&Path) -> Result<Experiment>,
    ) -> Result<(Self, Vec<Experiment>)> {
        let suite: Self = toml::from_str(text).with_context(|| format!("in {}", path.display()))?;
        let experiments = suite.experiments.iter().map(|file| read(file)).collect::<Result<Vec<Experiment>>>()?;
        let experiments: Vec<Experiment> =
            experiments.into_iter().flat_map(|experiment| experiment.with_seeds(&suite.seeds)).collect();
        for (at, experiment) in experiments.iter().enumerate() {
            if experiments[..at].iter().any(|other| other.id == experiment.id) {
                bail!(
                    "two experiments of {} have the id {:?}: they would share a folder",
                    path.display(),
                    experiment.id
                );
            }
        }
        Ok((suite, experiments))
    }
}

/// The path of a file relative to a folder, without `..` where that is possible: messages show it.
fn beside(folder: &Path, file: &Path) -> PathBuf {
    match (file.strip_prefix(".."), folder.parent(), folder.file_name()) {
        (Ok(rest), Some(parent), Some(_)) => beside(parent, rest),
        _ => folder.join(file),
    }
}

fn toml_value(text: &str) -> config::Value {
    #[derive(Deserialize)]
    struct Wrapper {
        value: config::Value,
    }
    toml::from_str::<Wrapper>(&format!("value = {text}"))
        .map_or_else(|_| config::Value::from(text), |wrapper| wrapper.value)
}
