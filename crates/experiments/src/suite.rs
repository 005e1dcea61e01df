//! Running experiments: train, choose a pause setting, score, time, and leave records.

mod baselines;
pub mod cells;
mod pictures;
pub mod slurm;
mod timing;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use fastersam::checkpoint;
use fastersam_pausing_encoder::{PauseSettings, Recommendation};

use crate::config::Experiment;
use crate::data::{self, ExperimentData};
use crate::error::ExperimentError;
use crate::provenance::Origin;
use crate::run_folder::{Existing, RunFolder};
use crate::trained_model::TrainedModel;
use crate::{calibrate, train};
use fastersam_files::{FolderLock, remove_leftovers};
use fastersam_progress::{interrupted, say};
use fastersam_records::{PauseRecord, Record, TokenRecord, has_records, remove_records, write_record};

/// Where experiments run and where their results go.
#[derive(Debug)]
pub struct Workspace {
    /// Folder of this suite's runs and records.
    folder: PathBuf,
    /// Folder that real data sets lie in.
    data: Option<PathBuf>,
    /// The device.
    device: Device,
    /// What provenance says of device and threads.
    origin: Origin,
    /// What to do about runs that are there already.
    existing: Existing,
    /// Held to the end; none where other processes work in the folder too.
    lock: Option<FolderLock>,
}

impl Workspace {
    /// Takes the folder for this process.
    ///
    /// # Errors
    /// Another process has taken it, or it can't be made.
    pub fn open(
        folder: &Path,
        data: Option<&Path>,
        existing: Existing,
        device: Device,
        origin: Origin,
    ) -> Result<Self> {
        let lock = FolderLock::acquire(folder)?;
        let shared = Self::shared(folder, data, device, origin)?;
        remove_leftovers(folder);
        Ok(Self { existing, lock: Some(lock), ..shared })
    }

    /// Works in a folder in which others may be at work on other cells, and continues what was begun.
    ///
    /// # Errors
    /// It can't be made.
    pub fn shared(folder: &Path, data: Option<&Path>, device: Device, origin: Origin) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            data: data.map(Path::to_owned),
            device,
            origin,
            existing: Existing::Resume,
            lock: None,
        })
    }

    /// Where records lie.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.folder.join("records")
    }

    /// Where an experiment's checkpoints lie, and what becomes of those that are there.
    fn run_folder(&self, experiment: &Experiment) -> RunFolder {
        RunFolder { path: self.folder.join(&experiment.id), existing: self.existing }
    }

    /// Runs experiments one after the other and keeps what is done, where a run is resumed.
    ///
    /// # Errors
    /// Where the folder holds results already and nobody asked to resume or overwrite them, where data are missing or
    /// broken, training or measuring fail, or the user interrupts. Nothing is removed before the first data are read.
    pub fn run(&self, experiments: &[Experiment]) -> Result<()> {
        for experiment in experiments {
            self.run_folder(experiment).check()?;
            if self.existing == Existing::Refuse && has_records(&self.records(), &experiment.id) {
                return Err(ExperimentError::RunExists { folder: self.folder.clone() }.into());
            }
        }
        for experiment in experiments {
            self.run_cell(experiment)?;
        }
        Ok(())
    }

    /// Runs one experiment, unless it is done or another process is at it.
    ///
    /// # Errors
    /// As [`run`](Self::run); in a shared folder, what went wrong is noted in the experiment's.
    pub fn run_cell(&self, experiment: &Experiment) -> Result<()> {
        let context = || format!("experiment {}", experiment.id);
        let Some(_claim) = cells::claim(&self.folder, experiment)? else {
            say(&format!("{}: another process is at it, skipping", experiment.id));
            return Ok(());
        };
        if self.is_done(experiment).with_context(context)? {
            return Ok(());
        }
        cells::forget_failure(&self.folder, experiment);
        let done = self.compute(experiment).with_context(context);
        // Where processes share the folder, nobody watches each of them.
        if let Err(error) = &done
            && self.lock.is_none()
            && !interrupted()
        {
            cells::note_failure(&self.folder, experiment, error)?;
        }
        done
    }

    fn compute(&self, experiment: &Experiment) -> Result<()> {
        say(&format!("{}: reading data", experiment.id));
        let data = data::load(experiment, self.data.as_deref())?;
        if self.existing == Existing::Overwrite {
            remove_records(&self.records(), &experiment.id);
        }
        self.run_one(experiment, &data)
    }

    fn is_done(&self, experiment: &Experiment) -> Result<bool> {
        let folder = self.run_folder(experiment);
        let Some(before) = folder.done() else { return Ok(false) };
        if before != checkpoint::to_json(experiment)? {
            return Err(ExperimentError::OtherConfiguration { folder: folder.path }.into());
        }
        say(&format!("{}: already done, skipping", experiment.id));
        Ok(true)
    }

    /// Runs one experiment on its data, from training to records.
    fn run_one(&self, experiment: &Experiment, data: &ExperimentData) -> Result<()> {
        let folder = self.run_folder(experiment);
        let training = train::train(experiment, data, &folder, &self.device)?;
        let weights = experiment.weight_files.backbone.as_deref();
        let (device, origin) = (&self.device, &self.origin);
        let trained = TrainedModel::load(experiment, data, &training.checkpoint, weights, device, origin)?;
        let run = Run { trained, workspace: self };
        run.write(run.trained.training(training.rows))?;
        if experiment.measure.baselines {
            run.baselines()?;
        }
        let settings = run.sweep();
        let recommended = run.calibrate(&settings)?;
        let chosen_on = data.calibrated_on.clone();
        let recommendation = Recommendation { settings: settings[recommended].clone(), chosen_on };
        let batch_size = experiment.measure.batch_size;
        let keep_largest = calibrate::keep_largest(&run.trained, &recommendation.settings, batch_size)?;
        checkpoint::recommend(&training.checkpoint, recommendation, keep_largest)?;
        run.score(&settings, recommended)?;
        run.time(&settings, recommended)?;
        folder.set_done(&checkpoint::to_json(experiment)?)
    }
}

