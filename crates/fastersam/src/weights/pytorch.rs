//! Reading what `torch.save` wrote, without running the code that a pickle may hold.

use std::io;
use std::path::Path;

use burn::tensor::DType;
use burn_store::pytorch_reader::{self, PytorchError, PytorchReader};

use super::error::WeightError;
use super::file::WeightTensor;

/// The tensors of a `.pth` or `.pt` file, nested dictionaries flattened to dotted keys.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, WeightTensor)>, WeightError> {
    let reader = PytorchReader::new(path).map_err(|e| explain(path, e))?;
    let tensors = reader.into_tensors().into_values().filter_map(|tensor| {
        let (key, dtype, shape, read) = tensor.into_parts();
        // Counters and masks are no weights.
        Some((key, WeightTensor::new(shape, float_type(dtype)?, read)))
    });
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(tensors)
}

fn float_type(dtype: pytorch_reader::DType) -> Option<DType> {
    match dtype {
        pytorch_reader::DType::F64 => Some(DType::F64),
        pytorch_reader::DType::F32 => Some(DType::F32),
        pytorch_reader::DType::F16 => Some(DType::F16),
        pytorch_reader::DType::BF16 => Some(DType::BF16),
        _ => None,
    }
}

fn explain(path: &Path, error: PytorchError) -> WeightError {
    let path = path.to_owned();
    match error {
        PytorchError::Io(source)
            if !matches!(
                source.kind(),
                io::ErrorKind::InvalidData
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            WeightError::Io { path, source }
        }
        PytorchError::InvalidFormat(reason) => WeightError::NotACheckpoint { path, reason },
        damaged => WeightError::Damaged { path, reason: damaged.to_string() },
    }
}
