//! What can go wrong with a scan or a label map, always with the file and what to do.

use std::path::{Path, PathBuf};

use fastersam_files::FileError;
use thiserror::Error;

/// A scan or a label map that can't be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// A file is not there.
    #[error("{path} does not exist; check the path")]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not what its name says, is cut off, or holds what can't be used.
    #[error("{path} can't be used: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with what was expected and what was found.
        reason: String,
    },
    /// A label map whose shape is not that of its scan.
    #[error("{path}: a label map of shape {found:?} for a scan of shape {expected:?}")]
    Shape {
        /// The file that was to be written.
        path: PathBuf,
        /// Shape of the scan, `[i, j, k]`.
        expected: [usize; 3],
        /// Shape of the label map.
        found: [usize; 3],
    },
}

impl VolumeError {
    /// Refuses what is not there, and folders, pipes and devices, which reading could wait for for ever.
    ///
    /// # Errors
    /// The path is not that of a file.
    pub fn require_file(path: &Path) -> Result<(), Self> {
        if !path.exists() {
            return Err(Self::Missing { path: path.to_owned() });
        }
        if path.is_dir() {
            return Err(Self::malformed(path, "it is a folder; give one .nii or .nii.gz file"));
        }
        if path.is_file() { Ok(()) } else { Err(Self::malformed(path, "it is no file")) }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }
}
