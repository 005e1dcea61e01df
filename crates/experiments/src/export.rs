//! What a one-file model says of its training and its scores: read from its checkpoint and from the records of its run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fastersam::checkpoint::{CheckpointInfo, MODEL};
use fastersam::model_file::{ModelCard, Program, Score};
use fastersam_progress::{count, say};
use fastersam_records::{EvaluationRecord, Record, read_records};

use crate::config::{Calibrate, DataConfig};
use crate::provenance::Origin;
use crate::train;

/// The card of a checkpoint with its training and, of the records in the folders `records`, its scores without pausing and
/// at the settings that the checkpoint recommends or names. Folders that don't exist are passed over; one that can't be read is told.
///
/// # Errors
/// Where what the checkpoint says of its training is damaged.
pub fn card(
    name: &str,
    checkpoint: &Path,
    info: CheckpointInfo,
    records: &[PathBuf],
    origin: &Origin,
) -> Result<ModelCard> {
    let program = Program { version: origin.program.version.to_owned(), commit: origin.program.commit.to_owned() };
    let records = evaluations(&info, records);
    let training = train::training(checkpoint)?.map(|mut training| {
        let of_training =
            |record: &&EvaluationRecord| record.provenance.data_manifest_sha256 == training.data_sha256;
        training.cases = records.iter().find(of_training).and_then(trained_on);
        training
    });
    let is_shown = |record: &&EvaluationRecord| {
        let mut chosen = info.recommended.iter().chain(info.pause_profiles.values());
        record.pause.is_never() || chosen.any(|found| found.settings == record.pause.settings)
    };
    let scores = records.iter().filter(is_shown).map(score).collect();
    Ok(ModelCard { training, scores, ..ModelCard::new(name.to_owned(), program, info) })
}

/// Where the records of a checkpoint lie: in its run's folder, or beside that where a suite made it.
#[must_use]
pub fn record_folders(checkpoint: &Path) -> Vec<PathBuf> {
    let run = checkpoint.parent().and_then(Path::parent);
    let folders = [run, run.and_then(Path::parent)].into_iter().flatten();
    folders.map(|folder| folder.join("records")).collect()
}

/// The evaluations of a checkpoint's very weights, by data set and split; of one that was made twice the later.
fn evaluations(info: &CheckpointInfo, folders: &[PathBuf]) -> Vec<EvaluationRecord> {
    let mut found = BTreeMap::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let records = read_records(folder).unwrap_or_else(|error| {
            say(&format!("warning: the scores in {} are left out: {error}", folder.display()));
            Vec::new()
        });
        for record in records {
            let Record::Evaluation(record) = record else { continue };
            if record.provenance.weights_sha256.as_ref() != info.files.get(MODEL) {
                continue;
            }
            let pausing = record.pause.settings.full_label(&record.pause.pause_points);
            let key = (record.dataset.clone(), record.split.clone(), !record.pause.is_never(), pausing);
            let is_later = |old: &EvaluationRecord| old.provenance.date.as_str() < record.provenance.date.as_str();
            if found.get(&key).is_none_or(is_later) {
                found.insert(key, *record);
            }
        }
    }
    found.into_values().collect()
}

fn score(record: &EvaluationRecord) -> Score {
    let protocol = &record.summary.transunet;
    Score {
        dataset: record.dataset.clone(),
        split: record.split.clone(),
        note: record.dataset_note.clone(),
        n_cases: record.summary.n_cases,
        pausing: record.pause.settings.clone(),
        dice: protocol.dice,
        dice_interval: protocol.dice_interval,
        hd95_vox: protocol.hd95_vox,
        hd95_mm: protocol.hd95_mm,
        dice_per_class: protocol.per_class_dice.clone(),
        encoder_macs_saved: record.cost.as_ref().map(|cost| cost.encoder_macs_saved),
        date: record.provenance.date.clone(),
    }
}

/// The training cases in words, from the experiment that a record holds.
fn trained_on(record: &EvaluationRecord) -> Option<String> {
    let data = record.provenance.config.pointer("/experiment/data")?;
    Some(match serde_json::from_value(data.clone()).ok()? {
        DataConfig::Phantom { train_cases, .. } => count(train_cases, "drawn volume"),
        DataConfig::Synapse { train, calibrate, .. }
        | DataConfig::Acdc { train, calibrate, .. }
        | DataConfig::Files { train, calibrate, .. } => match calibrate {
            Calibrate::HoldOut(held) => {
                format!("split {train} without {} held out", count(held.hold_out, "patient"))
            }
            Calibrate::Split(_) | Calibrate::FromTraining(_) => format!("split {train}"),
        },
    })
}
