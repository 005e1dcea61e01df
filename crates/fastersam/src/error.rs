//! What can go wrong in this crate.

use std::path::{Path, PathBuf};

use fastersam_adapter::AdapterError;
use fastersam_decoder::DecoderError;
use fastersam_files::FileError;
use fastersam_pausing_encoder::EncoderError;
use thiserror::Error;

use crate::weights::WeightError;

/// An error of the assembled model, its configuration or its files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FasterSamError {
    /// A configuration that no model can be built from.
    #[error("the model configuration is not usable: {0}")]
    Config(String),
    /// The encoder refused its input or the pause settings.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// The decoder refused its configuration or its input.
    #[error(transparent)]
    Decoder(#[from] DecoderError),
    /// A weight file can't be read or does not fit.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// A part of the tuning contradicts itself.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A file or folder could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A scan or label map could not be read or written.
    #[error(transparent)]
    Volume(#[from] fastersam_volume::VolumeError),
    /// A checkpoint folder that is not one, or not a whole one.
    #[error("{path} is not a usable checkpoint: {reason}")]
    Checkpoint {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A file that is no one-file model, or not a whole one.
    #[error("{} is not a usable model: {reason}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A checkpoint that holds only what was trained, and the weight file with the rest was not found.
    #[error(
        "{} holds only what was trained; it also needs the weight file of its {part} with SHA-256 {sha256}{}",
        path.display(),
        missing.as_ref().map_or_else(String::new, |file| format!(", which is not at {}", file.display()))
    )]
    WeightsNeeded {
        /// The checkpoint.
        path: PathBuf,
        /// What the file has: `backbone` or `decoder`.
        part: &'static str,
        /// The file's SHA-256.
        sha256: String,
        /// Where it lay in training.
        missing: Option<PathBuf>,
    },
    /// A scan with many voxels that are no numbers, which nobody said may be.
    #[error("the scan can't be segmented: {0}")]
    InvalidVoxels(String),
    /// A scan that the model can't segment.
    #[error("the scan can't be segmented: {0}")]
    Scan(String),
}

impl FasterSamError {
    /// A complaint about a checkpoint folder.
    pub(crate) fn checkpoint(path: &Path, reason: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_owned(), reason: reason.into() }
    }
}
