//! Checkpoints: whole folders, put in place atomically.
//!
//! A checkpoint folder holds `checkpoint.json` (what the model is: everything that is needed to use
//! it), `model.bpk` (the parameters, in burn's format; of a model tuned on pre-trained weights only what was
//! trained: the weight files that have the rest are named by their hashes) and, while training goes on,
//! what the trainer adds (`optimizer.bpk`, `trainer.json`). It is written under another name, flushed to the
//! disk and renamed; a small file `latest` beside it names the newest one. A process killed at any moment
//! leaves the old checkpoint or the new one, never half of one.
//!
//! `checkpoint.json` has the SHA-256 of every other file and is sealed with its own; all are checked whenever a
//! checkpoint is read. Only folders that hold such a file are ever removed, and of these only the files that it names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ParamGroup};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;
use fastersam_files::{
    AtomicFolder, FileError, UNSEALED, is_sealed, read_text, remove_leftovers, seal, sha256_of_file,
    write_atomically,
};
use fastersam_pausing_encoder::{ProfileName, Recommendation};
use serde::{Deserialize, Serialize};

use crate::checkpoint_info::is_plain;
pub use crate::checkpoint_info::{CheckpointInfo, FORMAT, MODEL};
use crate::error::FasterSamError;
use crate::model::FasterSam;
use crate::model_file::{self, ModelCard};
use crate::parameters::for_each_parameter;
use crate::pretrained::fill_frozen;

const INFO: &str = "checkpoint.json";
const LATEST: &str = "latest";
/// Folder of a run with its checkpoints.
const CHECKPOINTS: &str = "checkpoints";

/// Configurations have a few KiB, training figures of thousands of epochs some hundred.
const MAX_TEXT_BYTES: u64 = 16 << 20;
/// The name of a folder has at most 255.
const MAX_NAME_BYTES: u64 = 1024;

/// A checkpoint that was read.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it says of itself.
    pub info: CheckpointInfo,
    /// The model, on the device that was asked for.
    pub model: FasterSam,
    /// The folder it was read from, or the one-file model.
    pub folder: PathBuf,
    /// SHA-256 of the checkpoint's file with the parameters; a one-file model knows it from the checkpoint that it was made of.
    pub weights_sha256: String,
    /// What a one-file model says beside that.
    pub card: Option<Box<ModelCard>>,
}

impl Checkpoint {
    /// Reads a checkpoint: the folder itself, the newest one of a run or of a folder of checkpoints, or a one-file model.
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
        if path.is_file() {
            let (card, model) = model_file::load(path, weights, device)?;
            let (info, folder) = (card.checkpoint.clone(), path.to_owned());
            let weights_sha256 = info.files.get(MODEL).cloned().unwrap_or_default();
            return Ok(Self { info, model, folder, weights_sha256, card: Some(Box::new(card)) });
        }
        let folder = resolve(path)?;
        let info = read_info(&folder)?;
        verify_files(&folder, &info)?;
        let file = folder.join(MODEL);
        let weights_sha256 = info.files.get(MODEL).cloned().unwrap_or_default();
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
        Ok(Self { info, model, folder, weights_sha256, card: None })
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
    let info = CheckpointInfo { files: hashes(scratch.path())?, ..info.clone() };
    fs::write(scratch.path().join(INFO), sealed(&info)?).map_err(FileError::at(&folder.join(&name)))?;
    scratch.commit()?;
    write_atomically(&folder.join(LATEST), name.as_bytes())?;
    remove_leftovers(folder);
    remove_checkpoints(folder, Some(&name));
    Ok(folder.join(&name))
}

/// SHA-256 of every file that a new checkpoint has so far, by name.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let entries =
        fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(FileError::at(folder))?;
    let names = entries.iter().filter_map(|entry| entry.file_name().into_string().ok());
    // The scratch folder's own mark goes before the folder is put in place.
    names
        .filter(|name| !name.starts_with('.'))
        .map(|name| Ok((name.clone(), sha256_of_file(&folder.join(&name))?)))
        .collect()
}

fn sealed(info: &CheckpointInfo) -> Result<String, FasterSamError> {
    Ok(seal(&to_json(&CheckpointInfo { seal: UNSEALED.to_owned(), ..info.clone() })?))
}

/// Compares a checkpoint's files with their hashes. What only training needs may be left out.
fn verify_files(folder: &Path, info: &CheckpointInfo) -> Result<(), FasterSamError> {
    if !info.files.contains_key(MODEL) {
        return Err(FasterSamError::checkpoint(&folder.join(INFO), format!("it does not name {MODEL}")));
    }
    for (name, expected) in &info.files {
        let path = folder.join(name);
        if name != MODEL && !path.exists() {
            continue;
        }
        let found = sha256_of_file(&path)?;
        if found != *expected {
            let reason = format!("it is damaged: its SHA-256 is {found}, written was {expected}; get it again");
            return Err(FasterSamError::checkpoint(&path, reason));
        }
    }
    Ok(())
}

