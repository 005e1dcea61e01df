//! Reading safetensors: eight bytes with the length of a JSON header, the header, the values.
//!
//! Only the header is read at first; the values of a tensor are read from their place when they are
//! asked for, so that a large file never has to fit into memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::DType;
use serde::Deserialize;
use serde_json::Value;

use super::error::WeightError;
use super::file::WeightTensor;

/// Largest header that is parsed, bytes; the format allows 100 MB, SAM ViT-H's has 0.06 MB.
const MAX_HEADER: u64 = 8 << 20;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

/// The tensors of a safetensors file.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, WeightTensor)>, WeightError> {
    let io = |source| WeightError::Io { path: path.to_owned(), source };
    let damaged = |reason: String| WeightError::Damaged { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(io)?;
    let file_len = file.metadata().map_err(io)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(io)?;
    let header_len = u64::from_le_bytes(length);
    if header_len > MAX_HEADER {
        return Err(WeightError::NotACheckpoint {
            path: path.to_owned(),
            reason: format!("its header would have {header_len} bytes"),
        });
    }
    let Some(data_len) = file_len.checked_sub(8 + header_len) else {
        return Err(damaged(format!("a header of {header_len} bytes in a file of {file_len}")));
    };
    let mut header = Vec::new();
    file.by_ref().take(header_len).read_to_end(&mut header).map_err(io)?;
    let header: BTreeMap<String, Value> =
        serde_json::from_slice(&header).map_err(|e| damaged(format!("its header: {e}")))?;

    let file = Arc::new(Mutex::new(file));
    let mut tensors = Vec::with_capacity(header.len());
    for (key, entry) in header {
        if key == "__metadata__" {
            continue;
        }
        let entry: Entry =
            serde_json::from_value(entry).map_err(|e| damaged(format!("the header's entry {key}: {e}")))?;
        let Some(dtype) = float_type(&entry.dtype) else { continue };
        let [begin, end] = entry.data_offsets;
        let expected = entry
            .shape
            .iter()
            .try_fold(dtype.size(), |bytes, &n| bytes.checked_mul(n))
            .and_then(|bytes| u64::try_from(bytes).ok());
        if end > data_len {
            return Err(damaged(format!("{key} ends at byte {end} of {data_len}")));
        }
        if expected.is_none() || end.checked_sub(begin) != expected {
            return Err(damaged(format!("{key} has shape {:?} but bytes {begin} to {end}", entry.shape)));
        }
        let (file, n_bytes) = (Arc::clone(&file), end - begin);
        let bytes = move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(8 + header_len + begin))?;
            let mut bytes = Vec::new();
            file.by_ref().take(n_bytes).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        tensors.push((key, WeightTensor::new(entry.shape, dtype, bytes)));
    }
    Ok(tensors)
}

/// Float types; counters and masks are no weights.
fn float_type(name: &str) -> Option<DType> {
    match name {
        "F64" => Some(DType::F64),
        "F32" => Some(DType::F32),
        "F16" => Some(DType::F16),
        "BF16" => Some(DType::BF16),
        _ => None,
    }
}
