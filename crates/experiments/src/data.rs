//! The cases of an experiment.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use fastersam_datasets::{Case, DataSet, OpenOptions, label_scheme, sha256_of_cases};
use fastersam_volume::{Intensity, LabelTable, Orientation, TrainingIntensities};

use fastersam_pausing_encoder::CalibrationCases;
use rayon::prelude::*;

use crate::config::{Calibrate, DataConfig, Experiment, FromTraining, HoldOut};
use crate::error::ExperimentError;
use fastersam_progress::{count, say};
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
    /// The raw intensities of the cases to train on, where the files hold such.
    pub training_intensities: Option<TrainingIntensities>,
    /// To train on.
    pub train: Arc<Vec<Case>>,
    /// To choose a pause setting on.
    pub calibrate: Arc<Vec<Case>>,
    /// To score.
    pub evaluate: Arc<Vec<Case>>,
    /// What the scored cases are called: `test`, `valid`, `fold-a`.
    pub split: String,
    /// Which cases those to choose a pause setting on are.
    pub calibrated_on: CalibrationCases,
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
        let data = data.ok_or_else(|| ExperimentError::NoDataFolder { id: experiment.id.clone() })?;
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
            let calibrated_on = CalibrationCases { cases: "validation phantoms".to_owned(), trained_on: false };
            let parts = [make(0, *train_cases), calibrate, evaluate];
            pack(name, None, family.labels(), family.intensity(), "test", calibrated_on, parts)
        }
        DataConfig::Synapse { folder: at, label_scheme: scheme, axes, train, calibrate, evaluate, note } => {
            let options = OpenOptions { form: None, label_scheme: Some(*scheme), axes: *axes };
            let set = open(&folder(at)?, &options, "Synapse", &label_scheme::synapse_labels())?;
            pack_set(&set, train, calibrate, evaluate, note.clone())?
        }
        DataConfig::Acdc { folder: at, spacing_known, axes, train, calibrate, evaluate, note } => {
            let options = OpenOptions { form: None, label_scheme: None, axes: *axes };
            let set = open(&folder(at)?, &options, "ACDC", &label_scheme::acdc_labels())?;
            let mut packed = pack_set(&set, train, calibrate, evaluate, note.clone())?;
            if !spacing_known {
                for cases in [&mut packed.train, &mut packed.calibrate, &mut packed.evaluate] {
                    Arc::make_mut(cases).iter_mut().for_each(|case| case.spacing_mm = None);
                }
            }
            packed
        }
        DataConfig::Files { path, train, calibrate, evaluate, note } => {
            let at = data.unwrap_or(&experiment.folder).join(path);
            let set = DataSet::open(&at, &OpenOptions::default())?;
            pack_set(&set, train, calibrate, evaluate, note.clone())?
        }
    };
    if loaded.train.is_empty() || loaded.calibrate.is_empty() || loaded.evaluate.is_empty() {
        bail!("experiment {:?}: no cases to train, calibrate or evaluate on", experiment.id);
    }
    say(&format!(
        "{}: {}: {} to train on, {} to choose a pause setting on, {} to score",
        experiment.id,
        loaded.name,
        count(loaded.train.len(), "volume"),
        loaded.calibrate.len(),
        loaded.evaluate.len()
    ));
    Ok(loaded)
}

/// Opens a data set that must have the given classes.
fn open(path: &Path, options: &OpenOptions, name: &str, labels: &LabelTable) -> Result<DataSet> {
    let set = DataSet::open(path, options)?;
    if set.labels.names != labels.names {
        bail!("{} has the classes {:?}, {name} has {:?}", path.display(), set.labels.names, labels.names);
    }
    Ok(set)
}

fn pack_set(
    set: &DataSet,
    train: &str,
    calibrate: &Calibrate,
    evaluate: &str,
    note: Option<String>,
) -> Result<ExperimentData> {
    let parts = divide(set, train, calibrate, evaluate)?;
    let read =
        |cases: Vec<usize>| cases.into_par_iter().map(|case| set.read(case)).collect::<Result<Vec<Case>, _>>();
    let cases = [read(parts.train)?, read(parts.calibrate)?, read(parts.evaluate)?];
    let (labels, intensity) = (set.labels.clone(), set.intensity.clone());
    let packed = pack(set.name.clone(), note, labels, intensity, evaluate, parts.calibrated_on, cases);
    // Files of one's own may be called like a public data set; published rows are not for them.
    let published = packed.published.filter(|_| !set.published_slices.is_empty());
    Ok(ExperimentData { published, ..packed })
}

/// The cases of a data set, apart by what they are for.
struct Parts {
    train: Vec<usize>,
    calibrate: Vec<usize>,
    evaluate: Vec<usize>,
    calibrated_on: CalibrationCases,
}

