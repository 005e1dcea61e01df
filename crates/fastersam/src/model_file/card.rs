//! What a one-file model says of itself.

use std::path::{Path, PathBuf};

use fastersam_files::UNSEALED;
use fastersam_pausing_encoder::PauseSettings;
use serde::{Deserialize, Serialize};

use super::FORMAT;
use crate::checkpoint_info::{CheckpointInfo, MODEL};

/// What a one-file model says of itself: all that is needed to use it, and what a reader should know before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// Layout of the file, see [`FORMAT`].
    pub format: u32,
    /// What the model is called.
    pub name: String,
    /// The program that wrote the file.
    pub program: Program,
    /// The checkpoint that it was made of, as `checkpoint.json` describes it: structure, labels, intensities, orientation,
    /// pause settings, hashes of the weight files it started from. Of those only the names are kept, not the folders.
    pub checkpoint: CheckpointInfo,
    /// Whether the frozen parameters are in the file too. Where they are not, the weight files are needed that the
    /// checkpoint names.
    pub frozen_inside: bool,
    /// How it was trained, where the checkpoint still says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// Scores of these very weights.
    #[serde(default)]
    pub scores: Vec<Score>,
    /// Its licence, as an SPDX identifier or in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What to cite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<String>,
}

/// A program, as it was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// The commit that it was built from.
    pub commit: String,
}

/// How a model was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Seed of every random draw.
    pub seed: u64,
    /// Epochs that were done.
    pub epochs: usize,
    /// SHA-256 of the data.
    pub data_sha256: String,
    /// Which cases it was trained on, in words, where a record says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<String>,
    /// The training configuration, as its experiment file has it.
    pub settings: serde_json::Value,
}

/// Scores of a model on the cases of one split, by the protocol `transunet`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// The data set.
    pub dataset: String,
    /// Its split.
    pub split: String,
    /// What a reader must know of these data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Number of volumes.
    pub n_cases: usize,
    /// Which tokens paused.
    pub pausing: PauseSettings,
    /// Mean Dice, in [0, 1].
    pub dice: Option<f64>,
    /// Its 95 % interval over the cases.
    pub dice_interval: Option<(f64, f64)>,
    /// Mean 95 % Hausdorff distance in voxels.
    pub hd95_vox: Option<f64>,
    /// The same in millimetres, where the spacing is known.
    pub hd95_mm: Option<f64>,
    /// Dice of each class but the background.
    pub dice_per_class: Vec<Option<f64>>,
    /// Share of the encoder's multiply-accumulates that pausing saved, in [0, 1].
    pub encoder_macs_saved: Option<f64>,
    /// When it was measured, RFC 3339.
    pub date: String,
}

impl ModelCard {
    /// Of a checkpoint, with the frozen parameters inside; training, scores, licence and citation are for the caller to
    /// add.
    #[must_use]
    pub fn new(name: String, program: Program, mut checkpoint: CheckpointInfo) -> Self {
        for file in [&mut checkpoint.backbone_file, &mut checkpoint.decoder_file] {
            *file = file.as_deref().and_then(Path::file_name).map(PathBuf::from);
        }
        let (training, scores, license, citation) = (None, Vec::new(), None, None);
        Self {
            format: FORMAT,
            name,
            program,
            checkpoint,
            frozen_inside: true,
            training,
            scores,
            license,
            citation,
        }
    }

    /// Whether the file holds the parameter at this path of the model.
    pub(super) fn holds(&self, path: &str) -> bool {
        self.frozen_inside || self.checkpoint.holds(path)
    }

    /// Whether what it says can be.
    pub(super) fn validate(&self) -> Result<(), String> {
        self.checkpoint.validate()?;
        let is_sha256 =
            |text: &String| text.len() == UNSEALED.len() && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !self.checkpoint.files.get(MODEL).is_some_and(is_sha256) {
            return Err(format!("it does not say the SHA-256 of the {MODEL} that it was made of"));
        }
        let encoder = &self.checkpoint.model.encoder;
        let classes = self.checkpoint.labels.n_classes() - 1;
        for Score { dataset, pausing, dice, dice_per_class, .. } in &self.scores {
            if dice_per_class.len() != classes {
                let found = dice_per_class.len();
                return Err(format!("its scores on {dataset:?} are of {found} classes, it tells {classes} apart"));
            }
            let dice = dice.iter().chain(dice_per_class.iter().flatten());
            if let Some(found) = dice.into_iter().find(|found| !(0.0..=1.0).contains(*found)) {
                return Err(format!("its Dice on {dataset:?} is {found}, not between 0 and 1"));
            }
            pausing
                .validate(encoder.pause_points.len(), encoder.n_tokens())
                .map_err(|error| format!("in its scores on {dataset:?}: {error}"))?;
        }
        Ok(())
    }
}
