//! Checkpoints: whole folders, put in place atomically.
//!
//! A checkpoint folder holds `checkpoint.json` (what the model is: everything that is needed to use
//! it), `model.bpk` (the parameters, in burn's format; of a model tuned on pre-trained weights only what was
//! trained: the weight files that have the rest are named by their hashes) and, while training goes on,
//! what the trainer adds (`optimizer.bpk`, `trainer.json`). It is written under another name, flushed to the
//! disk and renamed; a small file `latest` beside it names the newest one. A process killed at any moment
//! leaves the old checkpoint or the new one, never half of one.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ParamGroup};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;
use fastersam_files::{AtomicFolder, FileError, SCRATCH_PREFIX, sha256_of_file, write_atomically};
use fastersam_pausing_encoder::Recommendation;
use fastersam_volume::{Intensity, LabelTable, Orientation};
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::error::FasterSamError;
use crate::model::FasterSam;
use crate::parameters::{for_each_parameter, is_buffer};
use crate::pretrained::fill_frozen;

/// The layout that this version writes.
pub const FORMAT: u32 = 1;

const INFO: &str = "checkpoint.json";
const MODEL: &str = "model.bpk";
const LATEST: &str = "latest";

/// What a checkpoint says of itself; enough to use the model without any other file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointInfo {
    /// Layout of the folder, see [`FORMAT`].
    pub format: u32,
    /// Version of this crate that wrote it.
    pub version: String,
    /// The resolved configuration of the model.
    pub model: ModelConfig,
    /// Names of the classes, background first.
    pub labels: LabelTable,
    /// How raw intensities become gray values in [0, 1].
    pub intensity: Intensity,
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
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model,
            labels,
            intensity,
            orientation,
            dataset,
            backbone_sha256: None,
            backbone_file: None,
            decoder_sha256: None,
            decoder_file: None,
            recommended: None,
        }
    }

    /// Whether the checkpoint holds the parameter at this path of the model: all but the frozen ones of a
    /// model that started from weight files. Buffers, which are small, are always there.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let has_files = self.backbone_sha256.is_some() || self.decoder_sha256.is_some();
        !has_files || is_buffer(path) || self.model.is_trained(path)
    }
}

/// A checkpoint that was read.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it says of itself.
    pub info: CheckpointInfo,
    /// The model, on the device that was asked for.
    pub model: FasterSam,
    /// The folder it was read from.
    pub folder: PathBuf,
    /// SHA-256 of the file with the parameters.
    pub weights_sha256: String,
}

impl Checkpoint {
    /// Reads a checkpoint: the folder itself, or the newest one of a folder of checkpoints.
    ///
    /// # Errors
    /// Where the folder is none, is incomplete, or holds a model of another shape.
    pub fn load(path: &Path, device: &Device) -> Result<Self, FasterSamError> {
        Self::load_with(path, None, device)
    }

    /// [`load`](Self::load) with the weight files at another place than where they lay in training:
    /// `weights` is the backbone's file, or a folder with that and the decoder's.
    ///
    /// # Errors
    /// As [`load`](Self::load), and where a file is not the one that the model was tuned on.
    pub fn load_with(path: &Path, weights: Option<&Path>, device: &Device) -> Result<Self, FasterSamError> {
        let folder = resolve(path)?;
        let info = read_info(&folder)?;
        let file = folder.join(MODEL);
        let weights_sha256 = sha256_of_file(&file)?;
        // No parameter is drawn: all of them are in one of the files.
        let model = info.model.freeze(info.model.build(device)?);
        let model = fill_frozen(model, &folder, &info, weights)?;
        let unreadable =
            |e: RecordError| FasterSamError::checkpoint(&file, format!("the parameters can't be read: {e}"));
        let record = ModuleRecord::load(&file).map_err(unreadable)?;
        // Parameters that the model does not have are refused below, so that the same number is the same set.
        let (mut expected, mut all) = (0, 0);
        for_each_parameter(&model, |path, _| {
            expected += usize::from(info.holds(path));
            all += 1;
        });
        if record.len() != expected {
            let reason = format!("it holds {} parameters, the model needs {expected}", record.len());
            return Err(FasterSamError::checkpoint(&file, reason));
        }
        let record = record.allow_partial(expected < all);
        let model = model.try_load_record(record).map_err(unreadable)?;
        Ok(Self { info, model, folder, weights_sha256 })
    }
}

