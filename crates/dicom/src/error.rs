//! What can go wrong with a DICOM series, always with the file and what to do.

use std::path::{Path, PathBuf};

use fastersam_files::FileError;
use fastersam_volume::VolumeError;
use thiserror::Error;

/// A series that can't be read, or a segmentation that can't be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DicomError {
    /// There is nothing at the path.
    #[error("{path} does not exist; check the path")]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// The system would not read or write a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file, folder or archive that is damaged or holds what can't be used.
    #[error("{path} can't be used: {reason}")]
    Malformed {
        /// The file, folder or archive; a file in an archive as `archive.zip/name`.
        path: PathBuf,
        /// What is wrong, with what was expected and what was found, and the way out.
        reason: String,
    },
    /// Several series, and none was chosen.
    #[error("{path} holds {} series; choose one by its UID:\n{}", series.len(), lines(series))]
    SeveralSeries {
        /// The folder or archive.
        path: PathBuf,
        /// What it holds.
        series: Vec<SeriesSummary>,
    },
    /// The chosen series is not there.
    #[error("{path} holds no image series {wanted}; it holds:\n{}", lines(series))]
    NoSuchSeries {
        /// The folder or archive.
        path: PathBuf,
        /// The UID that was asked for.
        wanted: String,
        /// What it holds.
        series: Vec<SeriesSummary>,
    },
    /// The scan has no place in space that a volume can have.
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

/// One image series of a folder or archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesSummary {
    /// Series Instance UID.
    pub uid: String,
    /// Series Description, without control characters.
    pub description: String,
    /// Modality: `CT`, `MR` or `PT`.
    pub modality: String,
    /// Number of slices.
    pub n_slices: usize,
}

impl DicomError {
    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }
}

fn lines(series: &[SeriesSummary]) -> String {
    let line = |one: &SeriesSummary| {
        let slices = if one.n_slices == 1 { "slice" } else { "slices" };
        let description = if one.description.is_empty() { "no description" } else { &one.description };
        format!("  {}  {}, {} {slices}, {description}", one.uid, one.modality, one.n_slices)
    };
    series.iter().map(line).collect::<Vec<_>>().join("\n")
}