/// A trained model on its way to its records.
struct Run<'a> {
    trained: TrainedModel<'a>,
    workspace: &'a Workspace,
}

impl Run<'_> {
    fn write(&self, record: impl Into<Record>) -> Result<()> {
        write_record(&self.workspace.records(), &record.into())?;
        Ok(())
    }

    /// `never`, and every threshold: first at the points after blocks, then at stage 0 as well.
    fn sweep(&self) -> Vec<PauseSettings> {
        let all = self.trained.points();
        let measure = &self.trained.experiment.measure;
        let at = |threshold: f64, first: usize| {
            let thresholds: Vec<f64> = all.iter().map(|&p| if p < first { 0.0 } else { threshold }).collect();
            measure.pause.with_thresholds(thresholds)
        };
        let firsts: &[usize] = if all.first() == Some(&0) { &[1, 0] } else { &[1] };
        let thresholds = firsts.iter().flat_map(|&first| measure.thresholds.iter().map(move |&t| at(t, first)));
        std::iter::once(PauseSettings::never()).chain(thresholds).collect()
    }

    /// The setting that saves most within the tolerance on the calibration cases.
    fn calibrate(&self, settings: &[PauseSettings]) -> Result<usize> {
        let measure = &self.trained.experiment.measure;
        let best = calibrate::choose(&self.trained, settings, measure.dice_tolerance, measure.batch_size)?;
        say(&format!(
            "{}: recommended setting: {}, chosen on {}",
            self.trained.experiment.id,
            settings[best].full_label(self.trained.points()),
            self.trained.data.calibrated_on
        ));
        Ok(best)
    }

    /// Scores all settings on the evaluation cases.
    fn score(&self, settings: &[PauseSettings], recommended: usize) -> Result<()> {
        let TrainedModel { experiment, data, .. } = self.trained;
        for (i, setting) in settings.iter().enumerate() {
            let found =
                self.trained.evaluate(&data.evaluate, setting, experiment.measure.batch_size, "scoring")?;
            let pause = self.pause_record(setting, i == recommended);
            if i == 0 || i == recommended {
                self.pictures(&found, &pause)?;
            }
            let active = shares(&found.tokens);
            let record = self.trained.evaluation(found, pause);
            say(&format!(
                "{}: {:<24} Dice {:.4}, active {active}, {:.0} % of the encoder's MACs saved",
                experiment.id,
                setting.full_label(self.trained.points()),
                record.summary.transunet.dice.unwrap_or(0.0),
                100.0 * record.cost.as_ref().map_or(0.0, |cost| cost.encoder_macs_saved),
            ));
            self.write(record)?;
        }
        Ok(())
    }

    fn pause_record(&self, settings: &PauseSettings, recommended: bool) -> PauseRecord {
        self.trained.pause(settings, recommended.then(|| self.trained.data.calibrated_on.clone()))
    }
}

fn shares(tokens: &TokenRecord) -> String {
    let shares: Vec<String> = tokens.active_share_after_stage.iter().map(|share| format!("{share:.3}")).collect();
    shares.join(" / ")
}
