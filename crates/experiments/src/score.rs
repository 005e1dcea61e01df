//! Scoring label maps of any tool against true ones.

mod slices;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use fastersam_datasets::label_maps::{ClassMap, MapFiles, MapPair, MapPairs, Side, Tables};
use fastersam_files::{FileError, sha256, sha256_of_file};
use fastersam_metrics::{CaseScores, score_case, summarise};
use fastersam_progress as progress;
use fastersam_records::{EvaluationRecord, PauseRecord};
use serde_json::json;

use crate::provenance::Origin;

pub use slices::{ScoredSlice, worst_slices};

/// The most cases whose errors are listed.
const MAX_LISTED: usize = 20;

/// Scores of paired label maps.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The scores, in the order of the pairs.
    pub cases: Vec<CaseScores>,
    /// SHA-256 (hex) of prediction and truth, by case.
    hashes: BTreeMap<String, [String; 2]>,
}

/// What a record says of label maps that another tool made.
#[derive(Clone, Copy, Debug)]
pub struct RowNames<'a> {
    /// Row label.
    pub method: &'a str,
    /// Name of the data set.
    pub dataset: &'a str,
    /// Name of its split.
    pub split: &'a str,
}

/// Prediction and truth of a case.
///
/// # Errors
/// Where one can't be read, holds a value that the table does not name, or they do not lie on each other.
pub fn read(tables: &Tables, pair: &MapPair) -> Result<[ClassMap; 2]> {
    let truth = tables.read(pair, Side::Truth)?;
    let prediction = tables.read(pair, Side::Prediction)?;
    if let Some(difference) = truth.difference(&prediction) {
        bail!(
            "{} (truth) and {} (prediction) do not lie on each other: {difference}; resample the prediction onto the truth, \
             or set its header right",
            pair.truth.path().display(),
            pair.prediction.path().display()
        );
    }
    Ok([prediction, truth])
}

/// Scores all pairs. One that can't be scored is an error, after all were tried: a mean over the others would not say what it
/// seems to.
///
/// # Errors
/// Where a pair can't be scored, or the user interrupts.
pub fn score(pairs: &MapPairs, tables: &Tables) -> Result<Scored> {
    let bar = progress::bar("scoring", pairs.pairs.len(), "cases");
    let n_classes = tables.classes().len() + 1;
    let mut scored = Scored { cases: Vec::new(), hashes: BTreeMap::new() };
    let mut wrong = Vec::new();
    for pair in &pairs.pairs {
        if progress::interrupted() {
            bail!("interrupted");
        }
        match read(tables, pair) {
            Ok([prediction, truth]) => {
                // Both are in standard layout.
                let flat = |map: &ClassMap| map.classes.iter().copied().collect::<Vec<u8>>();
                let shape = truth.classes.shape();
                let (prediction, true_map) = (flat(&prediction), flat(&truth));
                let spacing = Some(&truth.spacing_mm[..]);
                scored.cases.push(score_case(&pair.case, &prediction, &true_map, shape, spacing, n_classes)?);
                let hashes = [sha256_of_map(&pair.prediction)?, sha256_of_map(&pair.truth)?];
                scored.hashes.insert(pair.case.clone(), hashes);
            }
            Err(error) => wrong.push(format!("{error:#}")),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    match &mut wrong[..] {
        [] => Ok(scored),
        [only] => bail!("{only}"),
        _ => {
            let n = wrong.len();
            wrong.truncate(MAX_LISTED);
            let more = if n > MAX_LISTED { format!("\n  and {} more", n - MAX_LISTED) } else { String::new() };
            bail!("{n} of {} cases can't be scored:\n  {}{more}", pairs.pairs.len(), wrong.join("\n  "))
        }
    }
}

/// Of one file its own; of several, over their names and hashes.
fn sha256_of_map(files: &MapFiles) -> Result<String, FileError> {
    match files {
        MapFiles::One(path) => sha256_of_file(path),
        MapFiles::PerClass { files, .. } => {
            let lines = files.iter().map(|(stem, path)| Ok(format!("{stem} {}\n", sha256_of_file(path)?)));
            Ok(sha256(lines.collect::<Result<Vec<_>, FileError>>()?))
        }
    }
}

impl Scored {
    /// The record of the scores, for a row of the report. Its provenance has the hashes of the label maps in place of those of
    /// weights, which nobody told.
    #[must_use]
    pub fn record(
        &self,
        names: RowNames<'_>,
        pairs: &MapPairs,
        tables: &Tables,
        origin: &Origin,
    ) -> EvaluationRecord {
        let n_missing = pairs.missing.len();
        let n_all = self.cases.len() + n_missing;
        let note = format!("{}: {} of {n_all} cases have a prediction", names.method, self.cases.len());
        let truths = self.hashes.iter().map(|(case, [_, truth])| format!("{case} {truth}\n"));
        let config = json!({ "score": {
            "method": names.method,
            "classes": tables.classes(),
            "names_from": tables.source,
            "sha256": self.hashes.iter().map(|(case, [prediction, truth])| {
                (case, json!({ "prediction": prediction, "truth": truth }))
            }).collect::<BTreeMap<_, _>>(),
            "missing": pairs.missing.iter().filter_map(|path| path.file_name()?.to_str()).collect::<Vec<_>>(),
        }});
        EvaluationRecord {
            experiment: "score".to_owned(),
            method: names.method.to_owned(),
            dataset: names.dataset.to_owned(),
            published: None,
            dataset_note: (n_missing > 0).then_some(note),
            split: names.split.to_owned(),
            backbone: None,
            input_size: None,
            class_names: tables.classes().to_vec(),
            pause: PauseRecord::default(),
            summary: summarise(&self.cases),
            cases: self.cases.clone(),
            tokens: None,
            cost: None,
            // Nothing is drawn at random but the resamples of the intervals, whose seed is 0.
            provenance: origin.provenance(config, 0, &sha256(truths), None),
        }
    }
}
