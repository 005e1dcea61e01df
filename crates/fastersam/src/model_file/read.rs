//! Reading one-file models.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use burn::tensor::{DType, Device};
use fastersam_files::{FileError, Sha256Hasher, UNSEALED, parent_folder};
use serde::Deserialize;

use super::{CARD, FORMAT, ModelCard, SEAL};
use crate::error::FasterSamError;
use crate::model::FasterSam;
use crate::pretrained::fill_frozen;
use crate::weights::{
    Opened, Source, WeightError, WeightFile, WeightFormat, fill, official_key, recognise, targets,
};

/// What to give in place of a file that is no model.
const INSTEAD: &str = "give the folder of a run, or a file that `fastersam export` wrote";

/// Whether a file says that it is a one-file model; it may be damaged all the same.
#[must_use]
pub fn is_model_file(path: &Path) -> bool {
    Opened::read(path).is_ok_and(|opened| entry(&opened, CARD).is_some())
}

/// Reads what a one-file model says of itself, and checks that all of the file is as it was written.
///
/// # Errors
/// Where the file is no such model, is damaged, or says what can't be.
pub fn read_card(path: &Path) -> Result<ModelCard, FasterSamError> {
    Ok(open(path)?.0)
}

/// Loads the model, and what it says of itself. `weights` is the backbone's file, or a folder with that and the decoder's, where the file lacks the
/// frozen parameters and they don't lie beside it.
pub(crate) fn load(
    path: &Path,
    weights: Option<&Path>,
    device: &Device,
) -> Result<(ModelCard, FasterSam), FasterSamError> {
    let complain = |reason: String| FasterSamError::ModelFile { path: path.to_owned(), reason };
    let (card, file) = open(path)?;
    let mut info = card.checkpoint.clone();
    for file in [&mut info.backbone_file, &mut info.decoder_file] {
        // Whatever folder a file names, none but its own is looked at.
        *file = file.as_deref().and_then(Path::file_name).map(|name| parent_folder(path).join(name));
    }
    let mut model = info.model.freeze(info.model.build(device)?);
    if !card.frozen_inside {
        model = fill_frozen(model, path, &info, weights)?;
    }
    let mut sources = BTreeMap::new();
    for target in targets(&model, "").into_iter().filter(|target| card.holds(&target.path)) {
        let key = official_key(&target.path);
        let Some(tensor) = file.tensors.get(&key) else {
            return Err(complain(format!("it lacks the parameter {key}")));
        };
        if tensor.dtype != DType::F32 {
            return Err(complain(format!("{key} is stored as {:?}, not as F32", tensor.dtype)));
        }
        let transform = target.layout();
        transform.check(&[&tensor.shape], &target.shape).map_err(|(_, expected)| WeightError::Shape {
            path: path.to_owned(),
            key: key.clone(),
            expected,
            found: tensor.shape.clone(),
        })?;
        sources.insert(target.path, Source { keys: vec![key], transform, found: tensor.shape.clone() });
    }
    if file.tensors.len() != sources.len() {
        let (found, expected) = (file.tensors.len(), sources.len());
        return Err(complain(format!("it holds {found} parameters, the model needs {expected}")));
    }
    let model = fill(model, &file, sources, "")?;
    Ok((card, model))
}

/// The card and the tensors of a file that is as it was written.
fn open(path: &Path) -> Result<(ModelCard, WeightFile), FasterSamError> {
    /// What all formats have in common.
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let complain = |reason: String| FasterSamError::ModelFile { path: path.to_owned(), reason };
    let mut opened = match Opened::read(path) {
        Ok(opened) => opened,
        Err(WeightError::NotACheckpoint { .. }) => return Err(foreign(path)),
        Err(error) => return Err(error.into()),
    };
    let Some(text) = entry(&opened, CARD).map(str::to_owned) else { return Err(foreign(path)) };
    let Versioned { format } = serde_json::from_str(&text).map_err(|error| complain(error.to_string()))?;
    if format > FORMAT {
        return Err(complain(format!(
            "a newer version wrote it: it has format {format}, this version reads format {FORMAT}"
        )));
    }
    if format != FORMAT {
        return Err(complain(format!("it has format {format}, this version reads format {FORMAT}")));
    }
    if !is_sealed(&mut opened, path)? {
        return Err(complain(
            "it was changed or damaged after it was written: its seal does not fit; get it again".to_owned(),
        ));
    }
    let card: ModelCard = serde_json::from_str(&text).map_err(|error| complain(error.to_string()))?;
    card.validate().map_err(complain)?;
    Ok((card, WeightFile::of_tensors(path, WeightFormat::Safetensors, opened.tensors())))
}

fn entry<'a>(opened: &'a Opened, name: &str) -> Option<&'a str> {
    opened.metadata.metadata().as_ref()?.get(name).map(String::as_str)
}

/// Whether the file is the one that the seal was made for, from its first byte to its last.
fn is_sealed(opened: &mut Opened, path: &Path) -> Result<bool, FileError> {
    let Some(seal) = entry(opened, SEAL).map(str::to_owned) else { return Ok(false) };
    let Ok(header) = std::str::from_utf8(&opened.header) else { return Ok(false) };
    let field = format!("\"{SEAL}\":\"{seal}\"");
    if seal.len() != UNSEALED.len() || !header.contains(&field) {
        return Ok(false);
    }
    let unsealed = header.replacen(&field, &format!("\"{SEAL}\":\"{UNSEALED}\""), 1);
    let mut hasher = Sha256Hasher::default();
    hasher.update(&(opened.header.len() as u64).to_le_bytes());
    hasher.update(unsealed.as_bytes());
    let n = std::io::copy(&mut opened.file.by_ref(), &mut hasher).map_err(FileError::at(path))?;
    // Nothing may lie behind the last tensor.
    Ok(n == opened.metadata.data_len() as u64 && hasher.finish() == seal)
}

/// The error for a file that is something else: it says what, where that is known.
fn foreign(path: &Path) -> FasterSamError {
    let found = WeightFile::open(path).and_then(|file| recognise(&file));
    let reason = match found {
        Ok(architecture) => {
            format!("it holds pre-trained weights ({architecture}), not a trained model; {INSTEAD}")
        }
        Err(_) => INSTEAD.to_owned(),
    };
    FasterSamError::ModelFile { path: path.to_owned(), reason }
}
