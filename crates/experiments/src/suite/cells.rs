//! The cells of a suite: one experiment each, from training to records. Processes on any machine that see the folder work on
//! one suite together: each claims a cell, and a claim ends with its process, however that ends.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fastersam::checkpoint;
use fastersam_files::{FolderLock, LockError, read_text, sha256, write_atomically};
use serde::{Deserialize, Serialize};

use crate::config::Experiment;
use crate::provenance::now;
use crate::run_folder::{Existing, RunFolder};
use crate::suite::slurm::LOGS;

/// In an experiment's folder after it failed.
const FAILED: &str = "failed.json";
/// What a failure says is short.
const MAX_BYTES: u64 = 1 << 20;
/// Whoever looks at the status holds a claim for a moment: a claim is tried so often, so far apart.
const TRIES: (usize, Duration) = (20, Duration::from_millis(50));

/// Why a cell failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What went wrong.
    pub error: String,
    /// When, RFC 3339 in UTC.
    pub date: String,
    /// Which process failed, on which host.
    pub holder: String,
}

/// Where a cell stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Its records are there.
    Done,
    /// A process is at it.
    Running {
        /// Process and host.
        holder: String,
    },
    /// It failed the last time that it was tried.
    Failed(Failure),
    /// It was begun; whoever takes it up goes on from here.
    Begun {
        /// The newest checkpoint.
        checkpoint: String,
    },
    /// Nobody has begun it.
    Missing,
    /// The folder holds another configuration's results.
    Other,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Its number in the suite, from 0.
    pub index: usize,
    /// The experiment.
    pub id: String,
    /// Hash of everything in the configuration that determines it.
    pub key: String,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// What its job printed, where it was one.
    pub log: Option<PathBuf>,
}

impl Cell {
    /// Whether it still has to be computed, and nobody is at it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Failed(_) | State::Begun { .. } | State::Missing)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Done => "done".to_owned(),
            State::Running { holder } => format!("running: {holder}"),
            State::Failed(Failure { error, date, .. }) => format!("failed at {date}: {error}"),
            State::Begun { checkpoint } => format!("begun: {checkpoint}"),
            State::Missing => "missing".to_owned(),
            State::Other => "holds the results of another configuration".to_owned(),
        };
        write!(formatter, "{:>4}  {}  {:<32} {state}", self.index, self.key, self.id)?;
        if let (Some(log), false) = (&self.log, self.state == State::Done) {
            write!(formatter, "  ({})", log.display())?;
        }
        Ok(())
    }
}

/// Hash of everything in an experiment's configuration.
///
/// # Errors
/// Where it can't be written as JSON.
pub fn key(experiment: &Experiment) -> Result<String> {
    Ok(sha256([checkpoint::to_json(experiment)?.as_bytes()])[..12].to_owned())
}

/// The cells of a suite and where each stands.
///
/// # Errors
/// Where a file of the folder can't be read.
pub fn cells(folder: &Path, experiments: &[Experiment]) -> Result<Vec<Cell>> {
    let cell = |(index, experiment): (usize, &Experiment)| {
        let log = log_of(folder, index);
        Ok(Cell {
            index,
            id: experiment.id.clone(),
            key: key(experiment)?,
            state: state(folder, experiment)?,
            log: log.exists().then_some(log),
        })
    };
    experiments.iter().enumerate().map(cell).collect()
}

/// Where the job of a cell writes what it prints.
#[must_use]
pub fn log_of(folder: &Path, index: usize) -> PathBuf {
    folder.join(LOGS).join(format!("cell-{index}.log"))
}

fn state(folder: &Path, experiment: &Experiment) -> Result<State> {
    let run = RunFolder { path: folder.join(&experiment.id), existing: Existing::Resume };
    if let Some(done) = run.done() {
        return Ok(if done == checkpoint::to_json(experiment)? { State::Done } else { State::Other });
    }
    let claim = claim_of(folder, experiment);
    if claim.exists()
        && let Err(LockError::Busy { holder, .. }) = FolderLock::acquire(&claim)
    {
        return Ok(State::Running { holder });
    }
    let failed = run.path.join(FAILED);
    if failed.exists() {
        let text = read_text(&failed, MAX_BYTES)?;
        let failure = serde_json::from_str(&text).with_context(|| format!("in {}", failed.display()))?;
        return Ok(State::Failed(failure));
    }
    Ok(match checkpoint::resolve(&run.checkpoints()) {
        Ok(newest) => {
            let name = newest.file_name().unwrap_or_default();
            State::Begun { checkpoint: name.to_string_lossy().into_owned() }
        }
        Err(_) => State::Missing,
    })
}

