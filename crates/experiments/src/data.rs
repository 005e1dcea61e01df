//! The cases of an experiment.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use fastersam_datasets::{Case, DataSet, Intensity, LabelTable, OpenOptions, coding, manifest};

use crate::config::{DataConfig, Experiment};
use fastersam_progress::say;
use fastersam_records::PublishedSet;

/// Seed of the phantoms: they are data, the same in every run.
const PHANTOM_SEED: u64 = 2026;

/// The cases of an experiment, apart by what they are for.
#[derive(Clone, Debug)]
pub struct ExperimentData {
    /// What the tables call the data set.
    pub name: String,
    /// What a reader must know beside a published row.
    pub note: Option<String>,
    /// Names of the classes.
    pub labels: LabelTable,
    /// How raw intensities were scaled.
    pub intensity: Intensity,
    /// To train on.
    pub train: Arc<Vec<Case>>,
    /// To choose a pause setting on.
    pub calibrate: Arc<Vec<Case>>,
    /// To score.
    pub evaluate: Arc<Vec<Case>>,
    /// What the scored cases are called: `test`, `valid`, `fold-a`.
    pub split: String,
    /// What the calibration cases are called.
    pub calibrated_on: String,
    /// Which published rows belong beside results on it.
    pub published: Option<PublishedSet>,
    /// SHA-256 over all of it.
    pub sha256: String,
}

/// Reads or makes the cases of an experiment. `data` is the folder that real data sets lie in.
///
/// # Errors
/// Where files are missing or broken.
pub fn load(experiment: &Experiment, data: Option<&Path>) -> Result<ExperimentData> {
    let folder = |relative: &Path| {
        let data = data.with_context(|| {
            format!("experiment {:?} needs real data: give its folder with --data", experiment.id)
        })?;
        Ok::<_, anyhow::Error>(data.join(relative))
    };
    let loaded = match &experiment.data {
        DataConfig::Phantom { family, train_cases, calibrate_cases, evaluate_cases } => {
            let make = |first: usize, n: usize| -> Vec<Case> {
                (first..first + n).map(|index| family.case(PHANTOM_SEED, index)).collect()
            };
            let calibrate = make(*train_cases, *calibrate_cases);
            let evaluate = make(train_cases + calibrate_cases, *evaluate_cases);
            let name = format!("phantom {}", format!("{family:?}").to_lowercase());
            let parts = [make(0, *train_cases), calibrate, evaluate];
            pack(name, None, family.labels(), Intensity::Unit, "test", parts)
        }
        DataConfig::Synapse { folder: at, coding, axes, train, calibrate_cases, evaluate, note } => {
            let options = OpenOptions { form: None, coding: Some(*coding), axes: *axes };
            let set = open(&folder(at)?, &options, "Synapse", &coding::synapse_labels())?;
            pack_set(&set, [train, evaluate], *calibrate_cases, note.clone())?
        }
        DataConfig::Acdc { folder: at, spacing_known, axes, train, calibrate_cases, evaluate, note } => {
            let options = OpenOptions { form: None, coding: None, axes: *axes };
            let set = open(&folder(at)?, &options, "ACDC", &coding::acdc_labels())?;
            let mut packed = pack_set(&set, [train, evaluate], *calibrate_cases, note.clone())?;
            if !spacing_known {
                for cases in [&mut packed.train, &mut packed.calibrate, &mut packed.evaluate] {
                    Arc::make_mut(cases).iter_mut().for_each(|case| case.spacing_mm = None);
                }
            }
            packed
        }
        DataConfig::Files { path, train, calibrate_cases, evaluate, note } => {
            let at = data.map_or_else(|| path.clone(), |data| data.join(path));
            let set = DataSet::open(&at, &OpenOptions::default())?;
            pack_set(&set, [train, evaluate], *calibrate_cases, note.clone())?
        }
    };
    if loaded.train.is_empty() || loaded.calibrate.is_empty() || loaded.evaluate.is_empty() {
        bail!("experiment {:?}: no cases to train, calibrate or evaluate on", experiment.id);
    }
    say(&format!(
        "{}: {}: {} volumes to train on, {} to choose a pause setting on, {} to score",
        experiment.id,
        loaded.name,
        loaded.train.len(),
        loaded.calibrate.len(),
        loaded.evaluate.len()
    ));
    Ok(loaded)
}

/// Opens a data set that must have the given classes.
fn open(path: &Path, options: &OpenOptions, name: &str, labels: &LabelTable) -> Result<DataSet> {
    let set = DataSet::open(path, options)?;
    if set.labels != *labels {
        bail!("{} has the classes {:?}, {name} has {:?}", path.display(), set.labels.names, labels.names);
    }
    Ok(set)
}

fn pack_set(
    set: &DataSet,
    [train, evaluate]: [&String; 2],
    calibrate_cases: usize,
    note: Option<String>,
) -> Result<ExperimentData> {
    let (trained, evaluated) = (set.load(train)?, set.load(evaluate)?);
    let calibrate = last(&trained, calibrate_cases);
    let (labels, intensity) = (set.labels.clone(), set.intensity.clone());
    let packed = pack(set.name.clone(), note, labels, intensity, evaluate, [trained, calibrate, evaluated]);
    // Files of one's own may be called like a public data set; published rows are not for them.
    let published = packed.published.filter(|_| !set.published_slices.is_empty());
    Ok(ExperimentData { published, ..packed })
}

fn last(cases: &[Case], n: usize) -> Vec<Case> {
    cases[cases.len().saturating_sub(n)..].to_vec()
}

fn pack(
    name: String,
    note: Option<String>,
    labels: LabelTable,
    intensity: Intensity,
    split: &str,
    [train, calibrate, evaluate]: [Vec<Case>; 3],
) -> ExperimentData {
    let published = match name.as_str() {
        "Synapse" => Some(PublishedSet::Synapse),
        "ACDC" => Some(PublishedSet::Acdc),
        _ => None,
    };
    let is_made = name.starts_with("phantom ");
    let calibrated_on = if is_made { "validation phantoms" } else { "the last training cases" }.to_owned();
    let sha256 = manifest::sha256(train.iter().chain(&calibrate).chain(&evaluate));
    ExperimentData {
        name,
        note,
        labels,
        intensity,
        train: Arc::new(train),
        calibrate: Arc::new(calibrate),
        evaluate: Arc::new(evaluate),
        split: split.to_owned(),
        calibrated_on,
        published,
        sha256,
    }
}
