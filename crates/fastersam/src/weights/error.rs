//! What can be wrong with a weight file.

use std::path::PathBuf;

use fastersam_files::FileError;
use thiserror::Error;

/// A weight file that can't be read, or does not fit the model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds no weights.
    #[error("{path} is not a weight file: {reason}; expected a PyTorch checkpoint (.pth) or safetensors")]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A PyTorch checkpoint, and this build has no reader for it.
    #[error(
        "{path} is a PyTorch checkpoint, and this build reads safetensors alone; compile `fastersam` with its feature \
         `pytorch`, or convert the file"
    )]
    NoPyTorch {
        /// The file.
        path: PathBuf,
    },
    /// The file ends too early, or is damaged.
    #[error("{path} is truncated or damaged ({reason}); download it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor can't be used.
    #[error("{path}: {key} {reason}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The keys are none that this program knows.
    #[error(
        "{path}: its {n_tensors} tensors ({examples}) are neither SAM's image encoder or decoder nor \
         DINOv2 in the Hugging Face layout"
    )]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// How many tensors it holds.
        n_tensors: usize,
        /// Some of their keys.
        examples: String,
    },
    /// The model needs tensors that the file does not have.
    #[error("{path} ({architecture}) lacks {} tensors that the model needs: {}", keys.len(), some(keys))]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the file is.
        architecture: String,
        /// All missing keys; a parameter that this architecture never has under its path in the model.
        keys: Vec<String>,
    },
    /// A tensor has another shape than the model's.
    #[error("{path}: {key} has shape {found:?}, the model needs {expected}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// What fits, in the file's layout.
        expected: String,
        /// What is there.
        found: Vec<usize>,
    },
}

/// The first keys of a list.
pub(crate) fn some(keys: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = keys.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if keys.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}
