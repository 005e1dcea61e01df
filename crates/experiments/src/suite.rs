//! Running experiments: train, choose a pause setting, score, time, and leave records.

mod baselines;
mod pictures;
mod timing;

use std::path::PathBuf;

use anyhow::{Context, Result};
use burn::tensor::Device;
use fastersam::checkpoint;
use fastersam_pausing_encoder::{PauseSettings, Recommendation};

use crate::config::Experiment;
use crate::data::ExperimentData;
use crate::error::ExperimentError;
use crate::provenance::Origin;
use crate::trained_model::TrainedModel;
use crate::{calibrate, train};
use fastersam_progress::say;
use fastersam_records::{PauseRecord, Record, TokenRecord, write_record};

/// In an experiment's folder once it is done: its configuration, so that another is not taken for it.
const DONE: &str = "done.json";

/// Where experiments run and where their results go.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Folder of this suite's runs and records.
    pub folder: PathBuf,
    /// Folder that real data sets lie in.
    pub data: Option<PathBuf>,
    /// The device.
    pub device: Device,
    /// What provenance says of device and threads.
    pub origin: Origin,
    /// Continue what was interrupted and keep what is done.
    pub resume: bool,
}

impl Workspace {
    /// Where records lie.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.folder.join("records")
    }

    /// Where an experiment's checkpoints lie.
    #[must_use]
    pub fn run_folder(&self, experiment: &Experiment) -> PathBuf {
        self.folder.join(&experiment.id)
    }
}

/// Whether an experiment is done, which only a resumed run asks.
///
/// # Errors
/// Where the folder holds results of another configuration.
pub fn is_done(experiment: &Experiment, workspace: &Workspace) -> Result<bool> {
    let folder = workspace.run_folder(experiment);
    let Ok(before) = std::fs::read_to_string(folder.join(DONE)) else { return Ok(false) };
    if !workspace.resume {
        return Ok(false);
    }
    if before != checkpoint::to_json(experiment)? {
        return Err(ExperimentError::OtherConfiguration { folder }.into());
    }
    say(&format!("{}: already done, skipping", experiment.id));
    Ok(true)
}

/// Runs one experiment on its data, from training to records.
///
/// # Errors
/// Where training or measuring fail, or the user interrupts.
pub fn run(experiment: &Experiment, data: &ExperimentData, workspace: &Workspace) -> Result<()> {
    let folder = workspace.run_folder(experiment);
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    if !workspace.resume {
        // A later --resume must not go on from the run before.
        let _ = std::fs::remove_dir_all(folder.join("checkpoints"));
        let _ = std::fs::remove_file(folder.join(DONE));
    }
    let training = train::train(experiment, data, &folder, workspace.resume, &workspace.device)?;
    let weights = experiment.weight_files.backbone.as_deref();
    let (device, origin) = (&workspace.device, &workspace.origin);
    let trained = TrainedModel::load(experiment, data, &training.checkpoint, weights, device, origin)?;
    let run = Run { trained, workspace };
    run.write(run.trained.training(training.rows))?;
    if experiment.measure.baselines {
        run.baselines()?;
    }
    let settings = run.sweep();
    let recommended = run.calibrate(&settings)?;
    let chosen_on = data.calibrated_on.clone();
    checkpoint::recommend(
        &training.checkpoint,
        Recommendation { settings: settings[recommended].clone(), chosen_on },
    )?;
    run.score(&settings, recommended)?;
    run.time(&settings, recommended)?;
    fastersam_files::write_atomically(&folder.join(DONE), checkpoint::to_json(experiment)?.as_bytes())?;
    Ok(())
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