/// The folder whose lock is the claim; it goes with the claim.
fn claim_of(folder: &Path, experiment: &Experiment) -> PathBuf {
    folder.join(format!(".claim-{}", experiment.id))
}

/// Takes a cell for this process; none where another one has it.
///
/// # Errors
/// Where the claim can't be written.
pub(super) fn claim(folder: &Path, experiment: &Experiment) -> Result<Option<FolderLock>> {
    let claim = claim_of(folder, experiment);
    let (tries, pause) = TRIES;
    for _ in 0..tries {
        match FolderLock::acquire(&claim) {
            Ok(lock) => return Ok(Some(lock)),
            Err(LockError::Busy { .. }) => std::thread::sleep(pause),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Notes why a cell failed, for whoever asks later.
pub(super) fn note_failure(folder: &Path, experiment: &Experiment, error: &anyhow::Error) -> Result<()> {
    let holder = format!("process {}", std::process::id());
    let failure = Failure { error: format!("{error:#}"), date: now(), holder };
    let path = folder.join(&experiment.id);
    std::fs::create_dir_all(&path).with_context(|| format!("{} can't be made", path.display()))?;
    Ok(write_atomically(&path.join(FAILED), serde_json::to_string_pretty(&failure)?.as_bytes())?)
}

/// Forgets an earlier failure.
pub(super) fn forget_failure(folder: &Path, experiment: &Experiment) {
    let _ = std::fs::remove_file(folder.join(&experiment.id).join(FAILED));
}

/// The experiment of a cell, by its number or its id.
///
/// # Errors
/// Where the suite has no such cell.
pub fn choose<'a>(experiments: &'a [Experiment], cell: &str) -> Result<&'a Experiment> {
    let by_number = cell.parse().ok().and_then(|index: usize| experiments.get(index));
    let found = by_number.or_else(|| experiments.iter().find(|experiment| experiment.id == cell));
    match found {
        Some(experiment) => Ok(experiment),
        None => bail!("the suite has no cell {cell:?}; it has {} cells, from 0", experiments.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(more: &[&str]) -> Result<Experiment> {
        let overrides: Vec<String> = more.iter().map(|&text| text.to_owned()).collect();
        Experiment::read("phantom-heart".as_ref(), &overrides)
    }

    #[test]
    fn whatever_determines_a_cell_is_in_its_key() -> Result<()> {
        let before = key(&experiment(&[])?)?;
        assert_eq!(before, key(&experiment(&[])?)?);
        for change in [
            "seed=2",
            "train.epochs=3",
            "data.evaluate_cases=3",
            "model.input_size=64",
            "measure.thresholds=[0.5]",
        ] {
            assert_ne!(before, key(&experiment(&[change])?)?, "{change}");
        }
        Ok(())
    }

    #[test]
    fn a_cell_is_had_by_one_and_its_state_says_by_whom() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let experiment = experiment(&[])?;
        let look =
            || -> Result<State> { Ok(cells(folder.path(), std::slice::from_ref(&experiment))?.remove(0).state) };
        assert_eq!(look()?, State::Missing);
        let held = claim(folder.path(), &experiment)?;
        assert!(held.is_some() && claim(folder.path(), &experiment)?.is_none());
        assert!(matches!(look()?, State::Running { holder } if holder.contains(&std::process::id().to_string())));
        drop(held);
        note_failure(folder.path(), &experiment, &anyhow::anyhow!("no data"))?;
        assert!(matches!(look()?, State::Failed(Failure { error, .. }) if error == "no data"));
        forget_failure(folder.path(), &experiment);
        assert_eq!(look()?, State::Missing);
        let run = RunFolder { path: folder.path().join(&experiment.id), existing: Existing::Resume };
        std::fs::create_dir_all(&run.path)?;
        run.set_done("another")?;
        assert_eq!(look()?, State::Other);
        run.set_done(&checkpoint::to_json(&experiment)?)?;
        assert_eq!(look()?, State::Done);
        Ok(())
    }

    #[test]
    fn cells_go_by_number_and_by_id() -> Result<()> {
        let experiments = [experiment(&[])?, experiment(&["id=other"])?];
        assert_eq!(choose(&experiments, "1")?.id, "other");
        assert_eq!(choose(&experiments, "other")?.id, "other");
        assert!(choose(&experiments, "2").is_err_and(|error| error.to_string().contains("2 cells")));
        Ok(())
    }
}
