//! What can go wrong with a DICOM series, always with the file and what to do.

use std::fmt;
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
    #[error("{path} holds {} series; choose one by its UID or number:\n{}", series.len(), lines(series))]
    SeveralSeries {
        /// The folder or archive.
        path: PathBuf,
        /// What it holds.
        series: Vec<SeriesSummary>,
    },
    /// The chosen series is not there, or several have its number.
    #[error("{path} holds {} image series {wanted}; choose one of these by its UID:\n{}", if *n_found == 0 { "no" } else { "more than one" }, lines(series))]
    NoSuchSeries {
        /// The folder or archive.
        path: PathBuf,
        /// The UID or number that was asked for.
        wanted: String,
        /// How many have that number.
        n_found: usize,
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
    /// Series Number; empty where there is none.
    pub number: String,
    /// Series Description, without control characters.
    pub description: String,
    /// Modality: `CT`, `MR` or `PT`.
    pub modality: String,
    /// Number of images: slices of the volume.
    pub n_images: usize,
}

impl fmt::Display for SeriesSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uid, number, description, modality, n_images } = self;
        let number = if number.is_empty() { "-" } else { number };
        let images = if *n_images == 1 { "image" } else { "images" };
        let description = if description.is_empty() { "no description" } else { description };
        write!(f, "series {number}: {modality}, {n_images} {images}, {description}, {uid}")
    }
}

impl DicomError {
    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }
}

fn lines(series: &[SeriesSummary]) -> String {
    series.iter().map(|one| format!("  {one}")).collect::<Vec<_>>().join("\n")
}
