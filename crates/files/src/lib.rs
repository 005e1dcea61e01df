#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod atomic;
mod hash;
mod lock;
mod output;
mod seal;
mod text;

use std::io;
use std::path::{Path, PathBuf};

pub use atomic::{AtomicFile, AtomicFolder, SCRATCH_PREFIX, remove_leftovers, write_atomically};
pub use hash::{Sha256Hasher, sha256, sha256_of_file};
pub use lock::{FolderLock, LockError};
pub use output::{OutputError, claim_output, same_file};
pub use seal::{UNSEALED, is_sealed, seal};
pub use text::{open_file, read_text};

/// A file or folder that the system would not read or write.
///
/// The message holds the cause; [`source`](std::error::Error::source) is empty, so that printing a chain of errors does
/// not print it twice.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
}

impl FileError {
    /// For `map_err`: the error of an operation on `path`.
    pub fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        |cause| Self { path: path.to_owned(), cause }
    }
}

/// The folder that a path lies in; `.` for a bare name.
#[must_use]
pub fn parent_folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