/// Which cases are trained on, which choose the pause setting, and which are scored.
fn divide(set: &DataSet, train: &str, calibrate: &Calibrate, evaluate: &str) -> Result<Parts> {
    let (trained, scored) = (set.split(train)?, set.split(evaluate)?);
    if let Some(&both) = trained.iter().find(|case| scored.contains(case)) {
        bail!(
            "the splits {train:?} and {evaluate:?} share the case {}: it would be trained on and scored",
            set.id(both)
        );
    }
    let parts = |train: Vec<usize>, calibrate: Vec<usize>, cases: String, trained_on: bool| Parts {
        train,
        calibrate,
        evaluate: scored.clone(),
        calibrated_on: CalibrationCases { cases, trained_on },
    };
    match calibrate {
        Calibrate::Split(name) => {
            let cases = set.split(name)?;
            if let Some(&both) = cases.iter().find(|case| scored.contains(case)) {
                bail!(
                    "the splits {name:?} and {evaluate:?} share the case {}: the pause setting would be chosen on cases \
                     that are scored",
                    set.id(both)
                );
            }
            if let Some(&both) = cases.iter().find(|case| trained.contains(case)) {
                bail!(
                    "the splits {train:?} and {name:?} share the case {}: hold cases out with `calibrate = {{ hold_out = \
                     N }}`, or choose on training cases by name, with `calibrate = {{ from_training = N }}`",
                    set.id(both)
                );
            }
            Ok(parts(trained, cases, format!("the {name} split"), false))
        }
        Calibrate::HoldOut(HoldOut { hold_out }) => {
            let (kept, chosen) = choose(set, &trained, *hold_out, 1, train)?;
            Ok(parts(kept, chosen, format!("{hold_out} of {train}, held out of training"), false))
        }
        Calibrate::FromTraining(FromTraining { from_training }) => {
            let (_, chosen) = choose(set, &trained, *from_training, 0, train)?;
            Ok(parts(trained, chosen, format!("{from_training} of {train}"), true))
        }
    }
}

/// `n` patients at even distances in the split's order, which often goes by disease; the cases of the others first, who are
/// `least_others` at least.
fn choose(
    set: &DataSet,
    cases: &[usize],
    n: usize,
    least_others: usize,
    split: &str,
) -> Result<(Vec<usize>, Vec<usize>)> {
    let mut patients: Vec<&str> = Vec::new();
    for &case in cases {
        if !patients.contains(&set.key(case)) {
            patients.push(set.key(case));
        }
    }
    let most = patients.len().saturating_sub(least_others);
    if n == 0 || n > most {
        bail!(
            "{n} of the {} of the split {split:?} can't choose a pause setting; {}",
            count(patients.len(), "patient"),
            match most {
                0 => "choose it on training cases: `calibrate = { from_training = 1 }`".to_owned(),
                1 => "give 1".to_owned(),
                _ => format!("give 1 to {most}"),
            }
        );
    }
    let chosen: Vec<&str> = (0..n).map(|i| patients[(2 * i + 1) * patients.len() / (2 * n)]).collect();
    Ok(cases.iter().partition(|&&case| !chosen.contains(&set.key(case))))
}

/// Turns cases so that all lie alike, and says what a user should know of them.
fn prepare(cases: Vec<Case>, lies: Orientation) -> Vec<Case> {
    let n_turned = cases.iter().filter(|case| case.orientation != lies).count();
    if n_turned > 0 {
        say(&format!(
            "{n_turned} of {} lie otherwise than the first one: they are turned",
            count(cases.len(), "scan")
        ));
    }
    cases.iter().flat_map(|case| &case.notes).for_each(|note| say(&format!("warning: {note}")));
    cases.into_iter().map(|case| case.oriented(lies)).collect()
}

fn pack(
    name: String,
    note: Option<String>,
    labels: LabelTable,
    intensity: Intensity,
    split: &str,
    calibrated_on: CalibrationCases,
    [train, calibrate, evaluate]: [Vec<Case>; 3],
) -> ExperimentData {
    let published = match name.as_str() {
        "Synapse" => Some(PublishedSet::Synapse),
        "ACDC" => Some(PublishedSet::Acdc),
        _ => None,
    };
    let lies = train.first().map(|case| case.orientation).unwrap_or_default();
    let [train, calibrate, evaluate] = [train, calibrate, evaluate].map(|cases| prepare(cases, lies));
    let sha256 = sha256_of_cases(train.iter().chain(&calibrate).chain(&evaluate));
    ExperimentData {
        name,
        note,
        labels,
        intensity,
        training_intensities: TrainingIntensities::of(train.iter().filter_map(|case| case.intensities)),
        train: Arc::new(train),
        calibrate: Arc::new(calibrate),
        evaluate: Arc::new(evaluate),
        split: split.to_owned(),
        calibrated_on,
        published,
        sha256,
    }
}
