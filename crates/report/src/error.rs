//! Why a report could not be built.

use std::path::PathBuf;

use fastersam_files::FileError;
use fastersam_records::RecordError;

/// Why a report could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A record can't be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is nothing to report.
    #[error("{} holds no records; run an experiment first", folder.display())]
    Empty {
        /// The folder of records.
        folder: PathBuf,
    },
    /// There is something of somebody else's where a file of the report belongs.
    #[error("{} is no file of a report and lies where one belongs; move it away", path.display())]
    NotOurs {
        /// The file, pipe or device.
        path: PathBuf,
    },
    /// A file of published results is not such a table.
    #[error("{}: {reason}", path.display())]
    Published {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A figure or a table could not be drawn.
    #[error("{name} could not be drawn: {reason}")]
    Draw {
        /// Its file name without ending.
        name: String,
        /// What the drawing library said.
        reason: String,
    },
}
