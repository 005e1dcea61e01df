//! Training figures by epoch: the CSV that training appends to, and the record made of it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Provenance, RecordError};

/// Rows of a hundred thousand epochs have less.
const MAX_BYTES: u64 = 64 << 20;

/// Columns of the training CSV, in order: the fields of [`EpochRow`].
pub const EPOCH_COLUMNS: [&str; 9] =
    ["epoch", "step", "loss", "ce", "dice", "aux", "validation_dice", "learning_rate", "slices_per_s"];

/// One line of the training CSV.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRow {
    /// Epoch, from 1.
    pub epoch: u32,
    /// Optimiser steps done at its end.
    pub step: u64,
    /// Mean total loss.
    pub loss: f64,
    /// Mean cross-entropy.
    pub ce: f64,
    /// Mean Dice loss.
    pub dice: f64,
    /// Mean loss of the pause heads.
    pub aux: f64,
    /// Mean Dice on the validation split, in [0, 1], where the epoch was validated.
    pub validation_dice: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Training speed.
    pub slices_per_s: f64,
}

impl EpochRow {
    /// The CSV's first line, without a line end.
    pub fn csv_header() -> String {
        EPOCH_COLUMNS.join(",")
    }

    /// This epoch's line, without a line end. An epoch without validation leaves the field empty.
    pub fn to_csv(&self) -> String {
        let validation = self.validation_dice.map_or_else(String::new, |dice| dice.to_string());
        format!(
            "{},{},{},{},{},{},{validation},{},{}",
            self.epoch, self.step, self.loss, self.ce, self.dice, self.aux, self.learning_rate, self.slices_per_s
        )
    }

    /// Reads one line; `Err` says what is wrong with it.
    fn from_csv(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != EPOCH_COLUMNS.len() {
            return Err(format!("expected {} fields, found {}", EPOCH_COLUMNS.len(), fields.len()));
        }
        let number = |column: usize| -> Result<f64, String> {
            let value = fields[column].parse::<f64>().ok().filter(|value| value.is_finite());
            value
                .ok_or_else(|| format!("`{}` is not a finite number: {:?}", EPOCH_COLUMNS[column], fields[column]))
        };
        let whole = |column: usize| -> Result<u64, String> {
            fields[column]
                .parse()
                .map_err(|_| format!("`{}` is not a count: {:?}", EPOCH_COLUMNS[column], fields[column]))
        };
        Ok(Self {
            epoch: u32::try_from(whole(0)?).map_err(|_| format!("`epoch` is too large: {}", fields[0]))?,
            step: whole(1)?,
            loss: number(2)?,
            ce: number(3)?,
            dice: number(4)?,
            aux: number(5)?,
            validation_dice: if fields[6].is_empty() { None } else { Some(number(6)?) },
            learning_rate: number(7)?,
            slices_per_s: number(8)?,
        })
    }
}

/// A training run's figures by epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecord {
    /// Identifier of the experiment that made the record.
    pub experiment: String,
    /// Row label, as in [`super::EvaluationRecord::method`].
    pub method: String,
    /// Name of the data set.
    pub dataset: String,
    /// The epochs in order.
    pub epochs: Vec<EpochRow>,
    /// Where the result comes from.
    pub provenance: Provenance,
}

impl TrainingRecord {
    /// Reads the lines of a training CSV. The columns must be [`EPOCH_COLUMNS`].
    ///
    /// # Errors
    /// The file can't be read, its columns are others, or a line is not one of an epoch; the error names
    /// the file and the line.
    pub fn read_epochs(csv: &Path) -> Result<Vec<EpochRow>, RecordError> {
        let broken = |reason: String| RecordError::Broken { path: csv.to_owned(), reason };
        let text = fastersam_files::read_text(csv, MAX_BYTES)?;
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        if header != EpochRow::csv_header() {
            return Err(broken(format!("expected the columns `{}`, found `{header}`", EpochRow::csv_header())));
        }
        lines
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(index, line)| {
                EpochRow::from_csv(line).map_err(|reason| broken(format!("line {}: {reason}", index + 2)))
            })
            .collect()
    }
}
