//! What can go wrong with data, always with the file and what to do.

use std::path::{Path, PathBuf};

use fastersam_files::FileError;
use fastersam_volume::VolumeError;
use thiserror::Error;

/// A data set that can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file or folder is not there.
    #[error("{path} does not exist; {hint}")]
    Missing {
        /// What was looked for.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A scan or a label map can't be read or written.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// A file is not what its name says, is cut off, or holds what can't be used.
    #[error("{path} can't be used: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with what was expected and what was found.
        reason: String,
    },
    /// A label value that the named label scheme does not have.
    #[error(
        "{path} holds the label value {value}, which the label scheme `{label_scheme}` does not know; \
         name the label scheme that the files were written in, or correct the file"
    )]
    UnknownLabel {
        /// The file.
        path: PathBuf,
        /// The value.
        value: String,
        /// The label scheme.
        label_scheme: String,
    },
    /// The voxels of a label map are not where those of its image are.
    #[error(
        "{image} and its label map {label} do not lie on each other: {difference}; set the label map's header right, or \
         resample it onto the image"
    )]
    OtherGrid {
        /// The image.
        image: PathBuf,
        /// The label map.
        label: PathBuf,
        /// Shape, axes, spacing or place of both.
        difference: String,
    },
    /// A file is there packed and unpacked.
    #[error("{path} and {other} are there, and nothing says which one is meant; remove one")]
    Twice {
        /// One of them.
        path: PathBuf,
        /// The other one.
        other: PathBuf,
    },
    /// A request that no data set can fulfil.
    #[error("{0}")]
    Request(String),
}

impl DatasetError {
    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }

    /// Complains if a path does not exist.
    pub(crate) fn require(path: &Path, hint: &str) -> Result<(), Self> {
        if path.exists() {
            return Ok(());
        }
        Err(Self::Missing { path: path.to_owned(), hint: hint.to_owned() })
    }
}
