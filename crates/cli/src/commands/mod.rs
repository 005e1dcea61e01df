//! The commands of the program: what each takes, and what it does.

pub mod bench;
pub mod calibrate;
pub mod cluster;
pub mod compare;
pub mod data;
pub mod devices;
pub mod evaluate;
pub mod export;
pub mod inspect;
mod model_card;
pub mod regress;
pub mod reproduce;
pub mod score;
pub mod segment;
pub mod train;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::Args;
use fastersam::checkpoint;
use serde::Serialize;

use fastersam::{PauseSettings, ProfileName, Recommendation};
use fastersam_experiments::config::Experiment;
use fastersam_experiments::data::ExperimentData;
use fastersam_experiments::run_folder::Existing;
use fastersam_progress::count;
use fastersam_records::NOTICE;

/// What is measured on what.
#[derive(Debug, Args)]
pub struct Measured {
    /// The trained model: a one-file model, or the folder of a run or of its checkpoint
    #[arg(long, short, value_name = "PATH")]
    model: PathBuf,
    /// Experiment file that names the data, for instance configs/experiments/phantom-heart.toml, or a built-in experiment:
    /// phantom-heart
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
    /// Folder for records; `fastersam report` draws them [default: the run's own, RUN/records; beside a one-file model,
    /// `records`]
    #[arg(long, value_name = "FOLDER")]
    records: Option<PathBuf>,
}

/// What to do where a folder holds a run already.
#[derive(Clone, Copy, Debug, Args)]
pub struct ExistingRun {
    /// Continue a run that was interrupted, and keep what is done
    #[arg(long)]
    resume: bool,
    /// Replace a run that is in the folder
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
}

impl ExistingRun {
    fn choice(self) -> Existing {
        match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Overwrite,
            _ => Existing::Refuse,
        }
    }
}

/// How many slices are computed at a time.
#[derive(Clone, Copy, Debug, Args)]
pub struct Batching {
    /// Slices at a time
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = batch_size)]
    batch_size: usize,
}

/// Memory grows with the slices of a batch.
fn batch_size(text: &str) -> Result<usize, String> {
    const MOST: usize = 4096;
    let size = text.parse().ok().filter(|size| (1..=MOST).contains(size));
    size.ok_or_else(|| format!("a whole number from 1 to {MOST} is needed"))
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
        if self.model.is_file() {
            return Ok(self.model.with_file_name("records"));
        }
        let checkpoint = checkpoint::resolve(&self.model)?;
        let run = checkpoint.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        Ok(run.join("records"))
    }
}

/// The folder that published results are read from: the one that is given, or that of a checkout in whose root the program
/// runs. Else those count that are built in.
pub fn published_folder(given: Option<&Path>) -> Option<PathBuf> {
    let here = Path::new("configs/published");
    given.or_else(|| Some(here).filter(|here| here.is_dir())).map(Path::to_owned)
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct Printing {
    /// Print JSON
    #[arg(long)]
    json: bool,
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
    /// Which tokens pause: `never`, `recommended` (what the model's calibration found), the name of a setting that
    /// `calibrate --profile` noted in the model, thresholds of the
    /// normalized entropy from 0 (nothing pauses) to 1, one for all pause points or one for each (0.1,0.05,0.05), or
    /// a table: 'pause_threshold = 0.1, criterion = "margin", context = "frozen_kv", min_active = 8',
    /// 'keep_ratio = [0.5, 0.5, 1.0]' [default: `segment` takes what is recommended, all else `never`]
    #[arg(long, value_name = "SETTING")]
    pause: Option<PauseChoice>,
}

/// A model's pause settings by name, beside the recommended one.
type Profiles = BTreeMap<ProfileName, Recommendation>;

/// What a user asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum PauseChoice {
    /// These settings.
    Given(PauseSettings),
    /// Those that the checkpoint recommends.
    Recommended,
    /// Those that the checkpoint has under this name.
    Profile(ProfileName),
}

impl FromStr for PauseChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "recommended" {
            return Ok(Self::Recommended);
        }
        if let Ok(name) = text.parse() {
            return Ok(Self::Profile(name));
        }
        text.parse().map(Self::Given).map_err(|error: fastersam::PauseError| error.0)
    }
}

impl PauseChoice {
    /// The settings; `recommended` and `profiles` are what the checkpoint says.
    ///
    /// # Errors
    /// The checkpoint recommends none, or has none of that name.
    pub fn settings(&self, recommended: Option<&Recommendation>, profiles: &Profiles) -> Result<PauseSettings> {
        match (self, recommended) {
            (Self::Given(settings), _) => Ok(settings.clone()),
            (Self::Recommended, Some(found)) => Ok(found.settings.clone()),
            (Self::Recommended, None) => bail!(
                "the checkpoint has no recommended pause setting; `fastersam calibrate` finds one. Give thresholds with \
                 --pause, for instance 0.1"
            ),
            (Self::Profile(name), _) => match profiles.get(name) {
                Some(found) => Ok(found.settings.clone()),
                None => {
                    let recommended = recommended.map(|_| "recommended");
                    let names = profiles.keys().map(ProfileName::as_str);
                    let known: Vec<&str> = ["never"].into_iter().chain(recommended).chain(names).collect();
                    bail!(
                        "the model has no pause setting `{name}`; choose {} or a threshold such as 0.1",
                        known.join(", ")
                    )
                }
            },
        }
    }
}

impl Pausing {
    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.pause.is_none()
    }

    /// The settings that were asked for; where nothing was, those that the checkpoint recommends, or else `never`.
    ///
    /// # Errors
    /// As [`PauseChoice::settings`].
    pub fn settings_or_recommended(
        &self,
        recommended: Option<&Recommendation>,
        profiles: &Profiles,
    ) -> Result<PauseSettings> {
        match (&self.pause, recommended) {
            (None, Some(found)) => Ok(found.settings.clone()),
            _ => self.settings(recommended, profiles),
        }
    }

    /// The settings that were asked for; `never` where nothing was.
    ///
    /// # Errors
    /// As [`PauseChoice::settings`].
    pub fn settings(&self, recommended: Option<&Recommendation>, profiles: &Profiles) -> Result<PauseSettings> {
        let choice = self.pause.as_ref();
        choice.map_or_else(|| Ok(PauseSettings::never()), |choice| choice.settings(recommended, profiles))
    }
}
