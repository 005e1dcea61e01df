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
use fastersam_files::{FileError, open_file};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::Value;

use super::error::WeightError;
use super::tensor::WeightTensor;

/// Largest header that is parsed, bytes; the format allows 100 MB, SAM ViT-H's has 0.06 MB.
pub(crate) const MAX_HEADER: u64 = 8 << 20;

/// A safetensors file of which the header was read.
pub(crate) struct Opened {
    /// The file.
    pub file: File,
    /// The header as it stands in the file.
    pub header: Vec<u8>,
    /// What it says; offsets lie one after the other, and shapes fit them.
    pub metadata: Metadata,
}

impl Opened {
    /// Reads the header: its length is bounded, and all that it promises lies in the file.
    pub fn read(path: &Path) -> Result<Self, WeightError> {
        let io = FileError::at(path);
        let damaged = |reason: String| WeightError::Damaged { path: path.to_owned(), reason };
        let mut file = open_file(path)?;
        let file_len = file.metadata().map_err(&io)?.len();
        let foreign = |reason: String| WeightError::NotACheckpoint { path: path.to_owned(), reason };
        if file_len < 8 {
            return Err(foreign(format!("it has {file_len} bytes")));
        }
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(&io)?;
        let header_len = u64::from_le_bytes(length);
        if header_len > MAX_HEADER {
            return Err(foreign(format!("its header would have {header_len} bytes")));
        }
        let mut header = Vec::new();
        file.by_ref().take(header_len).read_to_end(&mut header).map_err(&io)?;
        if !header.starts_with(b"{") {
            return Err(foreign("it is no safetensors file".to_owned()));
        }
        let Some(data_len) = file_len.checked_sub(8 + header_len) else {
            return Err(damaged(format!("a header of {header_len} bytes in a file of {file_len}")));
        };
        // The library's own reader wants the whole file in memory; what it checks of the header, this checks.
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| damaged(reason(&header, &error)))?;
        let tensors = metadata.tensors();
        if let Some((key, info)) = tensors.iter().find(|(_, info)| info.data_offsets.1 as u64 > data_len) {
            return Err(damaged(format!("{key} ends at byte {} of {data_len}", info.data_offsets.1)));
        }
        Ok(Self { file, header, metadata })
    }

    /// The tensors of floats, to be read when they are asked for.
    pub fn tensors(self) -> Vec<(String, WeightTensor)> {
        let start = 8 + self.header.len() as u64;
        let file = Arc::new(Mutex::new(self.file));
        let mut tensors = Vec::new();
        for (key, info) in self.metadata.tensors() {
            let Some(dtype) = float_type(info.dtype) else { continue };
            let (begin, end) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
            let file = Arc::clone(&file);
            let bytes = move || {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(start + begin))?;
                let mut bytes = Vec::new();
                file.by_ref().take(end - begin).read_to_end(&mut bytes)?;
                Ok(bytes)
            };
            tensors.push((key, WeightTensor::new(info.shape.clone(), dtype, bytes)));
        }
        tensors
    }
}

/// The tensors of a safetensors file.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, WeightTensor)>, WeightError> {
    Ok(Opened::read(path)?.tensors())
}

/// What is wrong with a header, with the entry's name where it is an entry.
fn reason(header: &[u8], error: &serde_json::Error) -> String {
    let entries: BTreeMap<String, Value> = serde_json::from_slice(header).unwrap_or_default();
    let tensors = entries.into_iter().filter(|(key, _)| key != "__metadata__");
    let broken = tensors.map(|(key, entry)| (key, serde_json::from_value::<TensorInfo>(entry)));
    let mut broken = broken.filter_map(|(key, entry)| Some((key, entry.err()?)));
    match broken.next() {
        Some((key, error)) => format!("the header's entry {key}: {error}"),
        None => format!("its header: {error}"),
    }
}

/// Float types; counters and masks are no weights.
fn float_type(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F64 => Some(DType::F64),
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        _ => None,
    }
}
