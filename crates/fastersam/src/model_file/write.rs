//! Writing one-file models.

use std::collections::{BTreeMap, HashMap};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use burn::module::Module as _;
use burn::tensor::TensorData;
use fastersam_files::{AtomicFile, FileError, Sha256Hasher, UNSEALED};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value, json};

use super::{CARD, ModelCard, SEAL};
use crate::error::FasterSamError;
use crate::model::FasterSam;
use crate::weights::{MAX_HEADER, Target, for_each_value, official_key};

/// A parameter on its way into the file.
struct Parameter {
    target: Target,
    values: Box<dyn FnOnce() -> TensorData>,
}

/// Writes a model as one file, which appears whole or not at all; a file of that name is replaced. Equal models and cards
/// give equal files.
///
/// # Errors
/// Where the card does not fit the model, or the file can't be written.
pub fn write(path: &Path, card: &ModelCard, model: &FasterSam) -> Result<(), FasterSamError> {
    let complain = |reason: String| FasterSamError::ModelFile { path: path.to_owned(), reason };
    card.validate().map_err(complain)?;
    let mut parameters = BTreeMap::new();
    // `valid` brings the running statistics of `BatchNorm` up to date.
    for_each_value(&model.valid(), |target, values| {
        if card.holds(&target.path) {
            parameters.insert(official_key(&target.path), Parameter { target, values });
        }
    });
    let (header, seal_at) = header(card, &parameters)?;
    if header.len() as u64 > MAX_HEADER {
        return Err(complain(format!("its description has {} bytes, {MAX_HEADER} are possible", header.len())));
    }
    let at = FileError::at(path);
    let mut file = AtomicFile::create(path)?;
    let mut hasher = Sha256Hasher::default();
    let mut put = |bytes: &[u8]| -> Result<(), FileError> {
        hasher.update(bytes);
        file.write_all(bytes).map_err(&at)
    };
    put(&(header.len() as u64).to_le_bytes())?;
    put(&header)?;
    for (key, Parameter { target, values }) in parameters {
        let values = values().try_into_vec_as::<f32>();
        let values = values.map_err(|error| complain(format!("{key} can't be written: {error}")))?;
        // To PyTorch's layout; transposing is its own inverse.
        let values = target.layout().apply(vec![values], &[], &stored(&target));
        put(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    file.seek(SeekFrom::Start(8 + seal_at as u64)).map_err(&at)?;
    file.write_all(hasher.finish().as_bytes()).map_err(&at)?;
    Ok(file.commit()?)
}

/// A parameter's shape in the file.
fn stored(target: &Target) -> Vec<usize> {
    let shape = target.shape.iter().copied();
    if target.is_linear_weight { shape.rev().collect() } else { shape.collect() }
}

/// The header, and where in it the seal goes.
fn header(card: &ModelCard, parameters: &BTreeMap<String, Parameter>) -> Result<(Vec<u8>, usize), FasterSamError> {
    let not_json = |error: serde_json::Error| FasterSamError::Config(error.to_string());
    let mut end = 0;
    let tensors = parameters.iter().map(|(key, Parameter { target, .. })| {
        let shape = stored(target);
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        (key.clone(), TensorInfo { dtype: Dtype::F32, shape, data_offsets: (begin, end) })
    });
    let tensors: Vec<(String, TensorInfo)> = tensors.collect();
    let mut entries = Map::new();
    let card = serde_json::to_string(card).map_err(not_json)?;
    entries.insert("__metadata__".to_owned(), json!({ CARD: card, "format": "pt", SEAL: UNSEALED }));
    for (key, info) in &tensors {
        entries.insert(key.clone(), serde_json::to_value(info).map_err(not_json)?);
    }
    // As every reader will see it.
    Metadata::new(Some(HashMap::new()), tensors).map_err(|error| FasterSamError::Config(error.to_string()))?;
    let mut text = Value::Object(entries).to_string();
    // Quotation marks inside the card are escaped, so that this is the entry itself.
    let field = format!("\"{SEAL}\":\"{UNSEALED}\"");
    let seal_at = text.find(&field).map(|at| at + field.len() - 1 - UNSEALED.len());
    let seal_at = seal_at.ok_or_else(|| FasterSamError::Config("the model's header has no seal".to_owned()))?;
    // The values begin at a multiple of eight bytes.
    text += &" ".repeat(text.len().next_multiple_of(8) - text.len());
    Ok((text.into_bytes(), seal_at))
}