/// Writes the checkpoint `name` into `folder` and makes it the newest one; older ones are removed.
///
/// `write_more` may add files (the trainer's state) to the folder before it is put in place.
///
/// # Errors
/// Where a file can't be written; what was there before is untouched then.
pub fn save(
    folder: &Path,
    name: &str,
    info: &CheckpointInfo,
    model: &FasterSam,
    write_more: impl FnOnce(&Path) -> Result<(), FasterSamError>,
) -> Result<PathBuf, FasterSamError> {
    fs::create_dir_all(folder).map_err(FileError::at(folder))?;
    // The same step again (after a resumed run): under another name, so that `latest` never names a
    // folder that is being replaced.
    let name = std::iter::once(name.to_owned())
        .chain((1_u32..).map(|i| format!("{name}-{i}")))
        .find(|name| !folder.join(name).exists())
        .unwrap_or_else(|| name.to_owned());
    let scratch = AtomicFolder::create(&folder.join(&name))?;
    let text = to_json(info)?;
    fs::write(scratch.path().join(INFO), text).map_err(FileError::at(&folder.join(&name)))?;
    let file = scratch.path().join(MODEL);
    let mut paths = Vec::new();
    for_each_parameter(model, |path, _| {
        if info.holds(path) {
            paths.push(path.to_owned());
        }
    });
    // `valid` brings the running statistics of `BatchNorm` up to date.
    model
        .valid()
        .into_record_group(ParamGroup::from_paths(paths))
        .save(&file)
        .map_err(|error| FileError { path: file.clone(), cause: std::io::Error::other(error) })?;
    write_more(scratch.path())?;
    scratch.commit()?;
    write_atomically(&folder.join(LATEST), name.as_bytes())?;
    remove_others(folder, &name);
    Ok(folder.join(&name))
}

/// Notes in a checkpoint which pause setting a calibration found.
///
/// # Errors
/// Where the checkpoint can't be read or written.
pub fn recommend(folder: &Path, recommended: Recommendation) -> Result<(), FasterSamError> {
    let mut info = read_info(folder)?;
    info.recommended = Some(recommended);
    Ok(write_atomically(&folder.join(INFO), to_json(&info)?.as_bytes())?)
}

/// Reads what a checkpoint says of itself, without its parameters.
///
/// # Errors
/// Where `checkpoint.json` is missing, malformed or of another format.
pub fn read_info(folder: &Path) -> Result<CheckpointInfo, FasterSamError> {
    let path = folder.join(INFO);
    let text = fs::read_to_string(&path).map_err(FileError::at(&path))?;
    let info: CheckpointInfo =
        serde_json::from_str(&text).map_err(|e| FasterSamError::checkpoint(&path, format!("{e}")))?;
    if info.format != FORMAT {
        return Err(FasterSamError::checkpoint(
            &path,
            format!("it has format {}, this version reads format {FORMAT}", info.format),
        ));
    }
    Ok(info)
}

/// The checkpoint that `path` stands for: itself, or the one that its `latest` names.
///
/// # Errors
/// Where it is neither.
pub fn resolve(path: &Path) -> Result<PathBuf, FasterSamError> {
    if path.join(INFO).is_file() {
        return Ok(path.to_owned());
    }
    let latest = path.join(LATEST);
    let Ok(name) = fs::read_to_string(&latest) else {
        return Err(FasterSamError::checkpoint(
            path,
            format!("it holds neither {INFO} nor a file `{LATEST}`; give the folder that `fastersam train` wrote"),
        ));
    };
    let name = name.trim();
    let is_plain = !name.is_empty() && Path::new(name).file_name() == Some(name.as_ref());
    let folder = path.join(name);
    if !is_plain || !folder.join(INFO).is_file() {
        return Err(FasterSamError::checkpoint(
            path,
            format!("its file `{LATEST}` names {name:?}, which is no checkpoint"),
        ));
    }
    Ok(folder)
}

/// Serialises to indented JSON.
///
/// # Errors
/// Where a value has no JSON form.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, FasterSamError> {
    serde_json::to_string_pretty(value).map_err(|e| FasterSamError::Config(e.to_string()))
}

/// Removes older checkpoints and what killed processes left. What can't be removed does no harm.
fn remove_others(folder: &Path, keep: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_ours = name.starts_with("step-") || name.starts_with(SCRATCH_PREFIX);
        if is_ours && name != keep {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
