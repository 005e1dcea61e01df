//! What a checkpoint says of itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fastersam_files::UNSEALED;
use fastersam_pausing_encoder::{ProfileName, Recommendation};
use fastersam_volume::{Intensity, LabelTable, Orientation, TrainingIntensities};
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::parameters::is_buffer;

/// The layout that this version writes.
pub const FORMAT: u32 = 2;

/// A checkpoint's file with the parameters.
pub const MODEL: &str = "model.bpk";

/// What a checkpoint says of itself; enough to use the model without any other file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointInfo {
    /// Layout of the folder, see [`FORMAT`].
    pub format: u32,
    /// SHA-256 of the file that this is read from, see [`fastersam_files::seal`]; written by
    /// [`save`](crate::checkpoint::save) and [`recommend`](crate::checkpoint::recommend).
    pub seal: String,
    /// SHA-256 of the checkpoint's other files, by name; written by [`save`](crate::checkpoint::save).
    pub files: BTreeMap<String, String>,
    /// Version of this crate that wrote it.
    pub version: String,
    /// The resolved configuration of the model.
    pub model: ModelConfig,
    /// Names of the classes, background first.
    pub labels: LabelTable,
    /// How raw intensities become gray values in [0, 1].
    pub intensity: Intensity,
    /// The raw intensities of the training scans, where they are known: a scan of another kind is noticed by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_intensities: Option<TrainingIntensities>,
    /// Where the axes (slices, rows, columns) of the training volumes point.
    pub orientation: Orientation,
    /// The data set it was trained on.
    pub dataset: String,
    /// SHA-256 of the weight file that the backbone started from, if any. The checkpoint then lacks the
    /// frozen parameters, which this file and the decoder's have.
    pub backbone_sha256: Option<String>,
    /// Where that file lay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone_file: Option<PathBuf>,
    /// SHA-256 of the weight file that the decoder started from, if it had its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_sha256: Option<String>,
    /// Where that file lay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder_file: Option<PathBuf>,
    /// The pause setting that is recommended for this model, if a calibration was made.
    pub recommended: Option<Recommendation>,
    /// Other pause settings that were calibrated for this model, by name: `fast`, `careful`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pause_profiles: BTreeMap<ProfileName, Recommendation>,
    /// The classes of which only the largest connected component should be kept, if a calibration tried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_largest: Option<Vec<String>>,
}

impl CheckpointInfo {
    /// Of a model that started from drawn weights, with nothing recommended yet.
    #[must_use]
    pub fn new(
        model: ModelConfig,
        labels: LabelTable,
        intensity: Intensity,
        orientation: Orientation,
        dataset: String,
    ) -> Self {
        Self {
            format: FORMAT,
            seal: UNSEALED.to_owned(),
            files: BTreeMap::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model,
            labels,
            intensity,
            training_intensities: None,
            orientation,
            dataset,
            backbone_sha256: None,
            backbone_file: None,
            decoder_sha256: None,
            decoder_file: None,
            recommended: None,
            pause_profiles: BTreeMap::new(),
            keep_largest: None,
        }
    }

    /// Whether what it says can be: a model that can be built, classes and intensities that fit it, files inside the folder.
    ///
    /// # Errors
    /// The first thing that can't.
    pub(crate) fn validate(&self) -> Result<(), String> {
        self.model.validate().map_err(|error| error.to_string())?;
        self.labels.validate()?;
        self.intensity.validate()?;
        if self.labels.n_classes() != self.model.n_classes() {
            let (names, classes) = (self.labels.n_classes(), self.model.n_classes());
            return Err(format!("it names {names} classes, its model tells {classes} apart"));
        }
        let mut axes = self.orientation.axes;
        axes.sort_unstable();
        if axes != [0, 1, 2] {
            return Err(format!(
                "its volumes' axes are {:?}, not 0, 1 and 2 in some order",
                self.orientation.axes
            ));
        }
        for Recommendation { settings, .. } in self.recommended.iter().chain(self.pause_profiles.values()) {
            let n_points = self.model.encoder.pause_points.len();
            settings.validate(n_points, self.model.encoder.n_tokens()).map_err(|error| error.to_string())?;
        }
        let kept = self.keep_largest.iter().flatten();
        if let Some(name) = kept.into_iter().find(|name| self.labels.class(name).is_none()) {
            return Err(format!("it keeps the largest component of {name:?}, which is no class of it"));
        }
        match self.files.keys().find(|name| !is_plain(name)) {
            Some(name) => Err(format!("it names a file {name:?} that is not in its folder")),
            None => Ok(()),
        }
    }

    /// Whether the checkpoint holds the parameter at this path of the model: all but the frozen ones of a
    /// model that started from weight files. Buffers, which are small, are always there.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let has_files = self.backbone_sha256.is_some() || self.decoder_sha256.is_some();
        !has_files || is_buffer(path) || self.model.is_trained(path)
    }
}

/// Whether a name leads nowhere but into its folder.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty() && Path::new(name).file_name() == Some(name.as_ref())
}