/// Notes in a checkpoint what a calibration found: the pause setting, and the classes of which only the largest connected
/// component should be kept.
///
/// # Errors
/// Where the checkpoint can't be read or written.
pub fn recommend(
    folder: &Path,
    recommended: Recommendation,
    keep_largest: Vec<String>,
) -> Result<(), FasterSamError> {
    let mut info = read_info(folder)?;
    info.recommended = Some(recommended);
    info.keep_largest = Some(keep_largest);
    Ok(write_atomically(&folder.join(INFO), sealed(&info)?.as_bytes())?)
}

/// Notes a pause setting in a checkpoint under a name of its own, beside the recommended one. A setting of that name is
/// replaced.
///
/// # Errors
/// Where the checkpoint can't be read or written.
pub fn add_profile(folder: &Path, name: ProfileName, profile: Recommendation) -> Result<(), FasterSamError> {
    let mut info = read_info(folder)?;
    info.pause_profiles.insert(name, profile);
    Ok(write_atomically(&folder.join(INFO), sealed(&info)?.as_bytes())?)
}

/// Reads what a checkpoint says of itself, without its parameters.
///
/// # Errors
/// Where `checkpoint.json` is missing, damaged or of another format, or says what can't be.
pub fn read_info(folder: &Path) -> Result<CheckpointInfo, FasterSamError> {
    /// What all formats have in common.
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let path = folder.join(INFO);
    let complain = |reason: String| FasterSamError::checkpoint(&path, reason);
    let text = read_text(&path, MAX_TEXT_BYTES)?;
    let Versioned { format } = serde_json::from_str(&text).map_err(|e| complain(e.to_string()))?;
    if format != FORMAT {
        return Err(complain(format!("it has format {format}, this version reads format {FORMAT}")));
    }
    let info: CheckpointInfo = serde_json::from_str(&text).map_err(|e| complain(e.to_string()))?;
    if !is_sealed(&text, &info.seal) {
        return Err(complain("it was changed or damaged after it was written: its seal does not fit".to_owned()));
    }
    info.validate().map_err(complain)?;
    Ok(info)
}

/// The checkpoint that `path` stands for: itself, or the one that its `latest` names, or for the folder of a run the one
/// that `latest` in its folder `checkpoints` names. Where `latest` is lost and there is only one checkpoint, that is it.
///
/// # Errors
/// Where it is neither.
pub fn resolve(path: &Path) -> Result<PathBuf, FasterSamError> {
    let complain = |reason: String| FasterSamError::checkpoint(path, reason);
    if !path.exists() {
        return Err(complain("it does not exist; check the path".to_owned()));
    }
    if path.is_file() {
        return Err(complain("it is a file; give the folder that `fastersam train` wrote".to_owned()));
    }
    if path.join(INFO).is_file() {
        return Ok(path.to_owned());
    }
    let latest = path.join(LATEST);
    if !latest.exists() && path.join(CHECKPOINTS).is_dir() {
        return resolve(&path.join(CHECKPOINTS));
    }
    if !latest.exists() {
        return match checkpoints_in(path).as_slice() {
            [] => Err(complain(format!(
                "it holds neither {INFO} nor a file `{LATEST}`; give the folder of a run, or its folder `checkpoints`"
            ))),
            [only] => Ok(path.join(only)),
            several => Err(complain(format!(
                "its file `{LATEST}` is missing, and it holds several: give one of {}",
                several.join(", ")
            ))),
        };
    }
    let name = read_text(&latest, MAX_NAME_BYTES)?;
    let name = name.trim();
    let folder = path.join(name);
    if !is_plain(name) || !folder.join(INFO).is_file() {
        return Err(complain(format!("its file `{LATEST}` names {name:?}, which is no checkpoint")));
    }
    Ok(folder)
}

/// Whether training has left anything in a folder of checkpoints.
#[must_use]
pub fn is_occupied(folder: &Path) -> bool {
    folder.join(LATEST).exists() || !checkpoints_in(folder).is_empty()
}

/// The checkpoints that lie in a folder, by name: folders with a whole and sealed description of this format.
fn checkpoints_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| read_info(&folder.join(name)).is_ok()).collect();
    names.sort();
    names
}

/// Removes the checkpoints of a folder, but the one called `keep`: the files that they name, and what is empty then.
/// Without `keep`, `latest` goes too. What can't be removed does no harm.
pub fn remove_checkpoints(folder: &Path, keep: Option<&str>) {
    if keep.is_none() {
        let _ = fs::remove_file(folder.join(LATEST));
    }
    for name in checkpoints_in(folder).iter().filter(|name| Some(name.as_str()) != keep) {
        let checkpoint = folder.join(name);
        let Ok(info) = read_info(&checkpoint) else { continue };
        // Its description last: whenever this is killed, the next call goes on with it.
        for file in info.files.keys().map(String::as_str).chain([INFO]) {
            let _ = fs::remove_file(checkpoint.join(file));
        }
        let _ = fs::remove_dir(checkpoint);
    }
}

/// Serialises to indented JSON.
///
/// # Errors
/// Where a value has no JSON form.
pub fn to_json<T: Serialize>(value: &T) -> Result<String, FasterSamError> {
    serde_json::to_string_pretty(value).map_err(|e| FasterSamError::Config(e.to_string()))
}
