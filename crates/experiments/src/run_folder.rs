//! A run's folder: one process at a time, and nothing in it is lost unasked.
//!
//! The folder of an experiment holds `checkpoints/`, `train.csv` and, once it is done, `done.json`; that of a suite one
//! such folder an experiment, `records/` and `report/`. What else lies there is never touched.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fastersam::checkpoint;
use fastersam_files::read_text;

use crate::error::ExperimentError;

/// In an experiment's folder once it is done: its configuration, so that another is not taken for it.
const DONE: &str = "done.json";
/// A configuration has a few KiB.
const MAX_BYTES: u64 = 1 << 20;

/// What to do about a run that a folder holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Say so and do nothing.
    Refuse,
    /// Continue what was interrupted and keep what is done.
    Resume,
    /// Remove it, once the new one can begin.
    Overwrite,
}

/// The folder of one experiment.
#[derive(Clone, Debug)]
pub struct RunFolder {
    /// The folder.
    pub path: PathBuf,
    /// What to do about a run that is in it.
    pub existing: Existing,
}

impl RunFolder {
    /// Where its checkpoints lie.
    #[must_use]
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The training's figures, a line an epoch.
    #[must_use]
    pub fn training_csv(&self) -> PathBuf {
        self.path.join("train.csv")
    }

    /// Whether training goes on from a checkpoint.
    #[must_use]
    pub fn resumes(&self) -> bool {
        self.existing == Existing::Resume && checkpoint::is_occupied(&self.checkpoints())
    }

    /// Refuses a folder with a run in it, unless that run is resumed or may be overwritten.
    ///
    /// # Errors
    /// There is one.
    pub fn check(&self) -> Result<(), ExperimentError> {
        let is_occupied = checkpoint::is_occupied(&self.checkpoints())
            || [self.path.join(DONE), self.training_csv()].iter().any(|file| file.exists());
        if is_occupied && self.existing == Existing::Refuse {
            return Err(ExperimentError::RunExists { folder: self.path.clone() });
        }
        Ok(())
    }

    /// Removes a run that may be overwritten; a later resumption must not go on from it.
    pub(crate) fn clear(&self) {
        if self.existing == Existing::Overwrite {
            checkpoint::remove_checkpoints(&self.checkpoints(), None);
            for file in [self.path.join(DONE), self.training_csv()] {
                let _ = std::fs::remove_file(file);
            }
        }
    }

    /// What `done.json` says, where a resumed run may go by it.
    pub(crate) fn done(&self) -> Option<String> {
        (self.existing == Existing::Resume).then(|| read_text(&self.path.join(DONE), MAX_BYTES).ok())?
    }

    /// Notes that the run is done.
    pub(crate) fn set_done(&self, experiment: &str) -> Result<()> {
        Ok(fastersam_files::write_atomically(&self.path.join(DONE), experiment.as_bytes())?)
    }

    /// Makes the folder.
    pub(crate) fn make(&self) -> Result<()> {
        let folder = self.checkpoints();
        std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))
    }
}

impl From<&Path> for RunFolder {
    /// A folder in which nothing may be yet.
    fn from(path: &Path) -> Self {
        Self { path: path.to_owned(), existing: Existing::Refuse }
    }
}
